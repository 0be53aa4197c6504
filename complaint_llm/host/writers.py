"""Who else may change what is run: modes and owners of plugin folders, on POSIX systems."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_MOST_LINKS = 40


def folder_risk(folder: Path) -> str | None:
    """Why what lies in a folder must not be run: others than its owner may change it, a folder above it, or a link on
    the way. One line with what to do; None where nobody may.

    A folder above may be one like ``/tmp``, where everybody writes and nobody takes away what is another's (sticky):
    then what lies in it has to be ours or root's. Elsewhere, too, another user's folder is refused, unless root asks.
    """
    if os.name != "posix":
        return None
    return next(_risks(folder), None)


def tree_risk(path: Path) -> str | None:
    """The same of a file, or of a folder with all that is in it."""
    if os.name != "posix":
        return None
    found = folder_risk(path)
    if found is not None or not path.is_dir():
        return found
    for root, folders, files in os.walk(path):
        for name in (*folders, *files):
            below = Path(root, name)
            found = folder_risk(below) if below.is_symlink() else _risk_of(below, shared=False)
            if found is not None:
                return found
    return None


def _risks(path: Path) -> Iterator[str]:
    for place in _without_links(path.absolute(), _MOST_LINKS):
        within_shared = False
        for step in (*reversed(place.parents), place):
            is_last = step == place
            found = _risk_of(step, shared=not is_last, within_shared=within_shared)
            if found is not None:
                yield found
            within_shared = _is_shared(step)


def _without_links(path: Path, most: int) -> Iterator[Path]:
    """The path with every link in it resolved, and each such link by the folder that it lies in."""
    yield Path(os.path.realpath(path))
    for step in (path, *path.parents):
        if most and step.is_symlink():
            yield Path(os.path.realpath(step.parent)) / step.name
            yield from _without_links(step.parent / step.readlink(), most - 1)


def _risk_of(path: Path, *, shared: bool, within_shared: bool = False) -> str | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None  # who reads it says why it cannot be read
    if found.st_mode & _OTHERS and not stat.S_ISLNK(found.st_mode) and not (shared and found.st_mode & stat.S_ISVTX):
        return f"{path}: group or others may write there, and so change what is run: chmod go-w {path}"
    owners = {0, os.geteuid()}
    if found.st_uid not in owners and (within_shared or os.geteuid() != 0):
        return f"{path}: it belongs to another user ({found.st_uid}), who may change what is run: copy it, or chown it"
    return None


def _is_shared(path: Path) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return bool(mode & _OTHERS)
