"""Config files of a test's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from complaint_llm.config import Config, load_config


def write(folder: Path, *entries: dict[str, Any], name: str = "config.json", **sections: Any) -> Path:
    file = folder / name
    file.write_text(json.dumps({"BACKENDS": list(entries), **sections}))
    return file


MOCK = {"id": "m", "type": "mock", "echo": True}


def load(folder: Path, *entries: dict[str, Any], environ: dict[str, str] | None = None, **sections: Any) -> Config:
    return load_config(write(folder, *entries, **sections), environ=environ or {})
