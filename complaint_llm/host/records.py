"""What is told of a plugin."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from complaint_llm.named_tuples import NamedTuple

_NO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({})

NO_HOOKS = "has no hooks: it offers nothing"


class PluginRecord(NamedTuple):
    """One plugin, for people: ``complaint-llm plugins`` prints these.

    ``source`` is a distribution with its version, or a path. ``types`` are the backend types it offers, as far as it
    was loaded. ``error`` is one line about why it cannot be used. ``hooks`` are those that it has, without
    ``complaint_llm_``, and ``offered_names`` the names that it gives by each; ``origin`` is how it came in: ``entry
    point NAME``, ``PLUGINS.paths`` or ``register_backend``, and with ``PLUGINS.enable`` where that names it. ``sha256``
    is that of its file, or of its folder (``host.digests``), None where there is none; ``note`` is a word about one
    that works.
    """

    name: str
    kind: Literal["entry point", "folder", "file", "declared", "registered"]
    source: str
    state: Literal["ok", "error", "blocked"] = "ok"
    types: tuple[str, ...] = ()
    error: str | None = None
    distribution: str | None = None
    version: str | None = None
    file: str | None = None
    hooks: tuple[str, ...] = ()
    offered_names: Mapping[str, tuple[str, ...]] = _NO_NAMES
    origin: str = ""
    sha256: str | None = None
    note: str | None = None


def unknown_plugin(name: str, near: str | None) -> str:
    """What to say of a name that no plugin has."""
    return f'no plugin "{name}"' + (f'; did you mean "{near}"?' if near else ": `complaint-llm plugins` lists them")
