"""The Responses API: ``POST /responses``, always with ``store: false``. Pure. Source: the openai SDK's types (3.52).

Read from a models.json: the fact ``reasoning`` (the model reasons: its encrypted reasoning is asked for, to go back
with the next turn, since nothing is stored), ``strict`` as in wire_chat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.openai.response_items import items_of
from complaint_llm_plugins.backends.openai.wire_chat import image_url, json_schema

from complaint_llm.backends import Request, ResponseFormat, WireRequest
from complaint_llm.backends.wire import (
    UNSUPPORTED,
    Family,
    IdForm,
    document_name,
    document_url,
    merge_extra_body,
    refuse_several_answers,
    with_wire_ids,
)
from complaint_llm.messages import Document, ImagePart, Message, Part, Tool

if TYPE_CHECKING:
    from complaint_llm.backends.wire import FileRule

PARAMETERS: Mapping[str, Any] = {
    "temperature": "temperature",
    "max_tokens": "max_output_tokens",
    "top_p": "top_p",
    "reasoning_effort": "reasoning.effort",
    "logprobs": {"with": {"include": ["message.output_text.logprobs"]}},
}
"""This wire's names of the neutral parameters; the names of a models.json are chat's."""

CALL_IDS = IdForm("(?s).{1,64}")
"""What the API takes as the id of a tool call."""


def encode(request: Request, family: Family, files: FileRule | None = None) -> WireRequest:
    """The HTTP request; parameters that the model refuses are left out. Files have one form."""
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in with_wire_ids(request.messages, CALL_IDS) for item in _items(message)],
        "store": False,
    }
    if request.params:
        family.write(request.params, body)
    if family.quirks.get("reasoning"):
        body["include"] = [*body.get("include", ()), "reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.response_format is not None:
        body["text"] = {"format": _format(request.response_format, family.quirks)}
    if request.stream:
        body["stream"] = True
    if request.extra_body:
        merge_extra_body(body, request.extra_body)
        refuse_several_answers(body, "n")
    return WireRequest("/responses", body)


def metadata(refused: tuple[str, ...], body: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's id of the answer and what was left out."""
    found: dict[str, Any] = {"response_id": body.get("id")}
    if refused:
        found[UNSUPPORTED] = list(refused)
    return found


def _items(message: Message) -> Sequence[dict[str, Any]]:
    """The input items of one message: its text and images, its tool calls, or a tool's result."""
    if message.role == "tool":
        return [{"type": "function_call_output", "call_id": message.tool_call_id, "output": _output(message)}]
    if message.role == "user":
        return [{"role": "user", "content": _content(message)}]
    kept = items_of(message) if message.role == "assistant" else None
    if kept is not None:
        return kept
    found: list[dict[str, Any]] = []
    if message.text:
        found.append({"role": message.role, "content": message.text})
    found.extend(
        {"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.arguments_text}
        for call in message.tool_calls
    )
    return found


def _content(message: Message) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    return [_part(part) for part in content]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Document):
        return {"type": "input_file", "filename": document_name(part), "file_data": document_url(part)}
    if isinstance(part, ImagePart):
        return {"type": "input_image", "image_url": image_url(part), "detail": "auto"}
    return {"type": "input_text", "text": part.text}


def _output(message: Message) -> str | list[dict[str, Any]]:
    content = _content(message)
    return message.text if not isinstance(content, str) and all(p["type"] == "input_text" for p in content) else content


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": False,
    }


def _format(wanted: ResponseFormat, quirks: Mapping[str, Any]) -> Mapping[str, Any]:
    if wanted.kind == "json_object":
        return {"type": "json_object"}
    return {"type": "json_schema", **json_schema(wanted, quirks)}
