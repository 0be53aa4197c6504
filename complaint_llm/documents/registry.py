"""Which module reads which kind of file."""

from __future__ import annotations

from collections.abc import Mapping

from complaint_llm.documents.kinds import HTML, MAIL, MARKDOWN, PDF, TEXT, WORD, WORKBOOK

READERS: Mapping[str, str] = {
    PDF: "complaint_llm.documents.readers.pdf",
    WORD: "complaint_llm.documents.readers.word",
    WORKBOOK: "complaint_llm.documents.readers.workbook",
    MAIL: "complaint_llm.documents.readers.mail",
    HTML: "complaint_llm.documents.readers.html",
    MARKDOWN: "complaint_llm.documents.readers.markdown",
    TEXT: "complaint_llm.documents.readers.text",
}
"""By media type the module whose ``read(file, limits, pages)`` reads it; imported in the reading process only."""
