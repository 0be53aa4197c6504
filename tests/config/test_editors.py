"""Two real editor services complete, explain and judge configs by the schema beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from complaint_llm.config import composed_schema
from complaint_llm.config.schema_file import SCHEMA_NAME, write_schema
from complaint_llm.host import PluginHost
from tests.editors import JsonEditor, Sight, YamlEditor, editor, json_editor, yaml_editor

__all__ = ["editor", "json_editor", "yaml_editor"]
pytestmark = pytest.mark.xdist_group("editors")

Editor = JsonEditor | YamlEditor
CURSOR = "|"
PLUGIN = '''
from complaint_llm import hookimpl
from complaint_llm.backends import BackendType
from complaint_llm.testing.mock import MockBackend

SCHEMA = {
    "type": "object",
    "properties": {
        "tone": {"enum": ["plain", "formal"], "description": "How it speaks."},
        "pages": {"$ref": "#/$defs/count"},
    },
    "$defs": {"count": {"type": "integer", "minimum": 1, "description": "Pages at once."}},
}

class Order:
    """Whoever is nearest."""

    def order(self, targets, request):
        return targets

@hookimpl
def complaint_llm_backend_types():
    return [BackendType("clerk", MockBackend, summary="the office's clerk", schema=SCHEMA, aliases=("scribe",))]

@hookimpl
def complaint_llm_strategies():
    return {"nearest": Order}
'''
DECLARED = {
    "BACKENDS": [{"id": "gpt", "type": "openai", "model": "m"}, {"id": "offline", "type": "mock"}],
    "TASKS": [{"id": "farm", "extends": "claims", "title": "Claims of farm workers"}],
}
COMMON = {"optional", "max_tokens", "temperature", "rate_limit", "system"}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drop-in plugin and the schema of a config there."""
    folder = tmp_path_factory.mktemp("office")
    (folder / "plugins").mkdir()
    (folder / "plugins" / "clerk.py").write_text(PLUGIN)
    write_schema(folder / SCHEMA_NAME, composed_schema(PluginHost(paths=[folder / "plugins"]), DECLARED))
    return folder


def look(editor: Editor, folder: Path, document: Mapping[str, Any]) -> Sight:
    """What is seen of a document in the editor's format. The cursor stands where a key or text has a ``|``."""
    if isinstance(editor, JsonEditor):
        text = json.dumps({"$schema": f"./{SCHEMA_NAME}", **document}, indent=1)
        text = text.replace('"|": null', '"|"').replace('"<|>"', CURSOR)
    else:
        text = f"# yaml-language-server: $schema=./{SCHEMA_NAME}\n" + yaml_of(document)
        text = text.replace("'|': null", CURSOR).replace("'|'", CURSOR).replace("<|>", CURSOR)
    return editor.look(folder, text)


def yaml_of(document: Mapping[str, Any]) -> str:
    """YAML with lists indented, as most write it; the service completes keys only there."""

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
            return super().increase_indent(flow, False)

    return yaml.dump(document, Dumper=Dumper, sort_keys=False)


def entry(**keys: Any) -> dict[str, Any]:
    """A document with one backend."""
    return {"BACKENDS": [{"id": "a", **keys}]}


def backend_types(folder: Path) -> set[str]:
    """The names and aliases of all types."""
    return set(PluginHost(paths=[folder / "plugins"]).backend_type_names())


def test_every_type_is_offered_and_nothing_else(editor: Editor, office: Path) -> None:
    assert look(editor, office, entry(type="|")).completions == backend_types(office)


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("type", "own", "others"),
    [
        ("openai", {"organization", "project", "api", "api_key", "base_url"}, {"echo", "primary", "n_ctx", "version"}),
        ("anthropic", {"version", "api_key"}, {"organization", "echo", "n_ctx"}),
        ("claude", {"version", "api_key"}, {"organization", "echo", "n_ctx"}),
        ("mock", {"echo", "responses", "latency"}, {"api_key", "organization", "endpoint"}),
        ("workstation", {"model_path", "n_ctx", "n_threads", "repo"}, {"echo", "organization"}),
        ("llama.cpp", {"model_path", "n_ctx", "n_threads", "repo"}, {"echo", "organization"}),
        ("http", {"endpoint", "body", "text"}, {"echo", "organization", "n_ctx"}),
        ("ollama", {"api_key", "base_url"}, {"n_ctx", "echo"}),
        ("llm_router", {"provider", "fallback_providers"}, {"primary", "echo"}),
        ("clerk", {"tone", "pages"}, {"echo", "organization"}),
        ("scribe", {"tone", "pages"}, {"echo", "organization"}),
    ],
)
def test_the_keys_of_the_chosen_type_are_offered_and_no_others(
    editor: Editor, office: Path, type: str, own: set[str], others: set[str]
) -> None:
    seen = look(editor, office, {"BACKENDS": [{"id": "a", "type": type, "|": None}]}).completions
    assert own | COMMON <= seen
    assert not others & seen
    assert not {"api_base", "engine", "parameters", "id", "type"} & seen, "other names and keys that are there"


