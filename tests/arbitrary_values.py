"""Anything that may stand in an answer, and any conversation: for tests that no value anywhere does harm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from complaint_llm.messages import ImagePart, Message, TextPart, ToolCall

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text(max_size=12)
PARTS = st.one_of(
    TEXT.map(TextPart),
    st.just(ImagePart(data=PNG)),
    st.just(ImagePart(url="https://example.org/a.png")),
    st.binary(max_size=12).map(lambda data: ImagePart(data=data)),
    TEXT.map(lambda url: ImagePart(url=url)),
)
CALLS = st.builds(
    ToolCall, st.sampled_from(["call_0", "id-1", ""]), TEXT, st.none() | st.dictionaries(TEXT, JSON, max_size=2), TEXT
)
EXTRAS = st.none() | st.dictionaries(st.sampled_from(["anthropic", "google", "other"]), JSON, max_size=2)
MESSAGES = st.lists(
    st.builds(
        Message,
        st.sampled_from(["system", "user", "assistant", "tool"]),
        TEXT | st.lists(PARTS, max_size=3).map(tuple),
        st.lists(CALLS, max_size=2).map(tuple),
        st.sampled_from(["call_0", "id-1"]),
        st.none() | TEXT,
        EXTRAS,
    ),
    min_size=1,
    max_size=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of everything inside a JSON value."""
    yield path
    if isinstance(value, dict):
        for key, part in value.items():
            yield from places(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """A JSON value with something else at a path."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy
