"""On every wire a streamed answer is the whole one, however it is cut and whatever stands between its events."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import StreamDecoder
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import (
    InferenceOutput,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from tests.sampled import sampled
from tests.wire_answers import WIRES, Said, event, in_one
from tests.wire_messages import ask, done, read

TEXT = st.text(st.sampled_from('ab \n<>/think`"{}😀é世'), max_size=30)
ARGUMENTS = st.dictionaries(st.text("xy😀", max_size=2), st.text('a"}{\\😀\n', max_size=6) | st.integers(), max_size=3)
CALLS = st.lists(st.tuples(st.sampled_from("fg"), ARGUMENTS), max_size=3).map(
    lambda calls: tuple(
        (f"c{at}", name, json.dumps(given, ensure_ascii=False)) for at, (name, given) in enumerate(calls)
    )
)
TAGGED = st.tuples(st.sampled_from(["", "<think>", "\n<think>\n", "[THINK]"]), TEXT, TEXT).map(
    lambda parts: f"{parts[0]}{parts[1]}{'[/THINK]' if '[' in parts[0] else '</think>'}{parts[2]}"
)
SAID = st.builds(
    Said, text=TEXT | TAGGED, reasoning=TEXT, calls=CALLS, finish=st.sampled_from(["stop", "length", "content_filter"])
)


def shown(output: InferenceOutput) -> InferenceOutput:
    """The output without the parts kept for the next turn, which a wire may cut otherwise."""
    return output._replace(extra=None)


def halves(text: str) -> str:
    """The text as JSON's escapes have it: two halves for a character beyond the basic plane."""
    return text.encode("utf-16-le").decode("utf-16-le", "surrogatepass") if text.isascii() else _halves(text)


def _halves(text: str) -> str:
    units = text.encode("utf-16-le")
    return "".join(chr(units[at] | units[at + 1] << 8) for at in range(0, len(units), 2))


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", WIRES)
@given(said=SAID, data=st.data())
@sampled(40, of=400)
def test_a_stream_is_its_whole_answer(name: str, said: Said, data: st.DataObject) -> None:
    """Text, reasoning (apart or in tags), calls and reason, cut between any two halves of a character, and the bytes
    cut anywhere; or it is the same error. The pieces are characters that can be written, and together the text."""
    wire = WIRES[name]

    def cut(text: str) -> list[str]:
        units = halves(text)
        places = sorted({0, len(units), *data.draw(st.lists(st.integers(0, len(units)), max_size=5))})
        return [units[a:b] for a, b in pairwise(places)]

    stream = b"".join(wire.events(said, cut))
    places = sorted({0, len(stream), *data.draw(st.lists(st.integers(0, len(stream)), max_size=5))})
    chunks = [stream[a:b] for a, b in pairwise(places)]
    whole = outcome(lambda: wire.backend.decode(json.loads(json.dumps(wire.answer_body(said))), ask()))
    events: list[StreamEvent] = []
    streamed = outcome(lambda: done(events_into(events, wire.backend.decoder(ask(stream=True)), chunks)))
    assert streamed == whole
    if isinstance(streamed, InferenceOutput):
        pieces_are_the_answer(events, streamed)


def events_into(events: list[StreamEvent], decoder: StreamDecoder, chunks: list[bytes]) -> list[StreamEvent]:
    events += read(decoder, chunks)
    return events


def outcome(answer: Callable[[], InferenceOutput]) -> InferenceOutput | tuple[type[BackendError], str]:
    """The answer, or the class and the words of its error."""
    try:
        return shown(answer())
    except BackendError as error:
        return type(error), str(error)


def pieces_are_the_answer(events: list[StreamEvent], output: InferenceOutput) -> None:
    """Each piece can be written; what was handed out is what the output says, calls start and end once."""
    texts = [each.text for each in events if isinstance(each, TextDelta)]
    thoughts = [each.text for each in events if isinstance(each, ReasoningDelta)]
    for piece in (*texts, *thoughts):
        piece.encode()
    if "</think>" not in "".join(texts):
        assert ("".join(texts), "".join(thoughts)) == (output.content, output.reasoning or "")
    starts = [(each.id, each.name) for each in events if isinstance(each, ToolCallStart)]
    assert starts == [(call.id, call.name) for call in output.tool_calls]
    assert sorted(each.id for each in events if isinstance(each, ToolCallEnd)) == sorted(id for id, _ in starts)
    for call in output.tool_calls:
        said = [each.arguments_delta for each in events if isinstance(each, ToolCallDelta) and each.id == call.id]
        assert "".join(said) == call.arguments_raw
        json.dumps(call.arguments, ensure_ascii=False).encode()


