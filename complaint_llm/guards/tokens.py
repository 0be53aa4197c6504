"""Tokens that stand for what is taken out, and the way back: in whole texts, in JSON, and in pieces of a stream."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Literal

_LONGEST_LABEL = 16
_LONGEST_NUMBER = 7
TOKEN = re.compile(rf"\[([A-Za-z]{{1,{_LONGEST_LABEL}}})(?:\\{{0,2}}_|[ -])([0-9]{{1,{_LONGEST_NUMBER}}})\]")
"""A token, also as models write it that take it for words: ``[name_1]``, ``[NAME 1]``, ``[NAME-1]``, ``[NAME\\_1]``."""
_BEGUN = re.compile(
    rf"\[(?:[A-Za-z]{{1,{_LONGEST_LABEL}}}(?:(?:\\{{0,2}}_|[ -])[0-9]{{0,{_LONGEST_NUMBER}}}|\\{{1,2}})?)?$"
)
LONGEST_TOKEN = _LONGEST_LABEL + _LONGEST_NUMBER + 5

Form = Literal["text", "json"]


def label_of(kind: str) -> str:
    """The word in a token for a kind of thing: its letters, in capitals."""
    letters = "".join(each for each in kind.upper() if "A" <= each <= "Z")
    return letters[:_LONGEST_LABEL] or "OTHER"


class TokenMap:
    """Which token stands for which words, for one call, in memory alone. One thread uses it at a time.

    Each surface form has a token of its own, so that what comes back is what stood there, to the byte. Numbers are
    given out in the order of the texts: a conversation that grows at its end keeps them.
    """

    def __init__(self) -> None:
        self._token_of: dict[str, str] = {}
        self._surface_of: dict[str, str] = {}
        self._next: dict[str, int] = {}
        self._reserved: set[str] = set()

    def __repr__(self) -> str:
        return "TokenMap()"

    def reserve(self, text: str) -> list[tuple[int, int]]:
        """Keep from being given out what already stands in a text like a token. Returns where something stands that
        was given out before; it needs a token of its own."""
        taken = []
        for found in TOKEN.finditer(text) if "[" in text else ():
            token = _exact(found)
            if token in self._surface_of:
                taken.append(found.span())
            else:
                self._reserved.add(token)
        return taken

    def token(self, surface: str, label: str) -> str:
        """The token of a surface form."""
        known = self._token_of.get(surface)
        if known is not None:
            return known
        number = self._next.get(label, 1)
        while (token := f"[{label}_{number}]") in self._reserved:
            number += 1
        self._next[label] = number + 1
        self._token_of[surface] = token
        self._surface_of[token] = surface
        return token

    def restore(self, text: str, form: Form = "text") -> str:
        """The text with the words in the place of their tokens; ``json``: of a text that is JSON."""
        if not self._surface_of or "[" not in text:
            return text
        return TOKEN.sub(self._restorer(form), text)

    def _restorer(self, form: Form) -> Callable[[re.Match[str]], str]:
        def surface(found: re.Match[str]) -> str:
            known = self._surface_of.get(_exact(found))
            if known is None:
                return found[0]
            return known if form == "text" else json.dumps(known, ensure_ascii=False)[1:-1]

        return surface


class TokenPieces:
    """Restores a text that comes in pieces: what may be the beginning of a token is held back until it is one or none.

    The pieces together are what ``TokenMap.restore`` makes of the text.
    """

    def __init__(self, tokens: TokenMap, form: Form) -> None:
        self._tokens = tokens
        self._form: Form = form
        self._held = ""

    def feed(self, piece: str) -> str:
        """What can be handed out."""
        text = self._held + piece
        begins = text.rfind("[", max(0, len(text) - LONGEST_TOKEN))
        if begins < 0 or _BEGUN.match(text, begins) is None:
            begins = len(text)
        self._held = text[begins:]
        return self._tokens.restore(text[:begins], self._form)

    def flush(self) -> str:
        """What was held back."""
        rest, self._held = self._held, ""
        return self._tokens.restore(rest, self._form)


def _exact(found: re.Match[str]) -> str:
    return f"[{found[1].upper()}_{found[2]}]"
