"""A stream of JSON lines is cut into the same events however its bytes arrive."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.event_stream import NDJSONParser
from complaint_llm.exceptions import ResponseFormatError

STREAM = b'{"n": 1}\r\n\r\n{"text": "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\xa0"}\n  \n{"n": 3}\n'
EVENTS = ['{"n": 1}', '{"text": "é€\N{HOUSE BUILDING}"}', '{"n": 3}']
VALUES = st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.integers() | st.none(), max_size=3)


def texts(pieces: Iterable[bytes]) -> list[str]:
    """The data of all events of a stream that arrives in these pieces."""
    parser = NDJSONParser()
    found = [event.data for piece in pieces for event in parser.feed(piece)]
    return found + [event.data for event in parser.finish()]


@pytest.mark.parametrize("at", range(len(STREAM) + 1))
def test_a_cut_anywhere_changes_nothing(at: int) -> None:
    """Inside a character, between CR and LF, and beside an empty line too."""
    assert texts([STREAM[:at], STREAM[at:]]) == EVENTS


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 1000])
def test_the_size_of_pieces_changes_nothing(size: int) -> None:
    """From single bytes to all at once."""
    assert texts(STREAM[at : at + size] for at in range(0, len(STREAM), size)) == EVENTS


@given(st.lists(VALUES, max_size=8), st.sampled_from(["\n", "\r\n", "\n\n", "\r\n \n"]), st.data())
def test_any_values_come_out_as_they_went_in(values: list[Any], end: str, data: st.DataObject) -> None:
    """Whatever ends the lines and wherever two cuts are."""
    stream = "".join(json.dumps(value, ensure_ascii=False) + end for value in values).encode("utf-8", "replace")
    one, two = sorted(data.draw(st.tuples(*[st.integers(0, len(stream))] * 2)))
    found = texts([stream[:one], stream[one:two], stream[two:]])
    assert [json.loads(text) for text in found] == [json.loads(json.dumps(value)) for value in values]


@pytest.mark.parametrize(
    "stream",
    [b"", b"\n", b"\r\n", b"\n\n\n", b" \n", b"\t\n", b"\r\n\r\n", b" ", b"\r", b"\n \r\n\t\n", b"\n" * 100],
)
def test_empty_lines_are_no_events(stream: bytes) -> None:
    """Services send them to keep a connection open."""
    assert texts([stream]) == []


@pytest.mark.parametrize("rest", [b"{}", b'{"n": 1}', b"[1]", b"1", b"null", b'"text"', b'{"n": 1}\r', b" {} "])
def test_a_whole_last_line_needs_no_end(rest: bytes) -> None:
    """It is an event like those before it."""
    parser = NDJSONParser()
    (first,) = parser.feed(b'{"n": 0}\n' + rest)
    assert first.data == '{"n": 0}'
    (last,) = parser.finish()
    assert (last.data, last.outside) == (rest.decode().strip(), False)
    assert list(parser.finish()) == []


@pytest.mark.parametrize(
    "rest", [b"{", b'{"n"', b'{"n": ', b'{"n": 1', b'"te', b"[1,", b"nul", b"<html>", b"{}}", b"{} {}", b'{"t": "\xc3']
)
def test_a_piece_of_a_last_line_is_outside_of_the_stream(rest: bytes) -> None:
    """It is handed on for the error's words, and marked as no event."""
    parser = NDJSONParser()
    assert list(parser.feed(rest)) == []
    (last,) = parser.finish()
    assert last.outside


@pytest.mark.parametrize(
    "line",
    [b"{", b"<html>", b"data: {}", b"{'n': 1}", b"nul", b"{} {}", b"[1,]", b"NaN,", b"}", b"x"],
)
def test_a_line_that_is_no_json_is_the_decoders(line: bytes) -> None:
    """It comes out as it stands, and so do its neighbours."""
    assert texts([b"{}\n" + line + b"\n{}\n"]) == ["{}", line.decode(), "{}"]


@pytest.mark.parametrize(
    "bad",
    [b"\xff", b"\xfe\xff", b"\x80", b"\xc3", b"\xe2\x82", b"\xf0\x9f", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8", b"\xa9"],
)
def test_bytes_that_are_no_utf8_are_replaced(bad: bytes) -> None:
    """They end no stream, and spoil their own line alone."""
    one, two, three = texts([b'{"a": 1}\n{"b": "' + bad + b'"}\n{"c": 3}\n'])
    assert (one, three) == ('{"a": 1}', '{"c": 3}')
    assert set(json.loads(two)["b"]) == {"\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"{}\n" + b"x" * 11], [b"x" * 11 + b"\n"]])
def test_a_line_over_the_limit_is_refused(pieces: list[bytes]) -> None:
    """Before it is whole: a service that never ends a line fills no memory."""
    parser = NDJSONParser(limit=10)
    *before, last = pieces
    for piece in before:
        parser.feed(piece)
    with pytest.raises(ResponseFormatError, match="larger than 10 bytes") as raised:
        parser.feed(last)
    assert raised.value.maybe_received


@pytest.mark.parametrize("size", range(1, 11))
def test_a_line_up_to_the_limit_is_taken(size: int) -> None:
    """As many of them as come: the limit is each line's."""
    parser = NDJSONParser(limit=10)
    assert [event.data for event in parser.feed((b"1" * size + b"\n") * 20)] == ["1" * size] * 20
