"""Whether a ``huggingface`` entry means a model in this process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEYS = frozenset(("device", "torch_dtype", "trust_remote_code", "cache_dir"))
"""Keys that only a local model has."""


def is_local(keys: Mapping[str, Any]) -> bool:
    """Whether these keys mean a model in this process: one of ``KEYS``, or a ``model`` that is an existing folder."""
    model = keys.get("model")
    return any(keys.get(key) is not None for key in KEYS) or (
        isinstance(model, str) and Path(model).expanduser().is_dir()
    )
