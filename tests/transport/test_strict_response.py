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


OK = b"HTTP/1.1 200 OK"
CUT = (UnusableAnswer, "it is cut off inside the headers")
NO_HTTP = (UnusableAnswer, "it does not begin as HTTP/1 does")
TOO_LARGE = (UnusableAnswer, "its headers are larger than 262144 bytes or 1000 lines")
HEADS: dict[str, tuple[bytes, tuple[object, ...]]] = {
    "usual": (OK + b"\r\nA: b\r\nContent-Length: 2\r\n\r\nhi", (200, {"a": "b", "content-length": "2"}, b"hi")),
    "bare line feeds": (OK + b"\nA: b\nContent-Length: 2\n\nhi", (200, {"a": "b", "content-length": "2"}, b"hi")),
    "mixed line ends": (OK + b"\nA: b\r\nC: d\n\r\nhi", (200, {"a": "b", "c": "d"}, b"hi")),
    "no fields": (OK + b"\r\n\r\nhi", (200, {}, b"hi")),
    "no fields, bare": (b"HTTP/1.1 204\n\n", (204, {}, b"")),
    "a body of empty lines": (OK + b"\r\nA: b\r\n\r\n\n\r\n\n", (200, {"a": "b"}, b"\n\r\n\n")),
    "several of one name": (OK + b"\r\nA: 1\r\na: 2\r\nA : 3\r\n\r\n", (200, {"a": "1, 2, 3"}, b"")),
    "folded": (OK + b"\r\nA: 1\r\n  2\r\n\t3\r\nB: 4\r\n\r\n", (200, {"a": "1 2 3", "b": "4"}, b"")),
    "folded at first": (OK + b"\r\n A: 1\r\n\r\n", (200, {"a": "1"}, b"")),
    "a blank line that is none": (OK + b"\r\nA: 1\r\n \r\nB: 2\r\n\r\n", (200, {"a": "1 ", "b": "2"}, b"")),
    "colons in a value": (OK + b"\r\nA: b: c\r\nD:\r\n\r\n", (200, {"a": "b: c", "d": ""}, b"")),
    "Latin-1": (OK + b"\r\nA: \xe9\r\n\r\n", (200, {"a": "\xe9"}, b"")),
    "interim answers": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n\r\n" + OK + b"\r\nA: b\r\n\r\n",
        (200, {"a": "b"}, b""),
    ),
    "switching": (b"HTTP/1.1 101 Now\r\nA: b\r\n\r\n", (101, {"a": "b"}, b"")),
    "nothing": (b"", (NoAnswer, "closed before the first byte")),
    "nothing after an interim answer": (b"HTTP/1.1 100 Go\r\n\r\n", CUT),
    "cut in the status line": (b"HTTP/1.1 20", CUT),
    "cut after the status line": (OK + b"\r\n", CUT),
    "cut in a field": (OK + b"\r\nA: b", CUT),
    "cut before the empty line": (OK + b"\r\nA: b\r\n", CUT),
    "cut in the empty line": (OK + b"\r\nA: b\r\n\r", CUT),
    "no colon": (OK + b"\r\nnonsense\r\n\r\n", (UnusableAnswer, "one of its headers has no colon")),
    "an empty line at first": (b"\r\n" + OK + b"\r\n\r\n", NO_HTTP),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", NO_HTTP),
    "a status of two digits": (b"HTTP/1.1 99 OK\r\n\r\n", NO_HTTP),
    "a status of four digits": (b"HTTP/1.1 2000\r\n\r\n", NO_HTTP),
    "a status below 100": (b"HTTP/1.1 099 OK\r\n\r\n", NO_HTTP),
    "a status that is no number": (b"HTTP/1.1 2\xb20 OK\r\n\r\n", NO_HTTP),
    "too many lines": (OK + b"\r\n" + b"X: y\r\n" * 999 + b"\r\n", TOO_LARGE),
    "lines without end": (OK + b"\r\n" + b"X: y\r\n" * 1000, TOO_LARGE),
    "as many lines as may be": (OK + b"\n" + b"X:\n" * 998 + b"\n", (200, {"x": ", " * 997}, b"")),
    "too long a line": (OK + b"\r\nX: " + b"y" * 262144, TOO_LARGE),
    "too long as a whole": (OK + b"\n" + (b"X: " + b"y" * 65532 + b"\n") * 4 + b"\n", TOO_LARGE),
    "as long as may be": (OK + b"\n" + b"X: " + b"y" * (262144 - 21) + b"\n\nhi", (200, {"x": "y" * 262123}, b"hi")),
}


@pytest.mark.parametrize("size", [65536, 7, 1])
@pytest.mark.parametrize("name", HEADS)
def test_each_head_means_one_thing(name: str, size: int) -> None:
    """What is read of a head, or how it is refused, whether it comes at once or byte by byte."""
    data, expected = HEADS[name]
    found = outcome(data, size)
    assert (found if len(found) == 2 else (found[0], found[1], found[-1])) == expected


class Silent(Pieces):
    """Fails whoever waits for more than came."""

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        assert count, "it waited for more"
        return count


@pytest.mark.parametrize(
    "line",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"220 mail ESMTP\r\n", b"HTTP/2 200\n", b"{}\n", b"\n", b"\r\n", b"ICY 200 OK\r\n",
     b"HTTP/1.1 OK\r\n", b"RTSP/1.0 200 OK\r\n", b"<html>\n", b"ERR unknown command\r\n"],
)  # fmt: skip
def test_what_is_no_http_is_refused_at_its_first_line(line: bytes) -> None:
    """A server of another kind says one line and waits: nobody waits with it."""
    wired = Wired(b"", 1)
    wired.reader = KeptReader(Silent(line, 65536), 65536)
    with pytest.raises(UnusableAnswer, match="does not begin as HTTP/1 does"):
        StrictResponse(wired, "POST").begin()  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [65536, 7, 1])
@pytest.mark.parametrize("line", [b"nonsense\r\n", b"A: b\r\nnonsense\n", b"<html>\n", b"{}\r\n", b" \n", b"\r\r\n"])
def test_a_header_without_a_colon_is_refused_when_it_comes(line: bytes, size: int) -> None:
    """Not when the head has ended, which it may never."""
    wired = Wired(b"", 1)
    wired.reader = KeptReader(Silent(OK + b"\r\n" + line, size), 65536)
    with pytest.raises(UnusableAnswer, match="no colon"):
        StrictResponse(wired, "POST").begin()  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [65536, 7, 1])
def test_nothing_is_waited_for_once_the_head_has_ended(size: int) -> None:
    """A body that is late, or none, holds no head up."""
    wired = Wired(b"", 1)
    wired.reader = KeptReader(Silent(OK + b"\r\nA: b\r\nContent-Length: 9\r\n\r\n", size), 65536)
    reply = StrictResponse(wired, "POST")  # type: ignore[arg-type]
    reply.begin()
    assert (reply.status, reply.length) == (200, 9)
