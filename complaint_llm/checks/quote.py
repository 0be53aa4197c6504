"""A quote of an answer, and how many of some stand in the text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from complaint_llm.checks.quote_search import State, Weakness


class Quote(NamedTuple):
    """A quote of an answer and where it stands."""

    text: str
    pointer: str
    """Its place in the answer, as a JSON pointer."""
    state: State
    weak: Weakness | None = None
    source: str | None = None
    """``prompt`` or a CID."""
    source_kind: str | None = None
    start: int | None = None
    end: int | None = None
    """Characters of the shown text, as a slice."""
    page: int | None = None
    places: int = 0
    elided: bool = False

    @property
    def stands(self) -> bool:
        """Whether the words stand in the text, weak ones included."""
        return self.state in ("verbatim", "normalised")


class Standing(Protocol):
    """What of a quote is counted: whether it stands in the text, and why it may do so by chance."""

    @property
    def stands(self) -> bool: ...
    @property
    def weak(self) -> str | None: ...


def standing_count(quotes: Sequence[Standing]) -> str:
    """How many of quotes stand in the text: "2 of 3", those that may stand there by chance apart: "2 of 3, 1 short"."""
    sure = sum(quote.stands and not quote.weak for quote in quotes)
    weak = [(word, sum(quote.stands and quote.weak == word for quote in quotes)) for word in ("short", "repeated")]
    return ", ".join([f"{sure} of {len(quotes)}", *(f"{count} {word}" for word, count in weak if count)])
