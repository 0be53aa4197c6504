"""The check ``numbers_in_quote``: amounts, years and days stand in the quote that they are taken from.

A schema marks them ``"x-in-quote": true``; the quote is the marked string beside them in the same object.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.checks.check import CheckContext, Finding
from complaint_llm.checks.folding import fold

NAME = "numbers_in_quote"


def check_numbers(parsed: Any, context: CheckContext) -> Sequence[Finding]:
    """A finding for each marked number that its quote does not hold."""
    places = context.places(parsed)
    quotes = {
        id(place.parent): place.value
        for place in places
        if place.annotations.get("x-quote") is True and isinstance(place.value, str)
    }
    findings = []
    for place in places:
        if (
            place.annotations.get("x-in-quote") is not True
            or place.value is None
            or isinstance(place.value, (bool, Mapping))
        ):
            continue
        quote = quotes.get(id(place.parent))
        if quote is None or not holds_number(quote, str(place.value)):
            findings.append(
                Finding(NAME, place.pointer, "it does not stand in the quote beside it: write it as it stands there")
            )
    return findings


def holds_number(quote: str, number: str) -> bool:
    """Whether ``number``, as written, stands in ``quote`` as a number of its own: 15 is not in 1.5, 15,000 or 2015.

    ``21`` is in ``21st``; a year of four digits is also in its last two after an apostrophe (``'26``). Words count as
    words.
    """
    text, wanted = fold(quote).text, fold(number).text.strip()
    if not wanted:
        return False
    before = r"(?<![\w.,])" if wanted[0].isdigit() else r"(?<!\w)"
    after = r"(?![\d])(?![.,:/-]\d)" if wanted[-1].isdigit() else r"(?!\w)"
    if re.search(before + re.escape(wanted) + after, text) or re.search(
        r"(?<=\d[/-])" + re.escape(wanted) + r"(?!\d)", text
    ):
        return True
    if re.search(r"(?<!\d)" + re.escape(wanted) + r"(?=[/-]\d)", text) and wanted.isdigit():
        return True
    return bool(re.fullmatch(r"\d{4}", wanted)) and re.search(rf"['’]{wanted[2:]}(?!\d)", text) is not None
