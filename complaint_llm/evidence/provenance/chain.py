"""The provenance records of one process in their order: each is linked to the one before it, then written in a group.

Both happen after the answer was given: an answer's caller pays for putting its record in line, and for more only when
it asks for the record's name.
"""

from __future__ import annotations

import atexit
import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from complaint_llm.evidence.index.database import Database, StoreBusyError
from complaint_llm.evidence.index.tables import insert_provenance, insert_text
from complaint_llm.evidence.ipld.cid import DAG_CBOR, Cid, name_of, parse_cid
from complaint_llm.evidence.ipld.dagcbor import encode_link, link_to
from complaint_llm.evidence.provenance.record import Draft, Text
from complaint_llm.exceptions import EvidenceError

GATHER_SECONDS = 0.05
"""How long the writer collects records before it commits them together; a crash can lose those."""

_INHERITED_SECONDS = 1.0
"""How long a forked child waits for a record of its parent, whose threads it does not have."""

_MOST_WAITING = 256
_MOST_LINKED = 10_000
"""Records in line, and made but unwritten, beyond which whoever adds one helps or waits: a bound for memory."""

_CLOSED = "the provenance log is closed"

_Linked = tuple[bytes, bytes, Sequence[Text]]


class Recorded:
    """One record in line. ``cid``, or calling it, gives its name, and makes it if it was not yet. Any thread may.

    It compares, prints and pickles as its CID does.
    """

    __slots__ = ("_chain", "error", "make", "name")

    def __init__(self, chain: Chain, make: Callable[[], Draft]) -> None:
        self._chain = chain
        self.make: Callable[[], Draft] | None = make
        self.name: str | None = None
        self.error: Exception | None = None

    @property
    def cid(self) -> str:
        """The record's CID. Raises EvidenceError if it could not be made."""
        if self.name is None and self.error is None:
            self._chain.link(self)
        if self.name is None:
            raise EvidenceError(f"the provenance of this answer cannot be recorded: {self.error}") from self.error
        return self.name

    def __call__(self) -> str:
        return self.cid

    def __str__(self) -> str:
        return self.cid

    def __repr__(self) -> str:
        return repr(self.cid)

    def __eq__(self, other: object) -> bool:
        return self.cid == (other.cid if isinstance(other, Recorded) else other)

    def __hash__(self) -> int:
        return hash(self.cid)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.cid,)


