"""Bytes of a file as lines of text, in the encoding that the bytes themselves show."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import BinaryIO

from complaint_llm.exceptions import BatchError

_CHUNK = 1 << 20
_SAMPLE = 4096

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks; the longer one first where two begin alike."""


def check_encoding(name: str) -> str:
    """The codec's own name. Raises BatchError if Python knows no text encoding of this name."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, ValueError) as cause:
        raise BatchError(f"no encoding is called {name!r}; usual ones are utf-8, utf-16, windows-1252") from cause
    return found


def find_encoding(source: BinaryIO) -> str:
    """The encoding of a file: by its byte order mark, else UTF-16 by its zero bytes, else UTF-8, else Windows-1252.

    Windows-1252 only if nothing in the file is a longer character of UTF-8: a file that has both is UTF-8 with damaged
    places. Of a pipe only what has come until now is looked at. The place in the file stays.
    """
    seekable = source.seekable()
    head = _peek(source)
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    zeros = [head[:_SAMPLE][part::2].count(0) for part in (0, 1)]
    if max(zeros) * 5 > min(len(head), _SAMPLE) and max(zeros) > 4 * min(zeros):
        return "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
    start = source.tell() if seekable else 0
    try:
        return _utf_8_or_not(iter(lambda: source.read(_CHUNK), b"") if seekable else iter((head,)), to_its_end=seekable)
    finally:
        if seekable:
            source.seek(start)


def text_lines(source: BinaryIO, encoding: str) -> Iterator[str]:
    """The lines of a file with their ends (a line feed, a carriage return, or both), without a byte order mark.

    What cannot be decoded becomes lone surrogates (see ``is_undecoded``) where the codec knows how to go on. Raises
    UnicodeDecodeError where it does not. The file stays open.
    """
    text = io.TextIOWrapper(source, encoding, errors="surrogateescape", newline="")
    try:
        for number, line in enumerate(text):
            yield line.removeprefix("\ufeff") if number == 0 else line
    finally:
        with suppress(ValueError):  # the file was closed meanwhile
            text.detach()


def is_undecoded(text: str) -> bool:
    """Whether some bytes of it were none of its encoding."""
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _peek(source: BinaryIO) -> bytes:
    if source.seekable():
        start = source.tell()
        head = source.read(_SAMPLE)
        source.seek(start)
        return head
    return source.peek(_SAMPLE) if isinstance(source, io.BufferedReader) else b""


def _utf_8_or_not(chunks: Iterator[bytes], *, to_its_end: bool) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    damaged = False
    for chunk in chain(chunks, (b"",)):
        # What is cut at the end of a file is damaged; at the end of what a pipe has brought until now it is not.
        text = decoder.decode(chunk, not chunk and to_its_end)
        if text.isascii():
            continue
        damaged = damaged or is_undecoded(text)
        if any(character >= "\x80" and not "\udc80" <= character <= "\udcff" for character in text):
            return "utf-8"
    return "windows-1252" if damaged else "utf-8"
