"""Which blocks a verification has read before, so that the next one need not read those whose files did not change.

A file beside the index: when everything was last read, and sixteen bytes for each whole block's file as it was when it
was read: its name, length, place on the disk and times of change. It ends with the sha256 of all that: any changed byte
of it makes it worth nothing. Bytes that a disk changes by itself leave these as they are: only reading shows that.
"""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.sealed_file import read_sealed, write_sealed

FILE_NAME = "read-blocks"
"""Of the file, beside the index."""
_STAMP = 16
_COARSE = 2.0
"""Seconds by which the times of files may be off."""

log = logging.getLogger("complaint_llm.evidence")


class ReadBefore(NamedTuple):
    """``since`` (UTC, ISO 8601) is when the oldest of the readings was that the ``stamps`` of files are of."""

    since: str
    stamps: frozenset[bytes]


class FileState(NamedTuple):
    """A block's file: its length in bytes, and what changes when somebody writes, copies or restores it."""

    length: int
    stamp: bytes
    changed: float
    """When it was changed last, in seconds since 1970."""


class Stamps(set[bytes]):
    """Those of files that were found whole by a verification that ``began`` then.

    One that was changed just before might be changed again without any sign of it: clocks of files are coarse.
    """

    def __init__(self, began: float) -> None:
        super().__init__()
        self._settled = began - _COARSE

    def add_of(self, state: FileState) -> None:
        """Add the stamp of a file that was found whole."""
        if state.changed < self._settled:
            self.add(state.stamp)


def file_state(cid: Cid, status: os.stat_result) -> FileState:
    """The state of a block's file."""
    about = (cid.name, status.st_size, status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
    stamp = blake2b(repr(about).encode(), digest_size=_STAMP).digest()
    return FileState(status.st_size, stamp, max(status.st_mtime, status.st_ctime))


def read_before(folder: Path) -> ReadBefore | None:
    """What was read before; None if nothing was, or a byte of the file was changed."""
    match read_sealed(folder / FILE_NAME):
        case [str(since), bytes(stamps)]:
            return ReadBefore(since, frozenset(stamps[at : at + _STAMP] for at in range(0, len(stamps), _STAMP)))
    return None


def keep_read(folder: Path, read: ReadBefore) -> None:
    """Keep it for the next verification; where it cannot be kept, that one reads all."""
    path = folder / FILE_NAME
    try:
        write_sealed(path, [read.since, b"".join(sorted(read.stamps))])
    except OSError as error:
        log.warning("what was verified cannot be remembered in %s: %s", path, error.strerror or error)
