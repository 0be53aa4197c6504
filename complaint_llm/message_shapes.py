"""The shapes in which messages come from outside: plain dicts, OpenAI's chat messages, what ``json`` made of ours.

Everything here gives plain fields; ``messages`` makes the values of them. Raises ValueError in one line that says what
is wrong and what to write.

What OpenAI's tools leave in a saved message is read: ``developer``, ``image_url``, ``function_call``, ``refusal``. What
only says something about an answer (``annotations``), and what some service kept in a message without a word on whose
it is (``reasoning_details`` and the like), is left out: state goes to its own maker alone, see ``Message.extra``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

PartFields: TypeAlias = Mapping[str, Any]
"""``{"text": ...}``, or the fields of an image or of a document with their ``type``."""

CallFields: TypeAlias = tuple[str, str, Mapping[str, Any] | None, str]
"""Id, name, the arguments as an object (None if they are none) and as text."""

ROLES: Mapping[str, str] = {
    **{role: role for role in ("system", "user", "assistant", "tool")},
    "developer": "system",
    "function": "tool",
}
"""The roles of messages and what they are here. ``function`` is how OpenAI's first tools gave their results."""

A_PART = (
    'a part is {"type": "text", "text"}, {"type": "image", "url" | "path" | "data"} '
    'or {"type": "document", "path" | "data" | "cid"}'
)

_OWN = ("role", "content", "tool_calls", "tool_call_id", "name", "extra")
_READ = frozenset((*_OWN, "function_call", "refusal"))
_LEFT_OUT = frozenset(
    (
        "annotations",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "thinking_blocks",
        "extra_content",
        "provider_specific_fields",
        "id",
        "object",
        "status",
        "created",
        "type",
    )
)
"""Keys of messages that other tools write and that nobody needs to go on."""

_NOT_YET = {
    "input_audio": "audio is not taken: put its words into a text part",
    "audio": "audio is not taken: put its words into a text part",
}


def message_fields(given: Any) -> dict[str, Any]:
    """The fields of a message: ``role``, ``content`` (a text or PartFields), ``tool_calls`` (CallFields),
    ``tool_call_id``, ``name``, ``extra``. ``given`` is a mapping, or the list that ``json`` makes of a Message."""
    if isinstance(given, (list, tuple)) and 0 < len(given) <= len(_OWN):
        given = dict(zip(_OWN, given, strict=False))
    if not isinstance(given, Mapping):
        raise ValueError(f"is a {type(given).__name__}, not a Message or a dict")
    _check_keys(given)
    role = given.get("role")
    if not isinstance(role, str) or role not in ROLES:
        raise ValueError(f"has role {role!r:.60}; it is one of {', '.join(sorted(ROLES))}")
    calls = _calls(given)
    name = _text_or_none(given, "name")
    call_id = _text_or_none(given, "tool_call_id")
    if role == "function":
        # Such a result names the function alone; so does the id that its call gets below.
        call_id, name = call_id or _id_by_name(name), None
    if ROLES[role] == "tool" and not call_id:
        raise ValueError("is a tool result without tool_call_id")
    extra = given.get("extra")
    if extra is not None and not isinstance(extra, Mapping):
        raise ValueError(f"has an extra of type {type(extra).__name__}; it is an object")
    return {
        "role": ROLES[role],
        "content": _content(given, bool(calls)),
        "tool_calls": calls,
        "tool_call_id": call_id,
        "name": name,
        "extra": extra,
    }


def call_fields(given: Any) -> CallFields:
    """The fields of a call: of a mapping (flat, or OpenAI's with ``function``), or of a list as ``json`` makes it."""
    if isinstance(given, (list, tuple)) and 3 <= len(given) <= 4:
        given = dict(zip(("id", "name", "arguments", "arguments_raw"), given, strict=False))
    if isinstance(given, Mapping):
        if given.get("type") == "custom":
            raise ValueError("a custom tool call is not taken: give its input as the arguments of a function")
        inner = given.get("function", given)
        if isinstance(inner, Mapping) and isinstance(inner.get("name"), str) and isinstance(given.get("id"), str):
            return _call(given["id"], inner)
    raise ValueError("a tool call has id, name and arguments")


