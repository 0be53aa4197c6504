"""Measures everything and writes docs/performance.md: ``make benchmark``."""

from __future__ import annotations

import datetime as dt
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import (
    batch,
    cold_start,
    config_load,
    evidence_file,
    evidence_records,
    fallback,
    growth,
    local_model,
    one_call,
    peers,
    policies,
    stream,
    structured,
    where,
)
from benchmarks.report import Options, Table, machine, versions

FINDINGS = Path(__file__).with_name("findings.md")
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MEASURED: Sequence[tuple[str, Callable[[Options], Sequence[Table]]]] = (
    ("one_call", one_call.tables),
    ("batch", batch.tables),
    ("cold_start", cold_start.tables),
    ("stream", stream.tables),
    ("structured", structured.tables),
    ("fallback", fallback.tables),
    ("policies", policies.tables),
    ("config_load", config_load.tables),
    ("where", where.tables),
    ("local_model", local_model.tables),
    ("evidence_file", evidence_file.tables),
    ("evidence_records", evidence_records.tables),
    ("growth", growth.tables),
)
OURS = ("complaint-llm", "requests", "urllib3", "pluggy", "jsonschema")
THEIRS = ("openai", "litellm", "any-llm-sdk", "langchain-openai")


def main() -> None:
    options = Options(rounds=9, peers="--no-peers" not in sys.argv[1:])
    start, load = time.monotonic(), [os.getloadavg()[0]]
    sections = []
    for name, tables in MEASURED:
        print(f"{name} ...", file=sys.stderr)
        measured = "\n".join(table.markdown() for table in tables(options))
        load.append(os.getloadavg()[0])
        sections.append(f"`python -m benchmarks.{name} --peers`\n\n{measured}")
    DOCUMENT.write_text(_document(sections, options, time.monotonic() - start, max(load)), encoding="utf-8")
    print(DOCUMENT)


def _document(sections: Sequence[str], options: Options, seconds: float, load: float) -> str:
    mine = versions()
    used = {name: mine[name] for name in OURS if name in mine}
    if options.peers:
        for peer in peers.PEERS:
            used |= {name: version for name, version in versions(peers.python_of(peer)).items() if name in THEIRS}
    head = [
        "# Performance",
        "",
        "Written by `make benchmark`, which measures all of it again. Every contender runs in a process of",
        "its own and asks the same loopback server (benchmarks/server.c) for the same answer; rounds are",
        "interleaved. CPU is user and system time of the contender. A ratio is the median of the ratios of",
        "each round. Ratios travel between machines, microseconds do not. All policies of the default config",
        "are on.",
        "",
        *(f"- {line}" for line in machine()),
        f"- {', '.join(f'{name} {version}' for name, version in used.items())}",
        f"- measured {dt.datetime.now(dt.UTC):%Y-%m-%d}, {options.rounds} rounds, in {seconds / 60:.0f} minutes",
        f"- load average of the machine up to {load:.1f} meanwhile: wall times (batch, cold start) suffer",
        "  from whatever else runs, CPU times hardly",
        "",
    ]
    return "\n".join([*head, *sections, FINDINGS.read_text(encoding="utf-8")])


if __name__ == "__main__":
    main()
