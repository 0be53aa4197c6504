"""The yardstick of every absolute limit: OpenSSL's SHA-256 of 4 KiB, timed in the same run.

The first limits were microseconds on a machine on which requests' call took 624.2 µs. What the yardstick took there was
not measured; ``CALL`` is requests' call in yardsticks, measured with both in one run, so that
``converted(seconds)`` says a limit of that machine in yardsticks of any. requests' own figure stands beside each row
that has it, so the conversion can be measured again: ``python -m benchmarks yardstick``.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Sequence

from benchmarks import peers
from benchmarks.measure import Contender, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

BLOCK = b"c" * 4096
TIMES = 2000
OLD_CALL = 624.2e-6
"""Seconds of CPU of requests' call on the machine of the first limits."""
CALL = 300.0
"""requests' call in yardsticks: the lowest of forty rounds (306 to 443), so that no limit is looser than before."""


def seconds() -> float:
    """CPU seconds of one SHA-256 of 4 KiB now: the median of nine rounds."""

    def once() -> float:
        start = time.process_time()
        for _ in range(TIMES):
            hashlib.sha256(BLOCK).digest()
        return (time.process_time() - start) / TIMES

    return statistics.median(once() for _ in range(9))


def converted(limit: float) -> float:
    """A limit in seconds of the machine of the first limits, in yardsticks."""
    return limit / OLD_CALL * CALL


def limit(contender: str, old: float) -> Limit:
    """A limit given in seconds of the old machine."""
    return Limit(contender, converted(old), of="yardstick")


def tables(options: Options) -> Sequence[Table]:
    yards: list[float] = []
    with Server() as server:
        asked: list[Contender] = peers.yardsticks(server.urls)[:1]
        calls: list[float] = []
        for _ in range(options.rounds):
            before = seconds()
            (row,) = interleaved(asked, "each", 300, 1).samples.values()
            yards.append((before + seconds()) / 2)
            calls.append(row[0].cpu / row[0].n)
    found = figures({"SHA-256 of 4 KiB": yards, "requests": calls}, "SHA-256 of 4 KiB")
    note = f"Limits are converted with {CALL:g} yardsticks a call of requests, which was 624.2 µs."
    return [Table("The yardstick, and requests' call in it: CPU", "µs", 1e6, found, (), note)]


if __name__ == "__main__":
    run(__doc__ or "", tables)
