"""Writes of several threads in one transaction: each durable when it returns, an error of one its own alone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.index.database import Database, StoreBusyError, Transaction
from complaint_llm.evidence.index.group_commit import GroupCommit
from complaint_llm.evidence.index.tables import insert_text
from complaint_llm.evidence.ipld.cid import RAW, cid_of
from complaint_llm.exceptions import EvidenceError
from tests import forked

TIMES_OUT = 30
Do = Callable[[Transaction], str]
Kind = Literal["read", "shared", "exclusive"]
NAMES = [f"text {number}" for number in range(10)]


class Writers:
    """A group whose first write waits inside its transaction until ``go``, while others come into line."""

    def __init__(self, database: Database, first: Do) -> None:
        self.group = GroupCommit(database)
        self.go = threading.Event()
        began = threading.Event()

        def lead(connection: Transaction) -> str:
            began.set()
            assert self.go.wait(TIMES_OUT)
            return first(connection)

        self.first = self._start(lead)
        assert began.wait(TIMES_OUT)

    def _start(self, do: Do) -> Future[str]:
        future: Future[str] = Future()

        def write() -> None:
            try:
                future.set_result(self.group.write(do))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=write, daemon=True).start()
        return future

    def add(self, *others: Do) -> list[Future[str]]:
        """The writes, when all are in line, in their order."""
        found = []
        for do in others:
            before = self.group.queue_length
            found.append(self._start(do))
            wait_for(lambda before=before: self.group.queue_length > before)
        return found

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *_: object) -> None:
        self.go.set()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMES_OUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def keep(name: str) -> Do:
    """A write that keeps a text, and gives its name."""

    def do(connection: Transaction) -> str:
        insert_text(connection, cid_of(RAW, name.encode()), name.encode())
        return name

    return do


def fail(error: BaseException) -> Do:
    """A write that raises, after it has kept a text."""

    def do(connection: Transaction) -> str:
        keep("of one that fails")(connection)
        raise error

    return do


def kept(database: Database) -> set[str]:
    """The texts of the index, which are those of the log."""
    with database.transaction("read") as connection:
        found = {bytes(data).decode() for (data,) in connection.execute("SELECT data FROM texts")}
    assert {each.frame.data.decode() for each in database.log.frames() if each.frame is not None} == found
    return found


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each sync."""
    found: list[int] = []
    fsync = os.fsync

    def count(handle: int) -> None:
        found.append(handle)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", count)
    return found


def test_who_comes_while_another_commits_goes_with_the_next_group(store: EvidenceStore, synced: list[int]) -> None:
    """Whatever their number, there are two transactions and two syncs; each write has its own result, and is there."""
    before = len(synced)
    with Writers(store.database, keep("first")) as writers:
        others = writers.add(*map(keep, NAMES))
        writers.go.set()
        assert [each.result(TIMES_OUT) for each in (writers.first, *others)] == ["first", *NAMES]
    assert len(synced) - before == 2
    assert kept(store.database) == {"first", *NAMES}


