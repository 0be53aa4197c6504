"""Services on 127.0.0.1, one for each wire, that answer with thinking, state of their own, text and parallel calls.

Each gives ids in a way of its own (none, the same in each turn, a form that others refuse), puts its name into all that
is signed, and can say of a request what it holds.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from complaint_llm import InferenceOutput, Mediator
from complaint_llm.messages import Done, ToolCallStart
from complaint_llm.testing import FaultyServer, Reply
from tests.chat_services import chat_events, chat_held, check_mistral, gateway, mistral, router, thinker
from tests.official_types import check_anthropic, check_chat, check_gemini, check_responses
from tests.service_turns import SIGNED, TOOLS, Held, Said, call_arguments, call_name, signature, text_halves

Events = Callable[[Mapping[str, Any]], Sequence[Any]]


class Service(NamedTuple):
    """One service: the type and keys of its backend, its answers, whole and as events, and its reading of a request."""

    name: str
    type: str
    model: str
    path: str
    answer: Callable[[str, Said], Mapping[str, Any]]
    events: Events
    held: Callable[[Mapping[str, Any]], tuple[Sequence[str], Sequence[str]]]
    check: Callable[[Mapping[str, Any]], None]
    id: re.Pattern[str]
    keys: Mapping[str, Any] = MappingProxyType({})

    def reply(self, said: Said, *, streamed: bool) -> Reply:
        """What the server is to send."""
        body = self.answer(self.name, said)
        if not streamed:
            return Reply.raw(json.dumps(body).encode())
        lines = []
        for event in self.events(body):
            kind = f"event: {event['type']}\n" if "type" in event else ""
            lines.append(f"{kind}data: {json.dumps(event)}\n\n")
        return Reply(body="".join(lines).encode(), headers={"Content-Type": "text/event-stream"})

    def reading(self, body: Mapping[str, Any]) -> Held:
        """What a request holds, after it was found to be one that the service takes."""
        self.check(body)
        calls, results = self.held(body)
        text = json.dumps(body) + "".join(map(_decoded, _signatures(body)))
        return Held(calls, results, {(who, int(turn)) for who, turn in SIGNED.findall(text)})

    def entry(self, server: FaultyServer) -> dict[str, Any]:
        """The backend's entry in a config."""
        return {
            "id": self.name,
            "type": self.type,
            "model": self.model,
            "api_key": "sk-none",
            "base_url": f"{server.url}{self.path}",
            **self.keys,
        }


def _signatures(body: Any) -> Iterator[str]:
    """Signatures that a wire carries in base64."""
    if isinstance(body, Mapping):
        for key, value in body.items():
            if key == "thoughtSignature":
                yield value
            else:
                yield from _signatures(value)
    elif isinstance(body, list):
        for each in body:
            yield from _signatures(each)


def _decoded(text: str) -> str:
    return base64.b64decode(text + "==", altchars=b"-_").decode("latin-1")


# -- Responses, Anthropic, Gemini --------------------------------------------------------------------------------------


def responses(name: str, said: Said) -> Mapping[str, Any]:
    """Reasoning, commentary, reasoning, calls, a final answer."""

    def thought(at: int) -> dict[str, Any]:
        sealed = {"summary": [], "encrypted_content": signature(name, said.turn)}
        return {"type": "reasoning", "id": f"rs_{said.turn}_{at}", **sealed}

    def message(phase: str, text: str) -> dict[str, Any]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        id = f"msg_{said.turn}_{phase}"
        return {"type": "message", "id": id, "role": "assistant", "phase": phase, "status": "completed",
                "content": content}  # fmt: skip

    calls = [
        {
            "type": "function_call",
            "id": f"fc_{said.turn}_{at}",
            "call_id": f"call_{said.turn}{at}",
            "name": call_name(at),
            "arguments": json.dumps(call_arguments(at)),
            "status": "completed",
        }
        for at in range(said.calls)
    ]
    final = [thought(1), message("final_answer", said.text)] if said.text else []
    output = [thought(0), *calls, *final]
    return {"id": f"resp_{said.turn}", "object": "response", "created_at": 1, "model": "served",
            "status": "completed", "output": output}  # fmt: skip


