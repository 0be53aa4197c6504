"""Finds plugins and loads those that a config needs."""

from complaint_llm.host.host import PluginHost, unknown_plugin
from complaint_llm.host.record import PluginRecord

__all__ = ["PluginHost", "PluginRecord", "unknown_plugin"]
