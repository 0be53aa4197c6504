"""Whether an answer is a stream or whole is known from its bytes, however they are cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends.wire.whole_answers import FirstBytes

WHOLE = [
    b'{"a": 1}', b'\n {"a": 1}\n', b'{\n "a": 1\n}', b'{\r\n"a":\r\n1\r\n}\r\n', b"[]", b'[{"a": 1},\n{"a": 2}]',
    b'\xef\xbb\xbf{"a": 1}', b'{"a": "data: x"}', b'{"a": "\\ndata: x"}', b'{\n"data":\n1}', b'{"a": ', b"{}\n\n",
]  # fmt: skip
STREAMS = [
    b"data: {}\n\n", b": comment\n\n", b"event: x\ndata: {}\n\n", b"id: 1\n\n", b"\n\ndata: {}\n\n", b"<html>", b"",
    b" \n", b"retry: 5\n", b'\xef\xbb\xbfdata: {"a": 1}\n\n', b"data:{}", b"no", b"null", b'"text"',
]  # fmt: skip
MIXED = [b'{"a": 1}\ndata: {}\n\n', b'{"a": 1}\r\nevent: x\r\ndata: {}\r\n\r\n', b"[1]\n:\ndata: 1\n\n", b"{}\rid: 1\r"]


def seen(data: bytes, at: int = 0, *, ndjson: bool = False, labelled: bool = False) -> bool | None:
    """What was known of bytes that came in two pieces, by their end."""
    first = FirstBytes(ndjson=ndjson, labelled=labelled)
    for piece in (*filter(None, (data[:at], data[at:])), b""):
        known = first.feed(piece)
        if known is not None:
            assert data.startswith(first.data)
            return known
    return None


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("data", WHOLE)
def test_json_is_whole_under_any_label(data: bytes, labelled: bool) -> None:
    assert all(seen(data, at, labelled=labelled) is True for at in range(1, len(data)))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("data", STREAMS)
def test_what_begins_otherwise_is_no_whole_answer(data: bytes, labelled: bool) -> None:
    assert all(seen(data, at, labelled=labelled) is False for at in range(1, max(2, len(data))))


@pytest.mark.parametrize("data", MIXED)
def test_a_line_of_json_before_the_events_of_a_stream_is_part_of_it(data: bytes) -> None:
    assert all(seen(data, at, labelled=True) is False for at in range(1, len(data)))


@given(st.dictionaries(st.text(max_size=4), st.text(max_size=20)), st.sampled_from([None, 1]), st.data())
def test_any_object_is_whole_wherever_it_is_cut(value: dict[str, str], indent: int | None, data: st.DataObject) -> None:
    body = json.dumps(value, indent=indent).encode()
    assert seen(body, data.draw(st.integers(1, len(body))), labelled=True) is True


def test_an_object_and_an_empty_line_need_no_end() -> None:
    """Servers that keep the connection open say an error so."""
    first = FirstBytes(ndjson=False, labelled=True)
    assert first.feed(b'{"error": "no"}\n') is None
    assert first.feed(b"\n") is True
    assert first.complete


@pytest.mark.parametrize(
    "data", [b'{"a": 1}\n{"a": 2}\n', b'{"a": 1}\r\n\r\n{"a": 2}', b'\n{"a": 1}\n[2]\n', b"<html>"]
)
@pytest.mark.parametrize("labelled", [True, False])
def test_lines_of_json_are_a_stream(data: bytes, labelled: bool) -> None:
    assert all(seen(data, at, ndjson=True, labelled=labelled) is False for at in range(1, len(data)))


@pytest.mark.parametrize("data", [b'{\n"a": 1\n}', b"{\r\n}", b"[\n{}\n]", b'\n{"a":\n1}\n', b'{"a": [\n\n]}'])
@pytest.mark.parametrize("labelled", [True, False])
def test_json_over_several_lines_is_no_stream_of_lines(data: bytes, labelled: bool) -> None:
    assert all(seen(data, at, ndjson=True, labelled=labelled) is True for at in range(1, len(data)))


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n"])
def test_a_single_line_is_what_its_label_says(end: bytes) -> None:
    assert seen(b'{"a": 1}' + end, 3, ndjson=True, labelled=True) is False
    assert seen(b'{"a": 1}' + end, 3, ndjson=True, labelled=False) is True


@pytest.mark.parametrize("blank", [b" ", b"\n", b"\t", b"\r\n", b" \n"])
@pytest.mark.parametrize("ndjson", [False, True])
def test_endless_blanks_are_not_kept(blank: bytes, ndjson: bool) -> None:
    """After some of them it is left to the reader of streams, which has a limit."""
    first = FirstBytes(ndjson=ndjson, labelled=False)
    found = next(answer for answer in (first.feed(blank * 1000) for _ in range(1000)) if answer is not None)
    assert found is False
    assert len(first.data) < 100_000
