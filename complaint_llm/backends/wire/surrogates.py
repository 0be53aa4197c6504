"""Characters beyond the basic plane that JSON writes as two ``\\u`` halves, where the halves come apart.

A half alone is no character: it cannot be encoded, so it could be neither written nor sent.
"""

from __future__ import annotations

import json
from typing import Any


def without_halves(text: str) -> str:
    """The text with halves that meet made one character, and each half alone replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def value_without_halves(value: Any) -> Any:
    """The same for every text and key of a JSON value; one that is nested too deep to be written stays as it is."""
    try:
        written = json.dumps(value, ensure_ascii=False)
        joined = without_halves(written)
        return value if joined is written else json.loads(joined)
    except RecursionError:
        return value


class HalfJoiner:
    """Joins halves over the pieces of one text; ``held`` waits for its second half. Used by one thread."""

    held = ""

    def feed(self, piece: str) -> str:
        """What can be handed out; a first half at the end waits for its second."""
        if piece.isascii() and not self.held:
            return piece
        text = self.held + piece
        self.held = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            self.held, text = text[-1], text[:-1]
        return without_halves(text)

    def rest(self) -> str:
        """What is left when nothing more comes."""
        held, self.held = self.held, ""
        return without_halves(held)
