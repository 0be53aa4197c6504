"""The shapes in which documents come inside messages: our own, OpenAI's ``file`` and ``input_file``, Anthropic's
``document``; and pages in words. What reads a shape gives plain fields, or raises ValueError in one line."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

PartFields: TypeAlias = Mapping[str, Any]
_KEYS = frozenset(("type", "path", "data", "cid", "media_type", "name", "pages"))
_OF_ANTHROPIC = frozenset(("type", "source", "title", "context", "citations", "cache_control"))
_WHAT = "a document's data"


def document_fields(given: Mapping[str, Any]) -> PartFields:
    """The fields of ``messages.Document``, with its ``type``."""
    if given.get("type") != "document":
        return _of_openai(given)
    return _of_anthropic(given) if "source" in given else _own(given)


def page_range(numbers: Sequence[int]) -> str:
    """Pages in words: "page 3", "pages 1-3, 7"."""
    stretches: list[list[int]] = []
    for number in numbers:
        if stretches and number == stretches[-1][-1] + 1:
            stretches[-1][1:] = [number]
        else:
            stretches.append([number])
    said = ", ".join("-".join(map(str, each)) for each in stretches)
    return f"page {said}" if len(numbers) == 1 else f"pages {said}"


def _own(given: Mapping[str, Any]) -> PartFields:
    _refuse_others(given, _KEYS)
    sources = [key for key in ("path", "data", "cid") if given.get(key) is not None]
    if len(sources) != 1:
        raise ValueError("a document has exactly one of path, data and cid")
    path, data = given.get("path"), given.get("data")
    if data is not None and not isinstance(data, (str, bytes)):
        raise ValueError(f"{_WHAT} is bytes, or a text in base64")
    texts = {key: _text(given, key) for key in ("cid", "media_type", "name", "pages")}
    return _fields(
        path=None if path is None else str(path), data=bytes_of(data, _WHAT) if isinstance(data, str) else data, **texts
    )


def _of_openai(given: Mapping[str, Any]) -> PartFields:
    inner = given.get("file") if given["type"] == "file" else given
    data = inner.get("file_data") if isinstance(inner, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(data, str):
        stored = isinstance(inner, Mapping) and (inner.get("file_id") or inner.get("file_url"))
        why = "a file_id or file_url is the provider's alone: give the bytes" if stored else "a file has file_data"
        raise ValueError(f'{why}, as {{"type": "document", "path" | "data"}} or base64 in file_data')
    media_type, text = _of_data_url(data)
    return _fields(data=bytes_of(text, _WHAT), media_type=media_type, name=_text(inner, "filename"))


def _of_anthropic(given: Mapping[str, Any]) -> PartFields:
    _refuse_others(given, _OF_ANTHROPIC)
    source, name = given["source"], _text(given, "title")
    kind = source.get("type") if isinstance(source, Mapping) else None
    data = source.get("data") if isinstance(source, Mapping) else None
    if kind == "base64" and isinstance(data, str):
        return _fields(data=bytes_of(data, _WHAT), media_type=_text(source, "media_type"), name=name)
    if kind == "text" and isinstance(data, str):
        return _fields(data=data.encode("utf-8", "surrogatepass"), media_type="text/plain", name=name)
    raise ValueError('a document\'s source is of type "base64" or "text"; nothing is fetched: give its bytes')


def _of_data_url(text: str) -> tuple[str | None, str]:
    if not text.startswith("data:"):
        return None, text
    head, comma, rest = text[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        raise ValueError(f"{_WHAT} is bytes, or a text in base64")
    return head.removesuffix(";base64") or None, rest


def _text(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"a document has a {key} of type {type(value).__name__}; it is a text")
    return value


def _refuse_others(given: Mapping[str, Any], known: frozenset[str]) -> None:
    for key, value in given.items():
        if key not in known and value is not None:
            raise ValueError(f"a document has an unknown key {str(key)!r:.60}")


def _fields(**fields: Any) -> PartFields:
    return {"type": "document", **fields}


def bytes_of(text: str, what: str) -> bytes:
    """Bytes as JSON carries them: in base64. Raises ValueError naming ``what``."""
    try:
        return b64decode(text, validate=True)
    except ValueError as cause:
        raise ValueError(f"{what} is bytes, or a text in base64") from cause
