"""Answers of a given shape: asked for in words where the provider has no means of its own, and always checked.

Errors say where an answer does not fit and what is demanded there, never what it says: they are logged.

Where the provider does not hold the answer to the schema itself, the schema goes with the prompt. An answer that does
not fit is sent back once, with what is wrong, as a further attempt (``routing.reask``), and the second one counts; but
not where it breaks what the provider guaranteed. A provider may know less than the schema says, and a pydantic class
may ask for more.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from complaint_llm import bounded_json
from complaint_llm.backends.answers.empty_answer import check_answered
from complaint_llm.backends.answers.schema_validator import TooDeepError, validator_of
from complaint_llm.backends.wire.schema_refusal import Means
from complaint_llm.backends.wire.schema_walk import without_extensions
from complaint_llm.exceptions import BackendError, ContentFilterError, InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.request import ResponseFormat
from complaint_llm.routing.reask import ReAsk

if TYPE_CHECKING:
    from complaint_llm.request import Request

MAX_ANSWER = 8 * 1024 * 1024
"""Characters of an answer that are checked: ten times what the largest maximum of tokens can say."""

_SHOWN = 300
_OWN_CHECK = "own_check"
"""The code of a misfit that no schema speaks of."""
CUT = "cut"
"""The code of a misfit because the answer ends before its end."""


def answer_structured(
    ask: Callable[[Request], InferenceOutput], given: Request, bound: Request, means: Means
) -> InferenceOutput:
    """The answer with ``parsed`` set; one that only calls tools has none.

    ``given`` is what the attempt was asked, ``bound`` the same with the backend's own defaults. Raises ReAsk where the
    answer does not fit and may be asked for again, ResponseFormatError where it does not fit; InvalidRequestError for a
    schema that is none.
    """
    check = AnswerParser(bound)
    output = ask(provider_request(bound, means))
    try:
        return check(output)
    except ResponseFormatError as misfit:
        # One that was cut would be cut again; one that the provider guarantees is broken on its side.
        guaranteed = means == "native" and misfit.code != _OWN_CHECK
        if guaranteed or output.finish_reason == "length":
            raise
        said = Message("assistant", output.content)
        again = Message("user", f"{misfit.message}. Answer again, with the JSON value alone.")
        asked = given._replace(messages=(*given.messages, said, again))
        raise ReAsk("structure", asked, misfit, output) from misfit


def provider_request(request: Request, means: Means) -> Request:
    """The request as the provider gets it: the schema in words where it does not hold answers to it itself."""
    if means in ("native", "partly"):
        return request
    wanted = _format(request)
    rules = "Answer with a single JSON value and nothing else: no explanation, no code fence."
    if wanted.schema is not None:
        asked = json.dumps(without_extensions(wanted.schema), ensure_ascii=False)
        rules += f" It must fit this JSON Schema:\n{asked}"
    else:
        rules += " The value is an object."
    left = ResponseFormat("json_object") if means == "json" else None
    return request._replace(
        messages=(Message("system", rules), *request.messages), response_format=left, shape_in_words=True
    )


class AnswerParser:
    """Reads an answer as what its request asks for, within the request's deadline. Immutable; made once per request.

    Raises InvalidRequestError for a schema that is none.
    """

    def __init__(self, request: Request) -> None:
        wanted = _format(request)
        self._request = request
        self._wanted = wanted
        self._validator = (
            None if wanted.schema is None else validator_of(wanted.schema, request.deadline, request.cancel)
        )

    def __call__(self, output: InferenceOutput) -> InferenceOutput:
        """The output with ``parsed``, unless it asks for tools or is paused. Raises ResponseFormatError saying what
        does not fit, ContentFilterError where a filter ended it before it could."""
        check_answered(output)
        if output.finish_reason == "paused" or (output.tool_calls and not output.content.strip()):
            return output
        if len(output.content) > MAX_ANSWER:
            raise self._misfit(output, f"the answer has more than {MAX_ANSWER:,} characters")
        try:
            value = bounded_json.loads(_without_fence(output.content), strict=False, parse_constant=_no_constant)
        except ValueError as cause:
            raise self._misfit(output, f"the answer is no JSON: {cause}") from cause
        if self._validator is not None:
            self._validate(output, value)
        elif not isinstance(value, dict):
            raise self._misfit(output, "the answer is JSON, but no object")
        model = self._wanted.model
        if model is None:
            return output._replace(parsed=value)
        try:
            return output._replace(parsed=model.model_validate(value))
        except ValueError as cause:
            misfit = self._misfit(output, f"the answer is no {model.__name__}: {_without_values(cause)}")
            misfit.code = _OWN_CHECK
            raise misfit from cause

    def _validate(self, output: InferenceOutput, value: Any) -> None:
        assert self._validator is not None
        try:
            violation = self._validator.violation(value, self._request.deadline, self._request.cancel)
        except TooDeepError as cause:
            raise self._misfit(output, f"the answer cannot be checked: {cause}") from None
        if violation is not None:
            raise self._misfit(output, f"the answer does not fit its schema at {violation.place}: {violation.demand}")

    @staticmethod
    def _misfit(output: InferenceOutput, what: str) -> BackendError:
        model = output.model or None
        if output.finish_reason == "content_filter":
            return ContentFilterError(f"the provider's filter ended the answer: {what[:_SHOWN]}", model=model)
        cut = output.finish_reason == "length"
        more = "; it was cut by max_tokens, give more" if cut else ""
        return ResponseFormatError(f"{what[:_SHOWN]}{more}", model=model, code=CUT if cut else None)


def _format(request: Request) -> ResponseFormat:
    if request.response_format is None:
        raise InvalidRequestError("no response_format is asked for", sent=False)
    return request.response_format


def _without_fence(content: str) -> str:
    """The text without the code fence that models put around JSON against all requests."""
    bare = content.strip()
    if bare.startswith("```") and bare.endswith("```") and "\n" in bare:
        return bare[bare.index("\n") + 1 : -3]
    return bare


def _without_values(cause: ValueError) -> str:
    """What a pydantic class demands and where; the values stay out, since they are what a client wrote."""
    errors = getattr(cause, "errors", None)
    if not callable(errors):
        return type(cause).__name__
    faults = errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, violation['loc']))}: {violation['msg']}" for violation in faults)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
