"""A list of things has the shape of each of them, whatever that refers to."""

from __future__ import annotations

from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from complaint_llm.cli.schema_options import list_schema, read_schema, response_schema

ITEMS: list[tuple[Any, Any, Any]] = [
    ({"type": "string"}, "a", 1),
    ({"type": "object", "required": ["a"]}, {"a": 1}, {}),
    ({"enum": [1, 2]}, 2, 3),
    ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 1, "a"),
    ({"$ref": "#/definitions/n", "definitions": {"n": {"type": "integer"}}}, 1, "a"),
    ({"properties": {"below": {"$ref": "#"}, "n": {"type": "integer"}}}, {"below": {"n": 1}}, {"below": {"n": "a"}}),
    (
        {"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}, "type": "object"},
        {"b": 1},
        {"b": "x"},
    ),
    (
        {"$defs": {"t": {"properties": {"of": {"$ref": "#/$defs/t"}, "n": {"const": 1}}}}, "$ref": "#/$defs/t"},
        {"of": {"of": {"n": 1}}},
        {"of": {"of": {"n": 2}}},
    ),
    ({"const": {"$ref": "#"}}, {"$ref": "#"}, {"$ref": "#/properties/items/items"}),
    ({"properties": {"$ref": {"type": "integer"}}}, {"$ref": 1}, {"$ref": "#"}),
    ({"anyOf": [{"type": "array", "items": {"$ref": "#"}}, {"type": "integer"}]}, [1, [2]], ["a"]),
    ({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:x", "$ref": "#/$defs/a",
      "$defs": {"a": {"type": "integer"}}}, 1, "a"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "fits", "does_not"), ITEMS)
def test_each_thing_of_the_list_is_judged_as_alone(item: Any, fits: Any, does_not: Any) -> None:
    """References to itself and to its definitions lead where they led."""
    alone, listed = Draft202012Validator(item), Draft202012Validator(list_schema(item))
    assert (alone.is_valid(fits), alone.is_valid(does_not)) == (True, False)
    assert listed.is_valid({"items": [fits, fits]})
    assert listed.is_valid({"items": []})
    assert not listed.is_valid({"items": [fits, does_not]})
    assert not listed.is_valid([fits])
    assert not listed.is_valid({"items": [fits], "more": 1})


def test_fields_are_those_of_each_thing() -> None:
    """The same words as for one."""
    schema = response_schema(None, "name, age int")
    assert schema is not None
    assert schema["properties"]["items"]["items"] == read_schema("name, age int")
    assert response_schema("name", None) == read_schema("name")
    assert response_schema(None, None) is None


@pytest.mark.parametrize("given", ["name text", "{", "nowhere.json", '{"a": 1', ", ,"])
def test_a_mistake_names_the_option_that_has_it(given: str) -> None:
    with pytest.raises(click.UsageError, match="--schema-multi"):
        response_schema(None, given)
    with pytest.raises(click.UsageError, match=r"--schema(?!-multi)"):
        response_schema(given, None)


def test_one_and_many_do_not_go_together() -> None:
    with pytest.raises(click.UsageError, match="give one of them"):
        response_schema("a", "b")