def part_fields(given: Any) -> PartFields:
    """The fields of a part: of a mapping, or of a list as ``json`` makes it of our own parts."""
    if isinstance(given, (list, tuple)):
        given = _listed_part(given)
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind == "text" and isinstance(given.get("text"), str):
        return {"text": given["text"]}
    if kind == "refusal" and isinstance(given.get("refusal"), str):
        return {"text": given["refusal"]}
    if kind == "image":
        return _image(given)
    if kind == "image_url":
        inner = given.get("image_url")
        url = inner.get("url") if isinstance(inner, Mapping) else inner
        if isinstance(url, str) and url:
            return {"type": "image", "url": url}
        raise ValueError('an image_url part is {"type": "image_url", "image_url": {"url": ...}}')
    if kind in ("document", "file", "input_file"):
        from complaint_llm.document_shapes import document_fields  # cold start: documents

        return document_fields(given)
    if isinstance(kind, str) and kind in _NOT_YET:
        raise ValueError(f"a part of type {kind!r}: {_NOT_YET[kind]}")
    raise ValueError(A_PART)


def parse_arguments(raw: str) -> Mapping[str, Any] | None:
    """A tool call's argument text as an object; None if it is no JSON object. An empty text is an empty object."""
    from complaint_llm import bounded_json  # cold start: json

    if not raw.strip():
        return {}
    try:
        value = bounded_json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def arguments_text(arguments: Mapping[str, Any] | None, raw: str) -> str:
    """The argument text that goes to a model: the one that came, unless the arguments were changed since."""
    try:
        if arguments is None or (raw and parse_arguments(raw) == arguments):
            return raw or "{}"
    except RecursionError:  # too deep to be compared
        return raw
    return _as_json_value(arguments)


def _as_json_value(arguments: Mapping[str, Any]) -> str:
    import json  # cold start: json

    return json.dumps(dict(arguments), ensure_ascii=False)


def _check_keys(given: Mapping[Any, Any]) -> None:
    for key, value in given.items():
        if key in _NOT_YET and value is not None:
            raise ValueError(f"has {key!r}: {_NOT_YET[key]}")
        # What is null is not there: that is how SDKs write the fields that a message does not have.
        if value is not None and key not in _READ and key not in _LEFT_OUT:
            raise ValueError(f"has an unknown key {str(key)!r:.60}")


def _text_or_none(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"has a {key} of type {type(value).__name__}; it is a text")
    return value


def _content(given: Mapping[str, Any], called: bool) -> str | tuple[PartFields, ...]:
    content, refusal = given.get("content"), _text_or_none(given, "refusal")
    if content is None and refusal is not None:
        return refusal
    if content is None and called:
        return ""
    if content is None:
        raise ValueError("has no content")
    if isinstance(content, str):
        return content
    if isinstance(content, (list, tuple)):
        return tuple(part_fields(part) for part in content)
    raise ValueError(f"has content of type {type(content).__name__}; it is a text or a list of parts")


def _calls(given: Mapping[str, Any]) -> tuple[CallFields, ...]:
    calls = given.get("tool_calls") or ()
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        raise ValueError(f"has tool_calls of type {type(calls).__name__}; they are a list")
    old = given.get("function_call")
    if old is None:
        return tuple(call_fields(call) for call in calls)
    if not isinstance(old, Mapping) or not isinstance(old.get("name"), str):
        raise ValueError("a function_call has name and arguments")
    return (*(call_fields(call) for call in calls), _call(_id_by_name(old["name"]), old))


def _call(id: str, given: Mapping[str, Any]) -> CallFields:
    name, arguments, raw = given["name"], given.get("arguments"), given.get("arguments_raw")
    if isinstance(arguments, str):
        return id, name, parse_arguments(arguments), arguments
    if isinstance(arguments, Mapping):
        return id, name, arguments, raw if isinstance(raw, str) else _as_json_value(arguments)
    if arguments is None and isinstance(raw, str):
        return id, name, None, raw
    raise ValueError("a tool call has id, name and arguments")


def _id_by_name(name: str | None) -> str:
    """The id of a call that is known by its function's name alone; the wires make it unique in its conversation."""
    return f"function_{name}" if name else ""


def _listed_part(given: Sequence[Any]) -> Mapping[str, Any]:
    if len(given) == 2 and given[1] == "text":
        return {"type": "text", "text": given[0]}
    if len(given) == 5 and given[4] == "image":
        return dict(zip(("url", "path", "data", "media_type", "type"), given, strict=True))
    if len(given) == 7 and given[6] == "document":
        return dict(zip(("path", "data", "cid", "media_type", "name", "pages", "type"), given, strict=True))
    return {}


def _image(given: Mapping[str, Any]) -> PartFields:
    sources = [key for key in ("url", "path", "data") if given.get(key) is not None]
    if len(sources) != 1:
        raise ValueError("an image has exactly one of url, path and data")
    path, data = given.get("path"), given.get("data")
    if isinstance(data, str):
        from complaint_llm.document_shapes import bytes_of  # cold start: base64

        data = bytes_of(data, "an image's data")
    return {
        "type": "image",
        "url": given.get("url"),
        "path": None if path is None else str(path),
        "data": data,
        "media_type": given.get("media_type"),
    }
