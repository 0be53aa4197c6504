"""The JSON Schema of configs, composed when somebody asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost


def composed_schema(host: PluginHost, document: Any = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a config with every backend type that the host can load, for editors and people.

    ``document`` is the config that it is for: its ids are offered where backends and tasks are named. Where a number,
    a boolean or one of some values is asked for, a reference such as ``$NAME`` is taken. Each ``$ref`` is a pointer
    from the root.
    """
    from complaint_llm.config.composition import compose_schema  # cold start: tasks, checks, strategies

    return compose_schema(host, document)
