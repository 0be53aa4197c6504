"""The folder that a store is in."""

from __future__ import annotations

import os
from pathlib import Path

from complaint_llm.exceptions import EvidenceError


def make_folder(path: Path) -> None:
    """A folder for clients' data: for its owner alone, and never added to a repository; so are those made for it."""
    for missing in [parent for parent in reversed(path.absolute().parents) if not parent.exists()]:
        missing.mkdir(mode=0o700, exist_ok=True)
        (missing / ".gitignore").write_text("*\n", encoding="ascii")
    path.mkdir(mode=0o700, exist_ok=True)
    ignore = path / ".gitignore"
    if not any(path.iterdir()):
        path.chmod(0o700)
        ignore.write_text("*\n", encoding="ascii")
    # Empty for a moment where another process is just making the folder.
    elif not ignore.exists() or ignore.read_bytes() not in (b"", b"*\n"):
        raise EvidenceError(f"{path} is in use for something else: give evidence a folder of its own")


def for_the_owner(path: str, flags: int) -> int:
    """An opener for ``open``: a new file is for its owner alone; one that was there keeps its mode."""
    return os.open(path, flags, 0o600)


def is_read_only(path: Path) -> bool:
    """Whether a store that is there cannot be written: its medium or its mode only allows reading."""
    return path.is_dir() and not all(
        os.access(each, os.W_OK) for each in (path, path / "store.db", path / "blocks") if each.exists()
    )
