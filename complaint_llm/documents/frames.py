"""What goes over the pipes to the process that reads, and back: a JSON header and bytes, lengths before both.

Texts and images are among the bytes, one after the other, and the header has their lengths: so it stays small. What
comes back is as little to be trusted as the file: it is measured before it is taken, and checked part by part.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

from complaint_llm.bounded_json import loads
from complaint_llm.documents.pages import Limits, Page, PageImage, ReadDocument, TextSource

LENGTHS = struct.Struct(">IQ")
"""Length of the header, length of the bytes after it."""

_SOURCES = frozenset(get_args(TextSource))
_IMAGES: Mapping[str, bytes] = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_BYTES_OF_A_CHARACTER = 4
"""In UTF-8 at most."""
_HEADER = 8 * 1024 * 1024
"""Bytes of a header at most: numbers, reasons, names."""


class BrokenFrameError(ValueError):
    """What came is no frame, or holds more than was allowed."""


def encode_frame(header: Mapping[str, Any], *parts: bytes) -> list[bytes]:
    """The pieces of a frame, in order."""
    head = json.dumps(header, separators=(",", ":")).encode("ascii")
    return [LENGTHS.pack(len(head), sum(map(len, parts))) + head, *parts]


def decode_lengths(data: bytes, limits: Limits) -> tuple[int, int]:
    """Lengths of header and bytes. Raises BrokenFrameError for more than ``limits`` allow."""
    header, body = LENGTHS.unpack(data)
    if header > _HEADER or body > limits.text_characters * _BYTES_OF_A_CHARACTER + limits.image_bytes:
        raise BrokenFrameError("the reader gave back more than it may")
    return header, body


def decode_header(data: bytes) -> dict[str, Any]:
    """The header as a mapping. Raises BrokenFrameError."""
    try:
        found = loads(data)
    except ValueError as cause:
        raise BrokenFrameError("the reader's answer is no JSON") from cause
    if not isinstance(found, dict):
        raise BrokenFrameError("the reader's answer is no object")
    return found


def encode_document(document: ReadDocument) -> tuple[dict[str, Any], list[bytes]]:
    """A document as a header, and the bytes of its texts and images one after the other.

    Lone halves of surrogate pairs in texts become U+FFFD.
    """
    parts: list[bytes] = []

    def add(part: str | bytes) -> int:
        data = part if isinstance(part, bytes) else _utf8(part)
        parts.append(data)
        return len(data)

    pages = [
        [
            page.number,
            add(page.text),
            page.source,
            add(page.label),
            [[why, add(text)] for why, text in page.hidden],
            None if page.image is None else [page.image.media_type, add(page.image.data)],
        ]
        for page in document.pages
    ]
    return {**document._asdict(), "pages": pages, "notes": [add(note) for note in document.notes]}, parts


def decode_document(header: Any, body: bytes, limits: Limits) -> ReadDocument:
    """The document in an answer. Raises BrokenFrameError for anything that is not one within ``limits``."""
    parts = _Parts(body)
    try:
        document = ReadDocument(
            pages=tuple(_page(page, parts) for page in header["pages"]),
            media_type=_word(header["media_type"]),
            reader=_word(header["reader"]),
            version=_word(header["version"]),
            page_count=_count(header["page_count"]),
            has_pages=header["has_pages"] is True,
            notes=tuple(parts.take_text(size) for size in header["notes"]),
        )
    except (TypeError, ValueError, KeyError) as cause:
        raise BrokenFrameError("the reader's answer is no document") from cause
    if parts.left or excess(document, limits) is not None:
        raise BrokenFrameError("the reader gave back more than it may")
    return document


def excess(document: ReadDocument, limits: Limits) -> str | None:
    """In what a document is past ``limits``, in words that follow the file's name; None if in nothing."""
    if len(document.pages) > limits.pages:
        return f"has {len(document.pages):,} pages, and at most {limits.pages:,} are read at once: choose some (pages=)"
    if characters_of(document.pages) + sum(map(len, document.notes)) > limits.text_characters:
        return f"holds more than {limits.text_characters:,} characters of text: choose some of its pages (pages=)"
    if sum(len(page.image.data) for page in document.pages if page.image is not None) > limits.image_bytes:
        megabytes = limits.image_bytes // (1024 * 1024)
        return f"has more than {megabytes} MB of images of its pages: choose some of its pages (pages=)"
    return None


def characters_of(pages: Sequence[Page]) -> int:
    """Characters of all texts of these pages, the hidden ones too."""
    return sum(len(page.text) + len(page.label) + sum(len(text) for _, text in page.hidden) for page in pages)


class _Parts:
    """The bytes after a header, taken piece by piece."""

    def __init__(self, body: bytes) -> None:
        self._body = memoryview(body)

    @property
    def left(self) -> int:
        return len(self._body)

    def take(self, size: Any) -> bytes:
        found = bytes(self._body[: _count(size)])
        if len(found) != size:
            raise BrokenFrameError("there are fewer bytes than the header says")
        self._body = self._body[size:]
        return found

    def take_text(self, size: Any) -> str:
        return self.take(size).decode("utf-8")


def _page(page: Any, parts: _Parts) -> Page:
    number, text, source, label, hidden, image = page
    return Page(
        number=_count(number),
        text=parts.take_text(text),
        source=_source(source),
        label=parts.take_text(label),
        hidden=tuple((_word(why), parts.take_text(size)) for why, size in hidden),
        image=None if image is None else _image(parts.take(image[1]), image[0]),
    )


def _image(data: bytes, media_type: Any) -> PageImage:
    if media_type not in _IMAGES or not data.startswith(_IMAGES[media_type]):
        raise BrokenFrameError("the reader gave back an image that is none")
    return PageImage(data, media_type)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise BrokenFrameError("a text is none")
    return value


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise BrokenFrameError("a number is none")
    return value


def _source(value: Any) -> TextSource:
    if value not in _SOURCES:
        raise BrokenFrameError("a text is of no known source")
    return cast(TextSource, value)
