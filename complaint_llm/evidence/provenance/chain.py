"""The provenance records of one process in their order: each is linked to the one before it, then written in a group.

Both happen after the answer was given: an answer's caller waits for its record only if it asks for the record's name.
"""

from __future__ import annotations

import atexit
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from complaint_llm.evidence.index.database import Database, StoreBusyError
from complaint_llm.evidence.index.tables import insert_provenance, insert_text
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.provenance.record import Draft, LateDraft, MadeRecord
from complaint_llm.exceptions import EvidenceError

GATHER_SECONDS = 0.05
"""How long the writer collects records before it commits them together; a crash can lose those."""

MAX_UNWRITTEN = 10_000
"""Records made but unwritten beyond which whoever adds one waits: a bound for memory."""

MAX_WAITING = 256
"""Records in line beyond which whoever adds one helps to make them."""

PORTION = 4
"""Records that the writer makes or writes, in a fifth of a millisecond, before it pauses: the interpreter is taken from
a thread that works only after 5 ms, and an answer that has come would wait for it."""

PAUSE_SECONDS = 0.0001
"""How long it then sleeps: long enough for another thread to wake up."""

_INHERITED_SECONDS = 1.0
"""How long a forked child waits for a record of its parent, whose threads it does not have."""

_CLOSED = "the provenance log is closed"


class ProvenanceRef:
    """One answer's record. ``cid``, or calling it, gives its name, and makes it if it was not yet. Any thread may.

    It compares, prints and pickles as its CID does.
    """

    __slots__ = ("_chain", "_cid", "_draft", "_error")

    def __init__(self, chain: Chain, draft: Draft | LateDraft) -> None:
        self._chain = chain
        self._draft: Draft | LateDraft | None = draft
        self._cid: Cid | None = None
        self._error: Exception | None = None

    @property
    def cid(self) -> str:
        """The record's CID. Raises EvidenceError if it could not be made."""
        if not self.is_made and self._error is None:
            self._chain.make_up_to(self)
        if self._cid is None:
            raise EvidenceError(f"the provenance of this answer cannot be recorded: {self._error}") from self._error
        return self._cid.name

    @property
    def is_made(self) -> bool:
        """Whether the record has its name already."""
        return self._cid is not None

    @property
    def is_in_line(self) -> bool:
        """Whether nobody has begun to make it yet."""
        return self._draft is not None

    def make(self, previous: Cid | None) -> MadeRecord | None:
        """Make the record, which follows ``previous``; None if it cannot be made, which ``error`` says then."""
        draft, self._draft = self._draft, None
        assert draft is not None
        try:
            made = draft.record(previous)
        except Exception as error:  # noqa: BLE001 - kept: it is raised where this record is asked for, and by flush
            self._error = error
            return None
        self._cid = made.block.cid
        return made

    @property
    def error(self) -> Exception | None:
        """Why the record could not be made."""
        return self._error

    def __call__(self) -> str:
        return self.cid

    def __str__(self) -> str:
        return self.cid

    def __repr__(self) -> str:
        return repr(self.cid)

    def __eq__(self, other: object) -> bool:
        return self.cid == (other.cid if isinstance(other, ProvenanceRef) else other)

    def __hash__(self) -> int:
        return hash(self.cid)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (self.cid,)


