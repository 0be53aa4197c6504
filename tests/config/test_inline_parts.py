"""Parts that stand in an entry of BACKENDS, in a file and in code: read as every entry is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Mediator
from complaint_llm.backends import LLMRouterBackend, MockBackend
from complaint_llm.config import load_config
from complaint_llm.exceptions import AuthenticationError, ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.secrets import Secret
from tests.sampled import sampled

ECHO = {"type": "mock", "echo": True}
DROP_IN = """
from complaint_llm import InferenceOutput, hookimpl
from complaint_llm.backends import Backend, BackendType
class Shout(Backend):
    def answer(self, request):
        return InferenceOutput(request.messages[-1].text.upper())
@hookimpl
def complaint_llm_backend_types():
    return [BackendType(name="shout", make=Shout)]
"""


@pytest.fixture(autouse=True)
def _no_traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "XAI_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "dropped" in name:
            del sys.modules[name]


def router(provider: Any, *fallbacks: Any, **keys: Any) -> dict[str, Any]:
    return {"type": "llm_router", "model": "m", "provider": provider, "fallback_providers": list(fallbacks), **keys}


def write(folder: Path, *entries: dict[str, Any], **sections: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": list(entries), **sections}))
    return path


def faults(folder: Path, *entries: dict[str, Any], environ: Any = None, **sections: Any) -> list[tuple[str, str]]:
    """The pointer and the text of each fault of a config."""
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, *entries, **sections), environ=environ or {})
    return [(line.split(": ", 2)[1], line.split(": ", 2)[2]) for line in caught.value.problems]


FAULTS: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "opnai"}, "/type", 'did you mean "openai"'),
    ({}, "", '"type" is missing'),
    ({"type": 5}, "/type", "must be a text"),
    ({**ECHO, "temperatur": 1}, "/temperatur", 'did you mean "temperature"'),
    ({**ECHO, "temperature": 3}, "/temperature", "at most 2"),
    ({**ECHO, "max_tokens": 0}, "/max_tokens", "at least 1"),
    ({**ECHO, "timeout": "soon"}, "/timeout", "must be a number"),
    ({**ECHO, "unsupported_parameters": "war"}, "/unsupported_parameters", 'did you mean "warn"'),
    ({**ECHO, "system": "$NOT_SET"}, "/system", "$NOT_SET is not set"),
    ({**ECHO, "system": "${"}, "/system", "begins no reference"),
    ({**ECHO, "system": "$A_KEY"}, "/system", "is a secret by its name"),
    ({**ECHO, "latency": -1}, "/latency", "at least 0"),
    ({**ECHO, "api_key": "x"}, "/api_key", "cannot do this"),
    ({**ECHO, "id": "a b"}, "/id", "no spaces"),
    ({**ECHO, "id": "r"}, "/id", "taken"),
    ({"type": "openai"}, "", "there is no key: set $OPENAI_API_KEY"),
    ({"type": "fallback", "primary": "nobody", "fallbacks": ["r"]}, "/primary", 'no backend "nobody"'),
    ({"type": "load_balanced", "backends": ["openai"]}, "/backends/0", 'no backend "openai"'),
    ({"type": "fallback", "primary": {"type": "mock"}, "fallbacks": ["x"]}, "/primary", "must be a text"),
    (router({**ECHO, "ecko": 1}), "/provider/ecko", 'did you mean "echo"'),
    (router(ECHO, ECHO, {**ECHO, "seed": 1.5}), "/fallback_providers/1/seed", "must be an integer"),
]


@pytest.mark.parametrize(
    ("part", "place", "text"), FAULTS, ids=[f"{n}{place}" for n, (_, place, _) in enumerate(FAULTS)]
)
@pytest.mark.parametrize("at", ["provider", "fallback_providers/1"])
def test_a_fault_inside_is_told_at_its_place_when_the_config_is_read(
    part: dict[str, Any], place: str, text: str, at: str, tmp_path: Path
) -> None:
    """Not at the first call, and in the words that the same entry gets in BACKENDS."""
    entry = {"id": "r", **(router(part, ECHO) if at == "provider" else router(ECHO, ECHO, part))}
    found = faults(tmp_path, {"id": "first", **ECHO}, entry, environ={"A_KEY": "sk-secret"})
    assert (f"/BACKENDS/1/{at}{place}", True) in [(where, text in said) for where, said in found]
    assert "sk-secret" not in str(found)


@pytest.mark.parametrize(("part", "place", "text"), [each for each in FAULTS if "BACKENDS" not in each[2]])
def test_the_same_part_in_code_has_the_same_fault(
    part: dict[str, Any], place: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its place under the argument; ids of other entries are a file's alone."""
    monkeypatch.setenv("A_KEY", "sk-secret")
    if "taken" in text or "no backend" in text:
        return
    with pytest.raises(ConfigError) as caught:
        LLMRouterBackend("r", ECHO, "m", [ECHO, part])
    assert any(f"/fallback_providers/1{place}: " in line and text in line for line in caught.value.problems)


