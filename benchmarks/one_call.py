"""One call: what a mediated call costs in CPU beside requests, the bare standard library and other libraries."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import peers
from benchmarks.measure import Contender, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

CALLS = 400


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        contenders = [
            *peers.yardsticks(server.urls),
            Contender("complaint-llm", "with_complaint_llm", "call", {"base": server.urls.fast}),
        ]
        if options.peers:
            contenders += peers.contenders("call", base=server.urls.fast)
        before = server.cpu_seconds()
        measured = interleaved(contenders, "each", CALLS, options.rounds)
        served = sum(requests for requests, _ in server.counts())
        share = (server.cpu_seconds() - before) / served
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    return [
        Table(
            "One call: CPU of the whole process",
            "µs",
            1e6,
            figures(cpu, "requests"),
            [Limit("complaint-llm", 0.30)],
            f"The loopback server itself took {share * 1e6:.1f} µs of CPU a request, so it is not what is measured. "
            + measured.note,
        )
    ]


if __name__ == "__main__":
    run(__doc__ or "", tables)