class Chain:
    """Links and writes the records of one process. Any thread may call it.

    ``_lock`` guards the linking, what was made and not yet written, and the start of the thread; it is not held over
    the disk. ``_waiting`` grows at one end without it: what is in line first is linked first. The thread starts with
    the first record, and also ends when the program does. It lets callers go first, but where somebody waits for it.
    """

    def __init__(
        self,
        database: Database,
        *,
        full: bool,
        gather_seconds: float,
        max_unwritten: int,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        with database.transaction("read") as connection:
            own = "SELECT cid FROM provenance WHERE source IS NULL ORDER BY seq DESC LIMIT 1"
            newest = connection.execute(own).fetchone()
        self.process = os.getpid()
        self._database = database
        self._full = full
        self._gather_seconds = gather_seconds
        self._max_unwritten = max_unwritten
        self._sleep = sleep
        self._previous = None if newest is None else parse_cid(newest[0])
        self._lock = Lock()
        self._waiting: deque[ProvenanceRef] = deque()
        self._made: list[MadeRecord] = []
        self._flushes: list[Event] = []
        # Says whether to hurry. A queue, and not an Event, for ``end``: its put may come while it is in another put.
        self._wake_ups: SimpleQueue[bool] = SimpleQueue()
        self._woken = False
        self._thread: Thread | None = None
        self._closed = False
        self._write_error: Exception | None = None
        self._make_error: Exception | None = None

    @property
    def queue_length(self) -> int:
        """Records in line, and made but not taken by the writer."""
        return len(self._waiting) + len(self._made)

    def append(self, ref: ProvenanceRef) -> None:
        """Put a record in line. Raises EvidenceError if the log is closed or could not write an earlier one."""
        thread = self._thread
        if thread is None or self._write_error is not None or self._closed:
            thread = self._begin()
        self._waiting.append(ref)
        if not self._woken:
            self._woken = True
            self._wake_ups.put(False)
        if len(self._waiting) > MAX_WAITING:
            self._catch_up()
        if self._closed:
            thread.join()
            if ref.is_in_line:
                raise EvidenceError(_CLOSED)  # closed in between, after the thread looked for the last time

    def make_up_to(self, last: ProvenanceRef | None = None) -> None:
        """Make what is in line up to ``last``, or all of it."""
        inherited = self.process != os.getpid()
        if not self._lock.acquire(timeout=_INHERITED_SECONDS if inherited else -1):
            raise EvidenceError("the process that recorded this answer was forked while it did: ask it there")
        try:
            # Not what comes meanwhile: others want the lock, too.
            for _ in range(len(self._waiting)):
                self._make(self._waiting.popleft())
                if last is not None and not last.is_in_line:
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
            self._wake_ups.put(True)
            self._thread.join()
        self._check()

    def end(self) -> None:
        """Let the thread write what waits and end, without waiting for it. For the garbage collector: takes no lock."""
        self._closed = True
        self._wake_ups.put(True)

    def _make(self, ref: ProvenanceRef) -> None:
        made = ref.make(self._previous)
        if made is None:
            self._make_error = self._make_error or ref.error
            return
        self._previous = made.block.cid
        self._made.append(made)

    def _catch_up(self) -> None:
        """For those who record faster than the thread makes and writes: help it, or wait for it."""
        self.make_up_to()
        if len(self._made) > self._max_unwritten:
            self._wait()

    def _wait(self) -> None:
        thread = self._thread
        if thread is not None:
            written = Event()
            with self._lock:
                self._flushes.append(written)
            self._wake_ups.put(True)
            while not written.wait(1) and thread.is_alive():
                pass

    def _begin(self) -> Thread:
        with self._lock:
            if self._write_error is not None:
                raise _failure(self._write_error)
            if self._closed:
                raise EvidenceError(_CLOSED)
            if self._thread is None:
                thread = Thread(target=self._write_groups, name="complaint_llm-provenance", daemon=True)
                thread.start()
                atexit.register(self.close)
                self._thread = thread
            return self._thread

    def _check(self) -> None:
        error = self._write_error or self._make_error
        if error is not None:
            raise _failure(error)

    def _write_groups(self) -> None:
        ending = False
        while not ending:
            if not self._wake_ups.get():
                with suppress(Empty):
                    self._wake_ups.get(timeout=self._gather_seconds)
            self._woken = False
            ending = self._closed
            self._make_in_portions()
            with self._lock:
                made, self._made = self._made, []
                waiting = len(self._flushes)
            try:
                self._write(made)
            except Exception as error:  # noqa: BLE001 - kept: every later call of the log raises it
                self._write_error = error
            with self._lock:
                written, self._flushes = self._flushes[:waiting], self._flushes[waiting:]
            for flush in written:
                flush.set()
        atexit.unregister(self.close)

    def _make_in_portions(self) -> None:
        """Make what is in line now."""
        left = len(self._waiting)
        while left > 0:
            with self._lock:
                # Those who ask for a record's name take from the line, too.
                for _ in range(min(PORTION, left, len(self._waiting))):
                    self._make(self._waiting.popleft())
            left -= PORTION
            self._let_others_go()

    def _let_others_go(self) -> None:
        if not self._flushes and not self._closed:
            self._sleep(PAUSE_SECONDS)

    def _write(self, records: Sequence[MadeRecord]) -> None:
        while records and self._write_error is None:
            try:
                self._commit(records)
            except StoreBusyError:
                # A long collection is no reason to lose records; whoever closes does not wait for it twice.
                if self._closed:
                    raise
            else:
                return

    def _commit(self, records: Sequence[MadeRecord]) -> None:
        with self._database.transaction("shared") as connection:
            for number, (block, texts) in enumerate(records, 1):
                if not number % PORTION:
                    self._let_others_go()
                insert_provenance(connection, block.cid, block.data, None)
                for text in texts if self._full else ():
                    insert_text(connection, text.cid, text.data)


def _failure(error: Exception) -> EvidenceError:
    failure = EvidenceError(f"provenance could not be written: {error}")
    failure.__cause__ = error
    return failure
