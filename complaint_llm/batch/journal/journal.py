"""The file that makes a batch survive: which items were sent, which were answered, and the answers.

One SQLite database in WAL mode with ``synchronous=FULL``, opened by one process at a time (the exclusive lock is the
system's: it ends with the process). It holds digests, answers and errors, never prompts or keys. A ``Journal`` belongs
to one thread at a time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.batch.journal.codec import decode_output, material_in
from complaint_llm.batch.journal.entries import ANSWERED, COLUMNS, JournalEntry, checksum, to_row
from complaint_llm.batch.journal.faults import ADVICE_DAMAGED, advice_on
from complaint_llm.batch.journal.padding import pad
from complaint_llm.batch.journal.places import WITH_PLACES, keep_places, placed_entry, rows_in_order
from complaint_llm.batch.journal.shape import Shape
from complaint_llm.batch.journal.spans import ItemSpan, Spans, dissolve
from complaint_llm.batch.journal.totals import keep_totals, totals
from complaint_llm.batch.journal.versions import APPLICATION_ID, VERSION, upgrade
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from complaint_llm.messages import InferenceOutput

_COLUMNS = ", ".join(COLUMNS)
_ROW = f"({', '.join('?' * len(COLUMNS))})"
# An item's result is written by what was known when it was read; copies of it may have been counted since.
_REPLACE = (
    " ON CONFLICT (row) DO UPDATE SET copies = CASE WHEN run = excluded.run THEN max(copies, excluded.copies)"
    " ELSE excluded.copies END, "
    + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in ("row", "key", "copies"))
)

_MAX_NOTED = 1000
_MAX_ROWS = 500


class RecordedItem(NamedTuple):
    """An item of a past run. ``error`` holds plain values, see ``codec.describe_error``.

    ``content`` is the digest of what was asked (see ``item_digest``), empty where the item could not be read.
    """

    position: int
    id: str | None
    output: InferenceOutput | None
    error: dict[str, Any] | None
    content: str = ""
    task: str | None = None
    matter: str | None = None
    material: str | None = None
    """The text that a task read: what the places of its quotes are counted in."""


class Counts(NamedTuple):
    """What a journal holds. ``in_doubt`` counts what was sent and has neither an answer nor a certain failure."""

    answered: int
    failed: int
    in_doubt: int


class Journal:
    """An open journal. Raises BatchError if the file is no journal, newer, in use, or cannot be read or written."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._noted: dict[str, JournalEntry] = {}
        self._placed: dict[str, JournalEntry] = {}
        self._known_shapes: set[str] = set()
        self.blind = False
        _create(self.path)
        with self._translate_errors("opened"):
            # The thread that opens it hands it to the thread that writes.
            self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None, check_same_thread=False)
        self.spans = Spans(self._db)
        try:
            with self._translate_errors("opened"):
                self._prepare()
                self.run_number: int
                (self.run_number,) = self._db.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
                # A group is one statement where it can be: each gives up the interpreter lock and waits to get it back.
                self._rows_at_once = min(
                    _MAX_ROWS, self._db.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // len(COLUMNS)
                )
                self._last_row: int
                (self._last_row,) = self._db.execute("SELECT coalesce(max(row), 0) FROM items").fetchone()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        execute = self._db.execute
        (application,) = execute("PRAGMA application_id").fetchone()
        (version,) = execute("PRAGMA user_version").fetchone()
        (tables,) = execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application != APPLICATION_ID and (application or version or tables):
            raise BatchError(
                f"{self.path}: this database is no batch journal; give the journal another path (or salvage it, if it "
                "was one before it was damaged)"
            )
        if version > VERSION:
            raise BatchError(
                f"{self.path}: the journal has version {version}, this release reads up to {VERSION}; use a newer one"
            )
        execute("PRAGMA locking_mode=EXCLUSIVE")
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA secure_delete=ON")  # what is forgotten must not be found again in the file
        with self._transaction():  # takes the lock, which is kept until close()
            upgrade(self._db, version if tables else 0)
            keep_totals(self._db)

    def begin_run(self, *, fresh: bool = False) -> None:
        """Number a new run; ``fresh`` forgets everything recorded."""
        with self._translate_errors("written"):
            with self._transaction():
                if fresh:
                    self._db.execute("DELETE FROM items")
                    self._db.execute("DELETE FROM places")
                    self._db.execute("DELETE FROM spans")
                else:
                    # As in the index of these rows: the planner compares the texts of the conditions.
                    self._db.execute("DELETE FROM items WHERE kind = 2 OR (kind IS NULL AND sends = 0)")
                # In an empty file a key can only be one of this run; that is left to the UNIQUE constraint to find.
                self.blind = self._db.execute("SELECT 1 FROM items LIMIT 1").fetchone() is None
                self.run_number += 1
                self._db.execute("INSERT INTO runs VALUES (?, strftime('%Y-%m-%dT%H:%M:%SZ'))", (self.run_number,))
            self.spans.begin_run(self.run_number)
            if fresh:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def known_spans(self, stale: Collection[str], *, without_demos: bool) -> Mapping[int, Sequence[ItemSpan]]:
        """Those that the run that was begun may find, by their first place; see ``Spans.of_earlier_runs``."""
        with self._translate_errors("read"):
            return self.spans.of_earlier_runs(stale, without_demos=without_demos)

    # -- groups

    def new_row(self) -> int:
        """The number of an item that is to be added."""
        self._last_row += 1
        return self._last_row

    def find(self, keys: Sequence[str]) -> dict[str, JournalEntry]:
        """What is known of these keys; while ``blind``, only of those not yet written.

        Raises BatchError if the record of one of them was changed from outside.
        """
        found: dict[str, JournalEntry] = {}
        if self.blind:
            return {key: self._noted[key] for key in keys if key in self._noted} if self._noted else found
        noted = {**self._placed, **self._noted} if self._placed else self._noted
        for part in range(0, len(keys), self._rows_at_once):
            some = pad(keys[part : part + self._rows_at_once], self._rows_at_once)
            query = f"{WITH_PLACES} WHERE key IN ({','.join('?' * len(some))})"
            for values in self._db.execute(query, some).fetchall():
                entry = self.spans.as_found(self._entry(values))
                found[entry.key] = entry
        if noted:
            found.update((key, noted[key]) for key in keys if key in noted)
        return found

    def note(self, entries: Iterable[JournalEntry]) -> None:
        """Entries that may be lost in a crash (only places in the input changed): they go with the next ``write``."""
        self._noted.update((entry.key, entry) for entry in entries)
        if len(self._noted) > _MAX_NOTED:
            self.write(())

    def place(self, entry: JournalEntry) -> None:
        """The same of an item of which nothing but its run and its place changed: its row is not written again."""
        self._placed[entry.key] = entry
        if len(self._placed) > _MAX_NOTED:
            self.write(())

    def write(self, entries: Sequence[JournalEntry]) -> None:
        """Add or replace entries, the later of two with one row counts; they are on disk when this returns."""
        entries = [*self._noted.values(), *entries]
        if len(entries) <= self._rows_at_once and not self._placed and not self.spans.waiting:
            self._write(entries)
        else:
            with self._transaction():
                self.spans.write()
                keep_places(self._db, self._placed.values())
                for part in range(0, len(entries), self._rows_at_once):
                    self._write(entries[part : part + self._rows_at_once])
        self._noted.clear()
        self._placed.clear()

    def _write(self, entries: Sequence[JournalEntry]) -> None:
        if entries:
            entries = pad(entries, self._rows_at_once)
            rows = ",".join([_ROW] * len(entries))
            self._db.execute(
                f"INSERT INTO items ({_COLUMNS}) VALUES {rows}{_REPLACE}",  # noqa: S608 - marks only
                list(chain.from_iterable(map(to_row, entries))),
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    # -- what shaped the answers

    def add_shape(self, shape: Shape) -> str:
        """Note what shapes answers, once; its digest is what entries carry."""
        digest = shape.digest
        if digest not in self._known_shapes:
            values = (digest, shape.backend, json.dumps(dict(shape.parts)))
            self._db.execute(
                "INSERT INTO shapes (checksum, shape, backend, parts) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (checksum(values), *values),
            )
            self._known_shapes.add(digest)
        return digest

    def answer_shapes(self) -> list[Shape]:
        """What shaped the answers that are recorded, each once."""
        with self._translate_errors("read"):
            found = self._db.execute(
                "SELECT checksum, shape, backend, parts FROM shapes"
                " WHERE EXISTS (SELECT 1 FROM items WHERE items.shape = shapes.shape AND kind = ?)",
                (ANSWERED,),
            ).fetchall()
            shaped = []
            for stored, *values in found:
                if stored != checksum(values):
                    raise ValueError("what shaped some answers was changed since it was written")
                shaped.append(Shape(values[1], json.loads(values[2])))
            return shaped

    def count_answers(self, digests: Iterable[str]) -> int:
        """How many recorded answers are of shapes with these digests."""
        with self._translate_errors("read"):
            query = "SELECT count(*) FROM items WHERE shape = ? AND kind = ?"
            return sum(self._db.execute(query, (digest, ANSWERED)).fetchone()[0] for digest in digests)

    # -- the whole

    def metadata(self, name: str) -> str | None:
        """What was kept under this name with ``set_metadata``."""
        with self._translate_errors("read"):
            found = self._db.execute("SELECT checksum, value FROM facts WHERE name = ?", (name,)).fetchone()
            if found is None or found[0] != checksum((name, found[1])):
                return None
            return str(found[1])

    def set_metadata(self, name: str, value: str) -> None:
        """Keep a text about the whole batch."""
        with self._translate_errors("written"):
            self._db.execute(
                "INSERT OR REPLACE INTO facts (checksum, name, value) VALUES (?, ?, ?)",
                (checksum((name, value)), name, value),
            )

    def counts(self) -> Counts:
        """How many items are in which state, over all runs."""
        with self._translate_errors("read"):
            return Counts(*totals(self._db))

    def in_doubt(self, limit: int = 1000) -> list[str]:
        """Keys of items that were sent and have neither an answer nor a certain failure."""
        with self._translate_errors("read"):
            found = self._db.execute(
                "SELECT key FROM items WHERE sends > settled OR doubt ORDER BY position LIMIT ?", (limit,)
            )
            return [key[2:] for (key,) in found]

    def answer(self, entry: JournalEntry) -> InferenceOutput:
        """The answer that an entry holds. Raises BatchError if it is damaged."""
        with self._translate_errors("read"):
            return decode_output(entry.record or "")

    def recorded_items(self, *, earlier: bool = False) -> Iterator[RecordedItem]:
        """The items of the last run that have a result or are in doubt, in the order of its input.

        ``earlier``: also items that the last run did not read (it was cut short), each at its last known place.
        Raises BatchError at a record that was changed from outside.
        """
        with self._translate_errors("read"):
            # Only row numbers are sorted (8 bytes each): sorting whole records would go through temporary files.
            rows = array("q", rows_in_order(self._db, 0 if earlier else self.run_number))
            query = f"{WITH_PLACES} WHERE items.row = ?"
            for row in rows:
                entry = self._entry(self._db.execute(query, (row,)).fetchone())
                found = RecordedItem(
                    position=entry.position,
                    id=entry.id,
                    output=None,
                    error=None,
                    content=entry.content,
                    task=entry.task,
                    matter=entry.matter,
                )
                if entry.task is not None and entry.record is not None:
                    found = found._replace(material=material_in(entry.record))
                if entry.kind == ANSWERED and entry.record is not None:
                    yield found._replace(output=decode_output(entry.record))
                elif entry.sends > entry.settled:
                    yield found._replace(error=dict(_DOUBT))
                elif entry.record is not None:
                    error = json.loads(entry.record)
                    error.pop("material", None)
                    yield found._replace(error=error)

    def entries_of_matter(self, matter: str) -> list[JournalEntry]:
        """The items of a matter. Raises BatchError at a record that was changed from outside."""
        with self._translate_errors("read"):
            query = f"{WITH_PLACES} WHERE matter = ? ORDER BY items.row"
            return [self._entry(values) for values in self._db.execute(query, (matter,)).fetchall()]

    def forget_matter(self, matter: str) -> int:
        """Delete the items of a matter for good; how many items are left. They are asked again if they come again."""
        with self._translate_errors("written"):
            with self._transaction():
                dissolve(self._db)
                self._db.execute("DELETE FROM items WHERE matter = ?", (matter,))
                self._db.execute("DELETE FROM places WHERE row NOT IN (SELECT row FROM items)")
            for statement in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                self._db.execute(statement).fetchall()
            ((left,),) = self._db.execute("SELECT count(*) FROM items").fetchall()
        return int(left)

    def close(self) -> None:
        """Give the file free. What was committed stays."""
        self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _entry(self, values: Sequence[Any]) -> JournalEntry:
        with self._translate_errors("read"):
            return placed_entry(values)

    @contextmanager
    def _translate_errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self.failure(error, doing) from error
        except ValueError as error:
            raise BatchError(f"{self.path}: the journal cannot be {doing}: {ADVICE_DAMAGED}: {error}") from error

    def failure(self, error: sqlite3.Error, doing: str) -> BatchError:
        """The BatchError for a fault of the database, with what to do."""
        return BatchError(f"{self.path}: the journal cannot be {doing}: {advice_on(error)}")


_DOUBT = {"type": "BatchError", "message": "in doubt: sent, no answer recorded", "maybe_received": True}

def _create(path: Path) -> None:
    """A new, empty file for its owner's eyes only, durable as a name too."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise BatchError(f"{path}: the journal cannot be created: {error.strerror}") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
