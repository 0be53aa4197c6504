"""Answers of a given shape: asked for in words where the provider has no means of its own, and always checked.

Errors say where an answer does not fit and what is demanded there, never what it says: they are logged.

A provider that holds the answer to the schema itself is asked once. Where it does not, the schema goes with the prompt,
and an answer that does not fit is sent back once, with what is wrong, as a further attempt (``routing.reask``); the
second one counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.request import ResponseFormat
from complaint_llm.routing.reask import ReAsk

if TYPE_CHECKING:
    from complaint_llm.request import Request

Means = Literal["native", "json", "none"]
"""What a provider does for a shape: holds the answer to it, holds it to be JSON, or nothing."""

_SHOWN = 300


def answer_structured(
    ask: Callable[[Request], InferenceOutput], given: Request, bound: Request, means: Means
) -> InferenceOutput:
    """The answer with ``parsed`` set; one that only calls tools has none.

    ``given`` is what the attempt was asked, ``bound`` the same with the backend's own defaults. Raises ReAsk where the
    answer does not fit and may be asked for again, ResponseFormatError where it does not fit; InvalidRequestError for a
    schema that is none.
    """
    check = Check(_format(bound))
    output = ask(prepared(bound, means))
    try:
        return check(output)
    except ResponseFormatError as misfit:
        # One that was cut would be cut again; one that the provider guarantees is broken on its side.
        if means == "native" or output.finish_reason == "length":
            raise
        said = Message("assistant", output.content)
        again = Message("user", f"{misfit.message}. Answer again, with the JSON value alone.")
        asked = given._replace(messages=(*given.messages, said, again))
        raise ReAsk("structure", asked, misfit, output) from misfit


def prepared(request: Request, means: Means) -> Request:
    """The request as the provider gets it: the schema in words where it does not hold answers to it itself."""
    if means == "native":
        return request
    wanted = _format(request)
    rules = "Answer with a single JSON value and nothing else: no explanation, no code fence."
    if wanted.schema is not None:
        rules += f" It must fit this JSON Schema:\n{json.dumps(wanted.schema, ensure_ascii=False)}"
    else:
        rules += " The value is an object."
    left = ResponseFormat("json_object") if means == "json" else None
    return request._replace(messages=(Message("system", rules), *request.messages), response_format=left)


class Check:
    """Reads an answer as what its format asks for. Immutable; made once per request."""

    def __init__(self, wanted: ResponseFormat) -> None:
        self._wanted = wanted
        self._validator: Any = None if wanted.schema is None else _validator(wanted.schema)

    def __call__(self, output: InferenceOutput) -> InferenceOutput:
        """The output with ``parsed``. Raises ResponseFormatError saying what does not fit."""
        if not output.content and output.tool_calls:
            return output
        try:
            value = json.loads(_unfenced(output.content), strict=False, parse_constant=_no_constant)
        except (ValueError, RecursionError) as cause:
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
            raise self._misfit(output, f"the answer is no {model.__name__}: {_without_values(cause)}") from cause

    def _validate(self, output: InferenceOutput, value: Any) -> None:
        from jsonschema.exceptions import best_match
        from referencing.exceptions import Unresolvable

        try:
            worst = best_match(self._validator.iter_errors(value))
        except (Unresolvable, RecursionError) as cause:
            raise InvalidRequestError(f"response_format has a reference that leads nowhere: {cause}") from cause
        if worst is not None:
            demand = f"{worst.validator}: {json.dumps(worst.validator_value, ensure_ascii=False, default=str)}"
            raise self._misfit(output, f"the answer does not fit its schema at {worst.json_path}: {demand}")

    @staticmethod
    def _misfit(output: InferenceOutput, what: str) -> ResponseFormatError:
        cut = "; it was cut by max_tokens, give more" if output.finish_reason == "length" else ""
        return ResponseFormatError(f"{what[:_SHOWN]}{cut}", model=output.model or None)


def _validator(schema: Mapping[str, Any]) -> Any:
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(dict(schema))
    except SchemaError as cause:
        message = f"response_format is no JSON Schema: {cause.json_path}: {cause.message}"
        raise InvalidRequestError(message[:_SHOWN], sent=False) from cause
    # A registry of its own: the default one would fetch references from the network.
    return kind(dict(schema), registry=Registry())


def _format(request: Request) -> ResponseFormat:
    if request.response_format is None:
        raise InvalidRequestError("no response_format is asked for", sent=False)
    return request.response_format


def _unfenced(content: str) -> str:
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
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
