"""What shaped an answer beside its prompt: the settings of the backend that gave it, as digests.

An answer is of one backend, so only that backend's settings count: others may be added, removed and edited. What an
item sets itself is part of the item, and no part of this.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from complaint_llm.messages import Prompt

OWN = "*"
"""Stands for a setting that the item gave itself."""


class Shape(NamedTuple):
    """``parts`` has a digest for each setting of backend ``backend`` that shapes its answers, by the setting's name."""

    backend: str
    parts: Mapping[str, str]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return _hash([self.backend, dict(self.parts)])[:16]

    def changed_parts(self, now: Shape) -> list[str]:
        """The names of the settings that differ, but for those that an item gave itself."""
        names = sorted(self.parts.keys() | now.parts.keys())
        pairs = ((name, self.parts.get(name), now.parts.get(name)) for name in names)
        return [name for name, old, new in pairs if old != new and OWN not in (old, new)]


class AnswerSettings(Protocol):
    """What a batch asks of whoever knows the backends."""

    def shape(self, backend: str, prompt: Prompt | None = None, params: Mapping[str, Any] = ...) -> Shape | None:
        """What shapes the backend's answer to a prompt; None where it cannot be said: no such backend is here."""
        ...

    def has_model(self) -> bool:
        """Whether another than a demonstration would answer."""
        ...


def shape_of(backend: str, settings: Mapping[str, Any], own: frozenset[str] = frozenset()) -> Shape:
    """The shape of settings; ``own`` are those that the item gives itself."""
    parts = {name: _hash(value)[:8] for name, value in settings.items() if name not in own}
    return Shape(backend, {**parts, **dict.fromkeys(sorted(own), OWN)})


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _plain(value: Any) -> Any:
    """What JSON has no form for: mappings as such, functions and objects by their names."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    kind = value if hasattr(value, "__qualname__") else type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
