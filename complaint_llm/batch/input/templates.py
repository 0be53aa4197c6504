"""Prompts from the columns of a table."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import NamedTuple

from complaint_llm.exceptions import BatchError


class PromptTemplate(NamedTuple):
    """Pieces of text, each with the column behind it (None: none). Only plain ``{name}``: no attributes, no formats."""

    pieces: tuple[tuple[str, str | None], ...]

    @classmethod
    def read(cls, text: str) -> PromptTemplate:
        """Raises BatchError for a text that is not well formed or names no column."""
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise BatchError(
                f"the prompt template is not well formed: {error}; a brace itself is written twice"
            ) from error
        made = cls(tuple((piece, name) for piece, name, _, _ in parts))
        if any(spec or conversion for _, _, spec, conversion in parts) or "" in made.fields:
            raise BatchError(
                "the prompt template has fields such as {narrative}, with a column's name and nothing else"
            )
        if not made.fields:
            raise BatchError("the prompt template names no column: every prompt would be the same")
        return made

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns that it names."""
        return tuple(name for _, name in self.pieces if name is not None)

    def fill(self, values: Mapping[str, str]) -> str:
        """The prompt of a row."""
        return "".join(piece + (values[name] if name is not None else "") for piece, name in self.pieces)
