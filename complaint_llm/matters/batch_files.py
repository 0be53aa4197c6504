"""What a matter has in the files of batches: results, the journal beside them, pages that were made of them."""

from __future__ import annotations

import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from complaint_llm.batch import Journal
from complaint_llm.batch.journal.versions import APPLICATION_ID
from complaint_llm.exceptions import BatchError
from complaint_llm.matters.holder import Holder, Place
from complaint_llm.matters.result_lines import ItemNames, drop_lines, remove_file, split_lines

_MARK = re.compile(rb'<meta name="complaint-llm-matters" content="([^"]*)"')
_HEAD = 1 << 20
_SIDE_FILES = ("-wal", "-shm")
_WRITTEN, _TO_BE_WRITTEN = "out", "next_out"
"""Under which names a journal keeps the digest of its OUT; see ``batch.output.out_file``."""


class BatchHolder(NamedTuple):
    """The results of one batch; ``out`` or ``journal`` may be missing."""

    out: Path | None
    journal: Path | None

    @property
    def name(self) -> str:
        return str(self.out or self.journal)

    def find(self, matter: str) -> Sequence[Place]:
        with self._open_journal() as book:
            entries = [] if book is None else book.entries_of_matter(matter)
        places = [Place("journal", str(self.journal), len(entries), "items")] if entries else []
        if self.out is not None and self.out.exists():
            lines = sum(of_matter for _, of_matter in self._lines(matter, ItemNames.of(entries)))
            places += [Place("results", str(self.out), lines, "lines")] if lines else []
            places += [Place("results", str(part), 1, "unfinished file") for part in self._parts() if entries or lines]
        return places

    def forget(self, matter: str) -> Sequence[Place]:
        places: list[Place] = []
        left = None
        with self._open_journal() as book:
            entries = [] if book is None else book.entries_of_matter(matter)
            # The lines first: rows of a table are found by what the journal says.
            if self.out is not None and self.out.exists():
                places += self._forget_lines(matter, ItemNames.of(entries), book)
            if places or entries:
                for part in self._parts():
                    remove_file(part)
                    places.append(Place("results", str(part), 1, "unfinished file"))
            if book is not None:
                left = book.forget_matter(matter)
                places += [Place("journal", str(self.journal), len(entries), "items")] if entries else []
        if left == 0 and entries and self.journal is not None:
            for end in (*_SIDE_FILES, ""):
                remove_file(Path(f"{self.journal}{end}"))
        return places

    def _forget_lines(self, matter: str, names: ItemNames, book: Journal | None) -> list[Place]:
        assert self.out is not None
        ours = book is not None and _digest(self.out) in (book.metadata(_WRITTEN), book.metadata(_TO_BE_WRITTEN))

        def begin(digest: str) -> None:
            # A file that was edited since stays one that was edited.
            if book is not None and ours:
                book.set_metadata(_TO_BE_WRITTEN, digest)

        try:
            taken, _ = drop_lines(self.out, matter, names, begin)
        except ValueError as error:
            raise BatchError(f"{self.out}: cannot be read: {error}") from error
        if book is not None and ours and self.out.exists():
            book.set_metadata(_WRITTEN, _digest(self.out))
        return [Place("results", str(self.out), taken, "lines")] if taken else []

    def _lines(self, matter: str, names: ItemNames) -> Iterator[tuple[bytes, bool]]:
        assert self.out is not None
        try:
            yield from split_lines(self.out, matter, names)
        except ValueError as error:
            if self.journal is not None:
                raise BatchError(f"{self.out}: cannot be read: {error}") from error

    def _parts(self) -> list[Path]:
        """What a run that was killed left of a file that it was writing."""
        part = None if self.out is None else self.out.with_name(f".{self.out.name}.part")
        return [part] if part is not None and part.exists() else []

    @contextmanager
    def _open_journal(self) -> Iterator[Journal | None]:
        if self.journal is None or not self.journal.exists():
            yield None
            return
        with Journal(self.journal) as book:
            yield book


class PageHolder(NamedTuple):
    """A page that ``report`` made. It is deleted whole: it can be made again of what is left."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def find(self, matter: str) -> Sequence[Place]:
        if not self.path.exists() or matter not in page_matters(self.path):
            return ()
        return (Place("page", self.name, 1, "page, whole"),)

    def forget(self, matter: str) -> Sequence[Place]:
        found = self.find(matter)
        if found:
            remove_file(self.path)
        return found


def page_matters(path: Path) -> list[str]:
    """The matters whose items a page of ours shows; none for other pages."""
    with path.open("rb") as file:
        found = _MARK.search(file.read(_HEAD))
    if found is None:
        return []
    try:
        named = json.loads(html.unescape(found[1].decode("utf-8", "replace")))
    except ValueError:
        return []
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else []


def batch_holders(paths: Sequence[Path]) -> list[Holder]:
    """The files of batches among these files, and in these folders (not in folders below them)."""
    files: dict[Path, None] = {}
    for path in paths:
        found = [each for each in sorted(path.iterdir()) if each.is_file()] if path.is_dir() else [path]
        files.update(dict.fromkeys(found))
        if not path.is_dir():
            beside = path.with_name(f"{path.name}.journal")
            page = path.with_suffix(".html")
            files.update(dict.fromkeys(each for each in (beside, page) if each.exists()))
    holders: list[Holder] = []
    taken: set[Path] = set()
    for path in files:
        if _is_journal(path):
            out = path.with_name(path.name.removesuffix(".journal")) if path.name.endswith(".journal") else None
            holders.append(BatchHolder(out if out is not None and out.is_file() else None, path))
            taken.update(each for each in (out, path) if each is not None)
    named = {path for path in paths if path.is_file()}
    for path in files:
        if path not in taken and path.suffix.lower() in (".html", ".htm"):
            holders.append(PageHolder(path))
        elif path not in taken and (path.suffix.lower() == ".jsonl" or path in named):
            holders.append(BatchHolder(path, None))
    return holders


def put_aside(paths: Sequence[Path]) -> list[Path]:
    """Damaged files that a repair put aside, in these folders and beside these files."""
    folders = dict.fromkeys(path if path.is_dir() else path.parent for path in paths)
    return [each for folder in folders if folder.is_dir() for each in sorted(folder.glob("*.damaged*"))]


def _is_journal(path: Path) -> bool:
    if path.name.endswith(".journal"):
        return True
    with path.open("rb") as file:
        head = file.read(100)
    return head.startswith(b"SQLite format 3\0") and int.from_bytes(head[68:72]) == APPLICATION_ID


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
