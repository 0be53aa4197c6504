"""What each command prints with ``--json``, held against its published schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS: Mapping[str, Any] = json.loads(
    (Path(__file__).resolve().parents[2] / "complaint_llm" / "data" / "command_output.json").read_text(encoding="utf-8")
)["$defs"]


def check_output(name: str, text: str) -> None:
    """That it fits the command's schema, and says something: of an empty list any schema is true."""
    texts = text.splitlines() if SCHEMAS[name].get("x-lines") else [text]
    assert texts, f"{name} printed nothing"
    for each in texts:
        data = json.loads(each)
        assert data, f"{name} printed {each}"
        Draft202012Validator(SCHEMAS[name]).validate(data)
