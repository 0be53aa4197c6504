"""Why an answer ended is told in the same few words on every wire; the wire's own word stands beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from complaint_llm.backends import HTTPBackend
from complaint_llm.messages import InferenceOutput, Message
from tests.wire_answers import WIRES, event
from tests.wire_messages import ask, done, read

CALL = {"id": "c0", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def both(backend: HTTPBackend, whole: Any, *events: Any) -> InferenceOutput:
    """The answer, which is the same streamed."""
    output = backend.decode(whole, ask())
    streamed = done(read(backend.decoder(ask(stream=True)), [event(each) for each in events]))
    assert (streamed.finish_reason, streamed.metadata) == (output.finish_reason, output.metadata)
    return output


def chat(word: Any, *, calls: bool) -> InferenceOutput:
    message = {"content": "x", **({"tool_calls": [CALL]} if calls else {})}
    whole = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": word}]}
    chunk = {"id": "c", "choices": [{"index": 0, "delta": message, "finish_reason": word}]}
    return both(WIRES["chat"].backend, whole, chunk, "[DONE]")


def responses(status: Any, reason: Any, *, calls: bool) -> InferenceOutput:
    output: list[Any] = [{"type": "message", "content": [{"type": "output_text", "text": "x"}]}]
    if calls:
        output.append({"type": "function_call", "call_id": "c0", "name": "f", "arguments": "{}"})
    details = None if reason is None else {"reason": reason}
    body = {"id": "r", "status": status, "incomplete_details": details, "output": output}
    last = "response.incomplete" if status == "incomplete" else "response.completed"
    return both(WIRES["responses"].backend, body, {"type": last, "response": body})


def anthropic(word: Any, *, calls: bool) -> InferenceOutput:
    blocks: list[Any] = [{"type": "text", "text": "x"}]
    if calls:
        blocks.append({"type": "tool_use", "id": "c0", "name": "f", "input": {}})
    starts = [{"type": "content_block_start", "index": at, "content_block": block} for at, block in enumerate(blocks)]
    end = {"type": "message_delta", "delta": {"stop_reason": word}}
    body = {"type": "message", "content": blocks, "stop_reason": word}
    start = {"type": "message_start", "message": {}}
    return both(WIRES["anthropic"].backend, body, start, *starts, end, {"type": "message_stop"})


def gemini(word: Any, *, calls: bool) -> InferenceOutput:
    parts: list[Any] = [{"text": "x"}]
    if calls:
        parts.append({"functionCall": {"name": "f", "args": {}}})
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": word}]}
    return both(WIRES["gemini"].backend, body, body)


ROWS = [
    # of its own wire
    (chat, "stop", False, "stop"),
    (chat, "length", False, "length"),
    (chat, "model_length", False, "length"),
    (chat, "tool_calls", True, "tool_calls"),
    (chat, "function_call", True, "tool_calls"),
    (chat, "content_filter", False, "content_filter"),
    (anthropic, "end_turn", False, "stop"),
    (anthropic, "stop_sequence", False, "stop"),
    (anthropic, "max_tokens", False, "length"),
    (anthropic, "model_context_window_exceeded", False, "length"),
    (anthropic, "tool_use", True, "tool_calls"),
    (anthropic, "refusal", False, "content_filter"),
    (anthropic, "pause_turn", False, "paused"),
    (gemini, "STOP", False, "stop"),
    (gemini, "MAX_TOKENS", False, "length"),
    (gemini, "SAFETY", False, "content_filter"),
    (gemini, "RECITATION", False, "content_filter"),
    (gemini, "MODEL_ARMOR", False, "content_filter"),
    # "stop" beside calls: Ollama, LiteLLM, Gemini
    (chat, "stop", True, "tool_calls"),
    (anthropic, "end_turn", True, "tool_calls"),
    (gemini, "STOP", True, "tool_calls"),
    # calls that were announced and did not come
    (chat, "tool_calls", False, "stop"),
    (anthropic, "tool_use", False, "stop"),
    # what cut an answer with calls cut it
    (chat, "length", True, "length"),
    (chat, "content_filter", True, "content_filter"),
    (anthropic, "max_tokens", True, "length"),
    # the words of another wire, from a gateway
    (chat, "end_turn", False, "stop"),
    (chat, "max_tokens", False, "length"),
    (chat, "MAX_TOKENS", False, "length"),
    (chat, "SAFETY", False, "content_filter"),
    (chat, "STOP", False, "stop"),
    # not known
    (chat, "eos", False, None),
    (chat, "error", False, None),
    (chat, "insufficient_system_resource", False, None),
    (chat, "abort", True, None),
    (anthropic, "compaction", False, None),
    (gemini, "OTHER", False, None),
    (gemini, "MALFORMED_FUNCTION_CALL", False, None),
    (gemini, "FINISH_REASON_UNSPECIFIED", False, None),
]


@pytest.mark.parametrize(
    ("wire", "word", "calls", "reason"), ROWS, ids=[f"{r[0].__name__} {r[1]} {r[2]}" for r in ROWS]
)
def test_the_reason_is_neutral_and_the_raw_word_beside_it(
    wire: Any, word: str, calls: bool, reason: str | None
) -> None:
    """Known words of every wire, of another one, and unknown ones; whole and streamed."""
    output = wire(word, calls=calls)
    assert (output.finish_reason, output.metadata["finish_reason"]) == (reason, word)


@pytest.mark.parametrize(
    ("status", "details", "calls", "word", "reason"),
    [
        ("completed", None, False, "completed", "stop"),
        ("completed", None, True, "completed", "tool_calls"),
        ("incomplete", "max_output_tokens", False, "max_output_tokens", "length"),
        ("incomplete", "max_output_tokens", True, "max_output_tokens", "length"),
        ("incomplete", "content_filter", False, "content_filter", "content_filter"),
        ("incomplete", None, False, "incomplete", "length"),
        ("incomplete", "something_new", False, "something_new", None),
        ("in_progress", None, False, "in_progress", None),
    ],
)
def test_a_response_says_why_it_is_incomplete(
    status: str, details: Any, calls: bool, word: str, reason: str | None
) -> None:
    """The word is that of ``incomplete_details``, else the status."""
    output = responses(status, details, calls=calls)
    assert (output.finish_reason, output.metadata["finish_reason"]) == (reason, word)


@pytest.mark.parametrize("word", [None, 7, "", ["stop"], {"reason": "stop"}, True])
@pytest.mark.parametrize("wire", [chat, anthropic])
def test_a_reason_that_is_no_word_is_unknown(wire: Any, word: Any) -> None:
    """It stands beside the answer and does not cost it."""
    output = wire(word, calls=False)
    assert output.content == "x"
    assert output.finish_reason is None
    assert "finish_reason" not in output.metadata


PAUSED = [
    {"type": "text", "text": "I will search."},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rent 😀"}},
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("blocks", [PAUSED, PAUSED[1:]])
def test_a_paused_turn_goes_back_whole(blocks: list[Any], streamed: bool) -> None:
    """With all that the provider needs to go on, also where it said nothing yet."""
    backend = WIRES["anthropic"].backend
    if streamed:
        events: list[Any] = [{"type": "message_start", "message": {"model": "served"}}]
        for at, block in enumerate(blocks):
            begun = {**block, "text": ""} if block["type"] == "text" else {**block, "input": {}}
            whole = block["text"] if block["type"] == "text" else json.dumps(block["input"])
            kind, field = ("text_delta", "text") if block["type"] == "text" else ("input_json_delta", "partial_json")
            events.append({"type": "content_block_start", "index": at, "content_block": begun})
            deltas = [{"type": kind, field: piece} for piece in (whole[:5], whole[5:])]
            events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": at})
        events += [{"type": "message_delta", "delta": {"stop_reason": "pause_turn"}}, {"type": "message_stop"}]
        output = done(read(backend.decoder(ask(stream=True)), map(event, events)))
    else:
        output = backend.decode({"type": "message", "content": blocks, "stop_reason": "pause_turn"}, ask())
    assert output.finish_reason == "paused"
    assert output.tool_calls == ()
    body = backend.encode(ask([Message("user", "q"), output.message()])).body
    assert body is not None
    assert body["messages"][1] == {"role": "assistant", "content": blocks}
