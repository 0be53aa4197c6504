"""Chat completions: ``POST /chat/completions``. Pure. Source: the openai SDK's types (3.52), chat.

The compatible services differ in data: names and refusals of parameters, and the ``quirks`` of a models.json:

- ``stream_usage`` (true): streams are asked for their usage by ``stream_options``
- ``call_ids``: the form of tool calls' ids, see complaint_llm.backends.wire.call_ids
- what goes back with the next turn: see ``echo``
- ``usage_cost``: where the usage tells the price in US dollars
- ``object_format`` (true): ``response_format`` of type json_object is understood; else a schema of any object is sent
- ``strict`` (true): the strict flag of a JSON schema is understood
- ``schema``: what is understood of JSON Schema, see ``strict.sent_schema``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.openai.echo import put_back

from complaint_llm.backends import Request, ResponseFormat, WireRequest
from complaint_llm.backends.wire import (
    UNSUPPORTED,
    Family,
    as_text,
    document_name,
    document_url,
    with_wire_ids,
)
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Message, Part, Tool

if TYPE_CHECKING:
    from complaint_llm.backends.wire import FileRule

PARAMETERS: Mapping[str, Any] = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "top_p": "top_p",
    "stop": "stop",
    "seed": "seed",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "reasoning_effort": "reasoning_effort",
    "logprobs": "logprobs",
}
"""This wire's names of the neutral parameters, under those of a models.json."""


def encode(request: Request, family: Family, files: FileRule | None = None) -> WireRequest:
    """The HTTP request; parameters that the model refuses are left out. ``files`` says how files are given."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [
            {"role": message.role, "content": message.content}
            if message.role == "user" and type(message.content) is str and message.name is None
            else _message(message, family.quirks, files)
            for message in with_wire_ids(request.messages, family.quirks.get("call_ids"))
        ],
    }
    if request.params:
        family.write(request.params, body)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format, family.quirks)
    if request.stream:
        body["stream"] = True
        if family.quirks.get("stream_usage", True):
            body["stream_options"] = {"include_usage": True}
    if files is not None:
        body.update({key: value for key, value in files.beside.items() if key not in request.extra_body})
    if request.extra_body:
        from complaint_llm.backends.wire import merge_extra_body, refuse_several_answers  # cold start: extra_body

        merge_extra_body(body, request.extra_body)
        refuse_several_answers(body, "n")
    return WireRequest("/chat/completions", body)


def metadata(refused: tuple[str, ...], body: Mapping[str, Any]) -> dict[str, Any]:
    """The provider's id of the answer, who served it (OpenRouter), what was left out."""
    found: dict[str, Any] = {"response_id": body.get("id")}
    if "provider" in body:
        found["provider"] = body["provider"]
    if refused:
        found[UNSUPPORTED] = list(refused)
    return found


def function_arguments(given: Any) -> str:
    """A tool call's argument text; some services send the object itself."""
    return json.dumps(given, ensure_ascii=False) if isinstance(given, dict) else as_text(given, "function.arguments")


def _message(message: Message, quirks: Mapping[str, Any], files: FileRule | None) -> dict[str, Any]:
    role = message.role
    found: dict[str, Any] = {"role": role, "content": _content(message, files)}
    if message.name is not None:
        found["name"] = message.name
    if role == "tool":
        found["tool_call_id"] = message.tool_call_id
    if role == "assistant":
        if message.tool_calls:
            found["content"] = found["content"] or None
            found["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments_text},
                }
                for call in message.tool_calls
            ]
        put_back(found, message, quirks)
    return found


def _content(message: Message, files: FileRule | None) -> str | list[dict[str, Any]]:
    content = message.content
    if isinstance(content, str):
        return content
    if all(part.type == "text" for part in content):
        return message.text
    if message.role != "user":
        raise InvalidRequestError(f"images stand in a user's messages only, not in one of {message.role}", sent=False)
    return [_part(part, files) for part in content]


def _part(part: Part, files: FileRule | None) -> dict[str, Any]:
    if isinstance(part, Document):
        if files is not None and files.part == "document_url":
            return {"type": "document_url", "document_url": document_url(part)}
        return {"type": "file", "file": {"filename": document_name(part), "file_data": document_url(part)}}
    if isinstance(part, ImagePart):
        return {"type": "image_url", "image_url": {"url": image_url(part)}}
    return {"type": "text", "text": part.text}


def image_url(part: ImagePart) -> str:
    """The URL that the provider fetches, or the bytes as a data URL."""
    from complaint_llm.backends.wire import data_url, remote_url  # cold start: images

    return remote_url(part) or data_url(part)


def _tool(tool: Tool) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
    }


def _response_format(wanted: ResponseFormat, quirks: Mapping[str, Any]) -> dict[str, Any]:
    if wanted.kind == "json_object" and quirks.get("object_format", True):
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": json_schema(wanted, quirks)}


def json_schema(wanted: ResponseFormat, quirks: Mapping[str, Any]) -> dict[str, Any]:
    """Name and schema as both wires take them, in the words that the service knows."""
    from complaint_llm_plugins.backends.openai.strict import sent_schema  # cold start: schemas

    sent = sent_schema(wanted, quirks)
    found: dict[str, Any] = {"name": schema_name(wanted.name), "schema": sent.schema or {"type": "object"}}
    if sent.strict is not None:
        found["strict"] = sent.strict
    return found


def schema_name(name: str) -> str:
    """A name within what the API allows: letters, digits, underscores and dashes, at most 64."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in name)[:64] or "answer"