def test_without_a_type_the_type_is_asked_for_first(editor: Editor, office: Path) -> None:
    seen = look(editor, office, {"BACKENDS": [{"id": "a", "|": None}]}).completions
    assert seen - {"entry"} == {"type"}, "one of the services offers the frame of an entry, too"


@pytest.mark.rows(12)
@pytest.mark.parametrize(
    ("document", "offered"),
    [
        ({"MEDIATOR": {"strategy": "|"}}, {"fallback", "round_robin", "weighted", "lowest_cost", "nearest"}),
        ({"MEDIATOR": {"on_truncation": "|"}}, {"warn", "error", "ignore"}),
        ({"MEDIATOR": {"provenance": "|"}}, {"digests", "full"}),
        ({"MEDIATOR": {"backends": ["|"]}}, {"gpt", "offline"}),
        ({"TASKS": [{"id": "b", "extends": "|"}]}, {"claims", "summary", "chronology", "farm"}),
        ({"TASKS": [{"id": "b", "checks": ["|"]}]}, {"schema", "quotes", "references", "numbers_in_quote"}),
        ({"TASKS": [{"id": "b", "on_failed_check": "|"}]}, {"mark", "error", "next"}),
        ({"LOG": {"level": "|"}}, {"DEBUG", "INFO", "ERROR"}),
        ({"EVIDENCE": {"show": "|"}}, {"local", "any"}),
        ({"GUARDS": [{"type": "|"}]}, {"pseudonyms"}),
        ({"GUARDS": [{"type": "pseudonyms", "for": "|"}]}, {"remote", "all"}),
        ({"GUARDS": [{"type": "pseudonyms", "|": None}]}, {"names", "patterns", "detector", "for", "timeout"}),
        ({"OBSERVERS": [{"type": "|"}]}, {"otel"}),
        (entry(type="openai", api="|"), {"chat", "responses"}),
        (entry(type="openai", unsupported_parameters="|"), {"warn", "error", "drop"}),
        (entry(type="fallback", primary="|"), {"gpt", "offline"}),
        (entry(type="fallback", fallbacks=["|"]), {"gpt", "offline"}),
        (entry(type="load_balanced", backends=["|"]), {"gpt", "offline"}),
        (entry(type="load_balanced", strategy="|"), {"round_robin", "weighted", "nearest"}),
        (entry(type="llm_router", provider="|"), {"gpt", "offline", "openai", "clerk"}),
        (entry(type="llm_router", fallback_providers=["|"]), {"gpt", "offline", "openai", "clerk"}),
        (entry(type="llm_router", provider={"type": "|"}), {"openai", "anthropic", "clerk"}),
        (entry(type="llm_router", provider={"type": "openai", "|": None}), {"api_key", "organization"}),
        (entry(type="clerk", tone="|"), {"plain", "formal"}),
        ({"|": None}, {"BACKENDS", "MEDIATOR", "TASKS", "GUARDS", "EVIDENCE", "PLUGINS"}),
    ],
)
def test_what_a_key_may_hold_is_offered(
    editor: Editor, office: Path, document: Mapping[str, Any], offered: set[str]
) -> None:
    assert offered <= look(editor, office, document).completions


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("document", "words"),
    [
        (entry(type="openai", **{"<|>temperature": 1}), "Sampling temperature"),
        (entry(type="<|>openai"), "OpenAI"),
        (entry(type="<|>clerk"), "the office's clerk"),
        (entry(type="clerk", **{"<|>tone": "plain"}), "How it speaks"),
        (entry(type="clerk", **{"<|>pages": 1}), "Pages at once"),
        ({"<|>MEDIATOR": {}}, "How the backends work together"),
        ({"MEDIATOR": {"<|>hedge_after": 1}}, "Seconds after which the next backend is asked"),
        ({"MEDIATOR": {"strategy": "<|>lowest_cost"}}, "The cheapest"),
        ({"MEDIATOR": {"backends": ["<|>gpt"]}}, "openai"),
        ({"TASKS": [{"id": "b", "extends": "<|>farm"}]}, "farm workers"),
    ],
)
def test_hovering_tells_what_it_is(editor: Editor, office: Path, document: Mapping[str, Any], words: str) -> None:
    written = json.loads(json.dumps(document).replace("<|>", "|" if isinstance(editor, JsonEditor) else "<|>"))
    assert words in look(editor, office, written).hover.replace("\\", "").replace("&#39;", "'")


