"""One self-contained page of a batch's results: no outside request, for its owner's eyes only.

Each item is rendered whole. Of a large batch the bodies travel compressed, some items a piece, and are unpacked when
somebody opens them: thousands of items stay one file that a browser takes.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.batch.output.states import STATES
from complaint_llm.checks.quote import standing_count
from complaint_llm.report.answer import Findings, any_answer, words_of
from complaint_llm.report.claims import claims_of, is_claims
from complaint_llm.report.items import ReportItem
from complaint_llm.report.marked_text import SHOWN_WHOLE, marked_lines
from complaint_llm.report.page_frame import (
    DEMONSTRATION,
    environment,
    frame,
    printed_margins,
    template_source,
    write_text,
)
from complaint_llm.report.quoted import PROMPT, WEAK_WORDS, WORDS, page_quotes
from complaint_llm.report.shown_documents import TextOf, document_views

if TYPE_CHECKING:
    from complaint_llm.tasks.task import Task

MOST_UNPACKED = 3_000_000
"""Characters of items' bodies up to which they stand in the page as they are."""
_ITEMS_A_PIECE = 20
_STATE_ORDER = ("failed", "not_read", "refused", "cut", "answered")
_STATE_WORDS = {"not_read": "not read", "cut": "cut short"}


class ReportPage(NamedTuple):
    """A page, and what a caller may say of it."""

    text: str
    items: int
    demo: bool


class _Body(NamedTuple):
    rank: int
    number: int
    head: Mapping[str, Any]
    text: str


def render_page(
    items: Iterable[ReportItem], tasks: Mapping[str, Task], title: str, text_of: TextOf | None = None
) -> ReportPage:
    """The page of these items; ``tasks`` by id are asked for their notices, ``text_of`` for the texts of documents.

    Raises ConfigError without Jinja2, and what ``text_of`` raises.
    """
    templates = environment()
    template = templates.get_template("item.html")
    matters: set[str] = set()
    rendered = [_body(template, item, text_of) for item in _noting_matters(items, matters)]
    rendered.sort(key=lambda body: (body.rank, body.number))
    heads = [body.head for body in rendered]
    demo = any(head["demo"] for head in heads)
    pieces: list[str] = []
    if sum(len(body.text) for body in rendered) > MOST_UNPACKED:
        pieces = list(_pieces([body.text for body in rendered]))
    shown = [
        {**body.head, "place": place, "body": None if pieces else templates.filters["html"](body.text)}
        for place, body in enumerate(rendered)
    ]
    states = Counter(head["state"] for head in heads)
    types = Counter(type for head in heads for type in head["types"])
    notices = _notices(heads, tasks)
    style = template_source("page.css") + printed_margins(DEMONSTRATION if demo else "", " ".join(notices))
    text = templates.get_template("page.html").render(
        title=title,
        matters=json.dumps(sorted(matters)) if matters else "",
        band=DEMONSTRATION if demo else "",
        notices=notices,
        items=shown,
        pieces=pieces,
        a_piece=_ITEMS_A_PIECE,
        open_all=len(shown) <= _ITEMS_A_PIECE * 2 and not pieces,
        states=[(state, _state_words(state), states[state]) for state in _STATE_ORDER if states[state]],
        types=[(type, words_of(type), types[type]) for type in sorted(types)],
        marks=[*WORDS.items(), *WEAK_WORDS.items()],
        totals=_totals(heads),
        **frame(templates, style, template_source("page.js")),
    )
    return ReportPage(text, len(shown), demo)


def _noting_matters(items: Iterable[ReportItem], matters: set[str]) -> Iterator[ReportItem]:
    """The items; the matters that they belong to are added to the set."""
    for item in items:
        matter = item.values.get("matter")
        if isinstance(matter, str):
            matters.add(matter)
        yield item


def write_page(path: Path, page: ReportPage) -> None:
    """Write it so that ``path`` is either as before or complete; for its owner alone. Raises BatchError."""
    write_text(path, page.text)


def _body(template: Any, item: ReportItem, text_of: TextOf | None) -> _Body:
    values, parsed = item.values, item.values.get("parsed")
    quotes, findings = page_quotes(values), Findings(values)
    claims = claims_of(parsed, quotes, findings) if isinstance(parsed, Mapping) and is_claims(parsed) else None
    answer = claims.rest if claims else any_answer(parsed, quotes, findings) if parsed is not None else None
    documents = document_views(values, quotes, text_of)
    own = [quote for quote in quotes if quote.source in (None, PROMPT)]
    material = item.material if item.material or not documents else None
    spans = [quote.span for quote in own if quote.span is not None]
    marked = {quote.number for quote in own} if material is not None else set()
    text = template.render(
        key=f"i{item.number}",
        item=item,
        values=values,
        error=values.get("error") or {},
        lines=marked_lines(material, spans) if material is not None else (),
        whole=material is None or len(material.encode("utf-8", "surrogatepass")) <= SHOWN_WHOLE,
        documents=documents,
        marked=marked.union(*(each.marked for each in documents)),
        quotes=quotes,
        claims=claims,
        answer=answer,
        reasked=_REASKED.get(str(values.get("reasked")), ""),
        paragraphs=str(values.get("text") or "").split("\n") if parsed is None else [],
    )
    state = item.state if item.state in STATES else "failed"
    head = {
        "key": f"i{item.number}",
        "id": item.id,
        "state": state,
        "state_words": _state_words(state),
        "demo": item.demo,
        "task": values.get("task"),
        "cost": values.get("cost"),
        "types": sorted({claim.type for claim in claims.claims}) if claims else [],
        "claims": [(claim.heading, "; ".join(claim.respondents)) for claim in claims.claims] if claims else [],
        "line": _line(item, parsed),
        "standing": "" if item.demo or not quotes else standing_count(quotes),
        "lost": any(quote.state == "not_found" for quote in quotes),
    }
    return _Body(_STATE_ORDER.index(state), item.number, head, text)


_REASKED = {
    "mended": "The model was told once what the checks had found, and answered again; this is its second answer.",
    "first_kept": "The model was told once what the checks had found, but then changed more than it may; its first "
    "answer is shown.",
}


def _line(item: ReportItem, parsed: Any) -> str:
    """What stands beside the id of an item that has no claims: the error, or the beginning of its answer."""
    error = item.values.get("error") or {}
    if error:
        return str(error.get("message") or error.get("type") or "")[:200]
    return "" if parsed is not None else str(item.values.get("text") or "")[:100]


def _state_words(state: str) -> str:
    return _STATE_WORDS.get(state, state)


_OF_A_MODEL = "Where a model answers, this page says here: {}"


def _notices(heads: Sequence[Mapping[str, Any]], tasks: Mapping[str, Task]) -> list[str]:
    """The notices of the tasks; those of demonstrations alone as what a page of a model's answers says."""
    found = dict.fromkeys(str(head["task"]) for head in heads if head["task"])
    of_models = {str(head["task"]) for head in heads if not head["demo"]}
    return list(
        dict.fromkeys(
            task.notice if id in of_models else _OF_A_MODEL.format(task.notice)
            for id in found
            if (task := tasks.get(id)) is not None and task.notice
        )
    )


def _totals(heads: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    costs = [head["cost"] for head in heads if isinstance(head["cost"], (int, float))]
    return {"count": len(heads), "cost": sum(costs), "unpriced": len(heads) - len(costs)}


def _pieces(texts: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(texts), _ITEMS_A_PIECE):
        # What JSON cannot say in UTF-8 is shown as its code point already.
        data = json.dumps(texts[start : start + _ITEMS_A_PIECE], ensure_ascii=False).encode()
        yield base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()
