"""A neutral tool from a typed Python function: its name, its docstring, and a JSON Schema of its parameters.

Annotations that are understood: str, int, float, bool, None, Any, date and datetime, Literal, Enum, unions, list,
tuple, set, dict, TypedDict, dataclasses, pydantic models, and ``Annotated[T, "description"]``. Parameters are
described by the docstring in Google, NumPy or Sphinx style.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import inspect
import json
import re
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Tool

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    dt.date: {"type": "string", "format": "date"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.time: {"type": "string", "format": "time"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    dict: {"type": "object"},
}


def tool_from_function(function: Callable[..., Any]) -> Tool:
    """The tool that calls ``function``. Raises InvalidRequestError naming the parameter that no schema can describe."""
    name = getattr(function, "__name__", type(function).__name__)
    hints = _hints(function, name)
    text, described = _docstring(inspect.getdoc(function) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        where = f"tool {name!r}, parameter {parameter.name!r}"
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise _bad(f"{where}: only parameters that can be given by name can be described")
        if parameter.name not in hints:
            raise _bad(f"{where}: has no type annotation")
        schema = _schema(hints[parameter.name], where)
        if parameter.name in described:
            schema = {**schema, "description": described[parameter.name]}
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif _is_json(parameter.default):
            schema = {**schema, "default": parameter.default}
        properties[parameter.name] = schema
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(name, text, parameters)


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    target = function if hasattr(function, "__code__") or inspect.ismethod(function) else type(function).__call__
    try:
        return typing.get_type_hints(target, include_extras=True)
    except (NameError, TypeError) as cause:
        raise _bad(f"tool {name!r}: its annotations cannot be resolved: {cause}") from cause


def _schema(hint: Any, where: str) -> dict[str, Any]:
    if isinstance(hint, typing.Hashable) and hint in _PLAIN:
        return dict(_PLAIN[hint])
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is typing.Annotated:
        schema = _schema(arguments[0], where)
        notes = [note for note in arguments[1:] if isinstance(note, str)]
        return {**schema, "description": notes[0]} if notes else schema
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, where)
    if origin in (typing.Required, typing.NotRequired):
        return _schema(arguments[0], where)
    if origin is not None:
        return _container(origin, arguments, where)
    if isinstance(hint, type):
        return _class(hint, where)
    raise _bad(f"{where}: no JSON Schema for {hint!r}")


def _union(arguments: Sequence[Any], where: str) -> dict[str, Any]:
    parts = [_schema(argument, where) for argument in arguments]
    if all(part.keys() == {"type"} and isinstance(part["type"], str) for part in parts):
        return {"type": [part["type"] for part in parts]}
    return {"anyOf": parts}


def _container(origin: Any, arguments: Sequence[Any], where: str) -> dict[str, Any]:
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is ...):
        items = [_schema(argument, where) for argument in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if arguments[0] is not str:
            raise _bad(f"{where}: the keys of a JSON object are str, not {arguments[0]!r}")
        return {"type": "object", "additionalProperties": _schema(arguments[1], where)}
    if isinstance(origin, type) and issubclass(origin, Iterable):
        schema: dict[str, Any] = {"type": "array", "items": _schema(arguments[0], where)}
        return {**schema, "uniqueItems": True} if issubclass(origin, (set, frozenset)) else schema
    raise _bad(f"{where}: no JSON Schema for {origin!r}")


def _class(hint: type, where: str) -> dict[str, Any]:
    if issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if hasattr(hint, "model_json_schema"):
        made: dict[str, Any] = hint.model_json_schema()
        return made
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint, include_extras=True)
        # Annotations kept as text hide (Not)Required from __required_keys__: only the resolved hints show it.
        marked = {key: typing.get_origin(given) for key, given in hints.items()}
        always: frozenset[str] = hint.__required_keys__  # type: ignore[attr-defined]
        required = [
            key
            for key in hints
            if marked[key] is typing.Required or (key in always and marked[key] is not typing.NotRequired)
        ]
        return _record(hints, required, where)
    if dataclasses.is_dataclass(hint):
        missing = dataclasses.MISSING
        fields = [field for field in dataclasses.fields(hint) if field.init]
        hints = typing.get_type_hints(hint, include_extras=True)
        required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
        return _record({field.name: hints[field.name] for field in fields}, required, where)
    raise _bad(f"{where}: no JSON Schema for the class {hint.__name__}")


def _record(hints: Mapping[str, Any], required: Sequence[str], where: str) -> dict[str, Any]:
    properties = {name: _schema(hint, f"{where}.{name}") for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_FIELD = re.compile(r"^:(\w+)[ \t]*([^:\n]*):[ \t]*(.*(?:\n(?!:)[ \t]*\S.*)*)", re.M)
_HEADER = re.compile(
    r"^(Args|Arguments|Parameters|Params|Returns?|Yields?|Raises|Examples?|Notes?)[ \t]*(:[ \t]*|\n-{3,}[ \t]*)$", re.M
)
_GOOGLE_ENTRY = re.compile(r"^\*{0,2}(\w+)[ \t]*(?:\([^)\n]*\))?[ \t]*:[ \t]*(.*(?:\n[ \t]+\S.*)*)", re.M)
_NUMPY_ENTRY = re.compile(r"^\*{0,2}(\w+)[^\n]*\n((?:[ \t]+\S.*(?:\n|\Z))+)", re.M)


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description, and what is said of each parameter (Sphinx fields, or Google and NumPy sections)."""
    described: dict[str, str] = {}
    end = len(text)
    for field in _FIELD.finditer(text):
        end = min(end, field.start())
        if field[1] in ("param", "parameter", "arg") and field[2].split():
            described[field[2].split()[-1].lstrip("*")] = field[3]
    headers = list(_HEADER.finditer(text))
    ends = [header.start() for header in headers[1:]] + [len(text)]
    for header, stop in zip(headers, ends, strict=False):
        end = min(end, header.start())
        if header[1].lower().startswith(("arg", "param")):
            body = textwrap.dedent(text[header.end() : stop])
            entry = _GOOGLE_ENTRY if header[2].startswith(":") else _NUMPY_ENTRY
            described.update((found[1], found[2]) for found in entry.finditer(body))
    return text[:end].strip(), {name: " ".join(words.split()) for name, words in described.items()}


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