SOUND = {"BACKENDS": [{"id": "a", "type": "mock"}]}


@pytest.mark.rows(20)
@pytest.mark.parametrize(
    ("document", "word", "about"),
    [
        (entry(type="openai", temperatur=1), "temperatur", "not allowed"),
        (entry(type="opnai"), "opnai", "not accepted"),
        (entry(type="mock", api_key="$K"), "api_key", "not allowed"),
        (entry(type="openai", temperature=9), "9", "above the maximum"),
        (entry(type="openai", temperature="warm"), "warm", "must be a number"),
        (entry(type="openai", max_tokens="$"), "$", "must be an integer"),
        (entry(type="openai", optional="maybe"), "maybe", "must be true or false"),
        (entry(type="openai", base_url="localhost:1"), "localhost:1", "an address is http://host"),
        (entry(type="clerk", tone="rude"), "rude", "not accepted"),
        (entry(type="clerk", pages=0), "0", "below the minimum"),
        (entry(type="clerk", tones="plain"), "tones", "not allowed"),
        (entry(type="llm_router", provider={"type": "openai", "echo": True}), "echo", "not allowed"),
        ({**SOUND, "MEDIATOR": {"strategy": "falback"}}, "falback", "not accepted"),
        ({**SOUND, "MEDIATR": {}}, "MEDIATR", "not allowed"),
        ({**SOUND, "MEDIATOR": {"timeout": -1}}, "-1", "below"),
        ({**SOUND, "TASKS": [{"id": "b", "checks": ["quote"]}]}, "quote", "not accepted"),
        ({**SOUND, "GUARDS": [{"type": "pseudonym"}]}, "pseudonym", "not accepted"),
        ({**SOUND, "GUARDS": [{"type": "pseudonyms", "nams": "none"}]}, "nams", "not allowed"),
    ],
)
def test_a_fault_is_told_at_its_place(
    editor: Editor, office: Path, document: Mapping[str, Any], word: str, about: str
) -> None:
    diagnostics = look(editor, office, document).diagnostics
    lines = shown_lines(editor, document)
    assert len(diagnostics) == 1, diagnostics
    line, column, message = diagnostics[0]
    assert about in message
    assert lines[line][column:].lstrip("\"'").startswith(word)


def shown_lines(editor: Editor, document: Mapping[str, Any]) -> list[str]:
    if isinstance(editor, JsonEditor):
        return json.dumps({"$schema": f"./{SCHEMA_NAME}", **document}, indent=1).splitlines()
    return ["", *yaml_of(document).splitlines()]


REFERENCES = ("$NAME", "${NAME}", "$<NAME>", "${NAME:-7}")


@pytest.mark.parametrize("reference", REFERENCES)
def test_a_reference_may_stand_for_any_value(editor: Editor, office: Path, reference: str) -> None:
    keys = ("temperature", "max_tokens", "optional", "stop", "seed", "model", "api_key", "budget", "location")
    document = {
        "BACKENDS": [
            {"id": "a", "type": "openai", **dict.fromkeys(keys, reference), "base_url": f"http://{reference}:1/v1"},
            {"id": "b", "type": "clerk", "tone": reference, "pages": reference},
            {"id": "c", "type": "llm_router", "provider": reference, "model": reference},
        ],
        "MEDIATOR": dict.fromkeys(("strategy", "timeout", "max_workers", "budget", "on_truncation"), reference),
        "EVIDENCE": {"path": reference, "show": reference, "ipfs_public": reference},
    }
    assert look(editor, office, document).diagnostics == ()


@pytest.mark.parametrize(
    "document",
    [
        {"BACKENDS": [{"id": "new", "type": "mock"}], "MEDIATOR": {"backends": ["new"]}},
        entry(type="openai", engine="m", api_base="http://h/v1"),
        entry(type="http", api_base="http://h/v1", body={"q": "{prompt}"}, text="/a"),
        entry(type="openai", parameters={"temperature": 1}),
        entry(type="llm_router", provider="new", fallback_providers=[{"type": "mock", "echo": True}, "openai"]),
        {**SOUND, "TASKS": [{"id": "new"}, {"id": "newer", "extends": "new"}]},
        {**SOUND, "x-mine": {"any": 1}, "APPLICATION": {"temperature": "warm"}},
    ],
)
def test_what_the_loader_takes_is_no_fault(editor: Editor, office: Path, document: Mapping[str, Any]) -> None:
    """Ids that came later than the schema, other names of keys, parts that are written inline, what is the user's."""
    assert look(editor, office, document).diagnostics == ()
