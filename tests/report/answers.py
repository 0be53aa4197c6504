"""Items as a batch leaves them, with quotes looked up by the product's own search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.batch.output.export import Result, result_values
from complaint_llm.checks.check import Finding
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.checks.quotes import find_quotes
from complaint_llm.messages import InferenceOutput
from complaint_llm.report import ReportItem
from complaint_llm.tasks.load import built_in

EMPTY: Mapping[str, Any] = {
    "languages": ["en"],
    "people": [],
    "facts": [],
    "claims": [],
    "amounts": [],
    "dates": [],
    "stated_deadlines": [],
    "time_limit_triggers": [],
    "documents": [],
    "urgent": [],
    "missing": [],
    "instructions_in_text": [],
    "no_claims_because": None,
}


def claims_answer(*quotes: str, type: str = "home_conditions", **more: Any) -> dict[str, Any]:
    """An answer of the task ``claims`` with one claim that rests on a fact for each quote."""
    facts = [
        {"ref": f"F{n}", "statement": f"statement {n}", "known_from": "seen_or_done_by_speaker", "quote": quote}
        for n, quote in enumerate(quotes, 1)
    ]
    claim = {
        "type": type,
        "label": "a label",
        "claimants": [],
        "respondents": [],
        "facts_for": [fact["ref"] for fact in facts],
        "facts_against": [],
        "support": "said_outright",
    }
    return {**EMPTY, "facts": facts, "claims": [claim], **more}


def item(
    material: str | None,
    parsed: Any = None,
    *,
    number: int = 1,
    id: str | None = None,
    task: str = "claims",
    findings: Sequence[Finding] = (),
    **output: Any,
) -> ReportItem:
    """An answered item."""
    schema = built_in(task).schema or {}
    quotes = find_quotes(parsed, schema, [SearchableText.of(material or "")]) if parsed is not None else ()
    metadata = {"task": {"id": task, "digest": "0" * 64}, **output.pop("metadata", {})}
    given: dict[str, Any] = {
        "content": "",
        "parsed": parsed,
        "quotes": quotes,
        "findings": tuple(findings),
        "metadata": metadata,
        "backend": "b",
        "model": "m",
        "finish_reason": "stop",
        "cost": 0.01,
        **output,
    }
    result = Result(id or f"item-{number}", InferenceOutput(**given), None)
    return ReportItem(number, result_values(result), material)


def failed(number: int, type: str = "BackendError", message: str = "no answer came", **more: Any) -> ReportItem:
    """An item with an error."""
    result = Result(f"item-{number}", None, {"type": type, "message": message, **more})
    return ReportItem(number, result_values(result), "a text that nobody answered")
