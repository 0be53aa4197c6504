"""Documents of messages as providers take them, and which files a service takes as they are.

That is data, rules in a list, the first of which fits: of a service that is only data the key ``documents``, of a
plugin's own a ``documents.json`` beside its wire. A rule has ``types`` (media types), ``source`` (where the service's
documentation says so) and ``read`` (the day on which it was read), and may have

- ``api``, ``models`` (shell patterns, lower case), ``context_window`` (the most that the model's may have, where it is
  known): what it holds for
- ``part``: the form of the part of a chat message, "file" (OpenAI's) or "document_url" (Mistral's)
- ``with``: keys of the body that are set beside such files, where ``extra_body`` says nothing of them
- limits: ``file_megabytes`` of each file, ``megabytes`` of all, ``request_megabytes`` of the request in which they are
  base64; ``file_pages`` of each, ``pages`` of all. A megabyte is 1,048,576 bytes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, Message
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY
from complaint_llm.shell_patterns import fits

if TYPE_CHECKING:
    from complaint_llm.request import Request

MEGABYTE = 1024 * 1024
FileData = Path | Sequence[Mapping[str, Any]]
"""Rules, or the JSON file that holds them."""

_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "application/pdf": (".pdf",),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (".docx",),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": (".xlsx",),
    "message/rfc822": (".eml",),
    "text/html": (".html", ".htm"),
    "text/markdown": (".md", ".markdown"),
    "text/plain": (".txt", ".text"),
}


class FileRule(NamedTuple):
    """Which files a model takes as they are, and how much of them in one request."""

    types: frozenset[str] = frozenset()
    part: str = "file"
    beside: Mapping[str, Any] = EMPTY
    file_megabytes: float | None = None
    megabytes: float | None = None
    request_megabytes: float | None = None
    file_pages: int | None = None
    pages: int | None = None

    def fault(self, request: Request) -> str | None:
        """What of the request's files it does not take, as a phrase that names the limit, or None."""
        files = tuple(documents_in(request.messages))
        for file in files:
            if file.media_type not in self.types:
                return f"no files of {file.media_type or 'an unknown kind'}"
        sizes = [(len(file.data or b""), _quoted_name(file)) for file in files]
        counts = [(len(each.pages), repr(each.name)) for each in request.shown if each.shown == "document"]
        size, largest = max(sizes, default=(0, ""))
        count, longest = max(counts, default=(0, ""))
        encoded = sum(4 * -(-size // 3) for size, _ in sizes)
        return (
            _over(size / MEGABYTE, self.file_megabytes, "MB in a file", largest)
            or _over(sum(size for size, _ in sizes) / MEGABYTE, self.megabytes, "MB of files", "")
            or _over(encoded / MEGABYTE, self.request_megabytes, "MB in a request, in base64,", "")
            or _over(count, self.file_pages, "pages in a file", longest)
            or _over(sum(count for count, _ in counts), self.pages, "pages in a request", "")
        )


NO_FILES = FileRule()


class FileRules:
    """The rules of one service. Immutable; any thread may use it."""

    def __init__(self, data: FileData) -> None:
        given = json.loads(data.read_bytes()) if isinstance(data, Path) else data
        self._rules = tuple((rule, _file_rule(rule)) for rule in given)

    def rule(self, model: str | None, api: str | None = None, context_window: int | None = None) -> FileRule:
        """What holds for a model, NO_FILES where nothing is said of it."""
        for given, rule in self._rules:
            if _holds(given, (model or "").lower(), api, context_window):
                return rule
        return NO_FILES


def documents_in(messages: Sequence[Message]) -> Iterator[Document]:
    """The documents that are given as files, in the order in which they stand in the messages."""
    for message in messages:
        if not isinstance(message.content, str):
            yield from (part for part in message.content if isinstance(part, Document))


def document_base64(part: Document) -> str:
    """The bytes in base64. Raises InvalidRequestError for a document that was not loaded."""
    return b64encode(_data(part)).decode("ascii")


def document_url(part: Document) -> str:
    """The bytes as a ``data:`` URL (RFC 2397)."""
    return f"data:{part.media_type};base64,{document_base64(part)}"


def document_text(part: Document) -> str:
    """The text of a plain text file: UTF-8, or UTF-16 by its mark. Raises InvalidRequestError for any other."""
    data = _data(part)
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except ValueError as fault:
        why = f'{_quoted_name(part)} is not UTF-8 and cannot go as it is: give its text ("documents": "text")'
        raise InvalidRequestError(why, sent=False) from fault


def document_name(part: Document) -> str:
    """Its name, with the ending that services tell its kind by."""
    name = PurePath(part.name or "document").name[-200:]
    suffixes = _SUFFIXES.get(part.media_type or "", ())
    return name if not suffixes or name.lower().endswith(suffixes) else name + suffixes[0]


def _data(part: Document) -> bytes:
    if part.data is None:
        raise InvalidRequestError(
            f"{_quoted_name(part)} was not loaded: a wire gets a document with its data", sent=False
        )
    return part.data


def _quoted_name(part: Document) -> str:
    return repr(part.name or part.path or "document")


def _over(found: float, most: float | None, what: str, name: str) -> str | None:
    if most is None or found <= most:
        return None
    has = f"{name} has" if name else "these have"
    return f"at most {most:g} {what} ({has} {found:,.1f}".removesuffix(".0") + ")"


def _holds(given: Mapping[str, Any], model: str, api: str | None, context_window: int | None) -> bool:
    most = given.get("context_window")
    return (
        given.get("api", api) == api
        and ("models" not in given or any(fits(model, pattern) for pattern in given["models"]))
        and (most is None or (context_window is not None and context_window <= most))
    )


def _file_rule(given: Mapping[str, Any]) -> FileRule:
    limits = ("file_megabytes", "megabytes", "request_megabytes", "file_pages", "pages")
    return FileRule(
        types=frozenset(given["types"]),
        part=given.get("part", "file"),
        beside=given.get("with", EMPTY),
        **{name: given[name] for name in limits if name in given},
    )
