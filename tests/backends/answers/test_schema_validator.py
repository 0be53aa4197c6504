"""Validators: made once for a schema, right, and ended by the deadline whatever the schema says."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from complaint_llm.backends.answers.schema_validator import MAX_SCHEMA, TooDeepError, validator_of
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendTimeoutError, CancelledError, InvalidRequestError
from tests.sampled import sampled


class Steps:
    """A clock that a look at it moves by one second: a deadline of n seconds ends after n looks, at any load."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def fault(schema: Any, value: Any, deadline: Deadline | None = None) -> Any:
    deadline = deadline or Deadline(600)
    return validator_of(schema, Deadline(600), CancelToken()).violation(value, deadline, CancelToken())


def doubled(combine: Callable[[Any, Any], Any], last: Any = None, depth: int = 60) -> dict[str, Any]:
    """A schema of some kilobytes that asks for two to the ``depth`` steps."""
    parts: dict[str, Any] = {"d0": last or {"type": "integer"}}
    for number in range(1, depth):
        reference = {"$ref": f"#/$defs/d{number - 1}"}
        parts[f"d{number}"] = combine(reference, copy.copy(reference))
    return {"$ref": f"#/$defs/d{depth - 1}", "$defs": parts}


DOUBLED = doubled(lambda a, b: {"anyOf": [a, b]})
ENDLESS: dict[str, tuple[Any, Any]] = {
    "anyOf": (DOUBLED, "x"),
    "oneOf": (doubled(lambda a, b: {"oneOf": [a, b]}), "x"),
    "allOf": (doubled(lambda a, b: {"allOf": [a, b]}), 1),
    "not": (doubled(lambda a, b: {"not": {"anyOf": [a, b]}}), "x"),
    "if and then": (doubled(lambda a, b: {"if": a, "then": b}), 1),
    "if and else": (doubled(lambda a, b: {"if": a, "else": b}), "x"),
    "anyOf in allOf": (doubled(lambda a, b: {"allOf": [{"anyOf": [a, b]}]}), "x"),
    "dependentSchemas": (
        doubled(lambda a, b: {"dependentSchemas": {"k": a}, "allOf": [b]}, {"minProperties": 1}),
        {"k": 1},
    ),
    "patternProperties": ({"patternProperties": {"k": {"type": "string"}}}, {f"k{n}": 1 for n in range(100_000)}),
    "contains": ({"contains": {"$ref": DOUBLED["$ref"]}, "$defs": DOUBLED["$defs"]}, ["x"]),
    "propertyNames": ({"propertyNames": {"$ref": DOUBLED["$ref"]}, "$defs": DOUBLED["$defs"]}, {"k": 1}),
    "unevaluatedProperties": (doubled(lambda a, b: {"anyOf": [a, b], "unevaluatedProperties": False}), {"k": 1}),
    "branches of three": (doubled(lambda a, b: {"anyOf": [a, b, dict(a)]}), None),
    "a long array": ({"items": {"anyOf": [{"type": "string"}, {"minimum": 5}]}}, [1] * 100_000),
    "unique items": ({"uniqueItems": True}, list(range(100_000))),
    "many members": ({"additionalProperties": {"type": "string"}}, {str(number): 1 for number in range(100_000)}),
}


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", ENDLESS)
def test_a_check_ends_at_the_deadline(name: str) -> None:
    """Each of these takes more than ten thousand steps; most of them more than there is time for."""
    schema, value = ENDLESS[name]
    with pytest.raises(BackendTimeoutError) as caught:
        fault(schema, value, Deadline(10_000, Steps()))
    assert caught.value.maybe_received


@pytest.mark.parametrize("name", ["anyOf", "a long array", "unique items"])
def test_a_check_ends_when_it_is_cancelled(name: str) -> None:
    """From another thread, or as here before it begins."""
    schema, value = ENDLESS[name]
    cancel = CancelToken()
    cancel.cancel("enough")
    with pytest.raises(CancelledError, match="enough"):
        validator_of(schema, Deadline(600), CancelToken()).violation(value, Deadline(600), cancel)


def test_making_a_validator_ends_at_the_deadline_too() -> None:
    """The schema of schemas has as many steps as the schema is long."""
    schema = {"properties": {f"a{number}": {"type": "string", "minLength": 1} for number in range(2000)}}
    with pytest.raises(BackendTimeoutError):
        validator_of(schema, Deadline(1000, Steps()), CancelToken())
    assert validator_of(schema, Deadline(600), CancelToken()).violation({}, Deadline(600), CancelToken()) is None


