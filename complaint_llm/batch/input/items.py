"""What goes into a batch and what comes out, and how an item is told from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from complaint_llm.exceptions import BatchError, InvalidRequestError
from complaint_llm.messages import Document, ImagePart, InferenceOutput, Message, Prompt
from complaint_llm.prompt_files import read_document_file, read_image
from complaint_llm.request import EMPTY, GENERATION_KEYS, as_messages

SHAPING_KEYS: frozenset[str] = GENERATION_KEYS | {
    *("model", "system", "response_format", "extra_body", "tools", "task", "documents", "evidence"),
}
"""Parameters that shape an answer. Routing, keys, limits and timeouts do not: with other ones a run can be resumed."""


class BatchItem(NamedTuple):
    """A prompt with a name of its own and parameters of its own. ``params`` are those of ``Mediator.infer``."""

    prompt: Prompt
    id: str | None = None
    params: Mapping[str, Any] = EMPTY


class LineError(BatchError):
    """A line of the input that is no item. ``line`` counts from 1, 0 for a whole file; ``id`` is the line's own,
    where it could be read."""

    def __init__(self, line: int, problem: str, id: str | None = None) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line
        self.id = id

    def __reduce__(self) -> tuple[Any, ...]:
        return _line_error, (str(self), self.line, self.id)


def _line_error(message: str, line: int, id: str | None) -> LineError:
    return LineError(line, message.partition(": ")[2] if line else message, id)


class NothingToReadError(BatchError):
    """A prompt without anything to read: it is never sent."""


ItemLike: TypeAlias = Prompt | BatchItem | Exception
"""An exception in the place of an item (a line that could not be read) becomes that item's error."""


class BatchResult(NamedTuple):
    """The one result or the one error of an item.

    ``index`` counts the input from 0; ``key`` is the item's id, else the digest of what shapes its answer;
    exactly one of ``output`` and ``error`` is None.
    """

    index: int  # type: ignore[assignment]  # the public name; tuple.index is not needed
    key: str
    prompt: Any
    output: InferenceOutput | None
    error: Exception | None


Ask: TypeAlias = Callable[[Prompt, Mapping[str, Any]], InferenceOutput]
"""Asks a model; called by any thread. Raises BackendError."""

Digest: TypeAlias = Callable[[BatchItem], str]


def as_item(given: ItemLike) -> BatchItem:
    """An item from whatever stands in the input.

    Raises the exception that stands in its place, and InvalidRequestError if its id is no text that can be stored.
    """
    if isinstance(given, Exception):
        raise given
    item = given if isinstance(given, BatchItem) else BatchItem(given)
    if item.id is not None:
        check_id(item.id)
    return item


def check_prompt(prompt: Prompt, params: Mapping[str, Any] = EMPTY) -> None:
    """Raises NothingToReadError for a prompt whose turns of user and assistant have no text and no part but text,
    unless ``params`` name evidence that is shown with it.

    Raises InvalidRequestError if it is no prompt.
    """
    if isinstance(prompt, str):
        empty = is_blank(prompt)
    else:
        messages = as_messages(prompt)
        turns = [message for message in messages if message.role != "system"] or messages
        empty = all(is_blank(turn.text) and not turn.tool_calls and not _other_parts(turn) for turn in turns)
    if empty and not params.get("evidence"):
        raise NothingToReadError("nothing to read: the prompt is empty; it was not asked")


def is_blank(text: str) -> bool:
    """Whether there is nothing to read in a text: white space, and characters that show nothing."""
    return not text.translate(_INVISIBLE).strip()


_INVISIBLE = dict.fromkeys((0, 0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0x3164, 0xFEFF))
"""Soft hyphen, zero-width characters, direction marks, word joiner, Hangul filler, byte order mark, NUL."""


def _other_parts(message: Message) -> bool:
    return not isinstance(message.content, str) and any(part.type != "text" for part in message.content)


def check_id(given: object) -> None:
    """Raises InvalidRequestError if ``given`` is no id: a text that is not empty."""
    if not isinstance(given, str) or not given:
        raise InvalidRequestError(f"an id is a text that is not empty, not {given!r}", sent=False)
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"the id {given!r} has half a surrogate pair in it", sent=False) from error


def item_digest(item: BatchItem, defaults: Mapping[str, Any] = EMPTY) -> str:
    """``<messages>-<parameters>``, of SHA-256: two halves, so that it can be said which of them changed.

    ``defaults`` are parameters of the whole batch. Images given by path count by their bytes, not by their place.
    Raises InvalidRequestError if the prompt is none or an image cannot be read.
    """
    messages = as_messages(item.prompt)
    shaping = {name: value for name, value in {**defaults, **item.params}.items() if name in SHAPING_KEYS}
    only = messages[0]
    if len(messages) == 1 and isinstance(only.content, str) and only == Message("user", only.content):
        asked: Any = only.content  # a text and a list of one user message are the same question
    else:
        asked = [_plain(message) for message in messages]
    return f"{_hash(asked)[:32]}-{_hash(shaping)[:8] if shaping else _NO_PARAMETERS}"


def differing_part(old: str, new: str) -> str:
    """Which half of a digest changed, in words."""
    old_asked, _, old_shaping = old.partition("-")
    new_asked, _, new_shaping = new.partition("-")
    if not (old_shaping and new_shaping):
        return "its content"
    changed = [
        name
        for name, differs in (("its prompt", old_asked != new_asked), ("its parameters", old_shaping != new_shaping))
        if differs
    ]
    return " and ".join(changed)


def _hash(value: Any) -> str:
    return hashlib.sha256(_encode(value).encode("ascii")).hexdigest()


_NO_PARAMETERS = "00000000"


def _plain(value: Any) -> Any:
    """What JSON cannot say, in a form that is the same in every process."""
    if isinstance(value, Message):
        content = value.content if isinstance(value.content, str) else [_plain(part) for part in value.content]
        calls = [[call.id, call.name, call.arguments_text] for call in value.tool_calls]
        return [value.role, content, calls, value.tool_call_id, value.name, value.extra]
    if isinstance(value, ImagePart):
        data = value.data if value.path is None else read_image(value.path)
        return ["image", value.url, None if data is None else hashlib.sha256(data).hexdigest(), value.media_type]
    if isinstance(value, Document):
        data = value.data if value.path is None else read_document_file(value.path)
        digest = None if data is None else hashlib.sha256(data).hexdigest()
        return ["document", value.cid, digest, value.media_type, value.pages]
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (bytes, bytearray)):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, type) and hasattr(value, "model_json_schema"):
        return value.model_json_schema()
    if callable(value):
        return f"{value.__module__}.{value.__qualname__}"
    raise InvalidRequestError(f"a {type(value).__name__} in an item's parameters has no digest", sent=False)


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=_plain).encode
