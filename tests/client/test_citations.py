"""What a provider cites of a document of ours is looked up there, and not believed."""

from __future__ import annotations

import pytest

from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.client.citations import look_up_citations
from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.documents.searchable import searchable_text
from complaint_llm.messages import Citation, Shown

LEASE = (
    "The tenant pays rent of $900 on the first of each month.\nHe may end the lease with\nthirty days of notice.",
    "The landlord keeps the heating in order. Notice is given in writing.",
    "Notice is given in writing. Signed on 3 May 2024.",
)


def text(*pages: str, cid: str = "bafklease") -> SearchableText:
    read = tuple(Page(number, each, "text layer") for number, each in enumerate(pages, 1))
    return searchable_text(ReadDocument(read, "application/pdf", "r", "1", len(read), has_pages=True), cid)


@pytest.mark.parametrize(
    ("words", "said", "state", "page"),
    [
        ("The tenant pays rent of $900 on the first of each month.", 1, "verbatim", 1),
        ("The landlord keeps the heating in order.", 2, "verbatim", 2),
        ("The landlord keeps the heating in order.", 1, "verbatim", 2),
        ("The landlord keeps the heating in order.", None, "verbatim", 2),
        ("He may end the lease with thirty days of notice.", 1, "normalised", 1),
        ("  Signed on 3 May 2024. ", 3, "verbatim", 3),
        ("Notice is given in writing.", 3, "verbatim", 3),
        ("Notice is given in writing.", 2, "verbatim", 2),
        ("The tenant pays rent of $9,000 on the first of each month.", 1, "not_found", 1),
        ("The tenant pays rent of $90", 1, "not_found", 1),
        ("The landlord need not keep the heating in order.", None, "not_found", None),
        ("the landlord keeps the heating in order", 2, "not_found", 2),
        ("Signed on 3 May 2025.", 3, "not_found", 3),
    ],
)
def test_the_words_are_looked_for_in_the_document_that_is_cited(
    words: str, said: int | None, state: str, page: int | None
) -> None:
    """The page is where they stand; the provider's where they stand more than once, or nowhere."""
    citation = Citation(cited_text=words, source="bafklease", page=said, title="lease.pdf", start=1, end=4)
    (found,) = look_up_citations([citation], [text("other", cid="bafkother"), text(*LEASE)])
    assert found == citation._replace(state=state, page=page)


def test_another_document_that_has_the_words_does_not_count() -> None:
    """Nor does one with pages that have no text: there they could not be looked for."""
    citation = Citation(cited_text="Signed on 3 May 2024.", source="bafkother")
    (wrong,) = look_up_citations([citation], [text(*LEASE), text("Nothing of that.", cid="bafkother")])
    scanned = [Shown("bafkother", "document", pages=(1, 2), image_pages=(2,))]
    (scan,) = look_up_citations([citation], [text("Nothing of that.", cid="bafkother")], scanned)
    (unread,) = look_up_citations([citation], [text(*LEASE)])
    assert [each.state for each in (wrong, scan, unread)] == ["not_found", "not_searchable", "not_searchable"]


@pytest.mark.parametrize(
    "citation",
    [
        Citation(url="https://example.org", title="t", cited_text="Signed on 3 May 2024."),
        Citation(source="bafklease"),
        Citation(source="bafklease", cited_text=""),
        Citation(),
    ],
)
def test_what_is_not_ours_or_has_no_words_is_not_looked_up(citation: Citation) -> None:
    """``state`` is then None: nothing was looked for."""
    assert look_up_citations([citation], [text(*LEASE)]) == (citation,)
