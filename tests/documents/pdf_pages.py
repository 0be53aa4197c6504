"""One page or all of a PDF, read with the usual limits."""

from __future__ import annotations

import io

from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers import pdf as reader

TEXT = "the tenant paid the rent on time and the landlord refused to repair the broken heater in the kitchen"
WORDS = TEXT.split()


def read(data: bytes, **limits: int) -> ReadDocument:
    return reader.read(io.BytesIO(data), Limits(**limits), None)


def page(data: bytes) -> Page:
    return read(data).pages[0]


def line(number: int, words: int = 6) -> str:
    return " ".join(WORDS[(number * 5 + each) % len(WORDS)] for each in range(words)) + f" {number}"


def joined(*lists: list[bytes]) -> bytes:
    return b"".join(piece for pieces in lists for piece in pieces)
