"""What a ledger adds to a call, in processor time, against a yardstick of the same run: hashing 10 kB by SHA-256."""

from __future__ import annotations

import hashlib
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.observers.call_end import CallEnd, CallObserver
from complaint_llm.testing.mock import MockBackend

ROUNDS = 1000
MOST = 1.25
"""Hashes of 10 kB: what a call's own thread does for its row, and what writes it, together. It is 1.0 to 1.1."""
MOST_OF_CALLER = 0.7
MOST_CALLS = 5
"""Functions that it enters: it is 4."""
AT_ONCE, TIMES = 1_000, 30


class Gathers(CallObserver):
    """The calls of which a ledger makes its rows."""

    digests = True

    def __init__(self) -> None:
        self.ends: list[CallEnd] = []

    def calls(self, ends: object) -> None:
        self.ends += ends  # type: ignore[operator]


def cpu(work: Callable[[], object], times: int) -> float:
    """CPU time of this thread for one call of it."""
    began = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - began) / times


def python_calls(work: Callable[[], object]) -> int:
    """How many functions of Python's this thread enters in it."""
    entered = 0

    def note(frame: FrameType, event: str, given: object) -> None:
        nonlocal entered
        entered += event == "call"

    work()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize("given", [{}, {"matter": "2026-0417"}, {"temperature": 0.5}], ids=str)
def test_a_call_s_own_thread_does_little_for_its_row(given: dict[str, Any], tmp_path: Path) -> None:
    """It hands over what it has at hand: the digest, the name and the row are made by the thread that writes."""
    with (
        Mediator([MockBackend(id="m", echo=True)]) as plain,
        Mediator([MockBackend(id="m", echo=True)], ledger={"path": str(tmp_path / "calls.db")}) as kept,
    ):
        off, on = (python_calls(partial(each.generate, "What is a notice to quit?", **given)) for each in (plain, kept))
    assert 0 < on - off <= MOST_CALLS


@pytest.mark.endurance
def test_a_row_costs_at_most_the_hash_of_a_page(tmp_path: Path) -> None:
    """What a call's own thread does more, and what a row takes from there to the file, for one of many.

    Each by the least of many rounds that are made in turn.
    """
    page = bytes(10_000)
    prompt = "What is a notice to quit?"
    gathers = Gathers()
    with Mediator([MockBackend(id="m", echo=True)], observers=[gathers]) as telling:
        for _ in range(AT_ONCE):
            telling.generate(prompt)
    assert len(gathers.ends) == AT_ONCE
    ledger = LedgerObserver(tmp_path / "rows.db")
    written = 0

    def write_rows(later: int) -> float:
        ends = [each._replace(time=each.time + later) for each in gathers.ends]
        return cpu(lambda: ledger.calls(ends), 1) / AT_ONCE

    with ExitStack() as stack:
        stack.callback(ledger.close)
        plain = stack.enter_context(Mediator([MockBackend(id="m", echo=True)]))
        kept = stack.enter_context(
            Mediator([MockBackend(id="m", echo=True)], ledger={"path": str(tmp_path / "calls.db")})
        )
        works = (lambda: plain.generate(prompt), lambda: kept.generate(prompt), lambda: hashlib.sha256(page).digest())
        least = [1e9] * 4
        for made in range(ROUNDS):
            for at, work in enumerate(works):
                work()
                least[at] = min(least[at], cpu(work, TIMES))
            if made % 10 == 0:
                written += AT_ONCE
                least[3] = min(least[3], write_rows(1000 * made))
    off, on, a_hash, row = least
    caller, both = (on - off) / a_hash, (on - off + row) / a_hash
    print(f"caller {caller:.2f}, caller and row {both:.2f} hashes of {least[2] * 1e6:.1f} µs")
    with closing(sqlite3.connect(tmp_path / "rows.db")) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (written,)
    assert caller <= MOST_OF_CALLER
    assert both <= MOST
