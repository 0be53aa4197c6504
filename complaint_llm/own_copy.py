"""An answer with objects of its own: what one caller writes on it, no other caller sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.messages import InferenceOutput


def own_copy(output: InferenceOutput) -> InferenceOutput:
    """The same answer, of whose objects nobody else holds any; see ``own_fields``."""
    return output._replace(**own_fields(output))


def own_fields(output: InferenceOutput) -> dict[str, Any]:
    """Copies of an answer's ``metadata`` and, where it has them, of calls, ``parsed`` and ``extra``, by their names.

    Values that are neither JSON nor of a pydantic class, or nested too deep, are shared: nobody can copy them.
    """
    own: dict[str, Any] = {"metadata": _own(output.metadata)}
    if output.tool_calls:
        own["tool_calls"] = tuple(call._replace(arguments=_own(call.arguments)) for call in output.tool_calls)
    if output.parsed is not None:
        own["parsed"] = _own(output.parsed)
    if output.extra is not None:
        own["extra"] = _own(output.extra)
    return own


def _own(value: Any) -> Any:
    try:
        return _copy(value)
    except RecursionError:
        return value


def _copy(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, float, bytes)):
        return value
    if type(value) is dict or isinstance(value, Mapping):
        return {key: item if type(item) is str else _copy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item) for item in value]
    if isinstance(value, tuple):
        items = map(_copy, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, (set, bytearray)):
        return value.copy()
    # An instance of a pydantic class has its own way.
    copy = getattr(value, "model_copy", None)
    return value if copy is None else copy(deep=True)
