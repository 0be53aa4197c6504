"""What is known of one plugin."""

from __future__ import annotations

from typing import Literal, NamedTuple


class PluginRecord(NamedTuple):
    """One plugin, for people: ``complaint-llm plugins`` prints these.

    ``source`` is a distribution with its version, or a path. ``types`` are the backend types it offers, as far as it
    was loaded. ``error`` is one line about why it cannot be used.
    """

    name: str
    kind: Literal["entry point", "folder", "file", "declared", "registered"]
    source: str
    state: Literal["ok", "error", "blocked"] = "ok"
    types: tuple[str, ...] = ()
    error: str | None = None


def unknown_plugin(name: str, near: str | None) -> str:
    """What to say of a name that no plugin has."""
    return f'no plugin "{name}"' + (f'; did you mean "{near}"?' if near else ": `complaint-llm plugins` lists them")
