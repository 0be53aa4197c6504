"""A streamed answer of 200 chunks: CPU from bytes to typed events, beside requests' iter_lines and json.loads."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import peers
from benchmarks.exchange import CHUNKS
from benchmarks.measure import Contender, figures, interleaved
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

STREAMS = 40


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        settings = {"base": server.urls.fast}
        contenders = [
            Contender("requests", "with_requests", "stream", settings),
            Contender("complaint-llm", "with_complaint_llm", "stream", settings),
        ]
        if options.peers:
            contenders += peers.contenders("stream", **settings)
        measured = interleaved(contenders, "pieces", STREAMS, options.rounds)
    for name, row in measured.samples.items():
        if any(each.pieces != each.n * CHUNKS for each in row):
            raise RuntimeError(f"{name}: lost pieces of a stream: {row[0].pieces} of {row[0].n * CHUNKS}")
    cpu = {name: [each.cpu / each.pieces for each in row] for name, row in measured.samples.items()}
    return [
        Table(
            "Streamed chunk: CPU a chunk",
            "µs",
            1e6,
            figures(cpu, "requests"),
            [Limit("complaint-llm", 1.5)],
            measured.note,
        )
    ]


if __name__ == "__main__":
    run(__doc__ or "", tables)
