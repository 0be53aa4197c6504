"""Dates of birth in a folded text: full dates beside a word that says what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov",
    "dec", "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
    "setiembre", "octubre", "noviembre", "diciembre", "ene", "abr", "ago", "dic", "janvier", "fevrier",
    "mars", "avril", "mai", "juin", "juillet", "aout", "septembre", "octobre", "novembre", "decembre",
)  # fmt: skip
_MONTH = rf"(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))})(?![^\W\d_])\.?"
_DAY = r"[0-9]{1,2}(?:st|nd|rd|th|o|er)?(?![^\W_])\.?"
_YEAR = r"(?:(?:18|19|20)[0-9]{2}|'[0-9]{2})(?![0-9])"
_S = r"[ \n,\-/]{1,3}"
_FIGURES = (
    r"(?P<one>[0-9]{1,4})[ \n]?(?P<sign>[-/.])[ \n]?(?P<two>[0-9]{1,2})[ \n]?(?P=sign)[ \n]?"
    r"(?P<three>[0-9]{4}|[0-9]{2})(?![0-9])"
)
_DATE = re.compile(
    rf"(?<![0-9])(?:{_FIGURES}|[0-9]{{1,2}}(?:st|nd|rd|th|o|er|\.)?[ \n\-]?(?:(?:of|de|the)[ \n]{{1,2}})?{_MONTH}"
    rf"(?:[ \n,\-]{{1,3}}(?:(?:de|del|of)[ \n]{{1,2}})?{_YEAR})?"
    rf"|(?P<year>[0-9]{{4}})[ \n/\-]{_MONTH}{_S}{_DAY})"
    rf"|(?<![^\W\d_]){_MONTH}{_S}?(?:the[ \n])?{_DAY}(?:{_S}(?:of[ \n])?{_YEAR})?"
)
_WORDS = r"born|births?|birth ?da(?:y|te)s?|b-?day|nacid[oa]|nacio|naci|nacimiento|cumpleanos|nee|geboren|geb"
_BEFORE = re.compile(
    rf"(?<![^\W\d_])(?:(?:{_WORDS})(?![^\W\d_])[^.!?;0-9]{{0,40}}"
    r"|(?:d\.? ?o\.? ?b|f\.? ?n|geb)\.?[^.!?;0-9]{0,12})$"
)
_AFTER = re.compile(
    r"[ \n,:(\-]{0,3}(?:is )?(?:(?:my|his|her|their|the|is) )?"
    r"(?:date of birth|dob|d\.o\.b|birth ?da(?:y|te))(?![^\W\d_])"
)


# One of these is in each of the words above: looking for them is quick.
_HINTS = ("born", "bir", "b-day", "bday", "dob", "o.", "nac", "cumple", "nee", "geb", "f.n", "fn", "f. n", "d o b")
_NEAR = 64


def find_birth_dates(text: str) -> Iterator[tuple[int, int]]:
    """Where dates of birth stand: each date of the calendar after such a word (the first date after it, in the same
    sentence, at most 40 characters on) or right before one."""
    for begin, end in _surroundings(text):
        done = begin
        for found in _DATE.finditer(text, begin, end):
            before = _BEFORE.search(text, max(done, found.start() - 64), found.start())
            done = found.end()
            if (before is not None or _AFTER.match(text, done) is not None) and _is_date(found):
                yield found.span()


def _surroundings(text: str) -> list[tuple[int, int]]:
    """The parts of a text in which a date may be one of birth."""
    places = sorted(place for hint in _HINTS for place in _places(text, hint))
    parts: list[tuple[int, int]] = []
    for place in places:
        begin, end = max(0, place - _NEAR), place + 2 * _NEAR
        if parts and begin <= parts[-1][1]:
            begin = parts.pop()[0]
        parts.append((begin, end))
    return parts


def _places(text: str, hint: str) -> Iterator[int]:
    place = text.find(hint)
    while place >= 0:
        yield place
        place = text.find(hint, place + 1)


def _is_date(found: re.Match[str]) -> bool:
    if found["one"] is None:
        return True
    one, two, three = int(found["one"]), int(found["two"]), int(found["three"])
    if len(found["one"]) > 2:
        return len(found["one"]) == 4 and len(found["three"]) == 2 and _is_day(two, three)
    return _is_day(one, two) or _is_day(two, one)


def _is_day(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31
