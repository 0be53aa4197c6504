"""A structured answer: what a pydantic class as response_format costs in CPU beside requests and pydantic by hand."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import peers
from benchmarks.measure import Contender, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

CALLS = 300


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        base = {"base": server.urls.structured}
        contenders = [
            Contender("requests and pydantic", "with_requests", "structured", base),
            Contender("complaint-llm", "with_complaint_llm", "structured", base),
        ]
        if options.peers:
            contenders += peers.contenders("structured", **base)
        measured = interleaved(contenders, "each", CALLS, options.rounds)
    cpu = {name: [each.cpu / each.n for each in row] for name, row in measured.samples.items()}
    return [
        Table(
            "One structured answer, checked against its schema: CPU of the whole process",
            "µs",
            1e6,
            figures(cpu, "requests and pydantic"),
            [Limit("complaint-llm", 1.2)],
            measured.note,
        )
    ]


if __name__ == "__main__":
    run(__doc__ or "", tables)
