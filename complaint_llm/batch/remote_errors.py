"""Errors of an ask as JSON text, for workers in other processes: what arrives is read, never executed.

An error arrives as the class that it had, if ``complaint_llm.exceptions`` defines that class, with every fact that such
an error has; one of a subclass (a plugin's own) as the nearest class that is defined there; any other as a BatchError
that says what was raised. A cause does not travel.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import getmembers, isclass
from typing import Any

from complaint_llm import exceptions
from complaint_llm.batch.journal.codec import decode_output, encode_output, pack, unpack
from complaint_llm.checks.check import Finding
from complaint_llm.exceptions import BackendConnectionError, BackendError, BatchError, ComplaintLLMError
from complaint_llm.messages import Attempt, TokenUsage

_KINDS: Mapping[str, type[ComplaintLLMError]] = {
    name: kind for name, kind in getmembers(exceptions, isclass) if issubclass(kind, ComplaintLLMError)
}

_Codec = tuple[Callable[[Any], Any], Callable[[Any], Any]]


def encode_raised(error: BaseException) -> str:
    """An error as JSON, whatever it is and holds: one with a strange value inside is told in words."""
    try:
        return json.dumps(_error_record(error))
    except Exception:  # noqa: BLE001 - what a foreign value raises when it is looked at must not cost the error
        return json.dumps(_record_in_words(error))


def decode_raised(text: str) -> Exception:
    """The error of ``encode_raised``. Raises ValueError if the text is none."""
    try:
        return _error_of(json.loads(text))
    except (TypeError, KeyError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"not an error of a worker: {error}") from error


def _error_record(error: BaseException) -> dict[str, Any]:
    kind = next((kind for kind in type(error).__mro__ if _KINDS.get(kind.__name__) is kind), None)
    if kind is None:
        return _record_in_words(error)
    fields: dict[str, Any] = {}
    for name, (encode, _) in _FIELDS.items():
        value = getattr(error, name, None)
        if value is not None and value != getattr(kind, name, None):
            fields[name] = encode(value)
    return {"type": kind.__name__, "args": [pack(each) for each in error.args], "fields": fields}


def _error_of(record: Any) -> ComplaintLLMError:
    kind = _KINDS[record["type"]]
    error = kind.__new__(kind)
    error.args = tuple(unpack(each) for each in record["args"])
    for name, value in record["fields"].items():
        setattr(error, name, _FIELDS[name][1](value))
    return error


def error_in_words(error: BaseException) -> BatchError:
    """What to say of an error that cannot be brought here as it is."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a foreign error whose text cannot be made is still known by its class
        text = "it has no text"
    return BatchError(f"the call ended with {type(error).__name__}: {text}")


def _record_in_words(error: BaseException) -> dict[str, Any]:
    said = list(error_in_words(error).args)
    return {"type": BatchError.__name__, "args": said, "fields": {"results": [], "errors": []}}


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(map(str, values))


_PLAIN: _Codec = (pack, unpack)

_FIELDS: Mapping[str, _Codec] = {
    **dict.fromkeys(("message", *(name for name in BackendError.__annotations__ if name != "attempts")), _PLAIN),
    "partial": _PLAIN,
    "problems": (_texts, _texts),
    "attempts": (lambda found: [list(each) for each in found], lambda found: tuple(Attempt(*each) for each in found)),
    "findings": (lambda found: [list(each) for each in found], lambda found: tuple(Finding(*each) for each in found)),
    "token_usage": (lambda usage: usage._asdict(), lambda usage: TokenUsage(**usage)),
    "output": (encode_output, decode_output),
    "errors": (
        lambda errors: [[pack(key), _error_record(each)] for key, each in errors.items()],
        lambda errors: {unpack(key): _error_of(each) for key, each in errors},
    ),
    "results": (
        lambda results: [None if each is None else encode_output(each) for each in results],
        lambda results: [None if each is None else decode_output(each) for each in results],
    ),
}
"""How each fact of an error goes into JSON and comes out of it."""


def lost_error(why: str, cause: BaseException | None = None) -> BackendConnectionError:
    """The error of an item whose worker went away: in doubt, a provider may have been asked."""
    made = BackendConnectionError(why, maybe_received=True)
    made.__cause__ = cause
    return made
