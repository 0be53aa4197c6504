"""Server-sent events come out the same however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.transport.sse import ServerSentEvent, SSEParser, sse_events


def parse(*chunks: bytes) -> list[ServerSentEvent]:
    return list(sse_events(chunks))


def standard(events: list[ServerSentEvent]) -> list[tuple[str, str, str]]:
    """What the standard makes of the bytes: nothing of what stands outside."""
    return [event[:3] for event in events if not event.outside]


CASES = [
    ("data", b"data: a\n\n", [("message", "a", "")]),
    ("no blank after the colon", b"data:a\n\n", [("message", "a", "")]),
    ("only one blank is cut", b"data:  a \n\n", [("message", " a ", "")]),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a", ""), ("message", "b", "")]),
    ("CR", b"data: a\r\rdata: b\r\r", [("message", "a", ""), ("message", "b", "")]),
    ("several lines", b"data: a\ndata: b\ndata\n\n", [("message", "a\nb\n", "")]),
    ("type and id", b"event: ping\nid: 7\ndata: a\n\ndata: b\n\n", [("ping", "a", "7"), ("message", "b", "7")]),
    ("comments", b": hello\n\n:\ndata: a\n: x\n\n", [("message", "a", "")]),
    ("unknown fields and retry", b"retry: 3\nfoo: bar\nnothing\ndata: a\n\n", [("message", "a", "")]),
    ("event without data is none", b"event: ping\n\ndata: a\n\n", [("message", "a", "")]),
    ("id with NUL is ignored", b"id: a\0b\ndata: a\n\n", [("message", "a", "")]),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\n", [("message", "a", "")]),
    ("last blank line missing", b"data: [DONE]\n", [("message", "[DONE]", "")]),
    ("cut inside the last line", b"data: a\n\ndata: {", [("message", "a", "")]),
    ("not UTF-8", b"data: \xff\n\n", [("message", "\ufffd", "")]),
    (
        "line separators of other standards are text",
        "data: a\u2028b\x0bc\x85\n\n".encode(),
        [("message", "a\u2028b\x0bc\x85", "")],
    ),
    ("nothing", b"", []),
]


@pytest.mark.parametrize(("stream", "events"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_streams_mean_what_the_standard_says(stream: bytes, events: list[tuple[str, str, str]]) -> None:
    """The cases of WHATWG HTML 9.2.6, whole and byte by byte."""
    assert standard(parse(stream)) == events
    assert standard(parse(*(stream[i : i + 1] for i in range(len(stream))))) == events


text = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=20)


@given(
    st.lists(st.tuples(text, st.lists(text, min_size=1, max_size=3)), max_size=5),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 200), max_size=10),
)
def test_events_survive_any_cut(events: list[tuple[str, list[str]]], newline: str, cuts: list[int]) -> None:
    """Encoding then parsing is the identity, wherever the pieces end, inside characters and line ends too."""
    stream = "".join(
        f"event: {kind}{newline}" + "".join(f"data: {line}{newline}" for line in lines) + newline
        for kind, lines in events
    ).encode()
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    expected = [(kind or "message", "\n".join(lines), "") for kind, lines in events]
    assert standard(parse(*chunks)) == expected


@given(st.lists(st.binary(max_size=30), max_size=8))
def test_any_bytes_are_parsed_alike_in_any_pieces(chunks: list[bytes]) -> None:
    """Garbage raises nothing, and cutting it differently changes nothing."""
    assert parse(*chunks) == parse(b"".join(chunks))


def test_one_event_has_a_limit_and_a_stream_has_none() -> None:
    """A line without end is refused before memory is; comments and finished events do not count."""
    parser = SSEParser(limit=1000)
    for _ in range(100):
        assert len(parser.feed(b": ping\n\ndata: " + b"x" * 100 + b"\n\n")) == 1
    with pytest.raises(ResponseFormatError, match="1000 bytes"):
        list(sse_events([b"data: ", *[b"x" * 50] * 100], limit=1000))
    with pytest.raises(ResponseFormatError):
        list(sse_events([b"data: " + b"x" * 50 + b"\n"] * 100, limit=1000))


def test_huge_line_in_small_pieces_takes_linear_time() -> None:
    """A line of 8 MB in pieces of 64 bytes is joined once, not once per piece."""
    parser = SSEParser()
    pieces = 8 * 1024 * 16
    parser.feed(b"data: ")
    for _ in range(pieces):
        parser.feed(b"x" * 64)
    (event,) = parser.feed(b"\n\n")
    assert len(event.data) == pieces * 64
