"""One self-contained page of what a ledger's calls cost, how long they took and what failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.ledger.figures import Figures
from complaint_llm.ledger.groupings import Series
from complaint_llm.ledger.summary import Summary
from complaint_llm.report import spend_words as words
from complaint_llm.report.page_frame import environment, frame, printed_margins, template_source
from complaint_llm.report.visible import visible

_UPLOT = Path(__file__).parent / "uplot"
_UNITS = {"hour": "hour", "day": "day", "week": "week, from Monday", "month": "month", "year": "year"}


class _Column(NamedTuple):
    name: str
    kind: str
    over_time: Sequence[Figures]


def render_spend(summary: Summary, title: str, made: float, zone: tzinfo | None = None) -> str:
    """The page of this summary; ``made`` is when (Unix seconds), ``zone`` that in which the summary has its days.

    Raises ConfigError without Jinja2.
    """
    templates = environment()
    templates.filters |= {
        "money": words.money,
        "duration": words.duration,
        "count": words.count,
        "count_of": words.count_of,
        "error_words": words.error_words,
        "minute": lambda time: words.minute(time, zone),
    }
    backends = [
        _Column(words.group_name(each, "backend"), "backend", each.over_time)
        for each in _drawn_series(summary.backends_over_time)
    ]
    matters = [
        _Column(words.group_name(each, "matter"), "matter", each.over_time)
        for each in _drawn_series(summary.matters_over_time)
    ]
    return templates.get_template("spend.html").render(
        title=title,
        band="",
        matters=json.dumps(sorted(_matters(summary))) if _matters(summary) else "",
        s=summary,
        lead=_lead(summary, zone),
        sides=_sides(summary),
        share=words.share,
        unit=summary.unit,
        unit_words=_UNITS[summary.unit],
        backends=backends,
        matter_columns=matters,
        name=words.group_name,
        top_spend=_highest(summary, [each.spend for each in summary.over_time], words.money),
        top_latency=_highest(summary, [each.p95 or 0.0 for each in summary.over_time], words.duration),
        top_failed=_highest(summary, [float(each.failed) for each in summary.over_time], lambda n: f"{n:,.0f}"),
        so_far=_month(made, zone),
        made=words.minute(made, zone),
        data=templates.filters["html"](_script_data(_charts(summary, backends, matters))),
        **frame(templates, _style(), _script()),
    )


def _style() -> str:
    chart = (_UPLOT / "uPlot.min.css").read_text(encoding="utf-8")
    return f"{chart}\n{template_source('spend.css')}{printed_margins('', '')}"


def _script() -> str:
    licence, library = ((_UPLOT / name).read_text(encoding="utf-8") for name in ("LICENSE", "uPlot.iife.min.js"))
    return f"/* uPlot 1.6.32\n{licence}\n*/\n{library}\n{template_source('spend.js')}"


def _drawn_series(series: Sequence[Series]) -> list[Series]:
    """Without those that have demonstrations only: there is nothing to draw of them."""
    return [each for each in series if any(figures.calls or figures.failed_attempts for figures in each.over_time)]


def _matters(summary: Summary) -> set[str]:
    """Every matter that the page names: who deletes what there is of one finds the page by it."""
    found = {each.name for each in summary.matters} | {summary.matter}
    return {
        name for name in found | {call.matter for call in (*summary.slowest, *summary.costliest)} if name is not None
    }


def _lead(summary: Summary, zone: tzinfo | None) -> str:
    """What one has to know, in a few sentences."""
    total = summary.total
    if not total.calls:
        apart = f"{words.count_of(total.demo, 'demonstration')} cost nothing and do not count."
        return "No call is recorded here." + (f" {apart}" if total.demo else "")
    assert summary.first is not None
    assert summary.last is not None
    first, last = words.day(summary.first, zone), words.day(summary.last, zone)
    when = f"On {first}" if first == last else f"From {first} to {last}"
    said = f"{when}, {words.count_of(total.calls, 'call')} cost "
    said += words.money(total.spend) if total.spend or not total.unpriced else "an amount that is not known. "
    if total.spend and total.unpriced:
        said += f", and {words.count_of(total.unpriced, 'more answer')} cost an amount that is not known. "
    elif not total.unpriced:
        said += ". "
    lost = total.failed + total.unfinished
    if not lost:
        return said + "Every call was answered."
    got = f"{words.count_of(lost, 'call')} ({words.share(lost, total.calls)}) got no answer"
    why = words.error_words(summary.failed_calls[0].error)
    return f"{said}{got}" + (f"; most often: {why}." if why else ".")


def _sides(summary: Summary) -> Mapping[str, Sequence[str]]:
    """What stands below each of the large figures."""
    total = summary.total
    spend = []
    if total.unpriced:
        spend.append(f"+ {words.count_of(total.unpriced, 'answer')} of unknown price, not in this sum")
    elif total.answered > total.cached:
        spend.append("the price of every answer is known")
    if total.maybe_charged:
        spend.append(
            f"{words.count_of(total.maybe_charged, 'failed attempt')} may be charged too: the provider had all of it"
        )
    if total.unfinished:
        spend.append(f"{words.count_of(total.unfinished, 'call')} never ended: what they cost is not known")
    calls = [f"{words.count_of(total.answered, 'answer')}"]
    if total.cached:
        calls.append(f"{words.count(total.cached)} of them from the cache, at no new cost")
    if total.demo:
        calls.append(f"{words.count_of(total.demo, 'demonstration')} not counted")
    failed = []
    if total.failed + total.unfinished:
        failed.append(f"{words.share(total.failed + total.unfinished, total.calls)} of all calls")
    if total.fallbacks:
        failed.append(f"{words.count_of(total.fallbacks, 'call')} went on to another backend after one failed")
    return {"spend": spend, "calls": calls, "failed": failed}


def _month(time: float, zone: tzinfo | None) -> str:
    return f"{datetime.fromtimestamp(time, zone):%B %Y}"


def _highest(summary: Summary, values: Sequence[float], format: Any) -> str:
    """Where a chart is highest, for who cannot see it."""
    if not values or not max(values):
        return "Nothing above 0."
    place = max(range(len(values)), key=values.__getitem__)
    return f"Highest: {format(values[place])}, {summary.periods[place].label}."


def _charts(summary: Summary, backends: Sequence[_Column], matters: Sequence[_Column]) -> Mapping[str, Any]:
    everything = _Column("all calls", "", summary.over_time)
    return {
        "unit": summary.unit,
        "labels": [period.label for period in summary.periods],
        "short": [period.short for period in summary.periods],
        "spend": [
            {
                "kind": kind,
                "series": [
                    {"name": each.name, "values": [_cents(f.spend) for f in each.over_time]} for each in columns
                ],
            }
            for kind, columns in (("backend", backends), ("matter", matters))
        ],
        "latency": [
            {
                "kind": each.kind,
                "name": each.name,
                "median": [_millis(f.median) for f in each.over_time],
                "p95": [_millis(f.p95) for f in each.over_time],
            }
            for each in (everything, *backends, *matters)
        ],
        "failures": [
            {
                "kind": each.kind,
                "name": each.name,
                "failed": [_lost(each.kind, f) for f in each.over_time],
                "fallbacks": [f.fallbacks for f in each.over_time],
            }
            for each in (everything, *backends, *matters)
        ],
    }


def _lost(kind: str, figures: Figures) -> int:
    """Of a backend its attempts that failed: a call that fails in the end is no backend's alone."""
    return figures.failed_attempts if kind == "backend" else figures.failed + figures.unfinished


def _cents(amount: float) -> float:
    return round(amount, 6)


def _millis(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _script_data(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a page: nothing in it ends an element, and what cannot be seen is shown."""

    def make_visible(value: Any) -> Any:
        if isinstance(value, str):
            return visible(value)
        if isinstance(value, Mapping):
            return {key: make_visible(each) for key, each in value.items()}
        return [make_visible(each) for each in value] if isinstance(value, list) else value

    return json.dumps(make_visible(data), allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")
