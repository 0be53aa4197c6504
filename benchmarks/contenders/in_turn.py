"""Every policy, and a backend that is known to be down, in one process, in turn.

What differs is the policy, not where a process happens to lie.

Started with FAST CUT REFUSED ROUNDS (three base URLs, a number); prints, as JSON, what each policy adds in each round,
and how many prompts were asked. A script of its own, as worker.py is: it has to find the installed package, not the
source tree.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import count, islice, repeat
from typing import Any

from with_complaint_llm import call, known_down, pair, repeated
from worker import START, prompt

CALLS = 200
IN_A_ROW = 20
TIMES = 4
"""Measurements of the caller's thread for one of the process: they are short, and a few microseconds are wanted."""
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
BOTH_UP, KNOWN_DOWN = "two backends, both up", "first backend known to be down"
WITHOUT = {name: DEFAULT for name in POLICIES if name != DEFAULT} | {LOOK_UP: CUT, KNOWN_DOWN: BOTH_UP}
"""What each is compared with."""

Generate = Callable[[str], str]


def main() -> None:
    fast, cut, refused, rounds = *sys.argv[1:4], int(sys.argv[4])
    asked = {name: call(fast, dict(keys), dict(settings)) for name, (keys, settings) in POLICIES.items()}
    asked |= {name: call(cut, dict(keys), dict(settings)) for name, (keys, settings) in OF_CUT_ANSWERS.items()}
    down = known_down(refused, fast)
    asked |= {BOTH_UP: pair(fast, fast), KNOWN_DOWN: down.generate}
    number = count()
    fresh = map(prompt, number)
    for generate in asked.values():
        if not all(generate(next(fresh)).startswith(START) for _ in range(CALLS)):
            raise RuntimeError("an answer was lost or wrong")
    caller: dict[str, list[float]] = {name: [] for name in WITHOUT}
    whole: dict[str, list[float]] = {name: [] for name in WITHOUT}
    for each in range(rounds):
        order = list(asked)
        random.Random(each).shuffle(order)
        for _ in range(TIMES):
            mine = _thread_times(asked, order, fresh)
            _extra(mine, caller)
        # Measured apart: as a difference of whole processes a few microseconds would drown in the noise of hundreds.
        others = _left_to_others(asked, order, fresh)
        _extra({name: mine[name] + others[name] for name in order}, whole)
    skipped = down.infer(next(fresh)).attempts[0].error
    if skipped is None or "circuit open" not in skipped:
        raise RuntimeError(f"the first backend was not passed over: {skipped}")
    again = repeated(fast, CACHED)
    hits = [statistics.median(_each(again, repeat("", CALLS))) for _ in range(rounds)]
    print(json.dumps({"caller": caller, "whole": whole, "hits": hits, "asked": next(number) + 2}))


def _thread_times(asked: Mapping[str, Generate], order: Sequence[str], fresh: Iterator[str]) -> Mapping[str, float]:
    """Seconds of the caller's CPU that a call takes, the median of some; the policies in turn, some calls of each."""
    taken: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(CALLS // IN_A_ROW):
        for name in order:
            taken[name] += _each(asked[name], islice(fresh, IN_A_ROW))
    return {name: statistics.median(row) for name, row in taken.items()}


def _left_to_others(asked: Mapping[str, Generate], order: Sequence[str], fresh: Iterator[str]) -> Mapping[str, float]:
    """Seconds of CPU a call that other threads than the caller's take, until nothing is left to be done."""
    taken = {}
    for name in order:
        batch, generate = list(islice(fresh, CALLS)), asked[name]
        start, own = time.process_time(), time.thread_time()
        for each in batch:
            generate(each)
        time.sleep(QUIET)
        taken[name] = (time.process_time() - start - (time.thread_time() - own)) / CALLS
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


if __name__ == "__main__":
    main()
