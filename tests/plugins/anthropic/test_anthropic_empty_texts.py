"""Texts of nothing, which the API gives and does not take, are not sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from complaint_llm.backends import AnthropicBackend
from complaint_llm.messages import ImagePart, Message, TextPart, ToolCall
from complaint_llm.testing import FaultyServer, Reply
from tests.official_types import check_anthropic

CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "S"}
REDACTED = {"type": "redacted_thinking", "data": "R"}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


@pytest.fixture(scope="module")
def backend(server: FaultyServer) -> Iterator[AnthropicBackend]:
    with AnthropicBackend(api_key="k", base_url=server.url, model="claude-sonnet-5-5") as backend:
        yield backend


def turns(backend: AnthropicBackend, server: FaultyServer, history: list[Any]) -> list[Any]:
    """The turns of the request for this history."""
    server.script(Reply("Done."))
    backend.infer(history)
    body = server.requests[-1].body
    check_anthropic(body)
    found: list[Any] = body["messages"]
    return found


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("given", "goes_back"),
    [
        ([THOUGHT, text(""), CALL], [THOUGHT, CALL]),
        ([THOUGHT, text(" "), CALL], [THOUGHT, CALL]),
        ([THOUGHT, text("\n\n"), CALL], [THOUGHT, CALL]),
        ([THOUGHT, text("\t"), text(""), CALL], [THOUGHT, CALL]),
        ([text(""), THOUGHT, CALL], [THOUGHT, CALL]),
        ([THOUGHT, CALL, text("")], [THOUGHT, CALL]),
        ([THOUGHT, text(""), text("I look."), CALL], [THOUGHT, text("I look."), CALL]),
        ([THOUGHT, text(" I look. "), CALL], [THOUGHT, text(" I look. "), CALL]),
        ([REDACTED, text(""), CALL], [REDACTED, CALL]),
        ([THOUGHT, text(""), REDACTED, text(""), CALL], [THOUGHT, REDACTED, CALL]),
        ([text(""), CALL], [CALL]),
        ([text("  "), CALL], [CALL]),
    ],
)
def test_an_empty_text_of_an_answer_does_not_go_back(
    given: list[Any], goes_back: list[Any], backend: AnthropicBackend, server: FaultyServer
) -> None:
    """The signed blocks around it go unchanged, in their places."""
    body = {"type": "message", "role": "assistant", "model": "m", "content": given, "stop_reason": "tool_use",
            "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip
    server.script(Reply.raw(json.dumps(body).encode()))
    said = backend.infer("q").message()
    history = [Message("user", "q"), said, Message("tool", "42", tool_call_id=said.tool_calls[0].id)]
    assert turns(backend, server, history)[1]["content"] == goes_back


CALLED = ToolCall("t1", "f", {}, "{}")


@pytest.mark.parametrize(
    ("message", "content"),
    [
        (Message("assistant", (TextPart(""), TextPart("I look."))), [text("I look.")]),
        (Message("assistant", (TextPart("I"), TextPart(" "))), [text("I")]),
        (Message("assistant", ""), None),
        (Message("assistant", " \n"), None),
        (Message("assistant", ()), None),
        (Message("assistant", (TextPart(""),)), None),
        (Message("assistant", "", (CALLED,)), [CALL]),
        (Message("assistant", "\n", (CALLED,)), [CALL]),
        (Message("user", (TextPart(""), ImagePart(url="https://example.org/a.png"))),
         [{"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}]),
        (Message("user", (TextPart("a"), TextPart(""), TextPart("b"))), [text("a"), text("b")]),
    ],
)  # fmt: skip
def test_an_empty_text_of_any_message_is_left_out(
    message: Message, content: list[Any] | None, backend: AnthropicBackend, server: FaultyServer
) -> None:
    """A turn that says nothing is left out whole."""
    results = [Message("tool", (TextPart(""), TextPart("42")), tool_call_id=call.id) for call in message.tool_calls]
    sent = turns(backend, server, [Message("user", "q"), message, *results, Message("user", "r")])
    assert [turn["content"] for turn in sent[1:2]] == ([content] if content is not None else ["r"])
    for block in sent[2]["content"] if results else ():
        assert block["content"] == [text("42")]
