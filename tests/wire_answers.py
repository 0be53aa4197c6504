"""One answer in the words of every wire, whole and streamed: from the vendors' types, apart from the readers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.backends import AnthropicBackend, GoogleBackend, HTTPBackend, OpenAIBackend

Cut = Callable[[str], Sequence[str]]
"""Cuts a text into pieces."""


class Said(NamedTuple):
    """What a model says; ``calls`` are (id, name, argument JSON)."""

    text: str = ""
    reasoning: str = ""
    calls: Sequence[tuple[str, str, str]] = ()
    finish: str = "stop"


def event(value: Any, name: str = "") -> bytes:
    """One server-sent event; halves of characters go as ``\\u`` escapes, as servers send them."""
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


class ChatWire(NamedTuple):
    """Chat completions."""

    backend: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m")
    words: Mapping[str, str] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}
    text_beginning: tuple[Any, ...] = ({"role": "assistant", "content": ""},)

    def chunk(self, delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "c", "object": "chat.completion.chunk", "model": "served", "choices": [choice], **more}

    def word(self, said: Said) -> str:
        return "tool_calls" if said.calls and said.finish == "stop" else self.words[said.finish]

    def answer_body(self, said: Said) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
        if said.reasoning:
            message["reasoning_content"] = said.reasoning
        if said.calls:
            message["tool_calls"] = [
                {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for id, name, arguments in said.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": self.word(said)}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return {"id": "c", "object": "chat.completion", "model": "served", "choices": [choice], "usage": usage}

    def events(self, said: Said, cut: Cut) -> list[bytes]:
        deltas: list[Any] = list(self.text_beginning)
        deltas += [{"reasoning_content": piece} for piece in cut(said.reasoning)]
        deltas += [{"content": piece} for piece in cut(said.text)]
        for place, (id, name, arguments) in enumerate(said.calls):
            head = {"index": place, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            deltas += [{"tool_calls": [head]}]
            deltas += [{"tool_calls": [{"index": place, "function": {"arguments": p}}]} for p in cut(arguments)]
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        chunks = [*map(self.chunk, deltas), self.chunk({}, self.word(said))]
        last = {"id": "c", "object": "chat.completion.chunk", "model": "served", "choices": [], "usage": usage}
        return [*map(event, chunks), event(last), b"data: [DONE]\n\n"]

    def error(self, message: str) -> Any:
        return {"error": {"message": message, "type": "server_error", "code": None}}


class ResponsesWire(NamedTuple):
    """Responses."""

    backend: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m", api="responses")

    def items(self, said: Said) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if said.reasoning:
            thought = [{"type": "reasoning_text", "text": said.reasoning}]
            found.append({"type": "reasoning", "id": "rs_1", "summary": [], "content": thought})
        if said.text:
            text = {"type": "output_text", "text": said.text, "annotations": []}
            found.append(
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]}
            )
        for place, (id, name, arguments) in enumerate(said.calls):
            call = {"type": "function_call", "id": f"fc_{place}", "call_id": id, "name": name, "arguments": arguments}
            found.append({**call, "status": "completed"})
        return found

    def answer_body(self, said: Said) -> Any:
        words = {"length": "max_output_tokens", "content_filter": "content_filter"}
        usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
        body = {"id": "r", "object": "response", "model": "served", "output": self.items(said), "usage": usage}
        if said.finish == "stop":
            return {**body, "status": "completed", "incomplete_details": None}
        return {**body, "status": "incomplete", "incomplete_details": {"reason": words[said.finish]}}

    def events(self, said: Said, cut: Cut) -> list[bytes]:
        found: list[dict[str, Any]] = [{"type": "response.created", "response": {"status": "in_progress"}}]
        for place, item in enumerate(self.items(said)):
            where = {"output_index": place, "item_id": item["id"]}
            empty = {"arguments": ""} if item["type"] == "function_call" else {"content": []}
            found.append({"type": "response.output_item.added", "output_index": place, "item": {**item, **empty}})
            kind, whole = {
                "reasoning": ("response.reasoning_text", said.reasoning),
                "message": ("response.output_text", said.text),
                "function_call": ("response.function_call_arguments", item.get("arguments", "")),
            }[item["type"]]
            found += [{"type": f"{kind}.delta", **where, "content_index": 0, "delta": piece} for piece in cut(whole)]
            found.append({"type": "response.output_item.done", "output_index": place, "item": item})
        last = "response.completed" if said.finish == "stop" else "response.incomplete"
        found.append({"type": last, "response": self.answer_body(said)})
        return [event(each, each["type"]) for each in found]

    def error(self, message: str) -> Any:
        return {"type": "error", "code": None, "message": message, "param": None}


class AnthropicWire(NamedTuple):
    """Messages."""

    backend: HTTPBackend = AnthropicBackend(api_key="sk-ant-secret", model="claude-sonnet-5-5")

    def blocks(self, said: Said) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if said.reasoning:
            found.append({"type": "thinking", "thinking": said.reasoning, "signature": "c2ln"})
        if said.text:
            found.append({"type": "text", "text": said.text})
        found += [
            {"type": "tool_use", "id": id, "name": name, "input": json.loads(arguments)}
            for id, name, arguments in said.calls
        ]
        return found

    def word(self, said: Said) -> str:
        words = {"stop": "tool_use" if said.calls else "end_turn", "length": "max_tokens", "content_filter": "refusal"}
        return words[said.finish]

    def answer_body(self, said: Said) -> Any:
        head = {"id": "msg", "type": "message", "role": "assistant", "model": "served"}
        usage = {"input_tokens": 3, "output_tokens": 4}
        return {**head, "content": self.blocks(said), "stop_reason": self.word(said), "usage": usage}

    def events(self, said: Said, cut: Cut) -> list[bytes]:
        start = {**self.answer_body(said), "content": [], "stop_reason": None, "usage": {"input_tokens": 3}}
        found: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
        kinds = {"thinking": ("thinking", "thinking_delta"), "text": ("text", "text_delta")}
        for place, block in enumerate(self.blocks(said)):
            field, delta = kinds.get(block["type"], ("partial_json", "input_json_delta"))
            empty = {"input": {}} if block["type"] == "tool_use" else {field: "", "signature": ""}
            whole = json.dumps(block["input"], ensure_ascii=False) if block["type"] == "tool_use" else block[field]
            begun = {key: value for key, value in {**block, **empty}.items() if key in block}
            found.append({"type": "content_block_start", "index": place, "content_block": begun})
            deltas: list[Any] = [{"type": delta, field: piece} for piece in cut(whole)]
            if "signature" in block:
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
            found += [{"type": "content_block_delta", "index": place, "delta": each} for each in deltas]
            found.append({"type": "content_block_stop", "index": place})
        found.append(
            {"type": "message_delta", "delta": {"stop_reason": self.word(said)}, "usage": {"output_tokens": 4}}
        )
        found.append({"type": "message_stop"})
        return [event(each, each["type"]) for each in found]

    def error(self, message: str) -> Any:
        return {"type": "error", "error": {"type": "api_error", "message": message}}


class GeminiWire(NamedTuple):
    """generateContent; arguments come whole."""

    backend: HTTPBackend = GoogleBackend(api_key="secret", model="gemini-3.8-flash")

    def body(self, parts: list[Any], finish: str | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish is None:
            return {"candidates": [candidate], "modelVersion": "served"}
        usage = {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
        candidate["finishReason"] = {"stop": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}[finish]
        return {"candidates": [candidate], "modelVersion": "served", "usageMetadata": usage}

    def calls(self, said: Said) -> list[Any]:
        return [
            {"functionCall": {"id": id, "name": name, "args": json.loads(arguments)}}
            for id, name, arguments in said.calls
        ]

    def answer_body(self, said: Said) -> Any:
        parts: list[Any] = [{"text": said.reasoning, "thought": True}] if said.reasoning else []
        parts += [{"text": said.text}] if said.text else []
        return self.body([*parts, *self.calls(said)], said.finish)

    def events(self, said: Said, cut: Cut) -> list[bytes]:
        bodies = [self.body([{"text": piece, "thought": True}]) for piece in cut(said.reasoning)]
        bodies += [self.body([{"text": piece}]) for piece in cut(said.text)]
        bodies += [self.body([call]) for call in self.calls(said)]
        return [*map(event, bodies), event(self.body([], said.finish))]

    def error(self, message: str) -> Any:
        return {"error": {"code": 500, "message": message, "status": "INTERNAL"}}


AnyWire = ChatWire | ResponsesWire | AnthropicWire | GeminiWire

WIRES: Mapping[str, AnyWire] = {
    "chat": ChatWire(),
    "responses": ResponsesWire(),
    "anthropic": AnthropicWire(),
    "gemini": GeminiWire(),
}


def in_one(text: str) -> list[str]:
    """A text as one piece."""
    return [text] if text else []
