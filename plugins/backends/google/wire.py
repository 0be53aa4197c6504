"""The Gemini API's generateContent: requests into bodies, bodies and event streams into answers. Pure.

Source: the types of the google-genai SDK 3.4; ai.google.dev for thought signatures and blocked prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.google.names import model_path
from complaint_llm_plugins.backends.google.schema import sent_schema

from complaint_llm.backends import WireRequest
from complaint_llm.backends.bodies import overlay, refuse_several_answers
from complaint_llm.exceptions import (
    InvalidRequestError,
)
from complaint_llm.messages import ImagePart, Message, ToolCall

if TYPE_CHECKING:
    from complaint_llm.backends.parameters import Family
    from complaint_llm.messages import Tool
    from complaint_llm.request import Request

PROVIDER = "google"
"""The key under which signed parts travel in ``Message.extra``."""

OWN_ID = "call_"
"""How the ids begin that calls get which come without one; they are not sent back."""

UNSIGNED = "skip_thought_signature_validator"
"""What the API takes for the signature of a call that another provider's model made."""

# -- requests ----------------------------------------------------------------------------------------------------------


def encode(request: Request, family: Family) -> WireRequest:
    """The HTTP request; the model's family writes the parameters."""
    system, contents = encode_messages(request.messages, bool(family.facts.get("signed_calls")))
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": system}]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
    family.write(request.params, body)
    wanted = request.response_format
    if wanted is not None:
        config = body.setdefault("generationConfig", {})
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            config["responseJsonSchema"] = sent_schema(wanted.schema)
    thinking = body.get("generationConfig", {}).get("thinkingConfig")
    if thinking and "thinkingLevel" in thinking:
        thinking["thinkingLevel"] = thinking["thinkingLevel"].upper()
    if request.extra_body:
        overlay(body, request.extra_body)
        for name in ("candidateCount", "candidate_count"):
            refuse_several_answers(body, "generationConfig", name)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return WireRequest(model_path(request.model or "", method), body)


def encode_messages(messages: Sequence[Message], signed_calls: bool) -> tuple[str, list[dict[str, Any]]]:
    """System text and turns. Results of tools that follow one another share one turn, as parallel calls need."""
    system: list[str] = []
    contents: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    after_tool = False
    for message in messages:
        role = message.role
        if role == "system":
            system.append(message.text)
            continue
        if role == "tool":
            part = _tool_result(message, names)
            if after_tool:
                contents[-1]["parts"].append(part)
            else:
                contents.append({"role": "user", "parts": [part]})
        elif role == "assistant":
            names.update((call.id, call.name) for call in message.tool_calls)
            contents.append({"role": "model", "parts": _model_parts(message, signed_calls)})
        else:
            contents.append({"role": "user", "parts": _parts(message.content)})
        after_tool = role == "tool"
    return "\n\n".join(system), contents


def _declaration(tool: Tool) -> dict[str, Any]:
    declared = {"name": tool.name, "parametersJsonSchema": tool.parameters}
    return {**declared, "description": tool.description} if tool.description else declared


def _parts(content: str | tuple[Any, ...]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    return [_image(part) if isinstance(part, ImagePart) else {"text": part.text} for part in content]


def _image(part: ImagePart) -> dict[str, Any]:
    from complaint_llm.backends.images import image_base64, media_type_of_url, remote_url

    url = remote_url(part)
    if url is None:
        media_type, data = image_base64(part)
        return {"inlineData": {"mimeType": media_type, "data": data}}
    found = media_type_of_url(part)
    if found is None:
        raise InvalidRequestError('this image URL does not tell its kind: give media_type, as "image/png"', sent=False)
    return {"fileData": {"mimeType": found, "fileUri": url}}


def _tool_result(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    id = message.tool_call_id or ""
    name = names.get(id) or message.name
    if not name:
        raise InvalidRequestError(f"the tool result {id!r} answers no tool call before it", sent=False)
    result: dict[str, Any] = {"name": name, "response": {"output": message.text}}
    if not id.startswith(OWN_ID):
        result["id"] = id
    if not isinstance(message.content, str):
        images = [_image(part) for part in message.content if isinstance(part, ImagePart)]
        if images:
            result["parts"] = images
    return {"functionResponse": result}


def _model_parts(message: Message, signed_calls: bool) -> list[dict[str, Any]]:
    kept = message.extra.get(PROVIDER) if message.extra else None
    if isinstance(kept, list) and _says_the_same(kept, message):
        # Signatures must come back with the very parts that they sign.
        return kept
    parts = _parts(message.content) if message.content else []
    for place, call in enumerate(message.tool_calls):
        function: dict[str, Any] = {"name": call.name, "args": _arguments(call)}
        if not call.id.startswith(OWN_ID):
            function["id"] = call.id
        part: dict[str, Any] = {"functionCall": function}
        if signed_calls and place == 0:
            part["thoughtSignature"] = UNSIGNED
        parts.append(part)
    return parts or [{"text": ""}]


def _arguments(call: ToolCall) -> dict[str, Any]:
    return {"invalid_json": call.arguments_raw} if call.arguments is None else dict(call.arguments)


def _says_the_same(parts: Sequence[Any], message: Message) -> bool:
    """Whether the parts are still those of the message; its author may have changed it since."""
    if not all(isinstance(part, dict) for part in parts):
        return False
    said = "".join(str(part.get("text", "")) for part in parts if not part.get("thought"))
    calls = [part["functionCall"].get("name") for part in parts if isinstance(part.get("functionCall"), dict)]
    return said == message.text and calls == [call.name for call in message.tool_calls]
