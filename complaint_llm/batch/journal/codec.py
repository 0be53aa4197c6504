"""Answers and errors as JSON text, for the journal: what was recorded comes back equal.

Plain JSON, plus three tagged objects for what JSON lacks: ``{"$tuple": [...]}``, ``{"$bytes": "base64"}`` and
``{"$dict": [[key, value], ...]}`` (keys that are no texts, or that would look like a tag). ASCII only, so that
any text, unpaired surrogates included, can be stored. A pydantic ``parsed`` comes back as its plain JSON
(``restore_types`` makes it an object again), and an object that is none of these as its repr: a strange value in
``metadata`` must not cost the answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from complaint_llm.checks.check import Finding
from complaint_llm.checks.quote import Quote
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import Attempt, Citation, InferenceOutput, Shown, TokenUsage, ToolCall

_DEFAULTS = InferenceOutput("")
_MATERIAL = "material"
_NESTED = {"token_usage", "tool_calls", "attempts", "quotes", "findings", "shown", "citations"}
_PLAIN = {"token_usage", "attempts", "quotes", "findings"}  # of JSON values
_USAGE = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
"""The order of a usage in journals of the first format, which have no names in it."""
_DUMP = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


def encode_output(output: InferenceOutput, material: str | None = None) -> str:
    """An answer as JSON; fields left at their default are left out. ``material`` is the text that a task read."""
    record: dict[str, Any] = {"content": str(output.content)}
    for name, value, default in zip(InferenceOutput._fields, output, _DEFAULTS, strict=True):
        if value is default or name == "content" or (name == "metadata" and not value):
            continue
        if name == "provenance":
            value = output.provenance
        if name == "token_usage":
            value = value._asdict()
        elif name == "tool_calls":
            value = [[pack(part) for part in call] for call in value]
        elif name in ("shown", "citations"):
            value = [_set_fields(each) for each in value]
        elif name not in _PLAIN:
            value = pack(value)
        record[name] = value
    if material is not None:
        record[_MATERIAL] = material
    return _DUMP(record)


def decode_output(text: str) -> InferenceOutput:
    """The answer of ``encode_output``. Raises ValueError if the text is none."""
    try:
        record = json.loads(text)
        record.pop(_MATERIAL, None)
        fields = {name: value if name in _NESTED else unpack(value) for name, value in record.items()}
        if "token_usage" in fields:
            usage = fields["token_usage"]
            by_name = usage if isinstance(usage, dict) else dict(zip(_USAGE, usage, strict=False))
            fields["token_usage"] = TokenUsage(**by_name)
        if "tool_calls" in fields:
            fields["tool_calls"] = tuple(ToolCall(*map(unpack, call)) for call in fields["tool_calls"])
        if "attempts" in fields:
            fields["attempts"] = tuple(Attempt(*attempt) for attempt in fields["attempts"])
        if "quotes" in fields:
            fields["quotes"] = tuple(Quote(*quote) for quote in fields["quotes"])
        if "findings" in fields:
            fields["findings"] = tuple(Finding(*finding) for finding in fields["findings"])
        if "shown" in fields:
            fields["shown"] = tuple(_read_shown(each) for each in fields["shown"])
        if "citations" in fields:
            fields["citations"] = tuple(Citation(**each) for each in fields["citations"])
        return InferenceOutput(**fields)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(f"not a recorded answer: {error}") from error


def _set_fields(value: Shown | Citation) -> dict[str, Any]:
    """Its fields by name, those at their default left out."""
    defaults = type(value)._field_defaults
    return {key: each for key, each in value._asdict().items() if key not in defaults or each != defaults[key]}


def _read_shown(fields: Mapping[str, Any]) -> Shown:
    numbers = {name: tuple(fields[name]) for name in ("pages", "image_pages") if name in fields}
    return Shown(**{**fields, **numbers})


def restore_types(output: InferenceOutput, response_format: Any) -> InferenceOutput:
    """A recorded answer with the types that it was first handed out with: ``parsed`` as an object of the class that is
    the response format. Raises ValueError if it does not fit that class any more."""
    model = response_format if hasattr(response_format, "model_validate") else getattr(response_format, "model", None)
    if model is None or output.parsed is None:
        return output
    return output._replace(parsed=model.model_validate(output.parsed))


def describe_error(error: BaseException) -> dict[str, Any]:
    """An error as plain JSON values: what the journal keeps and what an output line shows."""
    described: dict[str, Any] = {"type": type(error).__name__, "message": str(error).partition("\n")[0]}
    if isinstance(error, BackendError):
        described["message"] = error.message.partition("\n")[0]
        for name in ("backend", "model", "status", "code", "request_id", "retry_after"):
            value = getattr(error, name)
            if value is not None:
                described[name] = value
        described["retryable"] = bool(error.retryable)
        described["maybe_received"] = in_doubt(error)
    return described


def material_in(text: str) -> str | None:
    """The text that a task read, of a record of an answer or an error."""
    if f'"{_MATERIAL}":' not in text:
        return None
    found = json.loads(text).get(_MATERIAL)
    return found if isinstance(found, str) else None


def encode_error(error: BaseException, material: str | None = None) -> str:
    """An error as JSON, with its attempts; ``material`` is the text that a task was to read."""
    record = describe_error(error)
    attempts = getattr(error, "attempts", ())
    if attempts:
        record["attempts"] = [list(attempt) for attempt in attempts]
    if material is not None:
        record[_MATERIAL] = material
    return _DUMP(record)


def in_doubt(error: BaseException) -> bool:
    """Whether a provider may have done the work, though no answer came."""
    if not isinstance(error, BackendError):
        return False
    return error.maybe_received or any(attempt.maybe_received for attempt in error.attempts)


def pack(value: Any) -> Any:
    """A value as JSON types and tags."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return value
    if kind is list:
        return [pack(item) for item in value]
    if kind is tuple:
        return {"$tuple": [pack(item) for item in value]}
    if kind is bytes:
        return {"$bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Mapping):
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: pack(item) for key, item in value.items()}
        return {"$dict": [[pack(key), pack(item)] for key, item in value.items()]}
    if hasattr(value, "model_dump"):
        return pack(value.model_dump(mode="json"))
    if hasattr(value, "model_validate"):
        return pack(vars(value))
    for plain in (str, bool, int, float):
        if isinstance(value, plain):
            return plain(value)
    if isinstance(value, (list, tuple)):
        return pack(list(value))
    return repr(value)


def unpack(value: Any) -> Any:
    """The value of ``pack``."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict):
        if len(value) == 1:
            ((tag, inner),) = value.items()
            if tag == "$tuple":
                return tuple(unpack(item) for item in inner)
            if tag == "$bytes":
                return base64.b64decode(inner)
            if tag == "$dict":
                return {unpack(key): unpack(item) for key, item in inner}
        return {key: unpack(item) for key, item in value.items()}
    return value
