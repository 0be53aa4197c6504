"""What a ledger adds to a call, in processor time of all threads, against a yardstick of the same run."""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from pathlib import Path

from complaint_llm import Mediator
from complaint_llm.testing.mock import MockBackend
from tests.sampled import ALL

ROUNDS, CALLS = (8, 10_000) if ALL else (5, 2_000)
MOST = 15.0
"""Times the hashing of 10 kB: what it comes to at most on a machine that others keep busy. It should be once."""


def processor_seconds(mediator: Mediator) -> float:
    """Of one call, with what the ledger writes of it."""
    began = time.process_time()
    for _ in range(CALLS):
        mediator.generate("What is a notice to quit?")
    return (time.process_time() - began) / CALLS


def test_a_row_costs_little_beside_a_call(tmp_path: Path) -> None:
    """The best of several rounds with and without a ledger, taken in turns."""
    page = bytes(10_000)
    off: list[float] = []
    on: list[float] = []
    yardstick: list[float] = []
    with ExitStack() as stack:
        plain = stack.enter_context(Mediator([MockBackend(id="m", echo=True)]))
        ledger = {"path": str(tmp_path / "l.db")}
        kept = stack.enter_context(Mediator([MockBackend(id="m", echo=True)], ledger=ledger))
        for _ in range(ROUNDS):
            off.append(processor_seconds(plain))
            on.append(processor_seconds(kept))
            began = time.process_time()
            for _ in range(CALLS):
                hashlib.sha256(page).digest()
            yardstick.append((time.process_time() - began) / CALLS)
    added = min(on) - min(off)
    print(f"added {added * 1e6:.1f} µs to {min(off) * 1e6:.1f} µs; hashing {min(yardstick) * 1e6:.1f} µs")
    assert added < MOST * min(yardstick)