@pytest.mark.parametrize(
    "part",
    [
        "openai",
        {"type": "openai", "api_key": "k"},
        router("openai"),
        router({"type": "openai", "api_key": "k"}),
        router(ECHO, "openai"),
        router(ECHO, router("openai")),
        router(ECHO, {"type": "openai", "api_key": "k"}),
        {"type": "groq", "api_key": "k"},
        "groq",
        router("ollama"),
        "vllm",
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [True, False])
def test_a_blocked_type_is_blocked_wherever_it_stands(part: Any, first: bool, tmp_path: Path) -> None:
    """One block list for every entry: also for services that are only like the blocked type."""
    entry = {"id": "r", **(router(part) if first else router(ECHO, part))}
    found = faults(tmp_path, entry, PLUGINS={"block": ["openai"]})
    assert any("openai" in said and "PLUGINS.block" in said for _, said in found), found


@pytest.mark.parametrize(
    "entry",
    [
        router("shout"),
        router({"type": "shout"}),
        router("$WHICH"),
        router({"type": "${WHICH}"}),
        router(router("shout")),
        router("xai", "shout"),
        router("openai", router("xai", {"type": "shout", "id": "loud"})),
    ],
    ids=str,
)
def test_a_type_of_a_drop_in_plugin_answers_as_a_part(entry: dict[str, Any], tmp_path: Path) -> None:
    """The host is the config's own."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "office.py").write_text(DROP_IN)
    path = write(tmp_path, {"id": "r", **entry}, PLUGINS={"paths": ["plugins"]})
    with Mediator.from_loaded(load_config(path, environ={"WHICH": "shout"})) as mediator:
        assert mediator.generate("hello") == "HELLO"


def test_a_bare_name_is_optional_and_a_mapping_is_not(tmp_path: Path) -> None:
    """Without its key the first is left out with the reason and listed in attempts; the other is a fault."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "office.py").write_text(DROP_IN)
    plugins = {"paths": ["plugins"]}
    path = write(tmp_path, {"id": "r", **router("openai", "xai", "shout")}, PLUGINS=plugins)
    config = load_config(path, environ={})
    assert dict(config.left_out) == {
        "r/openai": "there is no key: set $OPENAI_API_KEY",
        "r/xai": "there is no key: set $XAI_API_KEY",
    }
    with Mediator.from_loaded(config) as mediator:
        output = mediator.infer("hello")
        skips = {each.backend: each.skip for each in mediator.explain("hello").candidates}
    assert output.content == "HELLO"
    assert [(each.backend, each.sent) for each in output.attempts[:2]] == [("r/openai", False), ("r/xai", False)]
    assert "there is no key" in str(output.attempts[0].error)
    assert "there is no key" in str(skips["r/openai"])
    assert skips["r/shout"] is None


def test_a_router_of_which_nothing_is_left_says_what_each_wants(tmp_path: Path) -> None:
    """As every optional backend: left out where others are left, else an error with every reason."""
    lonely = {"id": "r", **router("openai", router("xai"), model="m")}
    config = load_config(write(tmp_path, lonely, {"id": "other", **ECHO}), environ={})
    reason = dict(config.left_out)["r"]
    assert "$OPENAI_API_KEY" in reason
    assert "$XAI_API_KEY" in reason
    with pytest.raises(ConfigError, match=r"no backend is left") as caught:
        Mediator.from_loaded(load_config(write(tmp_path, lonely), environ={}))
    assert "$XAI_API_KEY" in "\n".join(caught.value.problems)


def test_in_code_a_bare_name_without_its_key_is_listed_and_the_next_answers() -> None:
    """The guide's router, on a machine without that provider's key."""
    with LLMRouterBackend("r", "openai", "m", [router("xai", MockBackend(id="z", echo=True))]) as backend:
        with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
            LLMRouterBackend("r", "openai", "m").generate("x")
        assert backend.members[0].id == "r/openai"


def test_a_mock_answers_only_where_all_else_was_left_out_and_says_so(tmp_path: Path) -> None:
    """Inside a router as anywhere: beside a model that could be asked it is never asked."""
    path = write(tmp_path, {"id": "r", **router("openai", ECHO)})
    with Mediator.from_loaded(load_config(path, environ={})) as mediator:
        assert mediator.infer("hello").metadata["demo"] is True
    with Mediator.from_loaded(load_config(path, environ={"OPENAI_API_KEY": "k"})) as mediator:
        assert [each.backend for each in mediator.explain("hello").candidates] == ["r/openai"]


def test_keys_of_the_router_hold_for_parts_and_a_key_goes_to_the_first_alone(tmp_path: Path) -> None:
    """A part's own keys win; the key and the address that it is for are never sent to another provider."""
    entry = {
        "id": "r",
        **router({"type": "openai"}, {"type": "xai", "api_key": "own", "model": "x", "temperature": 1}, "openrouter"),
        "api_key": "$ROUTER_KEY",
        "base_url": "http://127.0.0.1:9/v1",
        "temperature": 0.5,
        "system": "cost: $$5",
    }
    config = load_config(write(tmp_path, entry), environ={"ROUTER_KEY": "sk-r", "OPENROUTER_API_KEY": "k"})
    first, second, third = (config.entry(id).keys for id in ("r/openai", "r/xai", "r/openrouter"))
    assert first["api_key"] == Secret("sk-r")
    assert (first["model"], first["temperature"], first["base_url"]) == ("m", 0.5, "http://127.0.0.1:9/v1")
    assert (second["model"], second["temperature"], second["api_key"]) == ("x", 1, Secret("own"))
    assert "base_url" not in second
    assert (third["model"], third["system"]) == ("m", "cost: $5"), "each value is filled once"
    assert third.get("api_key", Secret("k")) == Secret("k")
    assert "base_url" not in third
    assert "sk-r" not in repr(config.backends)


def test_in_code_texts_are_as_they_are_and_a_mappings_references_are_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a constructor is given is a value; what a mapping says is read as a config's."""
    monkeypatch.setenv("GREETING", "hello")
    mapping = {**ECHO, "system": "$GREETING"}
    with LLMRouterBackend("r", mapping, "m", ["mock"], system="pay $GREETING") as backend:
        assert [route.target.options.system for route in backend.as_member().leaves()] == ["hello", "pay $GREETING"]


def test_parts_of_one_type_have_ids_of_their_own(tmp_path: Path) -> None:
    """Limits, attempts and errors tell them apart."""
    config = load_config(write(tmp_path, {"id": "r", **router(ECHO, ECHO, {**ECHO, "id": "mine"}, "mock")}), environ={})
    with Mediator.from_loaded(config) as mediator:
        assert [each.backend for each in mediator.explain("x").candidates] == ["r/mock", "r/mock-2", "mine", "r/mock-3"]
        assert mediator.infer("x", backend="mine").backend == "mine"


def test_a_circle_through_inline_entries_is_found(tmp_path: Path) -> None:
    """A backend cannot be a part of itself, however deep."""
    entry = {"id": "r", **router(router(ECHO, {"type": "load_balanced", "backends": ["s"]}))}
    other = {"id": "s", "type": "fallback", "primary": "r", "fallbacks": ["m"]}
    found = faults(tmp_path, entry, other, {"id": "m", **ECHO})
    assert any("a circle, r -> s -> r" in said for _, said in found)


def test_a_nesting_without_end_is_a_fault_of_the_config(tmp_path: Path) -> None:
    """It is refused by its depth, not by a crash."""
    part: dict[str, Any] = dict(ECHO)
    for _ in range(60):
        part = router(part)
    found = faults(tmp_path, {"id": "r", **part})
    assert any("nested deeper than" in said for _, said in found)


def test_a_literal_key_inside_is_not_written_back(tmp_path: Path) -> None:
    """As that of an entry of its own: a reference takes its place."""
    path = write(tmp_path, {"id": "r", **router({"type": "openai", "api_key": "sk-literal"})})
    config = load_config(path, environ={})
    with pytest.warns(UserWarning, match="is written as"):
        config.save(tmp_path / "saved.json")
    assert "sk-literal" not in (tmp_path / "saved.json").read_text()


WRONG = (({**ECHO, "ecko": 1}, "/ecko"), ({**ECHO, "top_p": 7}, "/top_p"), ({"echo": True}, ""))
leaves = st.fixed_dictionaries({"type": st.just("mock"), "echo": st.just(True)}, optional={"temperature": st.just(1)})
trees = st.recursive(
    leaves,
    lambda inner: st.builds(lambda first, rest: router(first, *rest), inner, st.lists(inner, max_size=3)),
    max_leaves=8,
)


def positions(tree: Any, at: str = "") -> Iterator[tuple[str, Callable[[Any], None], Any]]:
    """Each part of a tree with its pointer and a function that puts another in its place."""
    if isinstance(tree, dict) and tree["type"] == "llm_router":
        yield f"{at}/provider", lambda new: tree.__setitem__("provider", new), tree["provider"]
        yield from positions(tree["provider"], f"{at}/provider")
        for index, part in enumerate(tree["fallback_providers"]):
            place = f"{at}/fallback_providers/{index}"
            yield place, lambda new, index=index: tree["fallback_providers"].__setitem__(index, new), part
            yield from positions(part, place)


@sampled(20, of=200)
@given(trees.filter(lambda tree: isinstance(tree, dict) and tree["type"] == "llm_router"), st.data())
def test_random_nestings_answer_and_a_fault_anywhere_in_them_is_found_there(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any], data: st.DataObject
) -> None:
    """In a file and in code alike: the same answer, and the same fault at the same place."""
    folder = tmp_path_factory.mktemp("nest")
    tree = json.loads(json.dumps(tree))  # no two parts are one object
    config = load_config(write(folder, {"id": "r", **tree}), environ={})
    with Mediator.from_loaded(config) as mediator:
        assert mediator.generate("hello") == "hello"
    with LLMRouterBackend("r", tree["provider"], "m", tree["fallback_providers"]) as backend:
        assert backend.generate("hello") == "hello"
    chosen = data.draw(st.sampled_from(list(positions(tree))))
    place, put, _ = chosen
    wrong, key = data.draw(st.sampled_from(WRONG))
    put(wrong)
    assert [where for where, _ in faults(folder, {"id": "r", **tree})] == [f"/BACKENDS/0{place}{key}"]
    with pytest.raises(ConfigError) as caught:
        LLMRouterBackend("r", tree["provider"], "m", tree["fallback_providers"])
    assert [line.split(": ")[1] for line in caught.value.problems] == [f"{place}{key}"]


def test_a_given_host_is_the_one_that_parts_are_looked_up_in(tmp_path: Path) -> None:
    """A program that brings its own host, with its block list."""
    path = write(tmp_path, {"id": "r", **router({"type": "openai", "api_key": "k"})})
    with pytest.raises(ConfigError, match=r"/BACKENDS/0/provider/type: .*PLUGINS\.block"):
        load_config(path, environ={}, host=PluginHost(block=["openai"]))
