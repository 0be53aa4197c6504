"""What single characters are folded to: case, compatibility, accents, digits, and what looks like another.

The tables for look-alikes are Unicode's (UTS 39), in ``data/confusables.json``; all else is Python's ``unicodedata``.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_DATA = Path(__file__).resolve().parents[1] / "data" / "confusables.json"
_PUNCTUATION: Mapping[str, str] = {
    **dict.fromkeys("‐‑‒–—―−⁃", "-"),
    **dict.fromkeys("‘’‛ʼ´`", "'"),
    **dict.fromkeys("“”„‟«»", '"'),
}
# Blank, though their category is that of letters or symbols.
_UNSEEN = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


class Folds(dict[str, str]):
    """What each character is folded to, found when it is first asked for. ``alike`` folds look-alikes too.

    Any thread may read: what is found twice is the same.
    """

    def __init__(self, alike: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._alike = alike

    def __missing__(self, character: str) -> str:
        found = self[character] = self._fold(character)
        return found

    def _fold(self, character: str) -> str:
        if self._alike is not None and character not in _PUNCTUATION:
            digit = unicodedata.decimal(character, None)
            if digit is None and not character.isascii():
                parts = [self._alike.get(each, each) for each in unicodedata.normalize("NFKD", character)]
                return "".join(map(_plain_fold, self._alike.get(character, "".join(parts))))
        return _plain_fold(character)


def _plain_fold(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if character in _PUNCTUATION:
        return _PUNCTUATION[character]
    if character in _UNSEEN or unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f":
        return ""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(_PUNCTUATION.get(each, each) for each in decomposed if not unicodedata.combining(each))


PLAIN = Folds()
"""Folds without look-alikes."""


@cache
def alike_folds() -> Folds:
    """Folds with look-alikes."""
    alike = json.loads(_DATA.read_bytes())["alike"]
    return Folds({each: prototype for prototype, sources in alike.items() for each in sources})
