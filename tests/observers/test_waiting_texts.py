"""Prompts wait for their digest while that is soon made, and else not: memory stays bounded whoever is slow."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

from complaint_llm import Mediator
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.messages import Message
from complaint_llm.observers.call_end import CallEnd, CallObserver
from complaint_llm.observers.event_queue import MOST_WITH_TEXTS
from complaint_llm.testing.mock import MockBackend

CALLS = 3 * MOST_WITH_TEXTS


class Prompt(str):  # noqa: SLOT000 - it is referred to weakly
    """A text that can be seen to go."""


class Waits(CallObserver):
    """Wants digests, and takes long."""

    digests = True

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.began = threading.Event()
        self.digests_found: set[int | None] = set()

    def calls(self, ends: Sequence[CallEnd]) -> None:
        self.began.set()
        self.go_on.wait(60)
        self.digests_found |= {each.start.digest for each in ends}


def ask(mediator: Mediator, count: int) -> weakref.WeakSet[Prompt]:
    """Those of so many prompts that are still somewhere when all were answered."""
    left: weakref.WeakSet[Prompt] = weakref.WeakSet()
    for number in range(count):
        prompt = Prompt(f"What is {number}?")
        left.add(prompt)
        mediator.infer([Message("user", prompt)])
    return left


def test_behind_a_slow_observer_wait_digests() -> None:
    """Beyond so many calls a prompt is let go; each digest is told all the same."""
    waits = Waits()
    with Mediator([MockBackend(id="m", echo=True)], observers=[waits]) as mediator:
        mediator.infer("first")
        assert waits.began.wait(60)
        left = ask(mediator, CALLS)
        assert MOST_WITH_TEXTS <= len(left) <= MOST_WITH_TEXTS + 1  # the mock has the last one
        waits.go_on.set()
    assert len(waits.digests_found) == CALLS + 1


def test_behind_a_file_that_cannot_be_written_wait_digests(tmp_path: Path) -> None:
    """Rows wait for it, and no prompt."""
    full = [True]

    def open_file(path: Path) -> sqlite3.Connection:
        if full[0]:
            raise OSError("no space left on device")
        return open_ledger(path)

    from complaint_llm.ledger.file import open_ledger  # the same that is the default

    waits = Waits()
    waits.go_on.set()
    ledger = LedgerObserver(tmp_path / "l.db", open_file=open_file)
    ends: list[CallEnd] = []
    waits.calls = ends.extend  # type: ignore[method-assign]
    with Mediator([MockBackend(id="m", echo=True)], observers=[waits]) as mediator:
        left = ask(mediator, 50)
    assert len(left) == 50
    ledger.calls(ends)
    ledger.flush()
    ledger.calls(ends)
    ends.clear()
    assert len(left) <= 1  # the mock has the last one
    full[0] = False
    ledger.close()
    with sqlite3.connect(tmp_path / "l.db") as db:
        assert db.execute("SELECT count(*), count(DISTINCT digest) FROM calls").fetchone() == (100, 50)
