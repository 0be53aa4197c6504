"""Two documents, a question about them, and its answer whole and streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm import Document
from complaint_llm.backends import HTTPBackend
from complaint_llm.messages import InferenceOutput, Message, TextPart
from complaint_llm.request import Request
from tests.wire_messages import ask, done, read, sse

PDF = "application/pdf"
LEASE = Document(data=b"%PDF-1.7 lease", cid="bafklease", media_type=PDF, name="lease.pdf")
LETTER = Document(data=b"%PDF-1.7 letter", cid="bafkletter", media_type=PDF, name="letter.pdf")
REQUEST = ask([Message("user", (LETTER, TextPart("Read."), LEASE))])
TEXT = "Straße 😀: the rent is $900. See there. End."


def whole(backend: HTTPBackend, body: Mapping[str, Any], request: Request = REQUEST) -> InferenceOutput:
    with backend:
        return backend.decode(body, request)


def streamed(backend: HTTPBackend, events: list[Any], request: Request = REQUEST) -> InferenceOutput:
    with backend:
        return done(read(backend.decoder(request), [sse(*events)]))


def said(output: InferenceOutput) -> list[str | None]:
    """The part of the text that each citation stands at."""
    return [None if each.start is None else output.content[each.start : each.end] for each in output.citations]
