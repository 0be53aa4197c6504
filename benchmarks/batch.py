"""A batch of 2,000 prompts against a provider that takes 50 ms, 64 and 256 at a time, beside the ideal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmarks import peers
from benchmarks.measure import Contender, Figure, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

PROMPTS, LATENCY_MS = 2000, 50
WIDTHS = {64: 1.08, 256: 1.7}


def tables(options: Options) -> Sequence[Table]:
    found = []
    with Server(LATENCY_MS) as server:
        for workers, limit in WIDTHS.items():
            settings = {"base": server.urls.slow, "workers": workers}
            contenders = [
                Contender("complaint-llm", "with_complaint_llm", "batch", settings),
                Contender("requests", "with_requests", "batch", settings),
                Contender("http.client", "with_http_client", "batch", settings),
            ]
            if options.peers:
                contenders += peers.contenders("batch", **settings)
            measured = interleaved(contenders, "whole", PROMPTS, min(options.rounds, 3))
            ideal = _ideal(PROMPTS, workers)
            # Each beside the ideal of as many prompts as it was given.
            times = {
                name: [each.wall / _ideal(each.n, workers) * ideal for each in row]
                for name, row in measured.samples.items()
            }
            timed = [
                Figure("ideal", ideal, ideal, ideal, 1.0),
                *(each._replace(ratio=each.median / ideal) for each in figures(times, None)),
            ]
            title = f"Batch of {PROMPTS:,} at {LATENCY_MS} ms, {workers} workers: wall time"
            cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
            found.append(Table(title, "s", 1, timed, [Limit("complaint-llm", limit)], measured.note))
            title = f"Batch of {PROMPTS:,} at {LATENCY_MS} ms, {workers} workers: CPU a prompt"
            found.append(Table(title, "µs", 1e6, figures(cpu, "requests")))
    return found


def _ideal(prompts: int, workers: int) -> float:
    """Seconds in which nothing but the provider takes time."""
    return math.ceil(prompts / workers) * LATENCY_MS / 1000


if __name__ == "__main__":
    run(__doc__ or "", tables)
