"""Finds plugins and loads those that a config needs."""

from complaint_llm.host.host import PluginHost
from complaint_llm.host.records import PluginRecord, unknown_plugin

__all__ = ["PluginHost", "PluginRecord", "unknown_plugin"]
