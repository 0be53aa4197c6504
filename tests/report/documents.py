"""Items with documents, their quotes looked up by the product's own search."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.batch.output.export import Result, result_values
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.checks.quotes import find_quotes
from complaint_llm.documents.pages import Page, PageImage, ReadDocument
from complaint_llm.documents.searchable import pages_without_text, searchable_text
from complaint_llm.messages import InferenceOutput
from complaint_llm.report import ReportItem
from complaint_llm.tasks.load import built_in
from tests.report.answers import claims_answer

PICTURE = PageImage(b"\x89PNG", "image/png")


def document(*texts: str, source: str = "text layer", numbers: Sequence[int] = (), **more: Any) -> ReadDocument:
    """A document of these pages; one without text is a picture."""
    pages = tuple(
        Page(number, text, source, **({} if text else {"image": PICTURE}))  # type: ignore[arg-type]
        for number, text in zip(numbers or range(1, len(texts) + 1), texts, strict=True)
    )
    made = ReadDocument(pages, "application/pdf", "reader", "1", page_count=len(texts), has_pages=True)
    return made._replace(**more)


def cid_of(name: str) -> str:
    return f"bafy-{name}"


def shown_entry(name: str, shown: str = "text", data: bytes = b"", **more: Any) -> dict[str, Any]:
    """An entry of ``shown`` of a line of OUT."""
    digest = hashlib.sha256(data).hexdigest()
    made = {"cid": cid_of(name), "shown": shown, "name": name, "media_type": "application/pdf", "sha256": digest}
    return {**made, "pages": [], "image_pages": [], **more}


def document_item(
    documents: Mapping[str, ReadDocument], *quotes: str, prompt: str = "", shown: Sequence[Any] = (), number: int = 1
) -> ReportItem:
    """An answered item of the task claims whose facts have these quotes."""
    texts = [*([SearchableText.of(prompt)] if prompt else [])]
    texts += [searchable_text(each, cid_of(name)) for name, each in documents.items()]
    parsed = claims_answer(*quotes)
    schema = built_in("claims").schema or {}
    searchable = not any(pages_without_text(each) for each in documents.values())
    output = InferenceOutput(
        "",
        parsed=parsed,
        quotes=find_quotes(parsed, schema, texts, searchable=searchable),
        metadata={"task": {"id": "claims", "digest": "0" * 64}},
        backend="b",
        finish_reason="stop",
    )
    values = result_values(Result(f"item-{number}", output, None))
    entries = list(shown) or [shown_entry(name) for name in documents]
    return ReportItem(number, {**values, "shown": entries}, prompt)
