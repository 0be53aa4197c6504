"""What a config file refuses, a constructor refuses, and the other way round: one set of rules."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm import Mediator
from complaint_llm.backends import Backend, BackendType, FallbackBackend, LoadBalancedBackend, MockBackend
from complaint_llm.backends.options import backend_schema
from complaint_llm.config import load_config
from complaint_llm.config.entry_types import entry_schema
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.json_schema.files import read_schema

HOST = PluginHost()
TYPES = {found.name: found for found in HOST.backend_types() if not found.parts}
NEEDED: Mapping[str, Mapping[str, Any]] = {
    "http": {"base_url": "http://127.0.0.1:1", "body": {"q": "{prompt}"}, "text": "/a"},
    "workstation": {"model_path": "model.gguf", "runtime": "xllamacpp"},
    "azure_openai": {"base_url": "http://127.0.0.1:1/v1"},
}
VALUES = (-3, 0, 1, 101, 450, -0.5, 1.5, 2.5, True, "1", "local", "chat", [1], {})
NUMBERS = ("number", "integer")


@cache
def definitions() -> Mapping[str, Any]:
    return {type.name: entry_schema(type, backend_schema()) for type in HOST.backend_types()}


def is_numeric_or_enum(part: Mapping[str, Any]) -> bool:
    """Whether a key holds a number or one of some words, in one of its forms."""
    forms = [part, *part.get("anyOf", ())]
    return any(form.get("type") in NUMBERS or form.get("type") == "boolean" or "enum" in form for form in forms)


def keys_of(type: str) -> list[str]:
    found = definitions()[type]["properties"]
    return sorted(key for key, part in found.items() if is_numeric_or_enum(part) and key != "type")


def refused_by_file(path: Path, entries: list[dict[str, Any]]) -> set[int]:
    """The indices of the entries that a config file may not have."""
    path.write_text(json.dumps({"BACKENDS": [*entries, {"id": "sound", "type": "mock"}]}))
    try:
        load_config(path, environ={})
    except ConfigError as error:
        return {int(line.partition("/BACKENDS/")[2].partition("/")[0]) for line in error.problems}
    return set()


def refused_by_code(type: BackendType, key: str, value: Any) -> bool:
    """Whether the constructor refuses the value, and says of which argument."""
    try:
        type.factory()(id="it", **{**NEEDED.get(type.name, {}), key: value}).close()
    except ConfigError as error:
        # Of something else it would be no answer about this key.
        return key in str(error) and str(error).splitlines() == list(error.problems)
    return False


@pytest.mark.rows(2)
@pytest.mark.parametrize("type", sorted(TYPES))
def test_every_number_and_choice_of_every_type_has_the_same_range_in_a_file_and_in_code(
    type: str, tmp_path: Path
) -> None:
    """Each key with 14 values: code refuses exactly those that the file refuses, naming the argument.

    ``optional``, because a library that is not installed is no fault of a value.
    """
    base = {"type": type, "api_key": "k", "optional": True, **NEEDED.get(type, {})}
    base = {key: value for key, value in base.items() if key in definitions()[type]["properties"]}
    cases = [(key, value) for key in keys_of(type) for value in VALUES]
    assert len(cases) >= 20 * len(VALUES)
    entries = [{"id": f"b{n}", **base, key: value} for n, (key, value) in enumerate(cases)]
    refused = refused_by_file(tmp_path / "config.json", entries)
    assert len(refused) > len(cases) / 2
    wrong = [
        (key, value)
        for n, (key, value) in enumerate(cases)
        if refused_by_code(TYPES[type], key, value) != (n in refused)
    ]
    assert wrong == []


def mediator_values(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, part in properties.items():
        if is_numeric_or_enum(part):
            yield from ((key, value) for value in VALUES)
        elif part.get("type") == "object":
            for inner, within in part.get("properties", {}).items():
                if is_numeric_or_enum(within):
                    yield from ((key, {**needed(key), inner: value}) for value in VALUES)
            yield key, {**needed(key), "unknown": 1}


def needed(key: str) -> dict[str, Any]:
    return {"redis": "redis://127.0.0.1:1/0"} if key == "shared" else {}


MEDIATOR = read_schema("config")["properties"]["MEDIATOR"]["properties"]
CASES = [(key, value) for key, value in mediator_values(MEDIATOR) if key != "shared"]


@pytest.mark.rows(4)
@pytest.mark.parametrize("key", sorted({key for key, _ in CASES}))
def test_a_mediator_has_the_same_ranges_in_a_file_and_in_code(key: str, tmp_path: Path) -> None:
    """Each number and choice of MEDIATOR, those inside its mappings too."""
    path = tmp_path / "config.json"
    for value in (value for name, value in CASES if name == key):
        path.write_text(json.dumps({"BACKENDS": [{"id": "a", "type": "mock"}], "MEDIATOR": {key: value}}))
        assert accepts(lambda: load_config(path, environ={}), key) == accepts(
            lambda given=value: Mediator([MockBackend()], folder=tmp_path, **{key: given}).close(), key
        ), value


def accepts(make: Any, key: str) -> bool:
    try:
        make()
    except ConfigError as error:
        return key not in str(error)
    return True


@pytest.mark.parametrize(
    "keys",
    [
        {"evidence": {"profile": "unixfs"}},
        {"evidence": {"path": 5}},
        {"evidence": {"ipfs_public": "yes"}},
        {"evidence": {"ipfs_api": "ftp://x"}},
        {"evidence": {"pathh": "x"}},
        {"cache": {"path": 7}},
        {"shared": {"redis": "http://127.0.0.1"}},
        {"shared": {"share": 0.5}},
        {"shared": {"redis": "redis://127.0.0.1", "share": 2}},
        {"strategy": ""},
        {"budget": {}},
        {"budget": {"week": 1}},
    ],
)
def test_what_a_section_refuses_a_mediator_refuses_naming_the_argument(keys: dict[str, Any]) -> None:
    """Patterns, unknown keys inside a mapping and what is missing in it."""
    with pytest.raises(ConfigError, match=next(iter(keys))):
        Mediator([MockBackend()], **keys)


@pytest.mark.parametrize("key", ["temperature", "timeout", "weight", "budget", "retry_delay", "cache_ttl", "top_p"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_no_file_can_hold_is_refused(key: str, value: float) -> None:
    """Not a number, and infinity: each comparison with them would let them through somewhere."""
    with pytest.raises(ConfigError, match=key):
        MockBackend(**{key: value})


@pytest.mark.parametrize(
    "keys",
    [
        {"pricing": {"input": -1}},
        {"pricing": {"input": math.inf}},
        {"pricing": {"inputs": 1}},
        {"extra_body": {"a": [1, {"b": math.nan}]}},
        {"retry_on_errors": (200,)},
        {"retry_on_errors": frozenset((99,))},
        {"stop": ()},
        {"stop": [""]},
        {"custom_headers": {"X-A": "a\r\nb"}},
        {"custom_headers": {"a b": "c"}},
        {"budget": {"day": -1}},
        {"base_url": "ftp://host"},
        {"api_key": "a\nb"},
        {"api_key": ""},
        {"model": ""},
        {"id": ""},
    ],
)
def test_what_lies_inside_a_value_is_looked_at_too(keys: dict[str, Any]) -> None:
    """Mappings, tuples and sets of code are read as the lists and mappings of a file; no secret is shown."""
    (key,) = keys
    with pytest.raises(ConfigError, match=key) as caught:
        TYPES["openai"].factory()(**{"api_key": "sk-very-secret", **keys})
    assert "sk-very-secret" not in str(caught.value)
    assert "a\nb" not in str(caught.value)


@pytest.mark.parametrize("kind", [FallbackBackend, LoadBalancedBackend])
@pytest.mark.parametrize("keys", [{"timeout": 0}, {"timeout": "1"}, {"optional": 1}, {"timeout": -0.1}])
def test_composed_backends_keep_to_the_same_rules(kind: Any, keys: dict[str, Any]) -> None:
    """Those that are made of other backends take few keys; a wrong one names itself."""
    parts = (MockBackend(id="a"), [MockBackend(id="b")]) if kind is FallbackBackend else ([MockBackend(id="a")],)
    with pytest.raises(ConfigError, match=next(iter(keys))):
        kind(*parts, **keys)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["temperature", "max_tokens", "top_k", "rate_limit", "weight", "timeout", "seed"]),
        st.one_of(st.integers(-5, 10**9), st.floats(), st.booleans(), st.text(max_size=3), st.lists(st.integers())),
        min_size=1,
    )
)
def test_every_wrong_argument_is_told_at_once(keys: dict[str, Any]) -> None:
    """As a config tells all its faults at once: a line for each argument that would be refused alone."""
    alone = {key for key, value in keys.items() if not accepts_alone(key, value)}
    told: set[str] = set()
    try:
        MockBackend(**keys)
    except ConfigError as error:
        told = {line.split(": ")[1] for line in error.problems}
    assert told == alone


def accepts_alone(key: str, value: Any) -> bool:
    try:
        MockBackend(**{key: value})
    except ConfigError:
        return False
    return True


class Own(Backend):
    """A class with a schema of its own."""

    options_schema = {"properties": {"depth": {"type": "integer", "minimum": 1, "maximum": 9}}}  # noqa: RUF012

    def __init__(self, *, depth: int = 1, **keys: Any) -> None:
        super().__init__(**keys)
        self.depth = depth


@pytest.mark.parametrize("depth", [0, 10, -1, 1.5, "3", True, [], {}, 10**30, math.inf])
def test_an_authors_own_keys_are_held_to_the_schema_of_the_class(depth: Any) -> None:
    """What the class says in ``options_schema`` holds for whoever calls it."""
    assert Own(depth=9).depth == 9
    with pytest.raises(ConfigError, match="depth"):
        Own(depth=depth)
