"""What a file must be to be read as a GGUF model."""

from __future__ import annotations

import struct
from pathlib import Path

from complaint_llm.exceptions import BackendError, ModelNotFoundError

MAGIC = b"GGUF"


def look_at(path: Path) -> None:
    """Raises BackendError if the file cannot be read or does not begin as a GGUF model does."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as cause:
        raise ModelNotFoundError(f"cannot read the model file {path}: {cause.strerror}", sent=False) from cause
    if head[:4] != MAGIC or len(head) < 8:
        raise BackendError(f"{path.name} is no GGUF model: it begins {head[:4]!r}", sent=False)
    (version,) = struct.unpack("<I", head[4:])
    if not 1 <= version <= 16:
        raise BackendError(f"{path.name} has GGUF version {version}, which is unknown", sent=False)
