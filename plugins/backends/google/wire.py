"""The Gemini API's generateContent: requests into bodies, bodies and event streams into answers. Pure.

Source: the types of the google-genai SDK 3.4; ai.google.dev for thought signatures and blocked prompts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.google.names import model_path
from complaint_llm_plugins.backends.google.schema import sent_schema

from complaint_llm import bounded_json
from complaint_llm.backends import WireRequest
from complaint_llm.backends.accumulator import StreamAccumulator
from complaint_llm.backends.bodies import overlay
from complaint_llm.backends.shapes import count, items, mapping, number, optional_mapping, text
from complaint_llm.exceptions import (
    BackendError,
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    ResponseFormatError,
)
from complaint_llm.messages import FinishReason, ImagePart, InferenceOutput, Message, TokenUsage, ToolCall

if TYPE_CHECKING:
    from complaint_llm.backends.parameters import Family
    from complaint_llm.messages import StreamEvent, Tool
    from complaint_llm.request import Request
    from complaint_llm.transport import ServerSentEvent

PROVIDER = "google"
"""The key under which signed parts travel in ``Message.extra``."""

OWN_ID = "call_"
"""How the ids begin that calls get which come without one; they are not sent back."""

UNSIGNED = "skip_thought_signature_validator"
"""What the API takes for the signature of a call that another provider's model made."""

Fail = Callable[[Any, int | None], BackendError]
"""Makes the error to raise of an error body that came inside an HTTP 200; secrets are cut out there."""

FINISH_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "ESCALATION",
            "MODEL_ARMOR",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "OTHER",
            "MALFORMED_FUNCTION_CALL",
            "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS",
            "MISSING_THOUGHT_SIGNATURE",
            "MALFORMED_RESPONSE",
            "PUP_LIMITED_DISABLED",
        ),
        "error",
    ),
}
"""What ends an answer. The API may add reasons: an unknown one is a stop if there is an answer, else an error."""

WITHOUT_ANSWER: Mapping[str, type[BackendError]] = {
    "MISSING_THOUGHT_SIGNATURE": InvalidRequestError,
    "PUP_LIMITED_DISABLED": PermissionDeniedError,
}
"""Errors of an empty answer by its finish reason; filters are ContentFilterError, the rest ResponseFormatError."""


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


# -- answers -----------------------------------------------------------------------------------------------------------


def decode(payload: Any, request: Request, metadata: Mapping[str, Any], fail: Fail) -> InferenceOutput:
    """The answer in a body. Raises ResponseFormatError, or the error that the body tells of."""
    decoder = Decoder(request, metadata, fail)
    decoder.take(payload)
    return decoder.output()


