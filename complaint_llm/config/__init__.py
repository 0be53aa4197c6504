"""The config file: ``load_config`` reads it, ``load_host`` only its plugins; ``Config`` is what it says."""

from __future__ import annotations

from complaint_llm.config.inline import make_parts
from complaint_llm.config.load import load_config, load_host, survey_host
from complaint_llm.config.model import Config
from complaint_llm.config.parts import BackendEntry
from complaint_llm.config.schema import composed_schema

__all__ = ["BackendEntry", "Config", "composed_schema", "load_config", "load_host", "make_parts", "survey_host"]
