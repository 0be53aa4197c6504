"""What is in a folder of the user's, and what of it cannot be had."""

from __future__ import annotations

import os
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from complaint_llm.exceptions import EvidenceError


class FoundFile(NamedTuple):
    """A file, its place below the folder, and its size in bytes."""

    path: Path
    place: tuple[str, ...]
    size: int


class Missing(NamedTuple):
    """Something in a folder that cannot be stored, its place below the folder, and why."""

    path: Path
    place: tuple[str, ...]
    reason: str

    @property
    def error(self) -> EvidenceError:
        """This as an error."""
        return EvidenceError(f"{self.path} {self.reason}")


class Scan(NamedTuple):
    """The files of a folder and the places of the folders in it, in order of names, and what is missing."""

    files: tuple[FoundFile, ...]
    folders: tuple[tuple[str, ...], ...]
    missing: tuple[Missing, ...]


def scan(top: Path) -> Scan:
    """Look through a folder and the folders in it. Links are not followed; one bad entry hides no other."""
    files: list[FoundFile] = []
    folders: list[tuple[str, ...]] = []
    missing: list[Missing] = []
    waiting: list[tuple[Path, tuple[str, ...]]] = [(top, ())]
    while waiting:
        folder, place = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            missing.append(Missing(folder, place, f"is a folder that cannot be listed: {error.strerror or error}"))
            continue
        folders.append(place)
        below = []
        for entry in found:
            path, here = Path(entry.path), (*place, _text(entry.name))
            try:
                if entry.is_symlink():
                    reason = "is a link and was left out; give it by itself if it is meant"
                    missing.append(Missing(path, here, reason))
                elif entry.is_dir(follow_symlinks=False):
                    below.append((path, here))
                elif S_ISREG((status := entry.stat(follow_symlinks=False)).st_mode):
                    files.append(FoundFile(path, here, status.st_size))
                else:
                    missing.append(Missing(path, here, "is not a file"))
            except OSError as error:
                missing.append(Missing(path, here, f"cannot be looked at: {error.strerror or error}"))
        waiting.extend(reversed(below))
    return Scan(tuple(files), tuple(folders), tuple(missing))


def _text(name: str) -> str:
    """A name as text: U+FFFD in place of bytes that are none on this system."""
    return os.fsencode(name).decode("utf-8", "replace")
