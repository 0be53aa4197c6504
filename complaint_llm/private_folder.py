"""Folders and files for what we keep of a client's work: for their owner alone, and never added to a repository."""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
IGNORE_FILE, IGNORE_ALL = ".gitignore", b"*\n"


def make_private_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, each with mode 0700 and a ``.gitignore`` of ``*``.

    Folders that are there already stay as they are. Raises OSError.
    """
    for missing in [each for each in (*reversed(folder.absolute().parents), folder) if not each.exists()]:
        missing.mkdir(mode=FOLDER_MODE, exist_ok=True)
        (missing / IGNORE_FILE).write_bytes(IGNORE_ALL)


def take_private_folder(folder: Path) -> bool:
    """Make ``folder``, or make an empty one private. False, and nothing is done, if it is used for something else.

    Raises OSError.
    """
    make_private_folder(folder)
    if not any(folder.iterdir()):
        folder.chmod(FOLDER_MODE)
        (folder / IGNORE_FILE).write_bytes(IGNORE_ALL)
        return True
    return is_private_folder(folder)


def is_private_folder(folder: Path) -> bool:
    """Whether a folder with something in it is one of ours. Raises OSError."""
    ignore = folder / IGNORE_FILE
    # Empty for a moment where another process is just making the folder.
    return ignore.exists() and ignore.read_bytes() in (b"", IGNORE_ALL)


def folder_fault(folder: Path) -> str | None:
    """Why ``make_private_folder``, or making a file in that folder, would fail; None where nothing shows.

    Nothing is made or changed.
    """
    for each in (folder.absolute(), *folder.absolute().parents):
        try:
            kind = each.stat().st_mode
        except FileNotFoundError:
            if each.is_symlink():
                return f"{each} is a link to {each.readlink()}, which is not there: make that, or remove the link"
            continue
        except NotADirectoryError:
            continue
        except OSError as fault:
            return f"{each} cannot be looked at: {fault.strerror or fault}"
        if not stat.S_ISDIR(kind):
            return f"{each} is a file, where a folder is wanted: move it away, or give another path"
        if not os.access(each, os.W_OK | os.X_OK):
            return f"{each} cannot be written by this user: make it writable, or give another path"
        return None
    return None


def open_private(path: str, flags: int) -> int:
    """An opener for ``open``: a new file is for its owner alone; one that was there keeps its mode."""
    return os.open(path, flags, FILE_MODE)
