"""Checks of foreign JSON: what has not the shape that a wire promises is a ResponseFormatError naming the place.

The values themselves are never shown: they may hold what a client wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from complaint_llm.bounded_json import loads as load_json
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.request import EMPTY


def wrong_shape(where: str, value: Any, wanted: str) -> ResponseFormatError:
    """The error to raise for ``value``."""
    return ResponseFormatError(f"the answer has the wrong shape: {where} is {_kind(value)}, not {wanted}")


def object_lines(written: bytes, program: str) -> Iterator[dict[str, Any]]:
    """The lines that a program wrote as JSON objects; other lines, such as warnings, are passed over.

    Raises ResponseFormatError naming the program for a line that begins as an object and is none.
    """
    for line in written.splitlines():
        if line.startswith(b"{"):
            try:
                found = load_json(line)
            except ValueError as cause:
                message = f"{program} wrote a line that is no valid JSON"
                raise ResponseFormatError(message, maybe_received=True) from cause.with_traceback(None)
            yield found


def as_object(value: Any, where: str) -> Mapping[str, Any]:
    """The value if it is an object."""
    if isinstance(value, dict):
        return value
    raise wrong_shape(where, value, "an object")


def as_optional_object(value: Any, where: str) -> Mapping[str, Any]:
    """The value if it is an object; an empty one for null or nothing."""
    return EMPTY if value is None else as_object(value, where)


def as_array(value: Any, where: str) -> list[Any]:
    """The value if it is an array; an empty one for null or nothing."""
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise wrong_shape(where, value, "an array")


def as_text(value: Any, where: str) -> str:
    """The value if it is a text; an empty one for null or nothing."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise wrong_shape(where, value, "a text")


def text_or_empty(value: Any) -> str:
    """The value if it is a text, else an empty one: for what stands beside an answer and must not cost it."""
    return value if isinstance(value, str) else ""


def as_count(value: Any, where: str) -> int:
    """A number of tokens; 0 for null or nothing. Servers in JavaScript may write 12.0."""
    if type(value) is int and value >= 0:
        return value
    if value is None:
        return 0
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    raise wrong_shape(where, value, "a number of tokens")


def as_number(value: Any, where: str) -> float:
    """A finite number."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            raise wrong_shape(where, value, "a number in range") from None
        if found - found == 0:
            return found
    raise wrong_shape(where, value, "a finite number")


def _kind(value: Any) -> str:
    if value is None:
        return "missing"
    return {dict: "an object", list: "an array", str: "a text", bool: "a boolean"}.get(type(value), "a number")


__all__ = [
    "as_array",
    "as_count",
    "as_number",
    "as_object",
    "as_optional_object",
    "as_text",
    "load_json",
    "object_lines",
    "text_or_empty",
    "wrong_shape",
]
