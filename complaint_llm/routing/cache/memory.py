"""The answers of the cache that are in memory: bounded in number and in bytes, the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from complaint_llm.own_copy import own_copy
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_llm.call import Clock
    from complaint_llm.messages import InferenceOutput

DEFAULT_SIZE = 1000
DEFAULT_BYTES = 256 * 2**20

_OBJECT = 64
"""Bytes that an object of Python's takes beside what is in it, about."""
_ANSWER = 2048
"""The same of an answer, with its key."""


Entry = tuple[float, int, "InferenceOutput"]
"""Until when it is good, its bytes, and the answer."""


class AnswerMemory:
    """Answers by the digest of what was asked and the identity of who answered.

    ``size`` in answers, ``most_bytes`` in bytes as ``answer_bytes`` counts them. Any thread may call it.
    """

    def __init__(self, size: int, most_bytes: int, clock: Clock) -> None:
        self._size = size
        self._most_bytes = most_bytes
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._identities: dict[str, tuple[str, ...]] = {}
        self._bytes = 0
        reset_in_child(self)

    @property
    def bytes(self) -> int:
        """Of all answers that are kept."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._answers)

    def identities(self, digest: str) -> tuple[str, ...]:
        """Who answered what has this digest, as far as that is kept."""
        return self._identities.get(digest, ())

    def get(self, digest: str, identity: str) -> InferenceOutput | None:
        """A copy of the answer, if it is there and still good."""
        key = digest, identity
        if key not in self._answers:
            return None
        with self._lock:
            kept = self._answers.get(key)
            if kept is None:
                return None
            until, _, output = kept
            if until > self._clock():
                self._answers.move_to_end(key)
                return own_copy(output)
            self._drop(key)
            return None

    def put(self, digest: str, identity: str, output: InferenceOutput, left: float | None) -> None:
        """Keep a copy for ``left`` seconds (None: for ever), unless it alone is larger than all together may be."""
        output = own_copy(output)
        until = float("inf") if left is None else self._clock() + left
        length = answer_bytes(output)
        key = digest, identity
        with self._lock:
            if key in self._answers:
                self._drop(key)
            if length > self._most_bytes:
                return
            self._answers[key] = until, length, output
            self._bytes += length
            self._identities[digest] = (*self._identities.get(digest, ()), identity)
            while len(self._answers) > self._size or self._bytes > self._most_bytes:
                self._drop(next(iter(self._answers)))

    def after_fork(self) -> None:
        """The lock may have been held in the midst of a change: nothing is kept of before."""
        self._lock = threading.Lock()
        self._answers.clear()
        self._identities.clear()
        self._bytes = 0

    def _drop(self, key: tuple[str, str]) -> None:
        digest, identity = key
        self._bytes -= self._answers.pop(key)[1]
        others = tuple(each for each in self._identities[digest] if each != identity)
        if others:
            self._identities[digest] = others
        else:
            del self._identities[digest]


def answer_bytes(output: InferenceOutput) -> int:
    """The memory that an answer takes, about: of all that is in it, however deep."""
    left: list[Any] = [output.reasoning, output.tool_calls, output.parsed, output.metadata, output.extra]
    left += (output.quotes, output.findings, output.citations, output.shown)
    total = _ANSWER + output.content.__sizeof__()
    while left:
        value = left.pop()
        if not value:
            continue
        if isinstance(value, str):
            total += value.__sizeof__()
        elif isinstance(value, dict):
            total += _OBJECT * (1 + len(value))
            left.extend(value)
            left.extend(value.values())
        elif isinstance(value, (list, tuple)):
            total += _OBJECT * (1 + len(value))
            left.extend(value)
        else:
            total += _OBJECT + _fields_bytes(value, left)
    return total


def _fields_bytes(value: Any, left: list[Any]) -> int:
    fields: Mapping[str, Any] | None = getattr(value, "__dict__", None)
    if fields:
        left.extend(fields.values())
    return int(value.__sizeof__())
