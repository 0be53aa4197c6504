"""Errors as servers tell them, in the shape of whichever wire, and as they may be shown.

Gateways answer in a shape that is not the service's own, and a server can say the key back in any place of its answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from complaint_llm.backends.wire.error_codes import CODES
from complaint_llm.exceptions import BackendError
from complaint_llm.secrets import Redactor

E = TypeVar("E", bound=BackendError)

_WORDS = ("message", "detail", "error_message", "errors", "msg", "title", "description")
_STATUS_KEYS = ("code", "status", "status_code", "statusCode", "error_code")


def tells_of_error(value: Any) -> bool:
    """Whether a JSON value says that it is an error, whatever the wire."""
    if type(value) is dict:
        return bool(value.get("error")) or value.get("type") == "error" or value.get("object") == "error"
    return type(value) is list and len(value) == 1 and tells_of_error(value[0])


def looks_like_error(value: Mapping[str, Any]) -> bool:
    """Whether an object that is no part of an answer can be nothing but an error: FastAPI's, or one with a status."""
    return bool(value.get("detail") or value.get("errors")) or (bool(error_words(value)) and bool(inside_status(value)))


def error_fields(payload: Any) -> Mapping[str, Any]:
    """The object that has an error's fields: ``{"error": {...}}``, ``{"error": text, ...}``, a list of one, the fields
    at the top, or a text alone."""
    if isinstance(payload, list) and payload:
        payload = payload[0]
    if not isinstance(payload, Mapping):
        return {"message": "" if payload is None else str(payload)}
    error = payload.get("error")
    if isinstance(error, Mapping):
        return error
    found = {key: value for key, value in payload.items() if (key, value) != ("type", "error")}
    return {**found, "message": error} if error and error is not True else found


def error_words(fields: Mapping[str, Any]) -> str:
    """What the server says in an error's fields, a text; empty if nothing."""
    found = next((fields[key] for key in _WORDS if fields.get(key)), "")
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def inside_status(payload: Any) -> int | None:
    """The HTTP status that an error inside an HTTP 200 names (OpenRouter, vLLM, llama.cpp, Gemini)."""
    fields = error_fields(payload)
    for key in _STATUS_KEYS:
        given = fields.get(key)
        if isinstance(given, str) and len(given) == 3 and given.isascii() and given.isdigit():
            given = int(given)
        if type(given) is int and 400 <= given < 600:
            return given
    return None


def known_kind(payload: Any) -> type[BackendError] | None:
    """The class of an error by the words that several wires use."""
    fields = error_fields(payload)
    words = (fields.get(key) for key in ("code", "type", "status"))
    return next((CODES[word] for word in words if isinstance(word, str) and word in CODES), None)


def without_secrets(error: E, redact: Redactor) -> E:
    """The error itself, its texts redacted.

    A cause that repeats a secret (a JSON error keeps the whole document) is cut off, and what caused it.
    """
    error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact(value))
    step: BaseException = error
    while (cause := step.__cause__ or step.__context__) is not None:
        shown = f"{cause.args!r} {vars(cause)!r}"
        if redact(shown) != shown:
            step.__cause__ = step.__context__ = None
            break
        step = cause
    return error
