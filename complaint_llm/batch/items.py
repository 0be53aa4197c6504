"""What goes into a batch and what comes out, and how an item is told from another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, Prompt
from complaint_llm.request import GENERATION_KEYS, NOTHING, as_messages

SHAPING_KEYS: frozenset[str] = GENERATION_KEYS | {"model", "system", "response_format", "extra_body", "tools"}
"""Parameters that shape an answer. Routing, keys, limits and timeouts do not: with other ones a run can be resumed."""


class BatchItem(NamedTuple):
    """A prompt with a name of its own and parameters of its own. ``params`` are those of ``Mediator.infer``."""

    prompt: Prompt
    id: str | None = None
    params: Mapping[str, Any] = NOTHING


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
    if not isinstance(given, BatchItem):
        return BatchItem(given)
    if given.id is not None:
        check_id(given.id)
    return given


def check_id(given: object) -> None:
    """Raises InvalidRequestError if ``given`` is no id: a text that is not empty."""
    if not isinstance(given, str) or not given:
        raise InvalidRequestError(f"an id is a text that is not empty, not {given!r}", sent=False)
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"the id {given!r} has half a surrogate pair in it", sent=False) from error


def item_digest(item: BatchItem, defaults: Mapping[str, Any] = NOTHING) -> str:
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
        calls = [[call.id, call.name, call.arguments_raw] for call in value.tool_calls]
        return [value.role, content, calls, value.tool_call_id, value.name, value.extra]
    if isinstance(value, ImagePart):
        data = value.data
        if value.path is not None:
            data = _image(value.path)
        return ["image", value.url, None if data is None else hashlib.sha256(data).hexdigest(), value.media_type]
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


def _image(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"image {path} cannot be read: {error.strerror}", sent=False) from error
