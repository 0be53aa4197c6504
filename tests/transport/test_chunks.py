"""A body in chunks is read as it was written, in whatever pieces it comes; what is cut or malformed raises."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.transport.chunks import MAX_LINE, MAX_TRAILER, ChunkReader
from complaint_llm.transport.failures import CutOff, UnusableAnswer

ALL = 1 << 30
FOLLOWING = b"HTTP/1.1 200 OK\r\n"


class SizedPieces(io.RawIOBase):
    """Bytes that come in pieces of these sizes, again and again."""

    def __init__(self, data: bytes, sizes: Sequence[int]) -> None:
        self._data = io.BytesIO(data)
        self._sizes = cycle(sizes)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._data.read(min(next(self._sizes), len(buffer)))
        buffer[: len(piece)] = piece
        return len(piece)


def chunked(parts: Sequence[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """The parts as chunks, none of them empty, and their end."""
    written = b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts if part)
    return written + b"0\r\n" + trailer + b"\r\n"


def read_whole(data: bytes) -> bytes:
    return ChunkReader(io.BufferedReader(SizedPieces(data, (4096,)))).read(ALL)


def read_in_pieces(data: bytes) -> bytes:
    reader = ChunkReader(io.BufferedReader(SizedPieces(data, (4096,))))
    return b"".join(iter(lambda: reader.read1(ALL), b""))


@given(
    parts=st.lists(st.binary(max_size=300), max_size=8),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    extension=st.sampled_from([b"", b";x", b"; name=value", b" ", b';q="a;b"']),
    trailer=st.sampled_from([b"", b"X: y\r\n", b"A: b\r\nC: d\r\n"]),
    most=st.integers(1, 100),
)
def test_a_body_is_read_as_it_was_written(
    parts: list[bytes], sizes: list[int], extension: bytes, trailer: bytes, most: int
) -> None:
    """Whole or piece by piece; what follows it is left for the next answer."""
    data = chunked(parts, extension, trailer) + FOLLOWING
    for read_all in (True, False):
        source = io.BufferedReader(SizedPieces(data, sizes))
        reader = ChunkReader(source)
        pieces = [reader.read(ALL)] if read_all else list(iter(lambda reader=reader: reader.read1(most), b""))
        assert b"".join(pieces) == b"".join(parts)
        assert reader.read(ALL) == b""
        assert source.read() == FOLLOWING


@given(parts=st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=5), place=st.integers(0, 10_000))
def test_a_body_that_is_cut_is_never_taken_for_a_whole_one(parts: list[bytes], place: int) -> None:
    """Wherever it is cut before the last chunk was announced."""
    whole = chunked(parts)
    end = place % (len(whole) - len(b"0\r\n\r\n"))
    for read in (read_whole, read_in_pieces):
        with pytest.raises(CutOff):
            read(whole[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"zz\r\nab\r\n0\r\n\r\n",
        b"-1\r\nab\r\n0\r\n\r\n",
        b"+2\r\nab\r\n0\r\n\r\n",
        b"0x2\r\nab\r\n0\r\n\r\n",
        b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n",
        b"2 2\r\nab\r\n0\r\n\r\n",
        b";x=y\r\nab\r\n0\r\n\r\n",
        b"\xd9\xa2\r\nab\r\n0\r\n\r\n",
        b"f" * 17 + b"\r\nab\r\n0\r\n\r\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"2\r\nab0\r\n\r\n",
        b"3\r\nab",
        b"2\r\nab\r\n",
        b"ffffffff\r\nab\r\n0\r\n\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("read", [read_whole, read_in_pieces])
def test_what_is_malformed_raises(read: object, data: bytes) -> None:
    """Sizes that are none, chunks that are shorter or longer than they say."""
    assert callable(read)
    with pytest.raises(CutOff):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"1" * (MAX_LINE + 1),
        b"1;" + b"x" * MAX_LINE + b"\r\na\r\n0\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * (MAX_TRAILER // 6 + 1) + b"\r\n",
        b"0\r\n" + b"x" * (MAX_LINE + 1),
    ],
    ids=["endless size", "endless extension", "endless trailer", "endless field"],
)
def test_what_has_no_end_is_refused(data: bytes) -> None:
    """Lines and fields between and behind the chunks, which nobody reads, are bounded."""
    with pytest.raises(UnusableAnswer):
        read_whole(data)


def test_a_chunk_is_handed_out_before_its_line_end_has_come() -> None:
    """A server may send the end of a chunk with the next one, much later."""
    reader = ChunkReader(io.BufferedReader(SizedPieces(b"2\r\nhi", (7,))))
    assert reader.read1(ALL) == b"hi"
