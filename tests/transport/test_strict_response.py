"""The head of an answer means the same however its bytes come."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.transport.connection import KeptReader
from complaint_llm.transport.failures import NoAnswer, UnusableAnswer
from complaint_llm.transport.strict_response import StrictResponse


class Pieces(io.RawIOBase):
    """Gives ``size`` bytes at a time, then the end."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data = io.BytesIO(data)
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._data.read(min(self._size, len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


class Wired:
    """Stands for a connection: of it only the reader is used."""

    def __init__(self, data: bytes, size: int) -> None:
        self.reader = KeptReader(Pieces(data, size), 65536)


def outcome(data: bytes, size: int) -> tuple[object, ...]:
    """What is read of an answer whose bytes come ``size`` at a time: its parts, or the kind and text of its error."""
    reply = StrictResponse(Wired(data, size), "POST")  # type: ignore[arg-type]
    try:
        reply.begin()
    except (UnusableAnswer, NoAnswer) as error:
        return type(error), str(error)
    return reply.status, dict(reply.fields), reply.chunked, reply.length, reply.will_close, reply.reader.read()


ends = st.sampled_from([b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\n\r\n", b""])
lines = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 404",
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 2\xb20 OK",
        b"HTTP/2 200",
        b"Content-Length: 4",
        b"content-length: 4, 4",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b" folded\x85on",
        b"X-A: \xe9",
        b"no colon",
        b": nameless",
        b"",
        b" ",
        b"\r",
        b"{}",
    ]
)
heads = st.lists(st.tuples(lines, ends), max_size=8).map(lambda parts: b"".join(line + end for line, end in parts))


@given(heads, st.integers(1, 40))
def test_a_head_that_comes_at_once_is_read_as_one_that_comes_in_pieces(head: bytes, size: int) -> None:
    """However the network cuts a head, the result is the same, errors included."""
    assert outcome(head, 65536) == outcome(head, size)


@given(heads)
def test_a_good_answer_after_anything_ends_where_its_head_ends(begin: bytes) -> None:
    """Of the body not one byte is taken for the head."""
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n" + begin
    assert outcome(data, 65536)[-1] == begin
    assert outcome(data, 1)[-1] == begin


@pytest.mark.parametrize(("count", "taken"), [(1, True), (100, True), (990, True), (1000, False), (20_000, False)])
def test_a_head_has_a_limit_of_lines(count: int, taken: bool) -> None:
    """Short headers without end are refused long before they fill the limit of bytes."""
    data = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * count + b"Content-Length: 2\r\n\r\nhi"
    found = outcome(data, 65536)
    assert (found[0] == 200) is taken
    if not taken:
        assert found == (UnusableAnswer, "its headers are larger than 262144 bytes or 1000 lines")
