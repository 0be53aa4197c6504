"""Calls of one answer, and of a conversation, have ids of their own, whatever the server gives."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from complaint_llm.backends import OpenAIBackend
from complaint_llm.messages import Done, InferenceOutput, Message, ToolCallEnd, ToolCallStart
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_messages import chat, chunk, sse

GIVEN: dict[str, list[str | None]] = {
    "none": [None, None, None],
    "empty": ["", "", ""],
    "one for all": ["x", "x", "x"],
    "one for two": ["x", "y", "x"],
    "numbered": ["call_0", "call_1", "call_2"],
    "numbered, one missing": ["call_1", None, "call_2"],
    "what we make up": [None, "call_0", "call_1"],
    "of Kimi": ["functions.f:0", "functions.f:1", "functions.f:2"],
    "of Kimi, not counted": ["functions.f:0", "functions.f:0", "functions.f:0"],
    "longer than are taken": ["x" * 41, "x" * 42, "y" * 41],
    "alone": ["x"],
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def calls(ids: list[str | None]) -> list[dict[str, Any]]:
    return [
        {"index": at, "type": "function", "function": {"name": "f", "arguments": f'{{"n":{at}}}'}}
        | ({} if id is None else {"id": id})
        for at, id in enumerate(ids)
    ]


def answer(
    backend: OpenAIBackend, server: FaultyServer, history: list[Message], ids: list[str | None], *, streamed: bool
) -> InferenceOutput:
    if not streamed:
        server.script(Reply.raw(json.dumps(chat(None, tool_calls=calls(ids))).encode()))
        return backend.infer(history)
    pieces = [chunk({"tool_calls": [call]}) for call in calls(ids)]
    body = sse(*pieces, chunk({}, "tool_calls"), "[DONE]")
    server.script(Reply(body=body, headers={"Content-Type": "text/event-stream"}))
    with backend.infer_stream(history) as stream:
        events = list(stream)
    last = events[-1]
    assert isinstance(last, Done)
    whole = [call.id for call in last.output.tool_calls]
    assert [event.id for event in events if isinstance(event, ToolCallStart)] == whole
    assert sorted(event.id for event in events if isinstance(event, ToolCallEnd)) == sorted(whole)
    return last.output


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", sorted(GIVEN))
def test_each_call_has_an_id_of_its_own(name: str, streamed: bool, server: FaultyServer) -> None:
    """In one answer and in those of a conversation; what is sent is unique, too, and results follow their calls."""
    ids = GIVEN[name]
    with OpenAIBackend(api_key="k", base_url=f"{server.url}/v1", model="m") as backend:
        history = [Message("user", "q")]
        for _ in range(3):
            output = answer(backend, server, history, ids, streamed=streamed)
            assert [call.arguments for call in output.tool_calls] == [{"n": at} for at in range(len(ids))]
            history.append(output.message())
            for at, call in reversed(list(enumerate(output.tool_calls))):
                history.append(Message("tool", str(at), tool_call_id=call.id))
        ours = [call.id for message in history for call in message.tool_calls]
        assert len(ours) == len(set(ours)) == 3 * len(ids)
        assert all(ours)
        backend.infer(history)
    sent = server.requests[-1].body["messages"]
    by_id = {
        call["id"]: json.loads(call["function"]["arguments"]) for turn in sent for call in turn.get("tool_calls", ())
    }
    assert len(by_id) == 3 * len(ids)
    results = [(turn["tool_call_id"], turn["content"]) for turn in sent if turn["role"] == "tool"]
    assert [(by_id[id], content) for id, content in results] == [
        ({"n": int(content)}, content) for _, content in results
    ]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_ids_that_are_good_are_kept(streamed: bool, server: FaultyServer) -> None:
    """They may be in the server's log, or in somebody's."""
    with OpenAIBackend(api_key="k", base_url=f"{server.url}/v1", model="m") as backend:
        history = [Message("user", "q")]
        for turn in range(2):
            output = answer(backend, server, history, [f"call_a{turn}", f"call_b{turn}"], streamed=streamed)
            assert [call.id for call in output.tool_calls] == [f"call_a{turn}", f"call_b{turn}"]
            history += [output.message(), *(Message("tool", "1", tool_call_id=call.id) for call in output.tool_calls)]
