"""A schema for editors: no reference leads out, and what holds once variables are filled in may be written as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from complaint_llm.json_schema.flat import allowing_references, flat_part

PLACE = ("$defs", "a/b~c")
MOVED = "#/$defs/a~1b~0c"


def accepts(schema: Mapping[str, Any], value: Any) -> bool:
    return bool(Draft202012Validator(schema).is_valid(value))


@pytest.mark.parametrize(
    ("schema", "reference"),
    [
        ({"items": {"$ref": "#"}}, MOVED),
        ({"items": {"$ref": "#/$defs/x"}, "$defs": {"x": {}}}, f"{MOVED}/$defs/x"),
        ({"items": {"$ref": "#/$defs/x~1y"}, "$defs": {"x/y": {}}}, f"{MOVED}/$defs/x~1y"),
        ({"items": {"$ref": "#/properties/x"}, "properties": {"x": {}}}, f"{MOVED}/properties/x"),
        ({"items": {"$ref": "#here"}, "$defs": {"x": {"$anchor": "here"}}}, f"{MOVED}/$defs/x"),
        ({"items": {"$dynamicRef": "#here"}, "$defs": {"x": {"$dynamicAnchor": "here"}}}, f"{MOVED}/$defs/x"),
        ({"$id": "https://o.example/s", "items": {"$ref": "https://o.example/s#/$defs/x"}}, f"{MOVED}/$defs/x"),
        ({"$id": "https://o.example/s", "items": {"$ref": "s#/$defs/x"}}, f"{MOVED}/$defs/x"),
        ({"items": {"$ref": "part"}, "$defs": {"x": {"$id": "part"}}}, f"{MOVED}/$defs/x"),
        ({"items": {"$id": "part", "$ref": "#/$defs/y", "$defs": {"y": {}}}}, f"{MOVED}/items/$defs/y"),
        ({"items": {"$ref": "https://other.example/s"}}, None),
        ({"items": {"$ref": "file:///etc/passwd"}}, None),
        ({"items": {"$ref": "#nowhere"}}, None),
    ],
)
def test_references_lead_to_where_the_part_stands(schema: dict[str, Any], reference: str | None) -> None:
    moved = flat_part(schema, PLACE)
    assert moved["items"].get("$ref") == reference
    assert not {"$id", "$anchor", "$dynamicAnchor", "$dynamicRef"} & set(words_of(moved))


def words_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield key
            yield from words_of(value)


def test_a_key_that_is_called_like_a_keyword_stays() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "$id": {"type": "integer"}, "items": {"type": "string"}}}
    assert flat_part(schema, PLACE) == schema
    assert allowing_references(schema)["properties"].keys() == schema["properties"].keys()


WHOLE = ("$NAME", "${NAME}", "$<NAME>", "${NAME:-a b}", "$n_2")
BROKEN = ("$", "$1", "${", "${NAME", "$<NAME", "a $NAME", "$NAME b", "${NAME:-x", "name", "")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": 0},
        {"type": "integer", "maximum": 9},
        {"type": "boolean"},
        {"type": ["number", "null"]},
        {"enum": ["warn", "error"]},
        {"enum": [False, "digests"], "default": False},
        {"const": True},
        {"type": "string", "enum": ["warn"]},
        {"anyOf": [{"type": "number"}, {"type": "object"}]},
        {"oneOf": [{"type": "integer"}, {"type": "null"}]},
    ],
)
def test_one_whole_reference_stands_for_a_value_that_is_no_text(schema: Mapping[str, Any]) -> None:
    allowed = allowing_references(schema)
    assert [text for text in WHOLE if not accepts(allowed, text)] == []
    assert [text for text in BROKEN if accepts(allowed, text)] == []


@pytest.mark.parametrize("text", ["http://${HOST}:1/v1", "$ADDRESS", "http://h/$<PATH>"])
def test_a_text_with_a_pattern_may_hold_references(text: str) -> None:
    allowed = allowing_references({"type": "string", "pattern": "^https?://[a-z]+$"})
    assert accepts(allowed, text)
    assert not accepts(allowed, "ftp://h")


PLAIN = st.sampled_from(
    [
        {"type": "number", "minimum": 0},
        {"type": "integer"},
        {"type": "boolean"},
        {"type": "string"},
        {"type": "string", "pattern": "^a"},
        {"enum": ["a", False]},
        {"type": "null"},
    ]
)
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.builds(lambda part: {"type": "array", "items": part}, inner),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda parts: {"type": "object", "properties": parts, "additionalProperties": False},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
    ),
    max_leaves=6,
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["a", "b", "1.5"]), st.just(1.5))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)),
    max_leaves=6,
)


@given(SCHEMAS, VALUES)
def test_of_what_holds_no_dollar_sign_nothing_else_is_taken(schema: Mapping[str, Any], value: Any) -> None:
    assert accepts(allowing_references(schema), value) == accepts(schema, value)