def test_four_threads_that_add_evidence_wait_for_the_disk_together(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 40 records at least every fourth shares its sync with another; each is there when it is returned, and new."""
    synced: list[int] = []
    fsync = os.fsync

    def slow_fsync(handle: int) -> None:
        synced.append(handle)
        time.sleep(0.01)  # as a disk, so that the other threads come meanwhile
        fsync(handle)

    def submit(number: int) -> None:
        record = store.submit_evidence(b"%d" % number, "document")
        assert record["record_created"]
        assert store.retrieve_evidence(record["cid"]) == b"%d" % number

    monkeypatch.setattr(os, "fsync", slow_fsync)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(submit, range(40)))
    assert len(synced) <= 30
    assert store.verify().ok


@pytest.mark.parametrize("number", range(0, len(NAMES), 3))
@pytest.mark.parametrize(
    "error",
    [EvidenceError("damaged"), ValueError("no record"), sqlite3.IntegrityError("twice"), MemoryError()],
    ids=type,
)
def test_an_error_of_one_is_its_own_alone(store: EvidenceStore, number: int, error: Exception) -> None:
    """Wherever it stands in the group: it raises as it does by itself, nothing of it is kept, the others are."""
    writes = [fail(error) if place == number else keep(name) for place, name in enumerate(NAMES)]
    with pytest.raises((EvidenceError, ValueError, MemoryError)) as alone:
        GroupCommit(store.database).write(fail(error))
    with Writers(store.database, keep("first")) as writers:
        others = writers.add(*writes)
        writers.go.set()
        results = [each.exception(TIMES_OUT) or each.result() for each in others]
    assert (type(results[number]), str(results[number])) == (alone.type, str(alone.value))
    assert [result for place, result in enumerate(results) if place != number] == [
        name for place, name in enumerate(NAMES) if place != number
    ]
    assert kept(store.database) == {"first", *NAMES} - {NAMES[number]}


def test_a_leader_that_is_interrupted_takes_nobody_with_it(store: EvidenceStore) -> None:
    """Those in line behind it, and those it led, are stored; the next group finds somebody who leads."""
    with Writers(store.database, fail(KeyboardInterrupt())) as writers:
        others = writers.add(fail(KeyboardInterrupt()), *map(keep, NAMES))
        writers.go.set()
        assert [each.result(TIMES_OUT) for each in others[1:]] == NAMES
        for interrupted in (writers.first, others[0]):
            with pytest.raises(KeyboardInterrupt):
                interrupted.result(TIMES_OUT)
        assert writers.group.write(keep("after it")) == "after it"
    assert kept(store.database) == {*NAMES, "after it"}


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system interrupts no thread")
def test_one_that_is_interrupted_in_line_leaves_it(store: EvidenceStore) -> None:
    """Nothing of it is stored later; those before and behind it are."""
    with Writers(store.database, keep("first")) as writers:
        others = writers.add(keep(NAMES[0]))

        def interrupt(thread: int = threading.get_ident()) -> list[Future[str]]:
            wait_for(lambda: writers.group.queue_length == 2)
            behind = writers.add(keep(NAMES[1]))
            signal.pthread_kill(thread, signal.SIGINT)
            return behind

        with ThreadPoolExecutor(1) as beside:
            interrupting = beside.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                writers.group.write(keep("interrupted"))
            others += interrupting.result(TIMES_OUT)
        writers.go.set()
        assert [each.result(TIMES_OUT) for each in others] == NAMES[:2]
    assert kept(store.database) == {"first", *NAMES[:2]}


def test_that_others_hold_the_store_is_said_to_all_of_a_group_at_once(store: EvidenceStore) -> None:
    """Nobody's own error: none waits for them a second time."""
    tried: list[str] = []

    class Watched(Database):
        def transaction(self, kind: Kind, busy_timeout: float | None = None) -> AbstractContextManager[Transaction]:
            tried.append(kind)
            if len(tried) == 1:
                wait_for(lambda: group.queue_length == len(NAMES))
            return super().transaction(kind, busy_timeout)

    database = Watched(store.path, busy_timeout=0.01)
    group = GroupCommit(database)
    with store.database.transaction("exclusive"), ThreadPoolExecutor(len(NAMES) + 1) as threads:
        writes = [threads.submit(group.write, keep(name)) for name in ("first", *NAMES)]
        assert [type(write.exception(TIMES_OUT)) for write in writes] == [StoreBusyError] * len(writes)
    assert tried == ["shared"] * 2
    database.close()
    assert kept(store.database) == set()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_does_not_wait_for_a_leader_of_its_parent(store: EvidenceStore) -> None:
    """The thread that leads, and the line behind it, are not in the child: it writes by itself."""
    with Writers(store.database, keep("first")) as writers:
        others = writers.add(keep(NAMES[0]))
        child = os.fork()
        if child == 0:
            signal.alarm(TIMES_OUT)  # ends it if it waits for ever
            code = 1
            with suppress(BaseException):
                code = writers.group.write(keep("of the child")) != "of the child"
            os._exit(code)
        writers.go.set()
        assert others[0].result(TIMES_OUT) == NAMES[0]
        assert os.waitpid(child, 0)[1] == 0
    assert kept(store.database) == {"first", NAMES[0], "of the child"}


OPENING = """
import sys
from complaint_llm.evidence import EvidenceStore

opened = []
with EvidenceStore(sys.argv[1]) as store:
    store.submit_evidence(b"first", "document")
    sys.addaudithook(lambda event, values: event == "open" and opened.append(str(values[0])))
    for number in range(10):
        store.submit_evidence(b"%d" % number, "document")
print(len(opened))
"""


def test_a_record_opens_one_file(tmp_path: Path) -> None:
    """The log, once: a short content and its record are rows besides."""
    command = [sys.executable, "-c", OPENING, str(tmp_path / "e")]
    done = forked.run(command, capture_output=True, text=True, timeout=60, check=True, stderr=subprocess.STDOUT)
    assert done.stdout.split() == ["10"]