BEATS = [
    b"data:\n\n",
    b"data: \n\n",
    b"data: null\n\n",
    b"data: {}\n\n",
    b": comment\n\n",
    b":\n",
    b"\n\n",
    b"event: ping\ndata: {}\n\n",
    b'event: ping\ndata: {"type": "ping"}\n\n',
    b"event: ping\ndata: 2026-11-27T10:00:00Z\n\n",
    b"event: ping\n\n",
    b"event: heartbeat\ndata: still here\n\n",
    b"event: keepalive\ndata:\n\n",
    b"data: ping\n\n",
    b'data: "ping"\n\n',
    b"data: : keep-alive\n\n",
    b"retry: 3000\n\n",
    b"id: 7\n\n",
    b'data: {"status": "processing"}\n\n',
]
SPOKEN = Said("Grüße 😀", "Hm.", (("c0", "f", '{"x": 1}'),))


@pytest.mark.parametrize("beat", BEATS, ids=repr)
@pytest.mark.parametrize("name", WIRES)
def test_heartbeats_mean_nothing(name: str, beat: bytes) -> None:
    """In any form, before, between and after the events."""
    wire = WIRES[name]
    events = wire.events(SPOKEN, list)
    stream = beat + beat.join(events) + beat
    assert shown(done(read(wire.backend.decoder(ask(stream=True)), [stream]))) == shown(
        wire.backend.decode(wire.answer_body(SPOKEN), ask())
    )


EMPTY_CHOICES = [
    {"choices": []},
    {"choices": None},
    {"id": "", "choices": [], "usage": None},
    {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": None, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": None}, "finish_reason": None}]},
    {"choices": [{"index": 0, "finish_reason": None, "content_filter_results": {}}]},
    {"choices": [{"delta": {"content": "", "tool_calls": None}}]},
    {"choices": [{"delta": {"tool_calls": []}}], "x_groq": {"id": "req"}},
    {"x_groq": {"id": "req"}},
]


@pytest.mark.parametrize("chunk", EMPTY_CHOICES, ids=repr)
def test_chunks_without_a_piece_mean_nothing(chunk: object) -> None:
    """Azure's filters, Groq's ids and whatever else gateways put between the pieces."""
    wire = WIRES["chat"]
    stream = event(chunk).join(wire.events(SPOKEN, list))
    output = done(read(wire.backend.decoder(ask(stream=True)), [event(chunk) + stream]))
    assert (output.content, output.reasoning, len(output.tool_calls)) == ("Grüße 😀", "Hm.", 1)


MARKS = [
    b"data: [DONE]\n\n",
    b"data: [DONE] \n\n",
    b"data:[DONE]\n\n",
    b"data:  [DONE]\t\n\n",
    b"data: [done]\n\n",
    b'data: "[DONE]"\n\n',
    b"data: [DONE]\r\n\r\n",
    b"event: done\ndata: [DONE]\n\n",
    b"data: [DONE]\n",
    b"data: [DONE]",
    b"data: [DONE]\n\ndata: [DONE]\n\n",
    b"",
]


@pytest.mark.parametrize("mark", MARKS, ids=repr)
@pytest.mark.parametrize("name", WIRES)
def test_an_end_mark_ends_the_answer_or_means_nothing(name: str, mark: bytes) -> None:
    """In any form, after every wire's own last event; or none, where the reason for the end was told."""
    wire = WIRES[name]
    events = [each for each in wire.events(SPOKEN, in_one) if b"[DONE]" not in each]
    output = done(read(wire.backend.decoder(ask(stream=True)), [b"".join(events) + mark]))
    assert shown(output) == shown(wire.backend.decode(wire.answer_body(SPOKEN), ask()))


@pytest.mark.parametrize("mark", [mark for mark in MARKS if mark.endswith(b"\n")], ids=repr)
def test_an_end_mark_in_place_of_the_last_event_of_anthropics_wire_is_an_end(mark: bytes) -> None:
    """Some compatible servers send it instead; cut before it, the answer is not whole."""
    wire = WIRES["anthropic"]
    events = wire.events(SPOKEN, in_one)[:-1]
    assert done(read(wire.backend.decoder(ask(stream=True)), [*events, mark])).content == SPOKEN.text
    assert not any(each.type == "done" for each in read(wire.backend.decoder(ask(stream=True)), events))
