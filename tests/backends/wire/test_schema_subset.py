"""What leaves as a schema: the provider's keywords alone, and nothing that shuts an answer out."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from complaint_llm.backends.wire.schema_subset import (
    BOUNDS,
    STRUCTURE,
    InexpressibleError,
    Subset,
    is_lossless,
    reduced_schema,
    subset,
    with_root,
)
from complaint_llm.backends.wire.schema_walk import schemas_in, without_extensions
from tests.sampled import sampled

SOME = subset(("minimum", "format"), {"format": ("date",)})


def words(schema: Any) -> Iterator[tuple[str, Any]]:
    for part in schemas_in(schema):
        yield from part.items()


LEAVES = st.sampled_from(
    [
        *({"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}, {"enum": ["a", 1]}, {"const": "a"}),
        *({"type": "string", "format": "date"}, {"type": "string", "format": "uri"}, {"type": "null", "x-a": {}}),
        *({"type": "string", "pattern": "^a", "description": "why"}, {"x-quote": True}, True),
        *({"type": ["string", "null"], "maxLength": 1, "title": "T"}, {"$ref": "#/$defs/D"}),
        *({"$ref": "#/$defs/D", "description": "d", "x-b": 1}, {"$ref": "#/$defs/D", "maxLength": 1}),
    ]
)
NAMES = st.sampled_from(["a", "b", "x-a", "$ref", "minLength"])
PARTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(
            lambda members, closed: {"type": "object", "properties": members, "additionalProperties": closed},
            st.dictionaries(NAMES, inner, max_size=3),
            st.booleans() | inner,
        )
        | st.builds(lambda part: {"type": "array", "items": part, "minItems": 1, "uniqueItems": True}, inner)
        | st.builds(lambda *parts: {"anyOf": list(parts)}, inner, inner)
        | st.builds(lambda *parts: {"oneOf": list(parts), "x-c": 1}, inner, inner)
        | st.builds(lambda part: {"allOf": [part], "description": "one part"}, inner)
    ),
    max_leaves=6,
)
SCHEMAS = st.builds(
    lambda part, definition: {"$defs": {"D": definition}, "allOf": [part]}, PARTS, st.sampled_from([{"type": "string"}])
)
VALUES = st.recursive(
    st.none() | st.integers(0, 2) | st.sampled_from(["a", "ab", "2026-01-01"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def made(schema: Any, known: Subset) -> dict[str, Any]:
    try:
        return reduced_schema(schema, known)
    except InexpressibleError:
        assume(False)
        raise


@given(SCHEMAS, VALUES)
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_every_answer_that_fits_the_schema_fits_what_leaves(schema: Any, value: Any) -> None:
    """So no provider shuts out what was asked for; the rest is checked here. The given schema is not changed."""
    before = copy.deepcopy(schema)
    left = made(schema, subset(("allOf", "minimum")))
    assert schema == before
    if Draft202012Validator(schema).is_valid(value):
        assert Draft202012Validator(left).is_valid(value)


@given(SCHEMAS)
@sampled(80, of=1000, suppress_health_check=[HealthCheck.too_slow])
def test_no_keyword_leaves_that_is_not_known(schema: Any) -> None:
    """None with x- before all; names of properties are no keywords. Beside a reference nothing stands."""
    left = made(schema, subset(("allOf", *SOME.keywords), {"format": ("date",)}))
    for word, value in words(left):
        assert word in STRUCTURE | {"allOf", "minimum", "format"}
        assert word != "format" or value == "date"
    assert all(part.keys() <= {"$ref", "$defs", "definitions"} for part in schemas_in(left) if "$ref" in part)


@pytest.mark.parametrize("word", sorted(BOUNDS - {"minimum", "format"}))
def test_a_bound_that_is_not_known_is_said_in_the_description(word: str) -> None:
    """After what stands there already."""
    left = reduced_schema({"type": "string", "description": "A name.", word: 3}, SOME)
    assert left == {"type": "string", "description": f"A name.\n{word}: 3"}
    assert not is_lossless({"properties": {"a": {"type": "string", word: 3}}}, SOME)


@pytest.mark.parametrize(
    ("given_", "left"),
    [
        ({"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}),
        ({"$ref": "#/$defs/A", "description": "d"}, {"description": "d", "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "title": "t"}, {"title": "t", "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "default": 1}, {"$ref": "#/$defs/A"}),
        ({"$ref": "#/$defs/A", "x-quote": True}, {"$ref": "#/$defs/A"}),
        ({"$ref": "#", "examples": [1], "deprecated": True}, {"$ref": "#"}),
        ({"$ref": "#/$defs/A", "maxLength": 3}, {"description": "maxLength: 3", "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "minimum": 3}, {"minimum": 3, "anyOf": [{"$ref": "#/$defs/A"}]}),
        ({"$ref": "#/$defs/A", "type": "object"}, {"type": "object", "anyOf": [{"$ref": "#/$defs/A"}]}),
        (
            {"allOf": [{"$ref": "#/$defs/A"}], "description": "d"},
            {"description": "d", "anyOf": [{"$ref": "#/$defs/A"}]},
        ),
        ({"allOf": [{"$ref": "#/$defs/A"}]}, {"$ref": "#/$defs/A"}),
        ({"oneOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}, {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}),
        ({"properties": {"$ref": {"type": "string"}}}, {"properties": {"$ref": {"type": "string"}}}),
        ({"enum": [{"$ref": "x", "x-a": 1}]}, {"enum": [{"$ref": "x", "x-a": 1}]}),
    ],
)
def test_a_reference_stands_alone(given_: Any, left: Any) -> None:
    """What is said beside it goes around it. Values and names are left as they are."""
    assert reduced_schema(given_, SOME) == left


@pytest.mark.parametrize(
    "schema",
    [
        False,
        {"not": {}},
        {"if": {}},
        {"allOf": [{}, {}]},
        {"allOf": [{"type": "string"}], "type": "object"},
        {"patternProperties": {}},
        {"dependentSchemas": {}},
        {"dependentRequired": {}},
        {"propertyNames": {}},
        {"prefixItems": []},
        {"contains": {}},
        {"unevaluatedProperties": False},
        {"$ref": "https://example.org/a"},
        {"$ref": "#/$defs/A", "anyOf": [{}]},
        {"$dynamicRef": "#a"},
        {"properties": {"a": {"items": {"not": {}}}}},
    ],
    ids=str,
)
def test_what_is_built_of_unknown_keywords_is_not_said_in_part(schema: Any) -> None:
    """It is asked for in words."""
    with pytest.raises(InexpressibleError):
        reduced_schema(schema, SOME)


def test_a_root_that_is_a_reference_is_put_in_its_place() -> None:
    """As pydantic writes a class that holds itself; others stay."""
    part = {"type": "object", "properties": {"more": {"$ref": "#/$defs/A"}}}
    schema = {"$ref": "#/$defs/A", "$defs": {"A": part}}
    assert with_root(schema) == {**part, "$defs": {"A": part}}
    for other in ({"type": "string"}, {"$ref": "#/$defs/B", "$defs": {"A": part}}, {"$ref": "#"}):
        assert with_root(other) == other


@given(SCHEMAS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_callers_own_keywords_are_taken_out_of_the_words_too(schema: Any) -> None:
    """A schema in the prompt has none with x-; names of properties stay."""
    assert not any(word.startswith("x-") for word, _ in words(without_extensions(schema)))
    named = {"properties": {"x-name": {"type": "string", "x-quote": True}}}
    assert without_extensions(named) == {"properties": {"x-name": {"type": "string"}}}


def test_a_schema_that_is_known_whole_is_said_so() -> None:
    """Then the provider guarantees all of it."""
    schema: Mapping[str, Any] = {"properties": {"a": {"minimum": 1, "x-a": 1}, "minLength": {"format": "date"}}}
    assert is_lossless(schema, SOME)
    assert not is_lossless({"items": {"format": "uri"}}, SOME)
    assert not is_lossless({"oneOf": []}, SOME)
