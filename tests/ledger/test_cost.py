"""What a ledger adds to a call, in processor time, against a yardstick of the same run: hashing 10 kB by SHA-256."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from complaint_llm import Mediator
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.observers.observer import AnswerEvent, Observer
from complaint_llm.testing.mock import MockBackend
from tests.sampled import ALL

ROUNDS = 1000 if ALL else 100
MOST_OF_CALLER = 3.0
MOST_OF_BOTH = 4.5
"""Hashes of 10 kB: what a call's own thread does for its row, and that with what writes it. It should be one."""
EVENTS = 2_000


class Gathers(Observer):
    """The events of which a ledger makes its rows."""

    digests = True
    sole_attempts = False

    def __init__(self) -> None:
        self.answers: list[AnswerEvent] = []

    def answer(self, event: AnswerEvent) -> None:
        self.answers.append(event)


def least(*works: Callable[[], object], times: int, rounds: int) -> list[float]:
    """CPU time of this thread for one call of each, the least of many rounds that are made in turn."""
    best = [1e9] * len(works)
    for _ in range(rounds):
        for at, work in enumerate(works):
            work()
            began = time.thread_time()
            for _ in range(times):
                work()
            best[at] = min(best[at], (time.thread_time() - began) / times)
    return best


def test_a_row_costs_little_beside_a_call(tmp_path: Path) -> None:
    """What a call's own thread does more, and what a row takes from the event to the file, for one of many."""
    page = bytes(10_000)
    prompt = "What is a notice to quit?"
    gathers = Gathers()
    with ExitStack() as stack:
        plain = stack.enter_context(Mediator([MockBackend(id="m", echo=True)]))
        kept = stack.enter_context(
            Mediator([MockBackend(id="m", echo=True)], ledger={"path": str(tmp_path / "calls.db")})
        )
        off, on, a_hash = least(
            lambda: plain.generate(prompt),
            lambda: kept.generate(prompt),
            lambda: hashlib.sha256(page).digest(),
            times=30,
            rounds=ROUNDS,
        )
        telling = stack.enter_context(Mediator([MockBackend(id="m", echo=True)], observers=[gathers]))
        for _ in range(EVENTS):
            telling.generate(prompt)
    rows = iter([LedgerObserver(tmp_path / f"{number}.db") for number in range(20)])

    def write() -> None:
        ledger = next(rows)
        for event in gathers.answers:
            ledger.answer(event)
        ledger.close()

    (writing,) = least(write, times=1, rounds=5)
    assert len(gathers.answers) == EVENTS
    caller, row = (on - off) / a_hash, writing / EVENTS / a_hash
    print(f"caller {caller:.2f}, row {row:.2f} hashes of {a_hash * 1e6:.1f} µs")
    assert caller <= MOST_OF_CALLER
    assert caller + row <= MOST_OF_BOTH
