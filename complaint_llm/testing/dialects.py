"""The wires that the test server speaks: what an answer, a stream and an error look like in each.

Written from the vendors' documentation, apart from the backends' own code, so that the two can disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

Call = tuple[str, Mapping[str, Any]]


class AnswerContent(NamedTuple):
    """What an answer says: a text, calls of tools (name and arguments), or both."""

    text: str
    calls: Sequence[Call] = ()

    @property
    def pieces(self) -> list[str]:
        """The text as a stream hands it out: word by word."""
        words = self.text.split(" ")
        return [word + " " for word in words[:-1]] + words[-1:] if self.text else []


class Dialect(Protocol):
    """One wire. An author of a backend with a wire of its own writes one to run the conformance suite."""

    base_path: str
    """What a backend's ``base_url`` has after the server's address."""

    def speaks(self, path: str) -> bool:
        """Whether a request to this path is of this wire."""
        ...

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        """Whether the request asks for a stream."""
        ...

    def prompt(self, body: Mapping[str, Any]) -> str:
        """The last user message of a request."""
        ...

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        """The JSON of a whole answer; of an embedding request, its vectors."""
        ...

    def events(self, content: AnswerContent) -> list[bytes]:
        """The server-sent events of a streamed answer, each with its blank line; the lines of one whose dialect has an
        attribute ``stream_type``, such as "application/x-ndjson"."""
        ...

    def error(self, status: int, code: str | None, message: str) -> Any:
        """The JSON of an error."""
        ...


def data_event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event with JSON in it."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def vector(text: str) -> list[float]:
    """A vector that tells texts apart: their length and their first character."""
    return [float(len(text)), float(ord(text[0]) if text else 0), 1.0]


def _plain(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))


class OpenAIDialect:
    """Chat completions and embeddings, as OpenAI and the compatible services have them."""

    base_path = "/v1"

    def speaks(self, path: str) -> bool:
        return path.endswith(("/chat/completions", "/embeddings"))

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return bool(body.get("stream"))

    def prompt(self, body: Mapping[str, Any]) -> str:
        return next((_plain(m["content"]) for m in reversed(body.get("messages", ())) if m["role"] == "user"), "")

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        if path.endswith("/embeddings"):
            texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
            rows = [{"object": "embedding", "index": at, "embedding": vector(text)} for at, text in enumerate(texts)]
            # Out of order on purpose: the index counts.
            return {"object": "list", "data": rows[::-1], "model": "test", "usage": {"prompt_tokens": 3}}
        message: dict[str, Any] = {"role": "assistant", "content": content.text or None}
        if content.calls:
            message["tool_calls"] = [
                {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for at, (name, arguments) in enumerate(content.calls)
            ]
        reason = "tool_calls" if content.calls else "stop"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return {
            "id": "1",
            "object": "chat.completion",
            "model": "test-model",
            "choices": [choice],
            "usage": self._usage(),
        }

    def events(self, content: AnswerContent) -> list[bytes]:
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": piece} for piece in content.pieces]
        for at, (name, arguments) in enumerate(content.calls):
            text_of_arguments = json.dumps(arguments)
            start = {"index": at, "id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": ""}}
            parts = [
                {"index": at, "function": {"arguments": part}}
                for part in (text_of_arguments[:3], text_of_arguments[3:])
            ]
            deltas += [{"tool_calls": [call]} for call in (start, *parts)]
        reason = "tool_calls" if content.calls else "stop"
        chunks = [self._chunk([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
        chunks.append(self._chunk([{"index": 0, "delta": {}, "finish_reason": reason}]))
        chunks.append({**self._chunk([]), "usage": self._usage()})
        return [*map(data_event, chunks), b"data: [DONE]\n\n"]

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": {"message": message, "type": "error", "param": None, "code": code}}

    @staticmethod
    def _chunk(choices: list[Any]) -> dict[str, Any]:
        return {"id": "1", "object": "chat.completion.chunk", "model": "test-model", "choices": choices}

    @staticmethod
    def _usage() -> dict[str, int]:
        return {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}


class ResponsesDialect:
    """OpenAI's Responses API."""

    base_path = "/v1"

    def speaks(self, path: str) -> bool:
        return path.endswith("/responses")

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return bool(body.get("stream"))

    def prompt(self, body: Mapping[str, Any]) -> str:
        given = body.get("input", "")
        if isinstance(given, str):
            return given
        return next((_plain(item["content"]) for item in reversed(given) if item.get("role") == "user"), "")

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return self._response("completed", self._items(content))

    def events(self, content: AnswerContent) -> list[bytes]:
        events: list[dict[str, Any]] = [{"type": "response.created", "response": self._response("in_progress", [])}]
        for at, item in enumerate(self._items(content)):
            place = {"item_id": item["id"], "output_index": at}
            empty = {**item, "content": []} if item["type"] == "message" else {**item, "arguments": ""}
            events.append({"type": "response.output_item.added", "output_index": at, "item": empty})
            if item["type"] == "message":
                deltas = [("response.output_text.delta", piece) for piece in content.pieces]
                last = {"type": "response.output_text.done", **place, "content_index": 0, "text": content.text}
            else:
                text_of_arguments = item["arguments"]
                deltas = [
                    ("response.function_call_arguments.delta", part)
                    for part in (text_of_arguments[:3], text_of_arguments[3:])
                ]
                last = {"type": "response.function_call_arguments.done", **place, "arguments": text_of_arguments}
            events += [{"type": kind, **place, "content_index": 0, "delta": delta} for kind, delta in deltas]
            events += [last, {"type": "response.output_item.done", "output_index": at, "item": item}]
        events.append({"type": "response.completed", "response": self._response("completed", self._items(content))})
        return [data_event({**event, "sequence_number": at}, event["type"]) for at, event in enumerate(events)]

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": {"message": message, "type": "error", "param": None, "code": code}}

    @staticmethod
    def _items(content: AnswerContent) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if content.text:
            said = [{"type": "output_text", "text": content.text, "annotations": []}]
            items.append(
                {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": said}
            )
        for at, (name, arguments) in enumerate(content.calls):
            call = {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": name}
            items.append({**call, "arguments": json.dumps(arguments), "status": "completed"})
        return items

    @staticmethod
    def _response(status: str, output: list[Any]) -> dict[str, Any]:
        usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
        response = {"id": "resp_1", "object": "response", "model": "test-model", "status": status, "output": output}
        return {**response, "usage": usage if status == "completed" else None}


class AnthropicDialect:
    """The Messages API."""

    base_path = ""

    def speaks(self, path: str) -> bool:
        return path == "/v1/messages"

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return bool(body.get("stream"))

    def prompt(self, body: Mapping[str, Any]) -> str:
        return next((_plain(m["content"]) for m in reversed(body.get("messages", ())) if m["role"] == "user"), "")

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        blocks: list[dict[str, Any]] = [{"type": "text", "text": content.text}] if content.text else []
        for at, (name, arguments) in enumerate(content.calls):
            blocks.append({"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": dict(arguments)})
        return {**self._message(), "content": blocks, "stop_reason": self._reason(content)}

    def events(self, content: AnswerContent) -> list[bytes]:
        start = {**self._message(), "content": [], "stop_reason": None}
        events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
        index = 0
        if content.text:
            events.append(self._block(index, {"type": "text", "text": ""}))
            events += [self._delta(index, {"type": "text_delta", "text": piece}) for piece in content.pieces]
            events.append({"type": "content_block_stop", "index": index})
            index += 1
        for at, (name, arguments) in enumerate(content.calls):
            text_of_arguments = json.dumps(arguments)
            events.append(self._block(index, {"type": "tool_use", "id": f"toolu_{at}", "name": name, "input": {}}))
            for part in (text_of_arguments[:3], text_of_arguments[3:]):
                events.append(self._delta(index, {"type": "input_json_delta", "partial_json": part}))
            events.append({"type": "content_block_stop", "index": index})
            index += 1
        delta = {"stop_reason": self._reason(content), "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
        events.append({"type": "message_stop"})
        return [data_event(event, event["type"]) for event in events]

    def error(self, status: int, code: str | None, message: str) -> Any:
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "api_error" if status >= 500 else "invalid_request_error")
        error: dict[str, Any] = {"type": kind, "message": message}
        if code is not None:
            error["details"] = {"error_code": code}
        return {"type": "error", "error": error, "request_id": "req_1"}

    @staticmethod
    def _message() -> dict[str, Any]:
        usage = {"input_tokens": 11, "output_tokens": 7}
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": "test-model", "usage": usage}

    @staticmethod
    def _reason(content: AnswerContent) -> str:
        return "tool_use" if content.calls else "end_turn"

    @staticmethod
    def _block(index: int, block: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_start", "index": index, "content_block": block}

    @staticmethod
    def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": delta}


class GeminiDialect:
    """generateContent and the embeddings of the Gemini API."""

    base_path = ""

    def speaks(self, path: str) -> bool:
        return path.startswith("/v1beta/") and ":" in path

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return ":streamGenerateContent" in path

    def prompt(self, body: Mapping[str, Any]) -> str:
        return next((_plain(c["parts"]) for c in reversed(body.get("contents", ())) if c["role"] == "user"), "")

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        if path.endswith(":batchEmbedContents"):
            return {"embeddings": [{"values": vector(_plain(one["content"]["parts"]))} for one in body["requests"]]}
        if path.endswith(":embedContent"):
            return {"embedding": {"values": vector(_plain(body["content"]["parts"]))}}
        parts: list[dict[str, Any]] = [{"text": content.text}] if content.text else []
        return self._body([*parts, *self._calls(content)], "STOP", self._usage())

    def events(self, content: AnswerContent) -> list[bytes]:
        chunks = [self._body([{"text": piece}]) for piece in content.pieces]
        chunks += [self._body([call]) for call in self._calls(content)]
        chunks.append(self._body([{"text": ""}], "STOP", self._usage()))
        return [data_event(body) for body in chunks]

    def error(self, status: int, code: str | None, message: str) -> Any:
        names = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
        name = names.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if code is not None:
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}]
        return {"error": error}

    @staticmethod
    def _calls(content: AnswerContent) -> list[dict[str, Any]]:
        return [{"functionCall": {"name": name, "args": dict(arguments)}} for name, arguments in content.calls]

    @staticmethod
    def _usage() -> dict[str, Any]:
        return {"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18}

    @staticmethod
    def _body(parts: list[Any], reason: str | None = None, usage: Any = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if reason is not None:
            choice["finishReason"] = reason
        body: dict[str, Any] = {"candidates": [choice], "modelVersion": "test-model"}
        return body if usage is None else {**body, "usageMetadata": usage}


WIRES: Mapping[str, Dialect] = {
    "openai": OpenAIDialect(),
    "responses": ResponsesDialect(),
    "anthropic": AnthropicDialect(),
    "gemini": GeminiDialect(),
}
"""The built-in wires by name."""
