"""The JSON Schemas that the package ships."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any


def read_schema(name: str) -> dict[str, Any]:
    """A schema by its name without ``.schema.json``."""
    # The folder is mapped into the package when it is built, so tools that read the source tree cannot see it there.
    (folder, *_) = import_module("complaint_llm.schemas").__path__
    read: dict[str, Any] = json.loads((Path(folder) / f"{name}.schema.json").read_bytes())
    return read
