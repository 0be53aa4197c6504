"""The composed schema is one flat document that says what the loader says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from complaint_llm.backends import BackendType, MockBackend
from complaint_llm.config import composed_schema, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost

OWN = {
    "$id": "https://office.example/keys",
    "type": "object",
    "properties": {"tone": {"$ref": "#/$defs/tone"}, "tree": {"$ref": "#/$defs/tree"}},
    "required": ["tone"],
    "$defs": {
        "tone": {"enum": ["plain", "formal"]},
        "tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
    },
}


def host() -> PluginHost:
    clerk = BackendType("clerk/of~ours", MockBackend, summary="ours", schema=OWN, aliases=("scribe",))
    return PluginHost(registered=lambda: dict.fromkeys((clerk.name, *clerk.aliases), clerk))


SCHEMA = composed_schema(host())
VALIDATOR = Draft202012Validator(SCHEMA)


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from parts(each)


def at(pointer: str) -> Any:
    found: Any = SCHEMA
    for step in pointer.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = found[int(key)] if isinstance(found, list) else found[key]
    return found


def test_each_reference_is_a_pointer_to_what_the_root_has() -> None:
    references = {part["$ref"] for part in parts(SCHEMA) if isinstance(part.get("$ref"), str)}
    assert references
    assert all(reference.startswith("#/$defs/") for reference in references)
    assert all(isinstance(at(reference), dict) for reference in references)


def test_the_root_alone_has_an_address_and_it_does_not_change() -> None:
    assert SCHEMA["$id"] == "urn:complaint-llm:config"
    assert composed_schema(PluginHost())["$id"] == SCHEMA["$id"]
    assert [part for part in parts(SCHEMA) if "$id" in part and isinstance(part["$id"], str)] == [SCHEMA]
    Draft202012Validator.check_schema(SCHEMA)


def test_no_word_of_the_composition_is_left() -> None:
    assert "x-names" not in json.dumps(SCHEMA)


def test_ids_of_the_document_are_offered_and_later_ones_are_no_fault() -> None:
    document = {"BACKENDS": [{"id": "gpt", "type": "mock"}, {"id": 3}, "?"], "TASKS": [{"id": "farm"}, None]}
    schema = composed_schema(PluginHost(), document)
    (offered, any_text) = schema["properties"]["MEDIATOR"]["properties"]["backends"]["items"]["anyOf"]
    assert offered["enum"] == ["gpt"]
    assert Draft202012Validator(any_text).is_valid("later")
    assert "farm" in schema["properties"]["TASKS"]["items"]["properties"]["extends"]["anyOf"][0]["enum"]


@pytest.mark.rows(2)
@pytest.mark.parametrize("document", [None, 3, [], "text", {}, {"BACKENDS": {}}, {"BACKENDS": None, "TASKS": 1}])
def test_a_document_that_is_no_config_offers_nothing(document: Any) -> None:
    assert composed_schema(PluginHost(), document)["properties"]["MEDIATOR"]["properties"]["backends"]["items"] == {
        "type": "string",
        "minLength": 1,
    }


def test_no_secret_of_a_document_is_in_its_schema() -> None:
    entry = {"id": "a", "type": "openai", "api_key": "sk-canary", "custom_headers": {"x": "canary-2"}, "model": "m"}
    assert "canary" not in json.dumps(composed_schema(PluginHost(), {"BACKENDS": [entry]}))


ENTRIES = [
    ({"type": "openai", "model": "m"}, True),
    ({"type": "claude", "model": "m", "max_tokens": 5}, True),
    ({"type": "openai", "engine": "m", "api_base": "http://127.0.0.1:1/v1"}, True),
    ({"type": "openai", "parameters": {"temperature": 1, "model": "m"}}, True),
    ({"type": "http", "base_url": "http://127.0.0.1:1", "body": {"q": "{prompt}"}, "text": "/a"}, True),
    ({"type": "http", "api_base": "http://127.0.0.1:1", "body": {"q": "{prompt}"}, "text": "/a"}, True),
    ({"type": "mock", "echo": True, "latency": 0.5}, True),
    ({"type": "scribe", "tone": "plain", "tree": [[], [[]]]}, True),
    ({"type": "clerk/of~ours", "tone": "formal"}, True),
    ({"type": "llm_router", "model": "m", "provider": "mock", "fallback_providers": [{"type": "mock"}]}, True),
    ({"type": "llm_router", "model": "m", "provider": {"type": "scribe", "tone": "plain"}}, True),
    ({"type": "fallback", "primary": "m", "fallbacks": ["m2"]}, True),
    ({"type": "openai", "temperatur": 1}, False),
    ({"type": "openai", "temperature": 3}, False),
    ({"type": "openai", "echo": True}, False),
    ({"type": "mock", "api_key": "k"}, False),
    ({"type": "mock", "latency": "slow"}, False),
    ({"type": "http", "base_url": "http://127.0.0.1:1"}, False),
    ({"type": "clade"}, False),
    ({"type": "scribe"}, False),
    ({"type": "scribe", "tone": "rude"}, False),
    ({"type": "scribe", "tone": "plain", "tree": [3]}, False),
    ({"type": "llm_router", "model": "m", "provider": {"type": "mock", "n_ctx": 3}}, False),
    ({"type": "llm_router", "model": "m"}, False),
    ({"type": "fallback", "primary": "m"}, False),
    ({"type": "fallback", "primary": {"type": "mock"}, "fallbacks": ["m2"]}, False),
    ({"model": "m"}, False),
]


@pytest.mark.parametrize(("entry", "sound"), ENTRIES)
def test_it_judges_entries_as_the_loader_does(tmp_path: Path, entry: dict[str, Any], sound: bool) -> None:
    file = tmp_path / "config.json"
    others = [{"id": "m", "type": "mock"}, {"id": "m2", "type": "mock"}]
    document = {"BACKENDS": [{"id": "a", **entry}, *others]}
    file.write_text(json.dumps(document))
    environ = {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "k"}
    try:
        load_config(file, environ=environ, host=host())
    except ConfigError:
        assert not sound
    else:
        assert sound
    assert VALIDATOR.is_valid(document) == sound
