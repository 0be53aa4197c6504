"""Values against schemas: the quick check accepts nothing that jsonschema refuses; references become values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.config.environment import Environment, Filled, fill, is_secret_name
from complaint_llm.config.validation import Validator
from complaint_llm.json_schema.check import UNSET, compile_check
from complaint_llm.json_schema.faults import faults
from complaint_llm.json_schema.files import read_schema
from complaint_llm.secrets import Secret
from tests.sampled import sampled

BACKEND = {**read_schema("backend"), "additionalProperties": False}
CONFIG = read_schema("config")
CONFIG["properties"]["BACKENDS"] = {"type": "array", "minItems": 1}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 700),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "local", "warn", "https://a.example/v1", "a\nb", "a\n", "fallback", "INFO", "full", " "]),
    st.sampled_from([Secret(""), Secret("k"), Secret("k\n"), Secret("redis://h"), Secret("local")]),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["input", "total", "day", "X-A", "a b", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)
entries = st.dictionaries(st.sampled_from([*BACKEND["properties"], "unknown"]), values, max_size=6)
sections = st.dictionaries(
    st.sampled_from([*CONFIG["properties"], "x-mine", "unknown"]),
    values
    | st.dictionaries(
        st.sampled_from(
            ["timeout", "backends", "budget", "privacy", "provenance", "paths", "level", "shared", "cache"]
        ),
        values,
        max_size=4,
    ),
    max_size=5,
)


@given(entries)
@sampled(80, of=500)
def test_the_quick_check_accepts_no_entry_that_jsonschema_refuses(value: Any) -> None:
    if compile_check(BACKEND)(value):
        assert list(faults(BACKEND, value)) == []


@given(sections)
@sampled(80, of=500)
def test_the_quick_check_accepts_no_section_that_jsonschema_refuses(value: Any) -> None:
    if compile_check(CONFIG)(value):
        assert list(faults(CONFIG, value)) == []


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"enum": [1, "a"]}, True),
        ({"enum": [0]}, False),
        ({"enum": [False]}, 0),
        ({"type": "integer"}, True),
        ({"type": "integer"}, 5.0),
        ({"type": "number", "minimum": 0}, -0.5),
        ({"required": ["a"]}, {}),
        ({"oneOf": [{"type": "string"}, {"minLength": 1}]}, "a"),
        ({"properties": {"a": False}}, {"a": 1}),
        ({"patternProperties": {"^a": {"type": "string"}}}, {"ab": 1}),
        ({"additionalProperties": {"type": "string"}, "properties": {"a": {}}}, {"b": 1}),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}),
        ({"items": {"type": "string"}}, [1]),
        ({"pattern": "^a$"}, Secret("b")),
        ({"maxItems": 1}, [1, 2]),
        ({"minProperties": 1}, {}),
        ({"not": {}}, 1),
        (False, 1),
    ],
)
def test_the_quick_check_says_no_to_what_is_wrong_or_not_its_business(schema: Any, value: Any) -> None:
    assert compile_check(schema)(value) is False


@given(st.text(st.characters(exclude_characters="$"), max_size=20), st.text(max_size=10).filter(bool))
def test_a_value_is_put_in_as_it_is_and_never_read_again(around: str, value: str) -> None:
    filled = fill(f"{around}${{NAME}}{around}", Environment({"NAME": value}))
    assert filled.value == around + value + around


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A", "1"),
        ("${A}", "1"),
        ("$<A>", "1"),
        ("${A:-d}", "1"),
        ("${B:-d}", "d"),
        ("${B:-}", ""),
        ("${B:-x y:z-$}", "x y:z-$"),
        ("$$A", "$A"),
        ("$$$A", "$1"),
        ("$A$A", "11"),
        ("$A-$<A>.${A}", "1-1.1"),
        ("$5 and $", "$5 and $"),
        ("$É", "$É"),
    ],
)
def test_the_four_spellings(text: str, value: str) -> None:
    assert fill([text], Environment({"A": "1", "B": ""})).value == [value]


@pytest.mark.parametrize("text", ["${", "${A", "$<A", "${A B}", "${A:d}", "${1A}", "$<>"])
def test_a_broken_reference_is_a_problem_and_not_a_text(text: str) -> None:
    filled = fill({"k": text}, Environment({"A": "1"}))
    assert [problem.path for problem in filled.problems] == [("k",)]
    assert filled.value["k"] is UNSET


def test_unset_variables_are_reported_with_their_places() -> None:
    filled = fill({"a": ["x$B", "$C$B"]}, Environment({"B": ""}))
    assert filled.unset == ((("a", 0), "B"), (("a", 1), "C"), (("a", 1), "B"))


@pytest.mark.parametrize("name", ["X_KEY", "key", "MyToken", "A_SECRET", "DB_PASSWORD", "MONKEY"])
def test_a_string_filled_from_a_variable_with_a_secret_name_is_a_secret(name: str) -> None:
    assert is_secret_name(name)
    filled = fill({"a": f"pre-${name}", "b": "$OTHER"}, Environment({name: "canary", "OTHER": "o"}))
    assert filled.value == {"a": Secret("pre-canary"), "b": "o"}
    assert filled.by_secret == {("a",): name}


@pytest.mark.parametrize("name", ["KEY_ID", "TOKENS", "MODEL", "SECRET_NAME"])
def test_other_names_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_none_are_problems(value: float) -> None:
    assert len(fill({"a": [value]}, Environment({})).problems) == 1


SCHEMA = {
    "properties": {
        "n": {"type": "integer"},
        "f": {"type": "number"},
        "b": {"type": "boolean"},
        "s": {"type": ["string", "number"]},
        "list": {"type": "array", "items": {"type": "integer"}},
        "either": {"anyOf": [{"type": "number"}, {"type": "object", "properties": {"day": {"type": "number"}}}]},
    }
}


@pytest.mark.parametrize(
    ("value", "path", "converted"),
    [
        ({"n": "5"}, ("n",), {"n": 5}),
        ({"n": " -5 "}, ("n",), {"n": -5}),
        ({"n": "5.5"}, ("n",), {"n": "5.5"}),
        ({"f": "5.5"}, ("f",), {"f": 5.5}),
        ({"f": "5"}, ("f",), {"f": 5}),
        ({"f": "nan"}, ("f",), {"f": "nan"}),
        ({"f": "inf"}, ("f",), {"f": "inf"}),
        ({"b": "True"}, ("b",), {"b": True}),
        ({"b": "1"}, ("b",), {"b": "1"}),
        ({"s": "5"}, ("s",), {"s": "5"}),
        ({"list": ["5", "6"]}, ("list", 1), {"list": ["5", 6]}),
        ({"either": "5"}, ("either",), {"either": 5}),
        ({"either": {"day": "5"}}, ("either", "day"), {"either": {"day": 5}}),
    ],
)
def test_a_whole_reference_becomes_what_the_schema_asks_for(value: Any, path: Any, converted: Any) -> None:
    given = Filled.of(value)._replace(by_reference={path: "VARIABLE"})
    result = Validator(SCHEMA).read(given).value
    assert result == converted
    assert repr(result) == repr(converted)


def test_write_only_strings_become_secrets_wherever_they_are() -> None:
    schema = {
        "properties": {
            "k": {"writeOnly": True},
            "h": {"additionalProperties": {"writeOnly": True}, "properties": {"plain": {}}},
            "l": {"items": {"properties": {"k": {"writeOnly": True}}}},
            "o": {},
        }
    }
    value = {"k": {"a": ["x", 1]}, "h": {"X": "y", "plain": "p"}, "l": [{"k": "z"}], "o": "open"}
    assert Validator(schema).read(Filled.of(value)).value == {
        "k": {"a": [Secret("x"), 1]},
        "h": {"X": Secret("y"), "plain": "p"},
        "l": [{"k": Secret("z")}],
        "o": "open",
    }


def test_schemas_on_disk_are_valid_and_say_what_each_key_means() -> None:
    from jsonschema import Draft202012Validator

    for name in ("backend", "config", "declared"):
        Draft202012Validator.check_schema(read_schema(name))
    for key, part in read_schema("backend")["properties"].items():
        assert part.get("description"), key


def test_the_schema_and_the_options_of_backends_know_the_same_keys() -> None:
    from complaint_llm.backends.options import COMMON_KEYS

    assert set(BACKEND["properties"]) == COMMON_KEYS | {"type"}