class Decoder:
    """Puts one answer together: a whole body is a stream of one piece. Used by the one thread that reads it."""

    def __init__(self, request: Request, metadata: Mapping[str, Any], fail: Fail) -> None:
        self._answer = StreamAccumulator(metadata)
        self._fail = fail
        self._wants_confidence = bool(request.params.get("logprobs"))
        self._mean: float | None = None
        self._parts: list[dict[str, Any]] = []
        self._signed = False
        self._calls = 0
        self._reason: str | None = None
        self._message = ""

    def feed(self, event: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events that this one means."""
        try:
            data = bounded_json.loads(event.data)
        except ValueError as cause:
            raise ResponseFormatError("an event of the stream is no JSON") from cause
        return self.take(data)

    def end(self) -> Iterable[StreamEvent]:
        """The proper end, if a finish reason came: the API sends no other mark."""
        if self._reason is None:
            return ()
        self.output()
        return self._answer.done()

    def output(self) -> InferenceOutput:
        """The whole answer. Raises what an answer without content means."""
        answer = self._answer
        answered = bool(answer.content) or answer.has_calls
        reason = None
        if self._reason is not None:
            reason = FINISH_REASONS.get(self._reason, "stop" if answered else "error")
        if not answered:
            self._refuse(reason)
        answer.finish_reason = "tool_calls" if reason == "stop" and answer.has_calls else reason
        if self._signed:
            answer.extra = {PROVIDER: self._parts}
        if self._mean is not None and not answer.log_probabilities:
            answer.log_probabilities.append(self._mean)
        return answer.output()

    def take(self, payload: Any) -> list[StreamEvent]:
        """The events in one body or one piece of a stream."""
        body = mapping(payload, "the body")
        if "error" in body:
            error = body["error"]
            code = error.get("code") if isinstance(error, dict) else None
            raise self._fail(body, code if isinstance(code, int) and 400 <= code < 600 else None)
        if "usageMetadata" in body:
            self._answer.usage = _usage(optional_mapping(body["usageMetadata"], "usageMetadata"))
        if "modelVersion" in body:
            self._answer.model = text(body["modelVersion"], "modelVersion")
        candidates = items(body.get("candidates"), "candidates")
        if not candidates:
            blocked = optional_mapping(body.get("promptFeedback"), "promptFeedback").get("blockReason")
            if blocked is not None:
                code = text(blocked, "blockReason")
                raise ContentFilterError(f"the prompt was blocked: {code}", code=code)
            return []
        return self._candidate(mapping(candidates[0], "a candidate"))

    def _candidate(self, candidate: Mapping[str, Any]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        content = optional_mapping(candidate.get("content"), "content")
        for part in items(content.get("parts"), "parts"):
            self._part(mapping(part, "a part"), events)
        if candidate.get("finishReason") is not None:
            self._reason = text(candidate["finishReason"], "finishReason")
            self._message = text(candidate.get("finishMessage"), "finishMessage")
        if self._wants_confidence:
            self._probabilities(candidate)
        return events

    def _part(self, part: Mapping[str, Any], events: list[StreamEvent]) -> None:
        self._parts.append(dict(part))
        if "thoughtSignature" in part:
            self._signed = True
        piece = part.get("text")
        if piece:
            said = text(piece, "text")
            events.append(self._answer.reasoning(said) if part.get("thought") else self._answer.text(said))
        call = part.get("functionCall")
        if call is not None:
            events.extend(self._call(mapping(call, "functionCall")))

    def _call(self, call: Mapping[str, Any]) -> list[StreamEvent]:
        name = text(call.get("name"), "a function call's name")
        if not name:
            raise ResponseFormatError("a function call without a name")
        arguments = call.get("args")
        raw = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
        key = self._calls
        self._calls += 1
        id = text(call.get("id"), "a function call's id") or f"{OWN_ID}{key}"
        return [*self._answer.tool_call(key, id, name, raw), *self._answer.end_tool_call(key)]

    def _probabilities(self, candidate: Mapping[str, Any]) -> None:
        chosen = optional_mapping(candidate.get("logprobsResult"), "logprobsResult").get("chosenCandidates")
        for token in items(chosen, "chosenCandidates"):
            given = mapping(token, "a token").get("logProbability")
            self._answer.log_probabilities.append(number(given, "logProbability"))
        if candidate.get("avgLogprobs") is not None:
            self._mean = number(candidate["avgLogprobs"], "avgLogprobs")

    def _refuse(self, reason: FinishReason | None) -> None:
        """Raise what an answer with neither text nor call means; one cut by length is left to the caller."""
        said = f"{self._reason}: {self._message}" if self._message else self._reason or ""
        if reason is None:
            raise ResponseFormatError("the answer has no candidate")
        if reason == "content_filter":
            raise ContentFilterError(f"the answer was blocked: {said}"[:500], code=self._reason)
        if reason == "error":
            kind = WITHOUT_ANSWER.get(self._reason or "", ResponseFormatError)
            raise kind(f"no answer: {said}"[:500], code=self._reason)


def _usage(given: Mapping[str, Any]) -> TokenUsage:
    """The prompt includes what was cached; thoughts are counted outside the candidates."""
    prompt = count(given.get("promptTokenCount"), "usage") + count(given.get("toolUsePromptTokenCount"), "usage")
    thoughts = given.get("thoughtsTokenCount")
    reasoning = None if thoughts is None else count(thoughts, "usage")
    completion = count(given.get("candidatesTokenCount"), "usage") + (reasoning or 0)
    cached = given.get("cachedContentTokenCount")
    total = count(given.get("totalTokenCount"), "usage") or prompt + completion
    return TokenUsage(prompt, completion, total, None if cached is None else count(cached, "usage"), reasoning)
