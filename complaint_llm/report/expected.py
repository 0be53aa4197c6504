"""A run beside what a careful reader expected of it: what was missed comes first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from complaint_llm.exceptions import ConfigError
from complaint_llm.report.answer import words_of
from complaint_llm.report.claims import date_words
from complaint_llm.report.items import ReportItem
from complaint_llm.report.matching import (
    ClaimParties,
    amount_value,
    claims_in,
    date_parts,
    entries_in,
    name_words,
    same_name,
)
from complaint_llm.report.quoted import page_quotes

KINDS = ("claims", "amounts", "dates")
"""What is compared, in the order in which it is told."""


class Expected(NamedTuple):
    """Expected answers by the id of their item, and who wrote them."""

    source: str
    items: Mapping[str, Mapping[str, Any]]


class ItemComparison(NamedTuple):
    """An item beside what was expected of it, by kind and in words."""

    id: str
    state: str
    missed: Mapping[str, tuple[str, ...]]
    matched: Mapping[str, int]
    further: Mapping[str, tuple[str, ...]]
    """What the answer has beyond it: it may be right."""


class Comparison(NamedTuple):
    """All items of a run that something was expected of, and the ids that were expected and are not in the run."""

    items: tuple[ItemComparison, ...]
    absent: tuple[str, ...]
    demo: bool


def read_expected(path: Path) -> Expected:
    """The file of ``--expect``; examples/expected has two. Raises ConfigError."""
    try:
        given = json.loads(path.read_bytes())
        items = {str(item["id"]): item for item in given["items"]}
        for item in items.values():
            for claim in item.get("claims", ()):
                name_words(claim["type"] + claim["claimant"])
            for amount in item.get("amounts", ()):
                amount_value(amount["value"] + amount["quote"])
            for date in item.get("dates", ()):
                date_parts(date)
        return Expected(str(given.get("source", "")), items)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shape = '{"source", "items": [{"id", "claims": [{"type", "claimant", "respondent"}], "amounts", "dates"}]}'
        raise ConfigError(f"{path}: is no file of expected answers, {shape}: {error!r}") from error


def compare_expected(items: Iterable[ReportItem], expected: Expected) -> Comparison:
    """Every item that something was expected of, in the run's order.

    An item's id fits as it is, or as the name of a file without its folder and ending.
    """
    compared: list[ItemComparison] = []
    seen: set[str] = set()
    demo = False
    for item in items:
        id = next((each for each in (item.id, PurePosixPath(item.id).stem) if each in expected.items), None)
        if id is None:
            continue
        seen.add(id)
        demo = demo or item.demo
        compared.append(_compare(item, expected.items[id]))
    return Comparison(tuple(compared), tuple(each for each in expected.items if each not in seen), demo)


def _compare(item: ReportItem, wanted: Mapping[str, Any]) -> ItemComparison:
    parts = {"claims": _claims(item, wanted), "amounts": _amounts(item, wanted), "dates": _dates(item, wanted)}
    return ItemComparison(
        id=item.id,
        state=item.state,
        missed={kind: tuple(part[0]) for kind, part in parts.items()},
        matched={kind: part[1] for kind, part in parts.items()},
        further={kind: tuple(part[2]) for kind, part in parts.items()},
    )


_Part = tuple[list[str], int, list[str]]
"""What was missed, how many matched, what is there beyond."""


def _claims(item: ReportItem, wanted: Mapping[str, Any]) -> _Part:
    found = claims_in(item.values)
    missed, fitting = [], set()
    expected = wanted.get("claims", ())
    for claim in expected:
        fits = {place for place, each in enumerate(found) if _fits(claim, each)}
        if not fits:
            against = claim.get("respondent") or "not said"
            missed.append(f"{words_of(claim['type'])}: {claim['claimant']} against {against}")
        fitting |= fits
    further = [each.words() for place, each in enumerate(found) if place not in fitting]
    return missed, len(expected) - len(missed), further


def _fits(claim: Mapping[str, Any], found: ClaimParties) -> bool:
    """The type is the same, and each side that is expected is among those of the answer."""
    if claim["type"] != found.type:
        return False
    sides = ((claim["claimant"], found.claimants), (claim.get("respondent"), found.respondents))
    return all(not name or any(same_name(name_words(name), each) for each in side) for name, side in sides)


def _amounts(item: ReportItem, wanted: Mapping[str, Any]) -> _Part:
    """By value, and by a quote that stands over a character of the expected one."""
    quotes = {quote.pointer: quote for quote in page_quotes(item.values) if quote.stands}
    left = [
        (amount, quote)
        for number, amount in entries_in(item.values, "amounts")
        if (quote := quotes.get(f"/amounts/{number}/quote")) is not None
    ]
    missed = []
    expected = wanted.get("amounts", ())
    for amount in expected:
        place = _place(item.material, amount["quote"])
        fit = next(
            (
                each
                for each in left
                if amount_value(each[0].get("value")) == amount_value(amount["value"])
                and _overlap(place, (each[1].start, each[1].end), amount["quote"], each[1].text)
            ),
            None,
        )
        if fit is None:
            missed.append(f"{amount['value']} (\u201c{amount['quote']}\u201d)")
        else:
            left.remove(fit)
    further = [f"{amount_value(amount.get('value'))} (\u201c{quote.text}\u201d)" for amount, quote in left]
    return missed, len(expected) - len(missed), further


def _place(text: str | None, quote: str) -> tuple[int, int] | None:
    start = -1 if text is None else text.find(quote)
    return None if start < 0 else (start, start + len(quote))


def _overlap(place: tuple[int, int] | None, found: tuple[int | None, int | None], quote: str, other: str) -> bool:
    start, end = found
    if place is None or start is None or end is None:  # without the text itself: one within the other
        one, two = " ".join(quote.split()), " ".join(other.split())
        return one in two or two in one
    return start < place[1] and place[0] < end


def _dates(item: ReportItem, wanted: Mapping[str, Any]) -> _Part:
    """By year, month and day, each as far as it is written."""
    left = [date_parts(date) for _, date in entries_in(item.values, "dates")]
    missed = []
    expected = wanted.get("dates", ())
    for date in expected:
        if date_parts(date) in left:
            left.remove(date_parts(date))
        else:
            missed.append(f"{date_words(date)} (\u201c{date.get('quote', '')}\u201d)")
    further = [date_words(dict(zip(("year", "month", "day"), parts, strict=True))) for parts in left]
    return missed, len(expected) - len(missed), further


def expected_lines(comparison: Comparison, expected: Expected) -> Iterator[str]:
    """The comparison in lines: missed claims first. A demonstration's has no counts: they would say nothing."""
    if comparison.demo:
        yield "DEMONSTRATION: made by plain rules; this says nothing about any model"
    yield f"Expected answers: {expected.source or 'of unknown source'}"
    for kind in KINDS:
        yield from _part(f"Missed {kind}", [(each.id, each.missed[kind]) for each in comparison.items])
    unanswered = [(each.id, (each.state.replace("_", " "),)) for each in comparison.items if each.state != "answered"]
    yield from _part("Without a whole answer", unanswered)
    yield from _part("Expected, and not in the run", [(each, ("",)) for each in comparison.absent])
    for kind in KINDS:
        yield from _part(f"{kind.capitalize()} beyond those expected (they may be right)", [
            (each.id, each.further[kind]) for each in comparison.items
        ])  # fmt: skip
    if not comparison.demo:
        counts = []
        for kind in KINDS:
            matched = sum(each.matched[kind] for each in comparison.items)
            counts.append(f"{kind} {matched} of {matched + sum(len(each.missed[kind]) for each in comparison.items)}")
        yield f"Matched in {len(comparison.items)} items: {', '.join(counts)}"


def _part(heading: str, found: Sequence[tuple[str, Sequence[str]]]) -> Iterator[str]:
    lines = [f"  {id}: {words}" if words else f"  {id}" for id, each in found for words in each]
    if lines:
        yield heading
        yield from lines
