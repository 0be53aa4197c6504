"""Numbers and dates of a workbook as a cell shows them, by its number format (ECMA-376, 18.8.30 and 18.8.31)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

BUILT_IN = {
    0: "General", 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 5: "$#,##0;-$#,##0", 6: "$#,##0;-$#,##0",
    7: "$#,##0.00;-$#,##0.00", 8: "$#,##0.00;-$#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00",
    12: "# ?/?", 13: "# ??/??",
    14: "m/d/yyyy", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: "m/d/yyyy h:mm", 37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)",
    40: "#,##0.00;(#,##0.00)", 41: "#,##0;(#,##0);-", 42: "$#,##0;($#,##0);-", 43: "#,##0.00;(#,##0.00);-",
    44: "$#,##0.00;($#,##0.00);-", 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip
"""The formats that a file names by number alone, as an English Excel shows them."""

_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<space>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]'
    r"|(?P<general>General)|(?P<exponent>[eE][+-][0#?]+)|(?P<ampm>AM/PM|A/P)|(?P<date>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+(?:\.0+)?|e+|g+)"
    r"|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*,*)?|\.[0#?]+,*)|(?P<text>@)|(?P<other>.)",
    re.S | re.I,
)
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_LAST_DAY = 2_958_466
"""9999-12-31 and a day, as Excel counts."""


class _Token(NamedTuple):
    kind: str
    text: str


class _FormatSection(NamedTuple):
    tokens: tuple[_Token, ...]
    condition: tuple[str, float] | None

    @property
    def is_date(self) -> bool:
        return any(token.kind in ("date", "ampm", "elapsed") for token in self.tokens)


def is_date_format(form: str) -> bool:
    """Whether a format shows numbers as dates or times."""
    return any(section.is_date for section in _sections(form)[:1])


def shown_text(text: str, form: str) -> str:
    """Text in a cell of a format."""
    if form in ("General", "@"):
        return text
    sections = _sections(form)
    section = sections[3] if len(sections) > 3 else sections[-1]
    if not any(token.kind == "text" for token in section.tokens):
        return "" if len(sections) > 3 else text
    return "".join(text if token.kind == "text" else _literal(token) for token in section.tokens)


def shown_number(number: float, form: str, *, since_1904: bool = False) -> str:
    """A number in a cell of a format, as Excel shows it in a column that is wide enough."""
    if form == "General":
        return general(number)
    sections = _sections(form)
    section, value = _choose(sections, number)
    if section is None or not section.tokens:
        return "" if section is not None and ";" in form else general(number)
    if section.is_date:
        return _date(section, number, since_1904=since_1904)
    if not any(token.kind in ("digits", "general", "text") for token in section.tokens):
        return ("-" if value < 0 else "") + "".join(map(_literal, section.tokens))
    return _numeric(section, value)


def general(number: float) -> str:
    """A number without a format: up to 11 digits, as Excel shows it."""
    if number == int(number) and abs(number) < 1e11:
        return str(int(number))
    if number != 0 and (abs(number) >= 1e11 or abs(number) < 1e-9):
        mantissa, _, exponent = f"{number:.5E}".partition("E")
        return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"
    units = len(str(abs(int(number))))
    return _round(number, max(0, 10 - units)).rstrip("0").rstrip(".")


def date_time(number: float, *, since_1904: bool = False) -> datetime | None:
    """The day and time that a number means; None where Excel knows none."""
    days = number + (1462 if since_1904 else 0)
    if not 0 <= days < _LAST_DAY:
        return None
    first = datetime(1899, 12, 31) if days < 60 else datetime(1899, 12, 30)  # noqa: DTZ001 - a file names no zone
    return first + timedelta(seconds=round(days * 86_400, 3))


@lru_cache(maxsize=512)
def _sections(form: str) -> tuple[_FormatSection, ...]:
    parts: list[list[_Token]] = [[]]
    conditions: list[tuple[str, float] | None] = [None]
    for found in _TOKEN.finditer(form[:1_000]):
        kind = found.lastgroup or "other"
        text = found[kind]
        if kind == "other" and text == ";":
            parts.append([])
            conditions.append(None)
        elif kind == "bracket":
            if re.fullmatch("h+|m+|s+", text, re.I):
                parts[-1].append(_Token("elapsed", text.lower()))
            elif text.startswith("$"):
                parts[-1].append(_Token("quoted", text[1:].partition("-")[0]))
            elif condition := re.fullmatch(r"(<=|>=|<>|<|>|=)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)", text):
                conditions[-1] = (condition[1], float(condition[2]))
        elif kind == "date":
            parts[-1].append(_Token("date", text.lower()))
        elif kind != "fill":
            parts[-1].append(_Token(kind, " " if kind == "space" else text))
    return tuple(_FormatSection(tuple(tokens), condition) for tokens, condition in zip(parts, conditions, strict=True))


def _choose(sections: tuple[_FormatSection, ...], number: float) -> tuple[_FormatSection | None, float]:
    """The section that a number is shown by, and the number without the sign that the section shows itself."""
    if any(section.condition for section in sections):
        for section in sections[:3]:
            if section.condition is None or _holds(section.condition, number):
                return section, number
        return None, number
    if number < 0 and len(sections) > 1:
        return sections[1], -number
    if number == 0 and len(sections) > 2:
        return sections[2], number
    return sections[0], number


def _holds(condition: tuple[str, float], number: float) -> bool:
    sign, bound = condition
    return {
        "<": number < bound, ">": number > bound, "=": number == bound, "<>": number != bound,
        "<=": number <= bound, ">=": number >= bound,
    }[sign]  # fmt: skip


def _literal(token: _Token) -> str:
    return token.text if token.kind in ("quoted", "escaped", "space", "other") else ""


def _round(number: float, places: int) -> str:
    return (
        str(Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))
        if (abs(number) < 1e20)
        else f"{number:.{places}f}"
    )


def _numeric(section: _FormatSection, number: float) -> str:
    tokens = section.tokens
    if any(token.kind in ("general", "text") for token in tokens):
        return "".join(general(number) if token.kind in ("general", "text") else _literal(token) for token in tokens)
    digits = [token.text for token in tokens if token.kind == "digits"]
    if any(token.kind == "other" and token.text == "/" for token in tokens):
        return general(number)  # a fraction: the number itself says the same
    percents = sum(token.kind == "other" and token.text == "%" for token in tokens)
    scaled = number * 100**percents
    exponent = next((token.text for token in tokens if token.kind == "exponent"), None)
    if exponent is not None:
        places = len(digits[0].partition(".")[2])
        mantissa, _, power = f"{scaled:.{places}E}".partition("E")
        width = len(exponent) - 2
        sign = "-" if power.startswith("-") else ("+" if exponent[1] == "+" else "")
        body = f"{mantissa}E{sign}{power[1:].lstrip('0').rjust(width, '0')}"
        return _put_in(tokens, [body, *[""] * len(digits)], negative=False)
    scale = len(digits[0]) - len(digits[0].rstrip(","))
    whole_form, _, fraction_form = digits[0].rstrip(",").partition(".")
    if len(digits) > 1:
        return _pattern(tokens, digits, scaled)
    scaled /= 1000**scale
    text = _round(abs(scaled), len(fraction_form))
    units, _, fraction = text.partition(".")
    least = whole_form.count("0")
    units = units.lstrip("0").rjust(least, "0") if least else units.lstrip("0")
    if "," in whole_form:
        units = f"{int(units):,}".rjust(least, "0") if units else units
    while fraction and len(fraction_form) >= len(fraction) and fraction.endswith("0"):
        if fraction_form[len(fraction) - 1] == "0":
            break
        fraction = fraction[:-1]
    body = units + ("." + fraction if "." in digits[0] and (fraction or "0" in fraction_form) else "")
    return _put_in(tokens, [body], negative=scaled < 0 and bool(body.strip("0.,")))


def _pattern(tokens: tuple[_Token, ...], digits: list[str], number: float) -> str:
    """Digits with something between them: telephone and social security numbers, ``000-00-0000``."""
    count = sum(len(part.replace(",", "")) for part in digits)
    text = _round(abs(number), 0).rjust(count, "0")
    parts: list[str] = []
    for part in reversed(digits[1:]):
        size = len(part)
        parts.append(text[-size:])
        text = text[:-size]
    return _put_in(tokens, [text, *reversed(parts)], negative=number < 0)


def _put_in(tokens: tuple[_Token, ...], numbers: list[str], *, negative: bool) -> str:
    at = iter(numbers)
    return ("-" if negative else "") + "".join(
        next(at, "") if token.kind == "digits" else _literal(token) for token in tokens
    ).strip(" ")


def _date(section: _FormatSection, number: float, *, since_1904: bool) -> str:
    tokens = section.tokens
    when = date_time(number, since_1904=since_1904)
    if when is None:
        return general(number)
    twelve = any(token.kind == "ampm" for token in tokens)
    if not any("." in token.text for token in tokens if token.kind == "date"):
        when = (when + timedelta(milliseconds=500)).replace(microsecond=0)
    pieces: list[str] = []
    last = ""
    for at, token in enumerate(tokens):
        if token.kind == "elapsed":
            pieces.append(_elapsed_time(number, token.text))
            last = token.text[0]
        elif token.kind == "date":
            name = token.text
            following = next((each.text[0] for each in tokens[at + 1 :] if each.kind in ("date", "elapsed")), "")
            is_minute = name[0] == "m" and len(name) < 3 and (last == "h" or following == "s")
            pieces.append(_part(when, "n" * len(name) if is_minute else name, twelve=twelve))
            last = name[0]
        elif token.kind == "ampm":
            pieces.append(("AM" if when.hour < 12 else "PM")[: len(token.text.partition("/")[0])])
        else:
            pieces.append(_literal(token))
    return "".join(pieces).strip()


def _elapsed_time(number: float, unit: str) -> str:
    seconds = round(number * 86_400)
    value = {"h": seconds // 3600, "m": seconds // 60, "s": seconds}[unit[0]]
    return str(value).rjust(len(unit), "0")


def _part(when: datetime, name: str, *, twelve: bool) -> str:
    size = len(name)
    kind = name[0]
    if kind == "y":
        return f"{when.year % 100:02d}" if size < 3 else f"{when.year:04d}"
    if kind == "m" and size > 2:
        month = _MONTHS[when.month - 1]
        return month[0] if size == 5 else month[:3] if size == 3 else month
    if kind == "d" and size > 2:
        day = _DAYS[when.weekday()]
        return day[:3] if size == 3 else day
    if kind == "s":
        units, _, places = name.partition(".")
        fraction = f".{when.microsecond:06d}"[: len(places) + 1] if places else ""
        return f"{when.second:0{min(len(units), 2)}d}{fraction}"
    hour = when.hour % 12 or 12 if twelve else when.hour
    value = {"m": when.month, "d": when.day, "h": hour, "n": when.minute}.get(kind)
    return f"{value:0{min(size, 2)}d}" if value is not None else ""
