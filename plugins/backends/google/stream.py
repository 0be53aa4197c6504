"""Answers of the Gemini API, streamed or whole, into typed events and the whole answer. Pure.

Source: the types of the google-genai SDK 3.4; ai.google.dev for blocked prompts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm_plugins.backends.google.grounding import grounding_citations, recitation_citations
from complaint_llm_plugins.backends.google.usage import token_usage
from complaint_llm_plugins.backends.google.wire import PROVIDER

from complaint_llm.backends.wire import (
    Fail,
    JSONStreamDecoder,
    StreamAccumulator,
    as_array,
    as_object,
    as_optional_object,
    as_text,
    text_or_empty,
    value_without_halves,
)
from complaint_llm.exceptions import (
    BackendError,
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    ResponseFormatError,
)

if TYPE_CHECKING:
    from complaint_llm.backends import Request
    from complaint_llm.messages import InferenceOutput, StreamEvent

WITHOUT_ANSWER: Mapping[str, type[BackendError]] = {
    "MISSING_THOUGHT_SIGNATURE": InvalidRequestError,
    "PUP_LIMITED_DISABLED": PermissionDeniedError,
}
"""Errors of an empty answer by a finish reason that is no neutral one; any other is a ResponseFormatError."""


class GeminiDecoder(JSONStreamDecoder):
    """Puts one answer together: a whole body is a stream of one piece. Used by the one thread that reads it."""

    own_keys: ClassVar[frozenset[str]] = frozenset(("candidates", "promptFeedback", "usageMetadata", "modelVersion"))

    def __init__(self, request: Request, metadata: Mapping[str, Any], fail: Fail) -> None:
        super().__init__(fail)
        self._answer = StreamAccumulator(metadata, asked=request.model or "")
        self._wants_confidence = bool(request.params.get("logprobs"))
        self._mean: Any = None
        self._counted = False
        self._parts: list[dict[str, Any]] = []
        self._signed = False
        self._grounding: Any = None
        self._recitation: Any = None
        self._calls = 0
        self._message = ""

    def end_of_bytes(self) -> Iterable[StreamEvent]:
        """The proper end, if a finish reason came: the API sends no other mark."""
        if not self._answer.raw_finish_reason:
            return ()
        self.over = True
        self._close()
        return self._answer.done()

    def decode(self, payload: Any) -> InferenceOutput:
        """The answer in a body. Raises ResponseFormatError, or the error that the body tells of."""
        self.read(self.check_body(payload))
        self._close()
        return self._answer.output()

    def read(self, body: Mapping[str, Any]) -> list[StreamEvent]:
        """The events in one body or one piece of a stream."""
        if "usageMetadata" in body:
            self._answer.usage = token_usage(body["usageMetadata"])
        self._answer.model = text_or_empty(body.get("modelVersion")) or self._answer.model
        candidates = as_array(body.get("candidates"), "candidates")
        if not candidates:
            blocked = as_optional_object(body.get("promptFeedback"), "promptFeedback").get("blockReason")
            if blocked is not None:
                code = as_text(blocked, "blockReason")
                raise ContentFilterError(f"the prompt was blocked: {code}", code=code)
            return []
        for given in candidates:
            candidate = as_object(given, "a candidate")
            if not candidate.get("index"):
                return self._candidate(candidate)
        return []

    def _candidate(self, candidate: Mapping[str, Any]) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        content = as_optional_object(candidate.get("content"), "content")
        for part in as_array(content.get("parts"), "parts"):
            self._part(as_object(part, "a part"), events)
        answer = self._answer
        answer.raw_finish_reason = text_or_empty(candidate.get("finishReason")) or answer.raw_finish_reason
        self._message = text_or_empty(candidate.get("finishMessage")) or self._message
        # The last that has something to say holds for the whole answer.
        self._grounding = candidate.get("groundingMetadata") or self._grounding
        self._recitation = candidate.get("citationMetadata") or self._recitation
        if self._wants_confidence:
            self._probabilities(candidate)
        return events

    def _part(self, part: Mapping[str, Any], events: list[StreamEvent]) -> None:
        self._keep(part)
        piece = part.get("text")
        if piece:
            said = as_text(piece, "text")
            events.extend(self._answer.reasoning(said) if part.get("thought") else self._answer.text(said))
        call = part.get("functionCall")
        if call is not None:
            events.extend(self._call(as_object(call, "functionCall")))

    def _keep(self, part: Mapping[str, Any]) -> None:
        """Note the part for the next turn: pieces of one text become one part, as in a whole answer; a signature stays
        with the very part that it signs."""
        call = part.get("functionCall")
        with_id = isinstance(call, dict) and bool(call.get("id"))
        self._signed = self._signed or "thoughtSignature" in part or with_id
        last = self._parts[-1] if self._parts else {}
        had, more = last.get("text"), part.get("text")
        alike = part.keys() | last.keys() <= {"text", "thought"} and bool(part.get("thought")) == bool(
            last.get("thought")
        )
        if alike and isinstance(had, str) and isinstance(more, str):
            last["text"] = had + more
        else:
            self._parts.append(dict(part))

    def _call(self, call: Mapping[str, Any]) -> list[StreamEvent]:
        name = as_text(call.get("name"), "a function call's name")
        if not name:
            raise ResponseFormatError("a function call without a name")
        arguments = call.get("args")
        raw = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
        key = self._calls
        self._calls += 1
        id = as_text(call.get("id"), "a function call's id") or f"call_{key}"
        return [*self._answer.tool_call(key, id, name, raw), *self._answer.end_tool_call(key)]

    def _probabilities(self, candidate: Mapping[str, Any]) -> None:
        result = candidate.get("logprobsResult")
        chosen = result.get("chosenCandidates") if isinstance(result, dict) else None
        for token in chosen if isinstance(chosen, list) else ():
            self._counted = True
            self._answer.log_probability(token.get("logProbability") if isinstance(token, dict) else None)
        self._mean = candidate.get("avgLogprobs", self._mean)

    def _close(self) -> None:
        """What the end says. Raises what an answer without content means; one cut by length is left to the caller."""
        answer = self._answer
        reason = answer.finish_reason
        if not answer.has_calls and not answer.content:
            said = f"{answer.raw_finish_reason}: {self._message}" if self._message else answer.raw_finish_reason
            if not said:
                raise ResponseFormatError("the answer has no candidate")
            if reason == "content_filter":
                raise ContentFilterError(f"the answer was blocked: {said}"[:500], code=answer.raw_finish_reason)
            if reason is None:
                kind = WITHOUT_ANSWER.get(answer.raw_finish_reason, ResponseFormatError)
                raise kind(f"no answer: {said}"[:500], code=answer.raw_finish_reason)
        for citation in (
            *grounding_citations(self._grounding, self._parts),
            *recitation_citations(self._recitation, self._parts),
        ):
            answer.cite(citation)
        if self._grounding and answer.usage.total_tokens:
            answer.usage = answer.usage._replace(unpriced="a search of the provider")
        if self._signed:
            answer.extra = {PROVIDER: value_without_halves(self._parts)}
        if self._mean is not None and not self._counted:
            answer.log_probability(self._mean)