def test_a_dialect_named_inside_takes_no_step_out_of_the_count() -> None:
    """``$schema`` in the root comes back with each reference to it."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "if": {"type": "array"},
        "then": {"items": {"$ref": "#"}},
        "else": {"$ref": DOUBLED["$ref"]},
        "$defs": DOUBLED["$defs"],
    }
    with pytest.raises(BackendTimeoutError):
        fault(schema, ["x"], Deadline(10_000, Steps()))


def test_a_schema_is_made_into_a_validator_once() -> None:
    """Equal schemas share it, whoever made them; another one has its own."""
    schema = {"type": "object", "properties": {"made once": {"type": "string"}}}
    first = validator_of(schema, Deadline(600), CancelToken())
    assert validator_of(copy.deepcopy(schema), Deadline(600), CancelToken()) is first
    assert validator_of({**schema, "required": ["made once"]}, Deadline(600), CancelToken()) is not first


def test_changing_a_schema_afterwards_changes_no_validator() -> None:
    """It was made of a copy."""
    schema: dict[str, Any] = {"type": "object", "required": ["to be dropped"]}
    assert fault(schema, {}) is not None
    schema["required"].clear()
    assert fault(schema, {}) is None


SIMPLE: st.SearchStrategy[Any] = st.sampled_from(
    [
        *({"type": name} for name in ("string", "integer", "number", "boolean", "null", "object", "array")),
        *({"enum": ["a", 1, None]}, {"const": True}, {"const": 1}, {"minimum": 1}, {"maxLength": 1}, True, False),
        *({"pattern": "^a"}, {"uniqueItems": True}, {"required": ["a"]}, {"minItems": 1}, {"multipleOf": 2}),
        {"$ref": "#/$defs/x"},
    ]
)
SCHEMAS = st.recursive(
    SIMPLE,
    lambda inner: (
        st.builds(lambda part: {"properties": {"a": part}}, inner)
        | st.builds(lambda part, rest: {"patternProperties": {"^a": part}, "additionalProperties": rest}, inner, inner)
        | st.builds(lambda part, rest: {"properties": {"a": part}, "additionalProperties": rest}, inner, inner)
        | st.builds(lambda part: {"items": part}, inner)
        | st.builds(lambda a, b: {"prefixItems": [a], "items": b}, inner, inner)
        | st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner)
        | st.builds(lambda a, b: {"oneOf": [a, b]}, inner, inner)
        | st.builds(lambda a, b: {"allOf": [a, b]}, inner, inner)
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", "ab", "b", 1.0, 0.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "ab", "b"]), inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
@sampled(120, of=2000, suppress_health_check=[HealthCheck.too_slow])
def test_a_value_fits_where_the_reference_implementation_says_so(schema: Any, value: Any) -> None:
    """Our own keywords included: patterns, further properties, equal items."""
    whole = {"$defs": {"x": {"type": "string"}}, "allOf": [schema]}
    assert (fault(whole, value) is None) == Draft202012Validator(whole).is_valid(value)


@pytest.mark.parametrize(
    ("items", "unique"),
    [
        ([1, 1.0], False),
        ([1, True], True),
        ([0, False], True),
        ([[1], [True]], True),
        ([{"a": 1}, {"a": 1.0}], False),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        (["1", 1], True),
        ([[], {}], True),
        ([None, None], False),
        ([[["x"]], [["x"]]], False),
        ([{"a": [True]}, {"a": [1]}], True),
        ([], True),
    ],
)
def test_items_are_equal_as_json_schema_says(items: list[Any], unique: bool) -> None:
    """Numbers by value, truth apart from numbers, objects without an order."""
    assert (fault({"uniqueItems": True}, items) is None) == unique


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"properties": 3},
        {"required": "a"},
        {"pattern": "("},
        {"patternProperties": {"[": {}}},
        {"properties": {"a": {"items": {"pattern": "*"}}}},
        {"minLength": -1},
        {"enum": "a"},
        {"anyOf": []},
        {"$ref": 3},
        {"a": float("nan")},
        {"a": {1, 2}},
        {"description": "x" * MAX_SCHEMA},
        {"patternProperties": {"a": {}}, "unevaluatedProperties": False},
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_what_is_no_schema_is_refused_before_anything_is_sent(schema: Any) -> None:
    """With the place, in one line."""
    with pytest.raises(InvalidRequestError, match="response_format") as caught:
        validator_of(schema, Deadline(600), CancelToken())
    assert not caught.value.sent
    assert len(caught.value.message) <= 300


def nested(word: str, depth: int) -> Any:
    schema: Any = {"type": "integer"}
    for _ in range(depth):
        schema = {word: [schema] if word.endswith("Of") else schema}
    return schema


@pytest.mark.parametrize("word", ["anyOf", "allOf", "oneOf", "not", "items", "contains", "if", "propertyNames"])
@pytest.mark.parametrize("depth", [60, 400, 5000])
def test_a_deeply_nested_schema_is_checked_or_refused(word: str, depth: int) -> None:
    """Never a bare RecursionError."""
    try:
        fault(nested(word, depth), "x")
    except InvalidRequestError as error:
        assert "nested" in error.message or "recursion" in error.message  # noqa: PT017 - some depths can be checked


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"not": {"$ref": "#"}},
        {"if": {"$ref": "#"}},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    ],
    ids=str,
)
def test_a_reference_to_itself_is_the_schemas_mistake(schema: Any) -> None:
    """The answer is not blamed for it."""
    with pytest.raises(InvalidRequestError):
        fault(schema, {"a": 1})


def test_a_value_that_is_too_deep_for_the_stack_is_the_answers() -> None:
    """A schema that holds itself is ordinary: comments of comments."""
    schema = {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"$ref": "#"}}]}
    value: Any = 1
    for _ in range(20):
        value = [value]
    assert fault(schema, value) is None
    for _ in range(300):
        value = [value]
    with pytest.raises(TooDeepError):
        fault(schema, value)


def test_a_fault_names_the_place_and_the_demand_and_no_value() -> None:
    """It is logged."""
    found = fault({"properties": {"a": {"items": {"pattern": "^x"}}}}, {"a": ["x", "Jane Roe"]})
    assert (found.place, found.demand) == ("$.a[1]", 'pattern: "^x"')


def test_a_check_lets_other_threads_run() -> None:
    """The deadline by the real clock: ten of its lengths are a yardstick that holds at any load."""
    schema, value = ENDLESS["anyOf"]
    started = time.monotonic()
    with pytest.raises(BackendTimeoutError):
        fault(schema, value, Deadline(0.3))
    assert time.monotonic() - started < 30
