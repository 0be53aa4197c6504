"""From an entry to a backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.base import Backend

if TYPE_CHECKING:
    from complaint_llm.config.entries import BackendEntry


def make(entry: BackendEntry, parts: Mapping[str, Any]) -> Backend:
    """The backend of an entry, by its type's class. Raises what the class raises, or PluginError."""
    factory = entry.type.factory()
    return factory(id=entry.id, **{**entry.keys, **parts})
