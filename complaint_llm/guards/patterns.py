"""What is found by its form: mail addresses, numbers with checksums or ranges, dates of birth, and own patterns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.guards.checksums import IBAN_LENGTHS, is_iban
from complaint_llm.guards.dates import find_birth_dates
from complaint_llm.guards.names import Found
from complaint_llm.guards.numbers import find_numbers
from complaint_llm.guards.tokens import label_of

if TYPE_CHECKING:
    from complaint_llm.guards.views import View

KINDS = ("email", "phone", "ssn", "iban", "card", "birth_date", "account", "alien_number")
"""Kinds of patterns that are built in."""

OWN_SECONDS = 1.0
"""How long an own pattern may search one text."""

_NUMBERS = frozenset(("phone", "ssn", "card", "account"))
_LABELS = {
    "email": "EMAIL", "phone": "PHONE", "ssn": "SSN", "iban": "IBAN", "card": "CARD", "birth_date": "BIRTHDATE",
    "account": "ACCOUNT", "alien_number": "ANUMBER",
}  # fmt: skip

_AT = re.compile(r"[@\[({](?:(?<=@)| ?at ?[\])}][ \n]?)")
_DOT = r"(?:\.|[ ]?[\[({] ?dot ?[\])}][ ]?)"
_LABEL = r"[^\W_](?:[\w\-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"\n?{_LABEL}(?:-?\n{_LABEL})?{_DOT}\n?{_LABEL}(?:{_DOT}{_LABEL}){{0,5}}")
_LOCAL = re.compile(r"[\w.!#$%&'*+^`~\-]")
_LONGEST_LOCAL = 64
_FIRST_DIGIT = re.compile(r"[0-9](?:(?<=[a-z][0-9])|(?<=[a-z][ \n\-][0-9]))")
_ALIEN_NUMBER = re.compile(r"a(?<![^\W_]a)(?:[-#]{0,2}[0-9]{8,9}|[-# ]{0,2}[0-9]{3}[- ][0-9]{3}[- ][0-9]{3})(?![^\W_])")


class OwnPattern(NamedTuple):
    """A pattern of a config: a label for its tokens and a regular expression, which is searched without regard to
    case."""

    label: str
    pattern: Any


class Patterns:
    """The patterns of a guard. Any thread may search with them."""

    def __init__(self, given: Sequence[str | Mapping[str, Any]] | None) -> None:
        """``given``: names of KINDS and own patterns ``{"name", "pattern"}``; None: all KINDS. Raises ConfigError."""
        if given is None:
            given = KINDS
        if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
            raise ConfigError('patterns: give a list, such as ["email", {"name": "case", "pattern": "..."}]')
        own = [each for each in given if isinstance(each, Mapping)]
        chosen = [each for each in given if not isinstance(each, Mapping)]
        unknown = [each for each in chosen if each not in KINDS]
        if unknown:
            raise ConfigError(f"patterns: there is no pattern {unknown[0]!r:.40}; there are {', '.join(KINDS)}")
        # Own patterns alone are beside the others, not in their place.
        self._kinds = frozenset(chosen if chosen or not own else KINDS)
        self._own = tuple(map(_own_pattern, own))

    @property
    def has_own(self) -> bool:
        """Whether it searches with regular expressions that somebody else wrote."""
        return bool(self._own)

    def find(self, view: View, source: str) -> Iterator[Found]:
        """What is found, as spans of ``source``, which ``view`` is a reading of."""
        if view.holds == "names":
            return
        for start, end, label in self._spans(view.text, self._kinds - {"email"} if view.is_alike else self._kinds):
            yield Found(*view.fold.source_span(start, end), label, "pattern")
        for own in self._own:
            for start, end in _own_spans(own, view.text):
                yield Found(*view.fold.source_span(start, end), own.label, "pattern")

    def find_in_source(self, source: str) -> Iterator[Found]:
        """What own patterns find in the text as it is written."""
        for own in self._own:
            for found in own.pattern.finditer(source, timeout=OWN_SECONDS):
                if found.end() > found.start():
                    yield Found(found.start(), found.end(), own.label, "pattern")

    @staticmethod
    def _spans(text: str, kinds: frozenset[str]) -> Iterator[tuple[int, int, str]]:
        if "email" in kinds:
            yield from ((start, end, _LABELS["email"]) for start, end in find_emails(text))
        if numbers := kinds & _NUMBERS:
            yield from ((start, end, _LABELS[kind]) for start, end, kind in find_numbers(text, numbers))
        if "iban" in kinds:
            yield from ((start, end, _LABELS["iban"]) for start, end in find_ibans(text))
        if "birth_date" in kinds:
            yield from ((start, end, _LABELS["birth_date"]) for start, end in find_birth_dates(text))
        if "alien_number" in kinds:
            yield from ((*found.span(), _LABELS["alien_number"]) for found in _ALIEN_NUMBER.finditer(text))


def _own_pattern(given: Mapping[str, Any]) -> OwnPattern:
    import regex  # cold start: regex

    name, pattern = given.get("name"), given.get("pattern")
    if set(given) != {"name", "pattern"} or not isinstance(name, str) or not isinstance(pattern, str):
        raise ConfigError('patterns: an own pattern is {"name": "case", "pattern": "a regular expression"}')
    try:
        compiled = regex.compile(pattern, regex.IGNORECASE)
    except regex.error as fault:
        raise ConfigError(f"patterns: {name!r:.40} is no regular expression: {fault}") from fault
    return OwnPattern(label_of(name), compiled)


def _own_spans(own: OwnPattern, text: str) -> Iterator[tuple[int, int]]:
    """Where an own pattern finds something, also across the end of a line after a hyphen."""
    for found in own.pattern.finditer(text, timeout=OWN_SECONDS):
        if found.end() > found.start():
            yield found.span()
    if "-\n" not in text:
        return
    pieces = text.split("-\n")
    # Where in the text without these breaks each of them stood.
    breaks = [length + number for number, length in enumerate(accumulate(map(len, pieces[:-1])), 1)]
    for found in own.pattern.finditer("-".join(pieces), timeout=OWN_SECONDS):
        if found.end() > found.start():
            last = found.end() - 1
            yield found.start() + bisect_right(breaks, found.start()), last + bisect_right(breaks, last) + 1


def find_emails(text: str) -> Iterator[tuple[int, int]]:
    """Where mail addresses stand in a folded text, also those that a line break cuts at a sign, or before the first
    dot of the domain."""
    for at in _AT.finditer(text):
        domain = _DOMAIN.match(text, at.end())
        if domain is None:
            continue
        start, earliest = at.start(), max(0, at.start() - _LONGEST_LOCAL)
        if text[start - 1 : start] == "\n" or (at[0] != "@" and text[start - 1 : start] == " "):
            start -= 1
        while start > earliest:
            if not _LOCAL.match(text, start - 1) and not (
                text[start - 1] == "\n" and text[start - 2 : start - 1] in tuple("._-+")
            ):
                break
            start -= 1
        while start < at.start() and not (text[start].isalnum() or text[start] in "_+"):
            start += 1
        if start < at.start() and text[start : at.start()].strip("\n "):
            yield start, domain.end()


_AS_DIGITS = str.maketrans("oil", "011")


def _iban_readings(number: str) -> Iterator[str]:
    """The number, and with digits where letters look like them: after the country, or after the bank's letters."""
    yield number
    if any(map(str.isalpha, number[2:])):
        yield from (number[:at] + number[at:].translate(_AS_DIGITS) for at in (2, 8))


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Where IBANs stand in a folded text: of a known country, of its length, with the right check digits."""
    for found in _FIRST_DIGIT.finditer(text):
        for start in range(found.start() - 4, found.start() - 1):
            length = IBAN_LENGTHS.get(text[start : start + 2]) if start >= 0 else None
            end = None if length is None or text[start - 1 : start].isalnum() else _iban_end(text, start, length)
            if end is not None:
                yield start, end


def _iban_end(text: str, start: int, length: int) -> int | None:
    place, number = start, ""
    while len(number) < length and place < len(text):
        each = text[place]
        if each.isalnum() and each.isascii():
            number += each
        elif each not in " \n-." or text[place - 1] in " \n-.":
            return None
        place += 1
    if len(number) < length or text[place : place + 1].isalnum():
        return None
    return place if any(map(is_iban, _iban_readings(number))) else None
