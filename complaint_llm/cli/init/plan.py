"""What ``init`` writes: a config as a document, and as the text of a JSON or a commented YAML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import indent
from typing import Any, NamedTuple

from complaint_llm.config.schema_file import SCHEMA_NAME
from complaint_llm.config.source import is_yaml
from complaint_llm.config.yaml_text import dump
from complaint_llm.request import EMPTY

DEFAULT_EVIDENCE = ".complaint_llm/evidence"
_COMMENTS = {
    "BACKENDS": "Who is asked, in this order. `complaint-llm config add` adds more.",
    "MEDIATOR": "How they work together. `budget` is in US dollars: a call that could exceed it is not sent.",
    "EVIDENCE": "Where evidence is kept. It is shown to models on this machine alone, unless `show` says any.",
}


class Plan(NamedTuple):
    """The answers to all questions. ``key_variable`` names the variable that holds the key, "" where none is needed;
    ``budget`` is in US dollars a month; ``keys`` are further keys of the backend."""

    type: str
    id: str
    model: str = ""
    model_key: str = "model"
    base_url: str = ""
    key_variable: str = ""
    budget: float | None = None
    evidence: str = ""
    keys: Mapping[str, Any] = EMPTY

    def document(self) -> dict[str, Any]:
        """The config without the line that names its schema."""
        backend: dict[str, Any] = {"id": self.id, "type": self.type}
        if self.base_url:
            backend["base_url"] = self.base_url
        if self.key_variable:
            backend["api_key"] = f"${self.key_variable}"
        if self.model:
            backend[self.model_key] = self.model
        found: dict[str, Any] = {"BACKENDS": [{**backend, **self.keys}]}
        if self.budget is not None:
            month = int(self.budget) if self.budget == int(self.budget) else self.budget
            found["MEDIATOR"] = {"budget": {"month": month}}
        return {**found, "EVIDENCE": {"path": self.evidence}}


def config_text(document: Mapping[str, Any], file: Path) -> str:
    """The text of the config; editors find its schema beside it."""
    if not is_yaml(file):
        return json.dumps({"$schema": f"./{SCHEMA_NAME}", **document}, ensure_ascii=False, indent=2) + "\n"
    parts = [f"# yaml-language-server: $schema=./{SCHEMA_NAME}\n"]
    # Lists are indented: editors then complete the keys of an entry.
    parts += [f"# {_COMMENTS[section]}\n{section}:\n{indent(dump(value), '  ')}" for section, value in document.items()]
    return "\n".join(parts)
