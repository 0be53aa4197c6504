"""Readers that are wrong in one thing each."""

from __future__ import annotations

import io
import sys
from functools import partial
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.documents.pages import Page, ReadDocument
from complaint_llm.documents.readers.unreadable import UnreadableError


def read(media_type: str, file: Any, pages: Any, version: str = "1", first: int = 1) -> ReadDocument:
    try:
        text = file.read().decode()
    except UnicodeDecodeError:
        raise UnreadableError("is no UTF-8") from None
    if not text:
        raise UnreadableError("is empty")
    parts = text.split("|")
    numbers = range(1, len(parts) + 1) if pages is None else pages.numbers(len(parts))
    made = tuple(Page(number - 1 + first, parts[number - 1], "extracted") for number in numbers)
    return ReadDocument(made, media_type, "wrong", version, len(parts), True)


def right(file: Any, limits: Any, pages: Any) -> Any:
    return read("text/x-right", file, pages)


def no_version(file: Any, limits: Any, pages: Any) -> Any:
    return read("text/x-version", file, pages, version="")


def all_pages(file: Any, limits: Any, pages: Any) -> Any:
    return read("text/x-all", file, None)


def empty_error(file: Any, limits: Any, pages: Any) -> Any:
    data = file.read()
    if not data:
        raise ValueError("no data")
    return read("text/x-empty", io.BytesIO(data), pages)


def strict(file: Any, limits: Any, pages: Any) -> Any:
    data = file.read()
    data.decode()
    return read("text/x-strict", io.BytesIO(data), pages)


def prints(file: Any, limits: Any, pages: Any) -> Any:
    if isinstance(sys.stdout, io.StringIO):
        print("reading")
    return read("text/x-prints", file, pages)


def from_zero(file: Any, limits: Any, pages: Any) -> Any:
    return read("text/x-zero", file, pages, first=0 if pages is None else 1)


@hookimpl
def complaint_llm_document_readers() -> Any:
    return {
        "text/x-right": right,
        "text/x-version": no_version,
        "text/x-all": all_pages,
        "text/x-empty": empty_error,
        "text/x-strict": strict,
        "text/x-prints": prints,
        "text/x-zero": from_zero,
        "text/x-nameless": partial(read_nameless),
    }


def read_nameless(file: Any, limits: Any, pages: Any) -> Any:
    return read("text/x-nameless", file, pages)
