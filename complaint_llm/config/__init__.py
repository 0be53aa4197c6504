"""The config file: ``load_config`` reads it, ``load_host`` only its plugins; ``Config`` is what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm.config.entries import BackendEntry
from complaint_llm.config.load import load_config, load_host
from complaint_llm.config.model import Config

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost

__all__ = ["BackendEntry", "Config", "composed_schema", "load_config", "load_host"]


def composed_schema(host: PluginHost) -> dict[str, Any]:
    """The JSON Schema (2020-12) of configs with every backend type that the host can load."""
    from complaint_llm.config.schema import composed_schema

    return composed_schema(host.backend_types())