class Chain:
    """Links and writes the records of one process. Any thread may call it.

    ``_lock`` guards the linking, what was linked and not yet written, and the start of the thread; it is not held over
    the disk. ``_waiting`` grows at one end without it: what is in line first is linked first. The thread starts with
    the first record, and also ends when the program does.
    """

    def __init__(self, database: Database, full: bool) -> None:
        with database.transaction("read") as connection:
            own = "SELECT cid FROM provenance WHERE source IS NULL ORDER BY seq DESC LIMIT 1"
            newest = connection.execute(own).fetchone()
        self.process = os.getpid()
        self._database = database
        self._full = full
        self._previous = b"\xf6" if newest is None else encode_link(parse_cid(newest[0]))
        self._lock = Lock()
        self._waiting: deque[Recorded] = deque()
        self._linked: list[_Linked] = []
        self._flushes: list[Event] = []
        # Says whether to hurry. A queue, and not an Event, for ``end``: its put may come while it is in another put.
        self._signals: SimpleQueue[bool] = SimpleQueue()
        self._told = False
        self._thread: Thread | None = None
        self._closed = False
        self._unwritten: Exception | None = None
        self._unmade: Exception | None = None

    def append(self, recorded: Recorded) -> None:
        """Put a record in line. Raises EvidenceError if the log is closed or could not write an earlier one."""
        thread = self._thread
        if thread is None or self._unwritten is not None or self._closed:
            thread = self._begin()
        self._waiting.append(recorded)
        if not self._told:
            self._told = True
            self._signals.put(False)
        if len(self._waiting) > _MOST_WAITING:
            self._catch_up()
        if self._closed:
            thread.join()
            if recorded.make is not None:
                raise EvidenceError(_CLOSED)  # closed in between, after the thread looked for the last time

    def link(self, last: Recorded | None = None) -> None:
        """Make what is in line up to ``last``, or all of it."""
        inherited = self.process != os.getpid()
        if not self._lock.acquire(timeout=_INHERITED_SECONDS if inherited else -1):
            raise EvidenceError("the process that recorded this answer was forked while it did: ask it there")
        try:
            # Not what comes meanwhile: others want the lock, too.
            for _ in range(len(self._waiting)):
                self._make(self._waiting.popleft())
                if last is not None and last.make is None:
                    break
        finally:
            self._lock.release()

    def flush(self) -> None:
        """Wait until all that was recorded is on disk. Raises EvidenceError if it could not be made or written."""
        if self.process == os.getpid() and not self._closed:
            self._wait()
        self._check()

    def close(self) -> None:
        """Write what waits and end the thread. May be called again. Raises as ``flush``."""
        if self.process != os.getpid():
            return
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._signals.put(True)
            self._thread.join()
        self._check()

    def end(self) -> None:
        """Let the thread write what waits and end, without waiting for it. For the garbage collector: takes no lock."""
        self._closed = True
        self._signals.put(True)

    def _make(self, recorded: Recorded) -> None:
        make, recorded.make = recorded.make, None
        assert make is not None
        try:
            template, before, after, texts = make()
            data = template % (*before, self._previous, *after)
        except Exception as error:  # noqa: BLE001 - kept: it is raised where this record is asked for, and by flush
            recorded.error = error
            self._unmade = self._unmade or error
            return
        digest = sha256(data).digest()
        self._previous = link_to(DAG_CBOR, digest)
        self._linked.append((digest, data, texts if self._full else ()))
        recorded.name = name_of(DAG_CBOR, digest)

    def _catch_up(self) -> None:
        """For those who record faster than the thread links and writes: help it, or wait for it."""
        self.link()
        if len(self._linked) > _MOST_LINKED:
            self._wait()

    def _wait(self) -> None:
        thread = self._thread
        if thread is not None:
            written = Event()
            with self._lock:
                self._flushes.append(written)
            self._signals.put(True)
            while not written.wait(1) and thread.is_alive():
                pass

    def _begin(self) -> Thread:
        with self._lock:
            if self._unwritten is not None:
                raise _failure(self._unwritten)
            if self._closed:
                raise EvidenceError(_CLOSED)
            if self._thread is None:
                thread = Thread(target=self._run, name="complaint_llm-provenance", daemon=True)
                thread.start()
                atexit.register(self.close)
                self._thread = thread
            return self._thread

    def _check(self) -> None:
        error = self._unwritten or self._unmade
        if error is not None:
            raise _failure(error)

    def _run(self) -> None:
        ending = False
        while not ending:
            if not self._signals.get():
                with suppress(Empty):
                    self._signals.get(timeout=GATHER_SECONDS)
            self._told = False
            ending = self._closed
            self.link()
            with self._lock:
                linked, self._linked = self._linked, []
                flushes, self._flushes = self._flushes, []
            try:
                self._write(linked)
            except Exception as error:  # noqa: BLE001 - kept: every later call of the log raises it
                self._unwritten = error
            for written in flushes:
                written.set()
        atexit.unregister(self.close)

    def _write(self, entries: Sequence[_Linked]) -> None:
        while entries and self._unwritten is None:
            try:
                self._commit(entries)
            except StoreBusyError:
                # A long collection is no reason to lose records; whoever closes does not wait for it twice.
                if self._closed:
                    raise
            else:
                return

    def _commit(self, entries: Sequence[_Linked]) -> None:
        with self._database.transaction("shared") as connection:
            for digest, data, texts in entries:
                insert_provenance(connection, Cid(DAG_CBOR, digest), data, None)
                for codec, text_digest, text in texts:
                    insert_text(connection, Cid(codec, text_digest), text)


def _failure(error: Exception) -> EvidenceError:
    failure = EvidenceError(f"provenance could not be written: {error}")
    failure.__cause__ = error
    return failure
