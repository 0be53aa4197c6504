"""The user's case: a fresh process, HTTPS, messages, default retries, all policies together, a journal, documents.

requests and the OpenAI SDK do the same with what they have: retries; they have no limits, budget, cache or record of
where an answer came from.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Contender, Figure, Running, Sample, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server
from benchmarks.tls_server import TLSServer

CALLS = 200
NIGHT = (600, 16, 50)
"""Prompts, workers, latency in ms."""
WIDE = (4000, 1000, 500)


def tables(options: Options) -> Sequence[Table]:
    return [*_one_call(options), _night(options), _in_flight(options), _document(options)]


def _one_call(options: Options) -> Sequence[Table]:
    with TLSServer() as server:
        measured = interleaved(_pair("office", options, base=server.base), "each", CALLS, options.rounds)
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    p99 = {name: [each.p99 for each in row] for name, row in measured.samples.items()}
    limits = [Limit("complaint-llm", 1.0)]
    title = "A call over HTTPS with messages, default retries and all policies"
    return [
        Table(f"{title}: CPU of the process", "µs", 1e6, figures(cpu, "requests"), limits, measured.note),
        Table(f"{title}: p99 of its wall time", "ms", 1e3, figures(p99, "requests"), limits),
    ]


def _night(options: Options) -> Table:
    prompts, workers, latency = NIGHT
    with TLSServer(latency) as server:
        taken = _fresh("night", prompts, min(options.rounds, 5), {"base": server.base, "workers": workers})
    ideal = math.ceil(prompts / workers) * latency / 1000
    asked = f"{prompts} prompts at {latency} ms, {workers} workers"
    title = f"A night from a fresh process: {asked}, HTTPS, journal, policies"
    seconds = {name: [wall for wall, _ in row] for name, row in taken.items()}
    rows = [Figure("ideal", ideal, ideal, ideal), *figures(seconds, "requests")]
    return Table(f"{title}: wall", "s", 1, rows, [Limit("complaint-llm", 1.1)])


def _in_flight(options: Options) -> Table:
    prompts, workers, latency = WIDE
    with Server(latency) as server:
        taken = _fresh("batch", prompts, min(options.rounds, 2), {"base": server.urls.slow, "workers": workers})
    ideal = math.ceil(prompts / workers) * latency / 1000
    seconds = {name: [wall for wall, _ in row] for name, row in taken.items()}
    peak = max(sample.peak_kib for _, sample in taken["complaint-llm"]) / 1024
    rows = [Figure("ideal", ideal, ideal, ideal), *figures(seconds, "requests")]
    title = f"{workers:,} in flight from a fresh process: {prompts:,} prompts at {latency} ms: wall"
    return Table(title, "s", 1, rows, [Limit("complaint-llm", 1.0)], f"Peak memory {peak:.0f} MiB.")


def _document(options: Options) -> Table:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        path = Path(folder) / "letter.txt"
        line = "I kept a notebook of my hours, and the owner changed the time cards.\n"
        path.write_text(line * 600, encoding="utf-8")
        base = server.urls.fast
        measured = interleaved(_pair("document", options, base=base, path=str(path)), "each", CALLS, options.rounds)
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    title = "A question about a text of 41 kB, its digest and kind told: CPU of the process"
    return Table(title, "µs", 1e6, figures(cpu, "requests"), [Limit("complaint-llm", 1.5)], measured.note)


def _pair(function: str, options: Options, **settings: object) -> list[Contender]:
    both = [
        Contender("requests", "with_requests", function, settings),
        Contender("complaint-llm", "with_complaint_llm", function, settings),
    ]
    return both + (peers.contenders(function, **settings) if options.peers else [])


def _fresh(
    function: str, prompts: int, rounds: int, settings: Mapping[str, object]
) -> Mapping[str, Sequence[tuple[float, Sample]]]:
    """Seconds from the spawn of a process to its last answer, with what it measured itself."""
    taken: dict[str, list[tuple[float, Sample]]] = {}
    for number in range(rounds):
        pair = _pair(function, Options(rounds, peers=False), **settings)
        for each in pair if number % 2 else reversed(pair):
            start = time.perf_counter()
            with Running(each) as running:
                sample = running.ask("whole", prompts)
                taken.setdefault(each.name, []).append((time.perf_counter() - start, sample))
    return taken


if __name__ == "__main__":
    run(__doc__ or "", tables)
