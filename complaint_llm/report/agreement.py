"""Two runs over the same items beside each other: where they agree, what each cost, and where they first differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from complaint_llm.report.answer import words_of
from complaint_llm.report.claims import date_words, is_claims
from complaint_llm.report.items import ReportItem
from complaint_llm.report.matching import amount_value, claims_in, entries_in, name_words

_MOST_SHOWN = 3


class Difference(NamedTuple):
    """A field in which two answers differ: what only the one and only the other has, in words."""

    field: str
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]


class ItemAgreement(NamedTuple):
    """One item in two runs."""

    id: str
    states: tuple[str, str]
    costs: tuple[float | None, float | None]
    seconds: tuple[float, float]
    fields: tuple[str, ...]
    """All fields that either answer has."""
    differences: tuple[Difference, ...]


class Agreement(NamedTuple):
    """Two runs item by item, in the order of the first one."""

    items: tuple[ItemAgreement, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    demo: bool


def compare_runs(here: Iterable[ReportItem], there: Iterable[ReportItem]) -> Agreement:
    """Items are paired by id; those without one by their place."""
    others = {item.id: item for item in there}
    compared, alone = [], []
    demo = any(item.demo for item in others.values())
    for item in here:
        demo = demo or item.demo
        other = others.pop(item.id, None)
        if other is None:
            alone.append(item.id)
        else:
            compared.append(_compare(item, other))
    return Agreement(tuple(compared), tuple(alone), tuple(others), demo)


def _compare(item: ReportItem, other: ReportItem) -> ItemAgreement:
    ours, theirs = fields_of(item.values), fields_of(other.values)
    names = tuple(dict.fromkeys((*ours, *theirs)))
    differences = []
    for name in names:
        one, two = list(ours.get(name, ())), list(theirs.get(name, ()))
        for each in tuple(one):
            if each in two:
                one.remove(each)
                two.remove(each)
        if one or two:
            differences.append(Difference(name, tuple(one), tuple(two)))
    return ItemAgreement(
        id=item.id,
        states=(item.state, other.state),
        costs=(item.values.get("cost"), other.values.get("cost")),
        seconds=(item.values.get("seconds") or 0.0, other.values.get("seconds") or 0.0),
        fields=names,
        differences=tuple(differences),
    )


def fields_of(values: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """What an answer says, by field, each thing in words that do not depend on the numbers it gives to its entries.

    Of the task ``claims``: claims by type and names, people by name, amounts by value, dates by parts, facts by quote.
    """
    parsed = values.get("parsed")
    if parsed is None:
        return {} if values.get("text") is None else {"text": (str(values["text"]),)}
    if is_claims(parsed):
        return {
            "claims": tuple(sorted(claim.words() for claim in claims_in(values))),
            "people": _in_order(" ".join(sorted(name_words(str(each.get("name") or each.get("quote") or ""))))
                              for _, each in entries_in(values, "people")),
            "amounts": _in_order(amount_value(each.get("value")) for _, each in entries_in(values, "amounts")),
            "dates": _in_order(date_words(each) for _, each in entries_in(values, "dates")),
            "facts": _in_order(" ".join(str(each.get("quote")).split()) for _, each in entries_in(values, "facts")),
            "stated_deadlines": _in_order(
                str(each.get("limit_as_written")) for _, each in entries_in(values, "stated_deadlines")
            ),
        }  # fmt: skip
    if isinstance(parsed, Mapping):
        return {str(name): _things(value) for name, value in parsed.items()}
    return {"answer": _things(parsed)}


def _things(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return _in_order(_as_text(each) for each in value)
    return () if value is None else (_as_text(value),)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _in_order(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(words))


def agreement_lines(agreement: Agreement, here: str, there: str) -> Iterator[str]:
    """The two runs in lines: the first difference, agreement by field, cost and seconds, then each item."""
    if agreement.demo:
        yield "DEMONSTRATION: made by plain rules; this says nothing about any model"
    first = next((each for each in agreement.items if each.differences), None)
    if first is not None:
        yield f"First difference: {first.id}, {words_of(first.differences[0].field)}"
        yield from _sides(first.differences[0], here, there)
    elif agreement.items:
        yield "No difference in what is compared"
    fields = dict.fromkeys(name for each in agreement.items for name in each.fields)
    if not agreement.demo:
        for name in fields:
            having = [each for each in agreement.items if name in each.fields]
            same = sum(all(found.field != name for found in each.differences) for each in having)
            yield f"{words_of(name)}: the same in {same} of {len(having)}"
    for place, out_file in enumerate((here, there)):
        costs = [each.costs[place] for each in agreement.items]
        known = sum(cost for cost in costs if cost is not None)
        unknown = sum(cost is None for cost in costs)
        seconds = sum(each.seconds[place] for each in agreement.items)
        yield (
            f"{out_file}: ${known:.4f}" + (f" and {unknown} of unknown cost" if unknown else "") + f", {seconds:.1f} s"
        )
    for each in agreement.items:
        states = "" if each.states[0] == each.states[1] else f" ({each.states[0]}, there {each.states[1]})"
        differing = ", ".join(words_of(found.field) for found in each.differences)
        yield f"  {each.id}{states}: " + (f"differs in {differing}" if differing else "agrees")
    for ids, out_file in ((agreement.only_here, here), (agreement.only_there, there)):
        if ids:
            yield f"only in {out_file}: {', '.join(ids)}"


def _sides(difference: Difference, here: str, there: str) -> Iterator[str]:
    for out_file, words in ((here, difference.only_here), (there, difference.only_there)):
        for each in words[:_MOST_SHOWN]:
            yield f"  only in {out_file}: {' '.join(each.split())[:200]}"
        if len(words) > _MOST_SHOWN:
            yield f"  only in {out_file}: {len(words) - _MOST_SHOWN} more"
