"""Schemas for strict mode are narrowed, never widened."""

from __future__ import annotations

import json
from typing import Any

import pytest
from complaint_llm_plugins.backends.openai.strict import strict_schema
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from complaint_llm.backends.wire.schema_subset import subset
from tests.sampled import sampled

KNOWN = subset(("minimum", "format"), {"format": ("date",)})

LEAVES = st.sampled_from(
    [{"type": "string"}, {"type": "integer", "default": 3}, {"enum": ["a", 1]}, {"type": ["string", "null"]}]
)
NAMES = st.sampled_from("abc")


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    @st.composite
    def made(draw: st.DrawFn) -> dict[str, Any]:
        properties = draw(st.dictionaries(NAMES, inner, max_size=3))
        schema: dict[str, Any] = {"type": "object", "properties": properties}
        schema["required"] = [name for name in properties if draw(st.booleans())]
        if draw(st.booleans()):
            schema["additionalProperties"] = draw(st.booleans())
        return schema

    return made()


SCHEMAS = objects(
    st.recursive(
        LEAVES,
        lambda inner: (
            objects(inner)
            | st.builds(lambda items: {"type": "array", "items": items}, inner)
            | st.builds(lambda *choices: {"anyOf": list(choices)}, inner, inner)
        ),
        max_leaves=6,
    )
)
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@given(SCHEMAS, VALUES)
@sampled(80, of=1000)
def test_what_fits_the_narrowed_schema_fits_the_given_one(schema: dict[str, Any], value: Any) -> None:
    """So an answer that the service guarantees is one that was asked for."""
    before = json.dumps(schema)
    narrowed = strict_schema(schema, KNOWN)
    assert narrowed is not None
    assert json.dumps(schema) == before
    if Draft202012Validator(narrowed).is_valid(value):
        assert Draft202012Validator(schema).is_valid(value)


def test_every_object_inside_is_closed() -> None:
    """What strict mode demands, at every depth."""
    inner = {"type": "object", "properties": {"x": {"type": "string", "default": ""}}}
    schema = {
        "type": "object",
        "properties": {"a": inner, "b": {"type": "array", "items": inner}, "c": {"anyOf": [inner, {"type": "null"}]}},
        "$defs": {"d": inner},
    }
    closed = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    assert strict_schema(schema, KNOWN) == {
        "type": "object",
        "properties": {
            "a": closed,
            "b": {"type": "array", "items": closed},
            "c": {"anyOf": [closed, {"type": "null"}]},
        },
        "$defs": {"d": closed},
        "required": ["a", "b", "c"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "object"}}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}], "anyOf": [{"type": "string"}]}}},
        {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}, {"type": "string"}]}}},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"type": "array", "prefixItems": [{"type": "string"}]}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}},
        {"type": "object", "properties": {}, "required": ["elsewhere"]},
        {"type": "object", "properties": {}, "anyOf": [{"required": ["a"]}]},
    ],
)
def test_what_strict_mode_cannot_say_is_not_narrowed(schema: dict[str, Any]) -> None:
    """It is asked for in words then."""
    assert strict_schema(schema, KNOWN) is None
