"""The config file: ``load_config`` reads it, ``load_host`` only its plugins; ``Config`` is what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.config.entries import BackendEntry
from complaint_llm.config.load import load_config, load_host
from complaint_llm.config.model import Config

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost

__all__ = ["BackendEntry", "Config", "composed_schema", "load_config", "load_host", "make_parts"]


def composed_schema(host: PluginHost) -> dict[str, Any]:
    """The JSON Schema (2020-12) of configs with every backend type that the host can load."""
    from complaint_llm.config.schema import composed_schema

    return composed_schema(host.backend_types())


def make_parts(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The backends that the parts of a composed entry name or describe, made in code as from a config file.

    The entry has ``id``, ``type`` and the keys of that type; what comes back has those keys of it that hold parts. What
    is a backend already stays. Raises ConfigError with every fault, a line each with its place.
    """
    from complaint_llm.config.inline import make_parts

    return make_parts(entry)
