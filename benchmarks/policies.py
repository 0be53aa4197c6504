"""What each policy adds to a call when it is switched on: in the caller's thread, and in the whole process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import Contender, Sample, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

CALLS = 200
PRICED = {"pricing": {"input": 1.0, "output": 4.0}}
CACHED = {"cache_enabled": True, "cache_size": 1000}
# Policy: keys of the backend, settings of the MEDIATOR. The breaker is on in all of them, as by default.
POLICIES: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "the default": ({}, {}),
    "rate limit": ({"rate_limit": 10_000_000}, {}),
    "token limit": ({"tokens_per_minute": 10_000_000_000}, {}),
    "concurrency limit": ({"max_concurrency": 64}, {}),
    "budget": (PRICED, {"budget": 1_000_000}),
    "cache, never hit": (CACHED, {}),
    "provenance digests": ({}, {"provenance": "digests"}),
}


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        base = server.urls.fast
        contenders = [
            Contender(name, "with_complaint_llm", "call", {"base": base, "keys": keys, "settings": settings})
            for name, (keys, settings) in POLICIES.items()
        ]
        samples = interleaved(contenders, "each", CALLS, options.rounds * 4).samples
        asked = server.counts()[0][0]
        hit = Contender("cache hit", "with_complaint_llm", "repeated", {"base": base, "keys": CACHED})
        hits = interleaved([hit], "each", CALLS, options.rounds * 4).samples
        if server.counts()[0][0] != asked + 1:
            raise RuntimeError("the cache did not answer: the server was asked again")
    took = figures({name: [each.thread / each.n for each in row] for name, row in hits.items()}, None)
    return [
        _extra(samples, "thread", "the caller's thread", 15),
        _extra(samples, "cpu", "the whole process", 60),
        Table("An answer from the cache, 1 KB prompt: CPU", "µs", 1e6, took, [Limit("cache hit", 30, of="figure")]),
    ]


def _extra(samples: Mapping[str, Sequence[Sample]], clock: str, where: str, limit: float) -> Table:
    """What each policy costs beyond the default, round by round."""
    taken = {name: [getattr(each, clock) / each.n for each in row] for name, row in samples.items()}
    base_name, *others = taken
    extra = {name: [mine - base for mine, base in zip(taken[name], taken[base_name], strict=True)] for name in others}
    return Table(
        f"A policy switched on, 1 KB prompt: extra CPU a call in {where}",
        "µs",
        1e6,
        figures(extra, None),
        [Limit(name, limit, of="figure") for name in others],
    )


if __name__ == "__main__":
    run(__doc__ or "", tables)
