"""What is wrong with a config, and where."""

from __future__ import annotations

from complaint_llm.json_schema.places import Place, json_pointer
from complaint_llm.json_schema.problems import Problem, nearest
from complaint_llm.named_tuples import NamedTuple


class TextFault(NamedTuple):
    """A fault of the text itself, which has no pointer: a line and a column, both from 1."""

    line: int
    column: int
    text: str


__all__ = ["Place", "Problem", "TextFault", "json_pointer", "nearest"]