def responses_events(body: Mapping[str, Any]) -> Sequence[Any]:
    events: list[Any] = [{"type": "response.created", "response": {**body, "output": [], "status": "in_progress"}}]
    for at, item in enumerate(body["output"]):
        events.append({"type": "response.output_item.added", "output_index": at, "item": _begun(item)})
        pieces: Sequence[str] = ()
        kind, place = "", {"output_index": at, "item_id": item["id"]}
        if item["type"] == "message":
            kind, pieces = "response.output_text.delta", text_halves(item["content"][0]["text"])
        elif item["type"] == "function_call":
            kind, pieces = "response.function_call_arguments.delta", text_halves(item["arguments"])
        events.extend({"type": kind, **place, "delta": piece} for piece in pieces)
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    # As some servers end a stream: the items came one by one.
    return [*events, {"type": "response.completed", "response": {**body, "output": []}}]


def _begun(item: Mapping[str, Any]) -> dict[str, Any]:
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"encrypted_content": ""}}
    return {**item, **empty[item["type"]]}


def responses_held(body: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    def ids(kind: str) -> list[str]:
        return [item["call_id"] for item in body["input"] if item.get("type") == kind]

    return ids("function_call"), ids("function_call_output")


def anthropic(name: str, said: Said) -> Mapping[str, Any]:
    """Signed thinking, and the empty text that the API gives and does not take."""
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Let me see.", "signature": signature(name, said.turn)},
        {"type": "redacted_thinking", "data": signature(name, said.turn)},
        {"type": "text", "text": said.text},
    ]
    for at in range(said.calls):
        id = f"toolu_{said.turn}_{at}"
        blocks.append({"type": "tool_use", "id": id, "name": call_name(at), "input": call_arguments(at)})
    return {"id": "msg", "type": "message", "role": "assistant", "model": "served", "content": blocks,
            "stop_reason": "tool_use" if said.calls else "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1}}  # fmt: skip


def anthropic_events(body: Mapping[str, Any]) -> Sequence[Any]:
    events: list[Any] = [{"type": "message_start", "message": {**body, "content": [], "stop_reason": None}}]
    for at, block in enumerate(body["content"]):
        kind = block["type"]
        bare = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}
        events.append({"type": "content_block_start", "index": at, "content_block": {**block, **bare.get(kind, {})}})
        deltas: list[dict[str, Any]] = []
        if kind == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in text_halves(block["text"])]
        elif kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in text_halves(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif kind == "tool_use":
            pieces = text_halves(json.dumps(block["input"]))
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        events.extend({"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas)
        events.append({"type": "content_block_stop", "index": at})
    stop = {"type": "message_delta", "delta": {"stop_reason": body["stop_reason"]}, "usage": {"output_tokens": 1}}
    return [*events, stop, {"type": "message_stop"}]


def anthropic_held(body: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    blocks = [b for turn in body["messages"] if not isinstance(turn["content"], str) for b in turn["content"]]
    assert all(block["text"].strip() for block in blocks if block["type"] == "text"), "an empty text is refused"
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    return calls, [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]


def gemini(name: str, said: Said) -> Mapping[str, Any]:
    """Calls without ids; the first part after the thoughts is signed."""
    parts: list[dict[str, Any]] = [{"text": "Let me see.", "thought": True}]
    if said.text:
        parts.append({"text": said.text})
    parts.extend({"functionCall": {"name": call_name(at), "args": call_arguments(at)}} for at in range(said.calls))
    parts[1]["thoughtSignature"] = base64.b64encode(signature(name, said.turn).encode()).decode()
    return {"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
            "modelVersion": "served"}  # fmt: skip


def gemini_events(body: Mapping[str, Any]) -> Sequence[Any]:
    candidate = body["candidates"][0]
    pieces = [{"candidates": [{"content": {"role": "model", "parts": [p]}}]} for p in candidate["content"]["parts"]]
    return [*pieces, {"candidates": [{"finishReason": "STOP"}], "modelVersion": "served"}]


def gemini_held(body: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """It has no ids: a result belongs to the call in its place, of its name."""
    calls: list[str] = []
    results: list[str] = []
    for content in body["contents"]:
        for part in content["parts"]:
            for key, found in (("functionCall", calls), ("functionResponse", results)):
                if key in part:
                    assert "id" not in part[key], "an id that it did not give"
                    found.append(f"{part[key]['name']} {len(found)}")
    return calls, results


ANY = re.compile(r"(?s).+")
SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("gateway", "openai", "gemini-3.8-flash", "/v1", gateway, chat_events, chat_held, check_chat,
                re.compile(r"(?s).{1,40}")),
        Service("responses", "openai", "gpt-5.4", "/v1", responses, responses_events, responses_held, check_responses,
                re.compile(r"(?s).{1,64}"), {"api": "responses"}),
        Service("anthropic", "anthropic", "claude-sonnet-4-5", "", anthropic, anthropic_events, anthropic_held,
                check_anthropic, re.compile("[a-zA-Z0-9_-]+")),
        Service("gemini", "google", "gemini-3.8-flash", "", gemini, gemini_events, gemini_held, check_gemini, ANY),
        Service("openrouter", "openrouter", "google/gemini-3.8-flash", "/v1", router, chat_events, chat_held,
                check_chat, ANY),
        Service("mistral", "mistral", "mistral-medium-3-5", "/v1", mistral, chat_events, chat_held, check_mistral,
                re.compile("[a-zA-Z0-9]{9}")),
        Service("zai", "zai", "glm-5", "/v1", thinker, chat_events, chat_held, check_chat, ANY),
        Service("moonshot", "moonshot", "kimi-k2.6", "/v1", thinker, chat_events, chat_held, check_chat,
                re.compile(r"functions\.(find|date):[0-9]+")),
        Service("rival", "anthropic", "claude-sonnet-4-5", "", anthropic, anthropic_events, anthropic_held,
                check_anthropic, re.compile("[a-zA-Z0-9_-]+")),
    )
}  # fmt: skip
"""Nine services on six wires; ``rival`` speaks Anthropic's wire at another address."""


class World:
    """The services and one Mediator over them. Owns the servers and the Mediator; one thread asks."""

    def __init__(self, folder: Path) -> None:
        self._servers = {name: FaultyServer() for name in SERVICES}
        entries = [service.entry(self._servers[name]) for name, service in SERVICES.items()]
        (folder / "config.json").write_text(json.dumps({"BACKENDS": entries}), encoding="utf-8")
        self._mediator = Mediator.from_config(folder / "config.json")

    def ask(self, name: str, history: Sequence[Any], said: Said, *, streamed: bool, **params: Any) -> InferenceOutput:
        """The answer of one service, which says ``said``, to this history."""
        self._servers[name].script(SERVICES[name].reply(said, streamed=streamed))
        if not streamed:
            return self._mediator.infer(history, TOOLS, backend=name, **params)
        with self._mediator.infer_stream(history, TOOLS, backend=name, **params) as stream:
            events = list(stream)
        last = events[-1]
        assert isinstance(last, Done)
        begun = [event.id for event in events if isinstance(event, ToolCallStart)]
        assert begun == [call.id for call in last.output.tool_calls], "an event's id is the call's"
        return last.output

    def sent(self, name: str) -> Held:
        """What the last request to a service held, found valid."""
        return SERVICES[name].reading(self.body(name))

    def body(self, name: str) -> Mapping[str, Any]:
        """The last request to a service."""
        body: Mapping[str, Any] = self._servers[name].requests[-1].body
        return body

    def close(self) -> None:
        """End the Mediator and every server."""
        self._mediator.close()
        for server in self._servers.values():
            server.close()
