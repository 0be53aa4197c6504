"""Telephone, social security, card and account numbers in a folded text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from complaint_llm.guards.checksums import is_card, is_routing_number, is_ssn, is_us_phone


class DigitGroup(NamedTuple):
    """Digits that stand together. ``gap`` is what parts them from those before, where both may be of one number."""

    start: int
    end: int
    digits: str
    gap: str | None


class Number(NamedTuple):
    """A number and where it stands."""

    start: int
    end: int
    kind: str


_DIGITS = re.compile(r"[0-9]+")
_GAP = re.compile(r"[ \n\-./()]{1,3}")
_MOST_GROUPS = 10
_MOST_DIGITS = 19

_SSN_BEFORE = re.compile(r"(?:ssn|social security|soc\.? ?sec|itin|seguro social|tax ?id|\btin)[^0-9]{0,24}$")
_ACCOUNT_BEFORE = re.compile(
    r"(?:accounts?|acct|a/c|acc|cuenta|routing|aba|rtn|loan|policy|medicaid|medicare|passport|licen[sc]e|konto|compte)"
    r"(?:[ \n]?(?:id|ids|number|num|no|nr|numero|card|here))?\"?[^0-9a-z]{0,4}(?:is[: ]|was |numbered |#)?"
    r"[^0-9a-z]{0,3}$"
)
_EXTENSION = re.compile(r"[ ,\n]{0,2}(?:ext|extension|x)\.?[ ]?[0-9]{1,6}(?![0-9])")
_LETTER = re.compile(r"[^\W\d_]")


def digit_groups(text: str) -> list[DigitGroup]:
    """All digits of a text in their groups."""
    groups: list[DigitGroup] = []
    end = -4
    for found in _DIGITS.finditer(text):
        start = found.start()
        gap = text[end:start] if 0 < start - end <= 3 and end >= 0 else None
        groups.append(DigitGroup(start, found.end(), found[0], gap if gap and _GAP.fullmatch(gap) else None))
        end = found.end()
    return groups


def find_numbers(text: str, kinds: frozenset[str]) -> Iterator[Number]:
    """Numbers of ``kinds`` ("phone", "ssn", "card", "account"). They may overlap."""
    groups = digit_groups(text)
    for first, group in enumerate(groups):
        if _LETTER.match(text[group.start - 1 : group.start]):
            continue
        digits = ""
        sizes: tuple[int, ...] = ()
        for last in range(first, min(first + _MOST_GROUPS, len(groups))):
            each = groups[last]
            if last > first and each.gap is None:
                break
            digits += each.digits
            sizes = (*sizes, len(each.digits))
            if len(digits) > _MOST_DIGITS:
                break
            if (len(digits) >= 6 and not _LETTER.match(text[each.end : each.end + 1])) or text[
                each.end : each.end + 1
            ] == "x":
                yield from _numbers_of(text, groups[first : last + 1], digits, sizes, kinds)


def _numbers_of(
    text: str, groups: list[DigitGroup], digits: str, sizes: tuple[int, ...], kinds: frozenset[str]
) -> Iterator[Number]:
    start, end = groups[0].start, groups[-1].end
    if "ssn" in kinds and _is_ssn(text, start, digits, sizes):
        yield Number(start, end, "ssn")
    if "card" in kinds and len(digits) >= 12 and all(size > 2 for size in sizes[:-1]) and is_card(digits):
        yield Number(start, end, "card")
    if "account" in kinds and _is_account(text, start, digits):
        yield Number(start, end, "account")
    if "phone" in kinds and _is_phone(text, groups, digits, sizes):
        extension = _EXTENSION.match(text, end)
        yield Number(_phone_start(text, start, end), extension.end() if extension else end, "phone")


def _is_ssn(text: str, start: int, digits: str, sizes: tuple[int, ...]) -> bool:
    if len(digits) != 9 or not is_ssn(digits):
        return False
    return sizes == (3, 2, 4) or _SSN_BEFORE.search(text, max(0, start - 48), start) is not None


def _is_account(text: str, start: int, digits: str) -> bool:
    before = _ACCOUNT_BEFORE.search(text, max(0, start - 40), start)
    if before is None:
        return False
    return is_routing_number(digits) if before[0].startswith(("routing", "aba", "rtn")) and len(digits) == 9 else True


_US_SIZES = frozenset(((3, 3, 4), (10,), (3, 7), (6, 4)))


def _is_phone(text: str, groups: list[DigitGroup], digits: str, sizes: tuple[int, ...]) -> bool:
    start = groups[0].start
    if text[max(0, start - 2) : start].rstrip("( ").endswith("+"):
        return 8 <= len(digits) <= 15
    if sizes[0] == 1 and digits[0] == "1" and sizes[1:] in _US_SIZES:
        return is_us_phone(digits[1:])
    if sizes in _US_SIZES:
        return is_us_phone(digits)
    if sizes == (11,):
        return digits[0] == "1" and is_us_phone(digits[1:])
    if text[groups[-1].end : groups[-1].end + 1] in _JOINS and text[groups[-1].end + 1 : groups[-1].end + 2].isdigit():
        return False
    if groups[0].gap is not None and groups[0].gap.strip(" \n()") != "":
        return False
    if sizes == (3, 4):
        return groups[1].gap in ("-", ".") and digits[0] not in "01"
    if len(sizes) < 2 or sizes[0] < 2 or digits[0] != "0" or sizes == (3, 2, 4):
        return False
    return 10 <= len(digits) <= 17 and digits[2] != "0" if digits.startswith("00") else 9 <= len(digits) <= 11


_JOINS = ("-", ".", "/")


def _phone_start(text: str, start: int, end: int) -> int:
    if text[start - 1 : start] == "(" and text.count(")", start, end) > text.count("(", start, end):
        start -= 1
    return start - 1 if text[start - 1 : start] == "+" else start
