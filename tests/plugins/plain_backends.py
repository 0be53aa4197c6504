"""A backend for each wire, and bodies of OpenAI's Responses, for tests of what stands in an answer."""

from __future__ import annotations

from typing import Any

from complaint_llm.backends import HTTPBackend, OpenAIBackend
from tests.wire_answers import WIRES

GPT: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m")
RESPONSES: HTTPBackend = OpenAIBackend(api_key="sk-secret-1", model="m", api="responses")
CLAUDE = WIRES["anthropic"].backend
SCHEMA = {
    "type": "object",
    "properties": {"who": {"type": "string"}},
    "required": ["who"],
    "additionalProperties": False,
}


def message(id: str, phase: str | None, *texts: str) -> dict[str, Any]:
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "id": id, "role": "assistant", "phase": phase, "status": "completed", "content": parts}


def call(id: str) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "f", "arguments": "{}"}


def body(*output: Any, **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return {
        "id": "r",
        "object": "response",
        "model": "served",
        "status": "completed",
        "output": list(output),
        "usage": usage,
        **more,
    }
