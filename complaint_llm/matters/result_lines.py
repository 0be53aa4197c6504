"""A matter's lines in a file of results: JSON lines by what they say, rows of a table by what the journal says."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from complaint_llm.batch.journal.entries import JournalEntry
from complaint_llm.batch.output.export import as_written

KeepLine = Callable[[str], bool]
_OURS = {"id", "text", "error", "matter"}


class ItemNames(NamedTuple):
    """The ids of a matter's items, and the digests of those that have none."""

    ids: frozenset[str]
    digests: frozenset[str]

    @classmethod
    def of(cls, entries: Sequence[JournalEntry]) -> ItemNames:
        """Those of a journal's entries."""
        ids = frozenset(entry.id for entry in entries if entry.id is not None)
        return cls(ids, frozenset(entry.content for entry in entries if entry.id is None and entry.content))


def is_of_matter(line: str, matter: str) -> bool:
    """Whether a JSON line is a result of this matter."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(read, dict) and read.keys() >= _OURS and read["matter"] == matter


def split_lines(path: Path, matter: str, names: ItemNames | None) -> Iterator[tuple[bytes, bool]]:
    """The file's lines (a table's rows with their ends), and whether each is of the matter. Raises OSError, ValueError
    for a table that is none of ours."""
    if path.suffix.lower() == ".csv":
        yield from _table_rows(path, names)
        return
    with path.open("rb") as file:
        for line in file:
            yield line, is_of_matter(line.decode("utf-8", "replace"), matter)


def drop_lines(path: Path, matter: str, names: ItemNames | None, begin: Callable[[str], object]) -> tuple[int, int]:
    """Take a matter's lines out: how many were taken, and how many are left (a table's header is none).

    The file is either as before or without them; ``begin`` gets its new digest before it is there. A file of which
    nothing is left is removed. What it had is overwritten where it stood.
    """
    target = Path(os.path.realpath(path))
    lines = list(split_lines(target, matter, names))
    kept = [line for line, of_matter in lines if not of_matter]
    taken = len(lines) - len(kept)
    left = len(kept) - (1 if target.suffix.lower() == ".csv" and kept else 0)
    if taken and left > 0:
        _replace(target, kept, begin)
    elif taken:
        remove_file(target)
    return taken, left


def remove_file(path: Path) -> None:
    """Overwrite a file with zeros, and remove it. One that is gone already, or has other names too, is just removed."""
    try:
        with path.open("r+b") as file:
            _overwrite(file.fileno())
    except FileNotFoundError:
        return
    path.unlink(missing_ok=True)


def _replace(target: Path, lines: Iterable[bytes], begin: Callable[[str], object]) -> None:
    part = target.with_name(f".{target.name}.part")
    hashed = hashlib.sha256()
    with target.open("r+b") as old:
        mode = stat.S_IMODE(os.fstat(old.fileno()).st_mode)
        number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(number, "wb") as file:
                os.fchmod(number, mode)
                for line in lines:
                    hashed.update(line)
                    file.write(line)
                file.flush()
                os.fsync(number)
            begin(hashed.hexdigest())
            part.replace(target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _overwrite(old.fileno())


def _overwrite(number: int) -> None:
    """Zeros over all of an open file that has no other name."""
    status = os.fstat(number)
    if status.st_nlink > 1:
        return
    zeros, at = bytes(1 << 16), 0
    while at < status.st_size:
        at += os.pwrite(number, zeros[: min(len(zeros), status.st_size - at)], at)
    os.fsync(number)


def _table_rows(path: Path, names: ItemNames | None) -> Iterator[tuple[bytes, bool]]:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", newline="") as file:
        start = file.read(1 << 16)
        file.seek(0)
        delimiter = _delimiter(start)
        noted: list[str] = []

        def lines() -> Iterator[str]:
            for line in file:
                noted.append(line)
                yield line

        rows = csv.reader(lines(), delimiter=delimiter)
        header = next(rows, [])
        places = [place for place, name in enumerate(header) if name in ("digest", "digest_answer")]
        if not places:
            raise ValueError("it is no table of a batch")
        id_place = header.index("id") if "id" in header else None
        yield "\ufeff".encode() + "".join(noted).encode("utf-8"), False
        noted.clear()
        for row in rows:
            id = as_written(row[id_place]) if id_place is not None and id_place < len(row) else ""
            digest = row[places[-1]] if places[-1] < len(row) else ""
            of_matter = names is not None and (id in names.ids if id else digest in names.digests)
            yield "".join(noted).encode("utf-8"), of_matter
            noted.clear()


def _delimiter(start: str) -> str:
    """What stands behind the first quoted cell: every cell of ours is quoted."""
    end = start.find('"', 1)
    return start[end + 1] if start[:1] == '"' and 0 < end < len(start) - 1 and start[end + 1] not in '\r\n"' else ","
