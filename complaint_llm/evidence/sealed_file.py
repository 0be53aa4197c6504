"""A small file beside the index that is worth nothing once a byte of it was changed: it ends with its own sha256."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from complaint_llm.evidence.ipld.dagcbor import decode, encode
from complaint_llm.private_folder import open_private

_DIGEST = 32


def read_sealed(path: Path) -> list[Any] | None:
    """What ``write_sealed`` wrote; None if there is nothing, or a byte of it was changed."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    if sha256(body).digest() != digest:
        return None
    try:
        found = decode(body)
    except (TypeError, ValueError):
        return None
    return found if isinstance(found, list) else None


def write_sealed(path: Path, values: list[Any]) -> None:
    """Replace the file, for its owner's eyes only. Raises OSError."""
    body = encode(values)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    with open(temporary, "wb", opener=open_private) as file:
        file.write(body + sha256(body).digest())
    temporary.replace(path)
