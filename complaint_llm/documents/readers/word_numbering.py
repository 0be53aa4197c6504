"""The numbers of auto-numbered paragraphs: ``1.``, ``(a)``, ``II.``, as Word works them out. They stand in no text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element

_LEVELS = 9
_PLACE = re.compile(r"%([1-9])")
_MOST = 32_767
"""Word's own highest number in a list."""


class NumberedLevel(NamedTuple):
    """A level of a list."""

    start: int = 1
    form: str = "decimal"
    text: str = ""
    """``%1.%2``: the numbers of the levels stand for the digits."""
    restarts_after: int | None = None
    """The level, from 1, whose next number restarts this one; None for any above it, 0 for never."""
    legal: bool = False
    """All numbers in it are decimal."""
    suffix: str = " "
    style: str = ""


@dataclass
class _List:
    levels: dict[int, NumberedLevel]
    counts: list[int | None] = field(default_factory=lambda: [None] * _LEVELS)


class Numbering:
    """What ``word/numbering.xml`` says, and how far each list has come. Ask for each paragraph once, in their order."""

    def __init__(self, parts: list[Element], numbering_of_style: Callable[[str], tuple[str, int] | None]) -> None:
        self._numbering_of_style = numbering_of_style
        self._lists: dict[str, _List] = {}
        self._list_of: dict[str, str] = {}
        self._overrides: dict[str, dict[int, NumberedLevel]] = {}
        self._starts: dict[str, dict[int, int]] = {}
        self._links: dict[str, str] = {}
        for part in parts:
            if part.tag == "w:abstractNum":
                self._add_list(part)
            elif part.tag == "w:num":
                self._add_number(part)

    def _add_list(self, part: Element) -> None:
        key = part.get("w:abstractNumId", "")
        self._lists[key] = _List(_levels(part))
        if (link := part.find("w:numStyleLink")) is not None:
            self._links[key] = link.get("w:val", "")

    def _add_number(self, part: Element) -> None:
        key = part.get("w:numId", "")
        reference = part.find("w:abstractNumId")
        self._list_of[key] = "" if reference is None else reference.get("w:val", "")
        for override in part.findall("w:lvlOverride"):
            level = _number(override.get("w:ilvl"), 0)
            start = override.find("w:startOverride")
            if start is not None:
                self._starts.setdefault(key, {})[level] = _number(start.get("w:val"), 1)
            self._overrides.setdefault(key, {}).update(_levels(override))

    def level_of_style(self, number_id: str, style: str) -> int | None:
        """The level that a style stands for in a list, None if it stands for none."""
        levels = self._levels_of(number_id)
        return next((at for at, level in levels.items() if style and level.style == style), None)

    def next(self, number_id: str, level: int) -> str:
        """What stands before the next paragraph of a list, its blank included; "" for none."""
        a_list = self._list(number_id)
        if a_list is None or not 0 <= level < _LEVELS:
            return ""
        levels = self._levels_of(number_id)
        here = levels.get(level)
        if here is None:
            return ""
        counts = a_list.counts
        restart = self._starts.get(number_id, {}).pop(level, None)
        if restart is not None:
            counts[level] = restart
        else:
            before = counts[level]
            counts[level] = here.start if before is None else min(before + 1, _MOST)
        for above in range(level):
            if counts[above] is None:
                counts[above] = levels[above].start if above in levels else 1
        for below in range(level + 1, _LEVELS):
            after = levels[below].restarts_after if below in levels else None
            if after is None or (after != 0 and level < after):
                counts[below] = None
        return _number_text(here, levels, counts)

    def _list(self, number_id: str) -> _List | None:
        key = self._list_of.get(number_id, "")
        if key in self._links:
            linked = self._numbering_of_style(self._links[key])
            other = self._list_of.get(linked[0], "") if linked is not None else ""
            if other in self._lists and other not in self._links:
                key = other
        return self._lists.get(key)

    def _levels_of(self, number_id: str) -> Mapping[int, NumberedLevel]:
        a_list = self._list(number_id)
        return {} if a_list is None else {**a_list.levels, **self._overrides.get(number_id, {})}


def _levels(part: Element) -> dict[int, NumberedLevel]:
    found = {}
    for each in part.findall("w:lvl"):
        value = {child.tag: child.get("w:val", "") for child in each}
        restart = value.get("w:lvlRestart")
        found[_number(each.get("w:ilvl"), 0)] = NumberedLevel(
            start=_number(value.get("w:start"), 1 if "w:start" in value else 0),
            form=value.get("w:numFmt", "decimal"),
            text=value.get("w:lvlText", ""),
            restarts_after=None if restart is None else _number(restart, 0),
            legal="w:isLgl" in value and value["w:isLgl"] not in ("0", "false", "off"),
            suffix="" if value.get("w:suff") == "nothing" else " ",
            style=value.get("w:pStyle", ""),
        )
    return found


def _number_text(here: NumberedLevel, levels: Mapping[int, NumberedLevel], counts: list[int | None]) -> str:
    if here.form == "bullet":
        return "• "
    if here.form == "none" and not here.text.strip():
        return ""

    def number_of(found: re.Match[str]) -> str:
        at = int(found[1]) - 1
        form = levels[at].form if at in levels else "decimal"
        if here.legal and form != "none":
            form = "decimal"
        return formatted_number(counts[at] or 0, form)

    text = _PLACE.sub(number_of, here.text).strip()
    return text + here.suffix if text else ""


def formatted_number(number: int, form: str) -> str:
    """A number as Word writes it in one of its ``w:numFmt``; a form that is not known is decimal."""
    if form in ("none", "bullet"):
        return ""
    if form in ("lowerLetter", "upperLetter") and number > 0:
        repeats, letter = divmod(number - 1, 26)
        text = chr(ord("a") + letter) * min(repeats + 1, 40)
        return text if form == "lowerLetter" else text.upper()
    if form in ("lowerRoman", "upperRoman") and 0 < number < 40_000:
        text = _roman(number)
        return text if form == "lowerRoman" else text.upper()
    if form == "decimalZero":
        return f"{number:02d}"
    if form == "ordinal":
        ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending}"
    if form == "hebrew1" and 0 < number < 1_000:
        return _hebrew(number)
    if form == "numberInDash":
        return f"- {number} -"
    return str(number)


def _roman(number: int) -> str:
    text = ""
    for value, letters in (
        (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"),
        (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
    ):  # fmt: skip
        count, number = divmod(number, value)
        text += letters * count
    return text


def _hebrew(number: int) -> str:
    text = ""
    for value, letter in (
        (400, "ת"), (300, "ש"), (200, "ר"), (100, "ק"), (90, "צ"), (80, "פ"), (70, "ע"), (60, "ס"), (50, "נ"),
        (40, "מ"), (30, "ל"), (20, "כ"), (16, "טז"), (15, "טו"), (10, "י"), (9, "ט"), (8, "ח"), (7, "ז"), (6, "ו"),
        (5, "ה"), (4, "ד"), (3, "ג"), (2, "ב"), (1, "א"),
    ):  # fmt: skip
        while number >= value:
            text += letter
            number -= value
    return text


def _number(text: str | None, default: int) -> int:
    try:
        return max(0, min(int(text or ""), _MOST))
    except ValueError:
        return default
