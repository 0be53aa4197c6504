"""What the journal costs: 2,000 prompts at 50 ms with 64 and 256 workers, and at 0 ms, with and without a journal.

The runs alternate in one process; ratios are medians of the ratios of neighbours. ``ideal`` is ceil(prompts / workers)
x latency. The disk's fsync time stands beside it, because every answer waits for one.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.server import Server
from complaint_llm.backends import OpenAIBackend
from complaint_llm.batch import run_batch
from complaint_llm.messages import InferenceOutput, Prompt


class Case(NamedTuple):
    """A latency in ms, a number of workers, and what is allowed: times ideal, and journal on by off."""

    latency: int
    workers: int
    times_ideal: float | None
    times_off: float | None


# With few workers and no latency a commit holds few answers, and the disk is most of it: shown, not limited.
CASES = (Case(50, 64, 1.10, 1.15), Case(50, 256, 1.70, None), Case(0, 64, None, 1.30), Case(0, 8, None, None))


def once(url: str, prompts: int, workers: int, journal: Path | None) -> float:
    """Seconds for one batch with a fresh journal, or without one."""
    with OpenAIBackend(base_url=url, api_key="none", model="m", timeout=60) as backend:

        def ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
            answer: InferenceOutput = backend.infer(prompt, **params)
            return answer

        begin = time.perf_counter()
        with run_batch(
            ask, (f"Extract the claims of case {i}." for i in range(prompts)), max_workers=workers, journal=journal
        ) as run:
            for result in run:
                if result.error is not None:
                    raise result.error
        took = time.perf_counter() - begin
    if journal is not None:
        journal.unlink()
    return took


def fsync_ms(folder: Path, times: int = 200) -> tuple[float, float]:
    """Median and 95th percentile of writing 4 KiB and forcing it to disk, in ms."""
    path, taken = folder / "fsync", []
    with path.open("wb", buffering=0) as file:
        for _ in range(times):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - begin) * 1000)
    path.unlink()
    taken.sort()
    return statistics.median(taken), taken[int(0.95 * times)]


def verdict(value: float, allowed: float | None) -> str:
    """What is said of a figure that has a limit."""
    return "" if allowed is None else f" (allowed {allowed}: {'held' if value <= allowed else 'MISSED'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where the journal is written; a temporary folder otherwise")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(Server(50))
        median, slow = fsync_ms(folder)
        print(f"fsync of 4 KiB: median {median:.2f} ms, 95 % within {slow:.2f} ms; {given.rounds} rounds")
        for case in CASES:
            url = server.urls.slow if case.latency else server.urls.fast
            off, on = [], []
            load = os.getloadavg()[0]
            for _ in range(given.rounds):
                off.append(once(url, given.prompts, case.workers, None))
                on.append(once(url, given.prompts, case.workers, folder / "run.journal"))
            ratios = sorted(b / a for a, b in zip(off, on, strict=True))
            ratio = statistics.median(ratios)
            print(
                f"{case.latency:3d} ms, {case.workers:3d} workers: off {statistics.median(off):.3f} s, "
                f"on {statistics.median(on):.3f} s, journal x {ratio:.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}"
                f"{verdict(ratio, case.times_off)}; load {load:.1f} on {os.cpu_count()} cores"
            )
            if case.latency:
                ideal = math.ceil(given.prompts / case.workers) * case.latency / 1000
                times = statistics.median(on) / ideal
                print(f"    with journal {times:.2f} x ideal {ideal:.2f} s{verdict(times, case.times_ideal)}")


if __name__ == "__main__":
    main()
