"""What each policy adds to a call when it is switched on: in the caller's thread, and in the whole process."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice, repeat
from typing import Any

from benchmarks.contenders.with_complaint_llm import call, repeated
from benchmarks.contenders.worker import START, prompt
from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

CALLS = 200
IN_A_ROW = 20
QUIET = 0.2
"""Seconds in which what a call leaves to other threads is done: provenance gathers for 0.05 s before it commits."""

PRICED = {"pricing": {"input": 1.0, "output": 4.0}}
CACHED = {"cache_enabled": True, "cache_size": 1000}
DEFAULT, CUT = "the default", "the default, a cut answer"
LOOK_UP = "cache look-up"
# Policy: keys of the backend, settings of the MEDIATOR. The breaker is on in all of them, as by default.
POLICIES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    DEFAULT: ({}, {}),
    "rate limit": ({"rate_limit": 10_000_000}, {}),
    "token limit": ({"tokens_per_minute": 10_000_000_000}, {}),
    "concurrency limit": ({"max_concurrency": 64}, {}),
    "budget": (PRICED, {"budget": 1_000_000}),
    "cache look-up and store": (CACHED, {}),
    "provenance digests": ({}, {"provenance": "digests"}),
}
# A cut answer is looked for and never kept: what is left is the look-up.
OF_CUT_ANSWERS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    CUT: ({}, {"on_truncation": "ignore"}),
    LOOK_UP: (CACHED, {"on_truncation": "ignore"}),
}
WITHOUT = {name: DEFAULT for name in POLICIES if name != DEFAULT} | {LOOK_UP: CUT}
"""What each is compared with."""

Generate = Callable[[str], str]


def tables(options: Options) -> Sequence[Table]:
    """All policies in one process, in turn: what differs is the policy, not where a process happens to lie."""
    with Server() as server:
        base = server.urls.fast
        asked = {name: call(base, dict(keys), dict(settings)) for name, (keys, settings) in POLICIES.items()}
        for name, (keys, settings) in OF_CUT_ANSWERS.items():
            asked[name] = call(server.urls.cut, dict(keys), dict(settings))
        fresh = map(prompt, count())
        for generate in asked.values():
            if not all(generate(next(fresh)).startswith(START) for _ in range(CALLS)):
                raise RuntimeError("an answer was lost or wrong")
        caller: dict[str, list[float]] = {name: [] for name in WITHOUT}
        whole: dict[str, list[float]] = {name: [] for name in WITHOUT}
        for number_of_round in range(options.rounds):
            order = list(asked)
            random.Random(number_of_round).shuffle(order)
            _extra(_thread_times(asked, order, fresh), caller)
            _extra(_process_times(asked, order, fresh), whole)
        before = server.counts()[0][0]
        again = repeated(base, CACHED)
        hits = [statistics.median(_each(again, repeat("", CALLS))) for _ in range(options.rounds)]
        if server.counts()[0][0] != before + 1:
            raise RuntimeError("the cache did not answer: the server was asked again")
    took = figures({"cache hit": hits}, None)
    return [
        _table(caller, "the caller's thread", 15, [name for name in WITHOUT if "store" not in name]),
        _table(whole, "the whole process, with what is left to other threads", 60, list(WITHOUT)),
        Table("An answer from the cache, 1 KB prompt: CPU", "µs", 1e6, took, [Limit("cache hit", 30, of="figure")]),
    ]


def _thread_times(asked: Mapping[str, Generate], order: Sequence[str], fresh: Iterator[str]) -> Mapping[str, float]:
    """Seconds of the caller's CPU that a call takes, the median of some; the policies in turn, some calls of each."""
    taken: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(CALLS // IN_A_ROW):
        for name in order:
            taken[name] += _each(asked[name], islice(fresh, IN_A_ROW))
    return {name: statistics.median(row) for name, row in taken.items()}


def _process_times(asked: Mapping[str, Generate], order: Sequence[str], fresh: Iterator[str]) -> Mapping[str, float]:
    """Seconds of CPU a call, of all threads, until nothing is left to be done."""
    taken = {}
    for name in order:
        batch, generate = list(islice(fresh, CALLS)), asked[name]
        start = time.process_time()
        for each in batch:
            generate(each)
        time.sleep(QUIET)
        taken[name] = (time.process_time() - start) / CALLS
    return taken


def _extra(taken: Mapping[str, float], found: Mapping[str, list[float]]) -> None:
    """Add one round: what a call took beyond one without the policy."""
    for name, row in found.items():
        row.append(taken[name] - taken[WITHOUT[name]])


def _each(work: Generate, given: Iterable[str]) -> Iterator[float]:
    for each in given:
        start = time.thread_time()
        work(each)
        yield time.thread_time() - start


def _table(extra: Mapping[str, Sequence[float]], where: str, limit: float, limited: Sequence[str]) -> Table:
    title = f"A policy switched on, 1 KB prompt: extra CPU a call in {where}"
    return Table(title, "µs", 1e6, figures(extra, None), [Limit(name, limit, of="figure") for name in limited])


if __name__ == "__main__":
    run(__doc__ or "", tables)
