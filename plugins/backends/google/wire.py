"""The Gemini API's generateContent: requests into bodies, bodies and event streams into answers. Pure.

Source: the types of the google-genai SDK 3.4; ai.google.dev for thought signatures and blocked prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm_plugins.backends.google.names import model_path
from complaint_llm_plugins.backends.google.schema import sent_schema

from complaint_llm.backends import WireRequest
from complaint_llm.backends.wire import (
    ANY_ID,
    document_base64,
    image_base64,
    media_type_of_url,
    merge_extra_body,
    refuse_several_answers,
    remote_url,
    with_wire_ids,
)
from complaint_llm.exceptions import (
    InvalidRequestError,
)
from complaint_llm.messages import Document, ImagePart, Message, ToolCall

if TYPE_CHECKING:
    from complaint_llm.backends import Request
    from complaint_llm.backends.wire import Family
    from complaint_llm.messages import Part, Tool

PROVIDER = "google"
"""The key under which signed parts travel in ``Message.extra``."""

UNSIGNED = "skip_thought_signature_validator"
"""What the API takes for the signature of a call that another provider's model made."""

# -- requests ----------------------------------------------------------------------------------------------------------


def encode(request: Request, family: Family) -> WireRequest:
    """The HTTP request; the model's family writes the parameters."""
    system, contents = encode_messages(request.messages, bool(family.quirks.get("signed_calls")))
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
        merge_extra_body(body, request.extra_body)
        for name in ("candidateCount", "candidate_count"):
            refuse_several_answers(body, "generationConfig", name)
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return WireRequest(model_path(request.model or "", method), body)


def encode_messages(messages: Sequence[Message], signed_calls: bool) -> tuple[str, list[dict[str, Any]]]:
    """System text and turns. Results of tools that follow one another share one turn, as parallel calls need, in the
    order of their calls: only ids that the API itself gave go back to it, and it may have given none."""
    system: list[str] = []
    contents: list[dict[str, Any]] = []
    called: dict[str, _Called] = {}
    results: list[tuple[int, dict[str, Any]]] = []
    for message in with_wire_ids(messages, ANY_ID):
        role = message.role
        if role == "tool":
            if not results:
                contents.append({"role": "user", "parts": []})
            call = _call_answered_by(message, called)
            results.append((call.place, _tool_result(message, call)))
            contents[-1]["parts"] = [part for _, part in sorted(results, key=itemgetter(0))]
            continue
        results = []
        if role == "system":
            system.append(message.text)
        elif role == "assistant":
            parts = _model_parts(message, signed_calls)
            if not parts:
                continue  # the API refuses a turn that says nothing
            called.update(_calls(message, parts, len(called)))
            contents.append({"role": "model", "parts": parts})
        else:
            contents.append({"role": "user", "parts": _parts(message.content)})
    return "\n\n".join(system), contents


class _Called(NamedTuple):
    """A call that a result may answer: its place in the conversation, its function, the id that the API gave it."""

    place: int
    name: str
    id: str | None


def _calls(message: Message, parts: Sequence[Mapping[str, Any]], before: int) -> dict[str, _Called]:
    sent = [part["functionCall"] for part in parts if isinstance(part.get("functionCall"), dict)]
    return {
        call.id: _Called(before + place, call.name, function.get("id"))
        for place, (call, function) in enumerate(zip(message.tool_calls, sent, strict=False))
    }


def _call_answered_by(message: Message, called: Mapping[str, _Called]) -> _Called:
    found = called.get(message.tool_call_id or "")
    if found is not None:
        return found
    if not message.name:
        what = f"the tool result {message.tool_call_id!r}"
        raise InvalidRequestError(f"{what} answers no tool call before it", sent=False)
    return _Called(len(called), message.name, None)


def _declaration(tool: Tool) -> dict[str, Any]:
    declared = {"name": tool.name, "parametersJsonSchema": tool.parameters}
    return {**declared, "description": tool.description} if tool.description else declared


def _parts(content: str | tuple[Part, ...]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    return [_part(part) for part in content]


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, Document):
        return {"inlineData": {"mimeType": part.media_type, "data": document_base64(part)}}
    return _image(part) if isinstance(part, ImagePart) else {"text": part.text}


def _image(part: ImagePart) -> dict[str, Any]:
    url = remote_url(part)
    if url is None:
        media_type, data = image_base64(part)
        return {"inlineData": {"mimeType": media_type, "data": data}}
    found = media_type_of_url(part)
    if found is None:
        raise InvalidRequestError('this image URL does not tell its kind: give media_type, as "image/png"', sent=False)
    return {"fileData": {"mimeType": found, "fileUri": url}}


def _tool_result(message: Message, call: _Called) -> dict[str, Any]:
    result: dict[str, Any] = {"name": call.name, "response": {"output": message.text}}
    if call.id is not None:
        result["id"] = call.id
    if not isinstance(message.content, str):
        images = [_image(part) for part in message.content if isinstance(part, ImagePart)]
        if images:
            result["parts"] = images
    return {"functionResponse": result}


def _model_parts(message: Message, signed_calls: bool) -> list[dict[str, Any]]:
    kept = message.extra.get(PROVIDER) if message.extra else None
    if isinstance(kept, list) and all(isinstance(part, dict) for part in kept):
        # Signatures must come back with the very parts that they sign.
        return [part for part in kept if part.get("text") or part.keys() - {"text", "thought"}]
    parts = _parts(message.content) if message.content else []
    for place, call in enumerate(message.tool_calls):
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": _arguments(call)}}
        if signed_calls and place == 0:
            part["thoughtSignature"] = UNSIGNED
        parts.append(part)
    return parts


def _arguments(call: ToolCall) -> dict[str, Any]:
    return {"invalid_json": call.arguments_raw} if call.arguments is None else dict(call.arguments)
