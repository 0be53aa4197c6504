"""The conformance suite on the Responses API of ``openai`` and ``xai``; chat completions run it in tests/testing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from complaint_llm.testing import BackendConformance
from complaint_llm.testing.dialects import AnswerContent, OpenAIDialect, data_event


class ResponsesDialect(OpenAIDialect):
    """The Responses API, written from OpenAI's reference of its objects and events."""

    def speaks(self, path: str) -> bool:
        return path.endswith(("/responses", "/embeddings"))

    def prompt(self, body: Mapping[str, Any]) -> str:
        content = next(item["content"] for item in reversed(body["input"]) if item.get("role") == "user")
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return super().answer(path, body, content) if path.endswith("/embeddings") else _response(content)

    def events(self, content: AnswerContent) -> list[bytes]:
        events: list[dict[str, Any]] = [{"type": "response.created", "response": {"status": "in_progress"}}]
        events += [
            {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": piece}
            for piece in content.pieces
        ]
        for item in _calls(content):
            at = item["output_index"]
            events += [
                {"type": "response.output_item.added", "output_index": at, "item": {**item, "arguments": ""}},
                {"type": "response.function_call_arguments.delta", "output_index": at, "delta": item["arguments"]},
                {"type": "response.output_item.done", "output_index": at, "item": item},
            ]
        events.append({"type": "response.completed", "response": _response(content)})
        return [data_event(event, event["type"]) for event in events]


def _calls(content: AnswerContent) -> list[dict[str, Any]]:
    return [
        {
            "type": "function_call",
            "call_id": f"call_{at}",
            "name": name,
            "arguments": json.dumps(said),
            "output_index": at,
        }
        for at, (name, said) in enumerate(content.calls, 1)
    ]


def _response(content: AnswerContent) -> dict[str, Any]:
    text = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": content.text}]}
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "test-model",
        "output": [*([text] if content.text else []), *_calls(content)],
        "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    }


class TestOpenAIResponses(BackendConformance):
    """Everything that every backend must do, by the other API."""

    plugin = "complaint_llm_plugins.backends.openai.plugin"
    type_name = "openai"
    wire = ResponsesDialect()
    keys: ClassVar[Mapping[str, Any]] = {"api": "responses"}


class TestXAIResponses(BackendConformance):
    """The default of this type."""

    plugin = "complaint_llm_plugins.backends.xai.plugin"
    type_name = "xai"
    wire = ResponsesDialect()
