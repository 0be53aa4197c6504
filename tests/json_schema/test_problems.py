"""What is wrong with a value is said all at once, also where a schema allows several forms."""

from __future__ import annotations

from typing import Any

import pytest

from complaint_llm.json_schema.problems import problems_of

DAYS = {
    "type": "object",
    "properties": {"days": {"type": "integer", "minimum": 1}, "path": {"type": "string", "minLength": 1}},
    "required": ["path"],
    "additionalProperties": False,
}
LIST = {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1}
FLAG = {"type": "boolean"}


@pytest.mark.parametrize("order", [1, -1], ids=["as given", "the other way round"])
@pytest.mark.parametrize("word", ["anyOf", "oneOf"])
@pytest.mark.parametrize(
    ("branches", "value", "places"),
    [
        ([FLAG, DAYS], {"days": 0, "path": ""}, ["days", "path"]),
        ([FLAG, DAYS], {"days": "1"}, ["", "days"]),
        ([FLAG, DAYS], {"day": 1, "pat": "x"}, ["", "day", "pat"]),
        ([FLAG, DAYS], {"days": 1.5, "path": 3, "more": 1}, ["days", "more", "path"]),
        ([FLAG, DAYS], {"path": "x", "days": None}, ["days"]),
        ([FLAG, LIST], [0, "a", 2], ["0", "1"]),
        ([FLAG, LIST], [], [""]),
        ([LIST, DAYS], {"days": 0, "path": 1}, ["days", "path"]),
        ([LIST, DAYS], [0, 0, 0], ["0", "1", "2"]),
        ([LIST, DAYS], "x", [""]),
        ([FLAG, DAYS], 3, [""]),
    ],
)
def test_every_fault_of_the_form_that_is_meant_is_said(
    word: str, branches: list[Any], value: Any, places: list[str], order: int
) -> None:
    """The form whose type fits is meant; where none does, there is one line."""
    found = problems_of({word: branches[::order]}, value)
    assert sorted("/".join(map(str, each.path)) for each in found) == places


@pytest.mark.parametrize("value", [{"a": {"days": 0, "path": ""}}, {"a": {"day": 1, "path": ""}}])
def test_forms_within_forms_too(value: Any) -> None:
    """Each with all of its faults."""
    inner = {"anyOf": [FLAG, DAYS]}
    outer = {"anyOf": [FLAG, {"type": "object", "properties": {"a": inner}}]}
    assert len(problems_of(outer, value)) == 2
