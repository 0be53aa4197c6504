"""Finds plugins and loads those that a config needs."""

from complaint_llm.host.host import PluginHost
from complaint_llm.host.records import PluginRecord, unknown_plugin
from complaint_llm.host.writers import folder_risk

__all__ = ["PluginHost", "PluginRecord", "folder_risk", "unknown_plugin"]
