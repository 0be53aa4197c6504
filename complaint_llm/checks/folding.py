"""Text with everything folded away that a copy of it may lose without becoming another text, and the way back.

What is folded: Unicode's canonical composition (NFC), Latin ligatures, Arabic presentation forms, runs of white space,
double quotation marks, dashes, soft hyphens, hyphens at line ends between letters (also U+0002 and U+FFFE, which PDFium
writes for them), and blanks after a hyphen between digits (1990-1995 over a line end). What is not: case, compatibility
forms (NFKC), apostrophes, signs, letters that look alike. Two texts that differ in any of these are two texts.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

_ONE_FOR_ONE: Mapping[int, str] = {
    **dict.fromkeys(map(ord, "“”„‟«»"), '"'),
    **dict.fromkeys(map(ord, "‐‑‒–—―"), "-"),
    **dict.fromkeys(map(ord, "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), "\n"),
    **dict.fromkeys(map(ord, "\t\x1f\xa0\u1680\u202f\u205f\u3000"), " "),
    **dict.fromkeys(range(0x2000, 0x200B), " "),
}
"""Folds that keep the length. The minus sign U+2212 is a sign, not a dash; ’ may be an apostrophe, so it stays."""

_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_ARABIC_FORMS = "\ufb50-\ufdff\ufe70-\ufefc"
_LINE_END_HYPHENS = "\xad\x02\ufffe"
_SPECIAL = re.compile(
    rf"(?P<break>(?<=[^\W\d_])-[ ]*\n[ \n]*(?=[^\W\d_]))"
    rf"|(?P<hyphen>(?<=[^\W\d_])-(?=[^\W\d_]))"
    rf"|(?P<joint>(?<=\d)-[ \n]+(?=\d))"
    rf"|(?P<soft>[{_LINE_END_HYPHENS}]+(?:[ ]*\n[ \n]*)?)"
    rf"|(?P<space>[ \n]{{2,}}|\n)"
    rf"|(?P<form>[{''.join(_LIGATURES)}{_ARABIC_FORMS}])"
)


class Fold(NamedTuple):
    """A folded text and where its characters come from.

    Hyphens between letters are not in it; ``hyphens`` says where they stood.
    """

    text: str
    run_at: tuple[int, ...]
    """Where in ``text`` each run begins, ascending."""
    run_source: tuple[tuple[int, int], ...]
    """Each run's start and end in the source. A run as long as its source goes character by character; any other is one
    thing (a ligature, a run of blanks)."""
    hyphens: tuple[int, ...]
    """Places in ``text`` before which a hyphen between two letters stood."""
    breaks: tuple[int, ...]
    """Places in ``text`` before which a hyphen stood that may only have broken a line; without it, it is the same
    text."""

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Start and end in the source of ``text[start:end]``, which is not empty."""
        return self.source_of(start)[0], self.source_of(end - 1)[1]

    def source_of(self, place: int) -> tuple[int, int]:
        """Start and end in the source of the character at ``place``."""
        piece = bisect_right(self.run_at, place) - 1
        begins = self.run_at[piece]
        ends = self.run_at[piece + 1] if piece + 1 < len(self.run_at) else len(self.text)
        start, end = self.run_source[piece]
        if end - start != ends - begins:
            return start, end
        return start + place - begins, start + place - begins + 1

    def joins(self, start: int, end: int) -> tuple[frozenset[int], frozenset[int]]:
        """Hyphens and possible line breaks strictly inside [start, end), counted from ``start``."""
        return _inside(self.hyphens, start, end), _inside(self.breaks, start, end)


def fold(text: str) -> Fold:
    """``text`` folded, with the places of its parts. Linear in its length."""
    pieces: list[str] = []
    run_at: list[int] = []
    run_source: list[tuple[int, int]] = []
    hyphens: list[int] = []
    breaks: list[int] = []
    length = 0

    def put(piece: str, start: int, end: int) -> None:
        nonlocal length
        if piece:
            run_at.append(length)
            run_source.append((start, end))
            pieces.append(piece)
            length += len(piece)

    for at, part, size in _normalised_parts(text):
        part = part.translate(_ONE_FOR_ONE)
        if size != len(part):
            put(part, at, at + size)
            continue
        done = 0
        for found in _SPECIAL.finditer(part):
            start, end = found.span()
            put(part[done:start], at + done, at + start)
            done = end
            kind = found.lastgroup
            if kind == "hyphen":
                hyphens.append(length)
            elif kind == "break" or (kind == "soft" and _between_letters(part, start, end)):
                breaks.append(length)
            else:
                put(_replacement(found), at + start, at + end)
        put(part[done:], at + done, at + len(part))
    return Fold(
        text="".join(pieces),
        run_at=tuple(run_at),
        run_source=tuple(run_source),
        hyphens=tuple(hyphens),
        breaks=tuple(breaks),
    )


def _replacement(found: re.Match[str]) -> str:
    if found.lastgroup == "space":
        return " "
    if found.lastgroup == "joint":
        return "-"
    if found.lastgroup == "form":
        return _LIGATURES.get(found[0]) or unicodedata.normalize("NFKC", found[0])
    # Between anything but letters what PDFium marks is a hyphen that is meant: 1990-1995.
    if _LINE_END.search(found[0]):
        return "-"
    return " " if "\n" in found[0] else ""


_LINE_END = re.compile("[\x02\ufffe]")


def _between_letters(text: str, start: int, end: int) -> bool:
    return start > 0 and end < len(text) and text[start - 1].isalpha() and text[end].isalpha()


def _inside(places: tuple[int, ...], start: int, end: int) -> frozenset[int]:
    return frozenset(place - start for place in places[bisect_right(places, start) : bisect_left(places, end)])


def _normalised_parts(text: str) -> list[tuple[int, str, int]]:
    """The text in parts (place, part in NFC, its length in the source): whole where it is in NFC already."""
    if unicodedata.is_normalized("NFC", text):
        return [(0, text, len(text))]
    parts: list[tuple[int, str, int]] = []
    done = 0
    for found in _composing().finditer(text):
        composed = unicodedata.normalize("NFC", found[0])
        if composed == found[0]:
            continue
        parts.append((done, text[done : found.start()], found.start() - done))
        parts.append((found.start(), composed, len(found[0])))
        done = found.end()
    parts.append((done, text[done:], len(text) - done))
    return parts


@cache
def _composing() -> re.Pattern[str]:
    """Finds characters with what composes with them, and single ones that NFC replaces."""
    follow, single = set(), set()
    for code in range(0x110000):
        character = chr(code)
        decomposition = unicodedata.decomposition(character)
        if unicodedata.combining(character):
            follow.add(character)
        if decomposition and not decomposition.startswith("<"):
            codes = decomposition.split()
            if len(codes) == 1:
                single.add(character)
            else:
                follow.add(chr(int(codes[1], 16)))
    # Hangul is composed by rule, not by table: vowels and trailing consonants.
    follow |= {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}
    following = _character_class(follow)
    return re.compile(f".{following}+|{_character_class(single | follow)}{following}*", re.S)


def _character_class(characters: set[str]) -> str:
    ranges: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "[" + "".join(f"\\U{low:08x}-\\U{high:08x}" for low, high in ranges) + "]"
