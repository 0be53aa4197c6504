"""Lines from the right to the left, out of the places of their letters: words of other scripts and numbers in them.

A page says where each letter stands, not in which order it was written, and PDFium guesses badly where scripts mix.
What is done here is Unicode's bidirectional algorithm (UAX 9) backwards, for one line of a paragraph from the right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_BLANK = 0.19
"""In heights of the line: a wider gap between letters is a blank. Joined letters were seen to leave gaps of up to 0.17,
and a blank is 0.22 in Times."""
_BEFORE_NUMBER = "Sc"
"""The category of signs of currencies."""
_AFTER_NUMBER = frozenset(".,;:!?%")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_OPENING, _CLOSING = frozenset("([{<«"), frozenset(")]}>»")
_RIGHT = ("R", "AL")
_NUMBERS = ("EN", "AN")


class Sign(NamedTuple):
    """A character that is not blank, and where it stands, in points."""

    text: str
    left: float
    right: float


def runs_right_to_left(text: str) -> bool:
    """Whether at least half of the words of a line are of scripts from the right."""
    right = left = 0
    for word in text.split():
        kinds = {unicodedata.bidirectional(each) for each in word}
        right += bool(kinds & set(_RIGHT))
        left += "L" in kinds
    return right > 0 and right >= left


def logical_line(signs: Sequence[Sign], height: float) -> str:
    """The signs of one line in the order in which they were written, with blanks where there are gaps."""
    letters = {unicodedata.bidirectional(each) for sign in signs for each in sign.text}
    written = list(_in_order(_from_the_right(signs, height), "AL" if "AL" in letters else "R"))
    return _with_brackets(written)


class _Written(NamedTuple):
    text: str
    from_the_right: bool


def _from_the_right(signs: Sequence[Sign], height: float) -> list[str]:
    """Letters from the right to the left, those of one glyph together, and blanks."""
    clusters: list[Sign] = []
    for sign in signs:
        last = clusters[-1] if clusters else None
        if last is not None and _is_one_glyph(last, sign):
            clusters[-1] = last._replace(text=last.text + sign.text)
        else:
            clusters.append(sign)
    clusters.sort(key=lambda each: -(each.left + each.right))
    found: list[str] = []
    end = None
    for each in clusters:
        if end is not None and end - each.right > _BLANK * height:
            found.append(" ")
        found.append(each.text)
        end = each.left if end is None else min(end, each.left)
    return found


def _is_one_glyph(one: Sign, other: Sign) -> bool:
    """Whether two signs are drawn at one place: a ligature, or a letter with its mark."""
    if unicodedata.combining(other.text[0]):
        return other.left < one.right and other.right > one.left
    return (one.left, one.right) == (other.left, other.right)


def _in_order(found: Sequence[str], before: str) -> Iterator[_Written]:
    """``before`` is the kind of the last letter before."""
    place = 0
    while place < len(found):
        kind = _kind(found[place])
        if kind in _RIGHT:
            before = kind
            yield _Written(found[place], True)
            place += 1
            continue
        end = place
        while end < len(found) and _kind(found[end]) not in _RIGHT:
            end += 1
        yield from _from_the_left(found[place:end], before)
        place = end


def _from_the_left(found: Sequence[str], before: str) -> Iterator[_Written]:
    """Words and numbers from the left between two letters from the right."""
    kinds = [_kind(each) for each in found]
    strong = [place for place, kind in enumerate(kinds) if kind == "L" or kind in _NUMBERS]
    if "L" not in kinds:
        yield from _numbers(found, before)
        return
    first, last = strong[0], strong[-1]
    blank = next((place for place in range(first, len(found)) if kinds[place] == "WS"), len(found))
    if "L" not in kinds[:blank] and found[blank - 1] in _AFTER_NUMBER:
        # "350; Strand": what follows a number in a sentence stands on its left.
        yield from _numbers(found[:blank], before)
        yield from _from_the_left(found[blank:], before)
        return
    if first and kinds[first] in _NUMBERS and kinds[first - 1] == "ET":
        if before == "AL" and unicodedata.category(found[first - 1]) == _BEFORE_NUMBER:
            # "$82 Strand" after an Arabic letter: the number goes its own way.
            cut = next(place for place in range(first, len(found)) if kinds[place] in ("L", "WS"))
            yield from _numbers(found[:cut], before)
            yield from _from_the_left(found[cut:], before)
            return
        first -= 1
    if kinds[last] in _NUMBERS and last + 1 < len(found) and kinds[last + 1] == "ET":
        last += 1
    yield from (_Written(each, True) for each in found[:first])
    yield _Written("".join(reversed(found[first : last + 1])), False)
    yield from (_Written(each, True) for each in found[last + 1 :])


def _numbers(found: Sequence[str], before: str) -> Iterator[_Written]:
    """Numbers and signs between letters from the right: each number is one thing, and what belongs to it goes by the
    letter before it."""
    kinds = "".join(_LETTER.get(_kind(each), "o") for each in found)
    pattern = _AFTER_ARABIC if before == "AL" else _AFTER_OTHERS
    done = 0
    for number in pattern.finditer(kinds):
        yield from (_Written(each, True) for each in found[done : number.start()])
        yield _Written("".join(reversed(found[number.start() : number.end()])), False)
        done = number.end()
    yield from (_Written(each, True) for each in found[done:])


_LETTER = {"EN": "n", "AN": "n", "CS": "c", "ES": "e", "ET": "t", "NSM": "m"}
_AFTER_ARABIC = re.compile("n+(?:cn+)*")
_AFTER_OTHERS = re.compile("t*n+(?:[ce]n+)*t*")


def _kind(text: str) -> str:
    return unicodedata.bidirectional(text[0])


def _with_brackets(written: Sequence[_Written]) -> str:
    """Brackets among letters from the right are drawn turned round; some programs write down what they drew."""
    brackets = [each.text for each in written if each.from_the_right and each.text in _OPENING | _CLOSING]
    turned = bool(brackets) and brackets[0] in _CLOSING
    return "".join(
        each.text.translate(_MIRRORED) if turned and each.from_the_right and len(each.text) == 1 else each.text
        for each in written
    )
