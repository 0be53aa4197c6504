"""A key in the words of a help text."""

from __future__ import annotations

from typing import Any

import pytest

from complaint_llm.json_schema.words import value_in_words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, ""),
        ({"description": "Anything."}, "Anything."),
        ({"type": "string"}, "text"),
        ({"type": "string", "description": "A name."}, "text. A name."),
        ({"type": "number", "minimum": 0, "maximum": 2}, "number from 0 to 2"),
        ({"type": "number", "exclusiveMinimum": 0}, "number above 0"),
        ({"type": "integer", "minimum": 1, "default": 8}, "integer from 1, 8 by default"),
        ({"type": "boolean", "default": False}, "true or false, false by default"),
        ({"enum": ["a", "b"], "default": "a"}, 'a | b, "a" by default'),
        ({"enum": [False, "full"]}, "false | full"),
        ({"anyOf": [{"type": "number"}, {"type": "object"}]}, "number or mapping"),
        ({"type": ["string", "null"]}, "text or null"),
        ({"type": "array", "description": "Ids."}, "list. Ids."),
    ],
)
def test_kind_bounds_default_and_meaning_in_a_line(schema: dict[str, Any], words: str) -> None:
    assert value_in_words(schema) == words
