"""Measures everything and writes docs/performance.md: ``make benchmark``.

``python -m benchmarks NAME ...`` measures these files alone and prints them; ``--no-peers`` leaves other libraries out.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import peers
from benchmarks.report import Options, Table, machine, versions

FINDINGS = Path(__file__).with_name("findings.md")
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MEASURED = (
    "user_case",
    "cold_start",
    "one_call",
    "structured",
    "stream",
    "fallback",
    "batch",
    "policies",
    "config_load",
    "growth",
    "scale",
    "local_model",
    "evidence_file",
    "evidence_records",
    "yardstick",
)
"""Files with a function ``tables(options)``, in the order of the document; one that is not there is left out."""
OURS = ("complaint-llm", "requests", "urllib3", "pluggy", "jsonschema")
THEIRS = ("openai", "litellm", "any-llm-sdk", "langchain-openai")


def main() -> int:
    there = [name for name in MEASURED if find_spec(f"benchmarks.{name}") is not None]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(there)}; all write the document")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--no-peers", action="store_true", help="leave other libraries out")
    given = parser.parse_args()
    for name in given.names:
        if name not in there:
            parser.error(f"no benchmark {name!r}: choose from {', '.join(there)}")
    options = Options(rounds=given.rounds, peers=not given.no_peers)
    start, load = time.monotonic(), [os.getloadavg()[0]]
    measured: dict[str, Sequence[Table]] = {}
    for name in given.names or there:
        print(f"{name} ...", file=sys.stderr)
        measured[name] = import_module(f"benchmarks.{name}").tables(options)
        load.append(os.getloadavg()[0])
        if given.names:
            print("\n".join(table.markdown() for table in measured[name]))
    if not given.names:
        DOCUMENT.write_text(_document(measured, options, time.monotonic() - start, max(load)), encoding="utf-8")
        print(DOCUMENT)
    return 0


def _document(measured: Mapping[str, Sequence[Table]], options: Options, seconds: float, load: float) -> str:
    mine = versions()
    used = {name: mine[name] for name in OURS if name in mine}
    if options.peers:
        for peer in peers.PEERS:
            used |= {name: version for name, version in versions(peers.python_of(peer)).items() if name in THEIRS}
    head = [
        "# Performance",
        "",
        "Written by `make benchmark`; `python -m benchmarks NAME` measures a part of it. Every contender is a",
        "process of its own and asks the same loopback server; rounds are interleaved. Figures are medians, in",
        "brackets the median of the ratios of each round to requests (or what has 1.00). CPU is user and system time.",
        "",
        f"- {'; '.join(machine())}; load up to {load:.1f}, from which wall times suffer",
        f"- {', '.join(f'{name} {version}' for name, version in used.items())}",
        f"- measured {dt.datetime.now(dt.UTC):%Y-%m-%d}, {options.rounds} rounds, in {seconds / 60:.0f} minutes",
        "",
        "| what | complaint-llm | beside | limit |",
        "| --- | ---: | --- | --- |",
    ]
    rows = [row for tables in measured.values() for table in tables for row in table.lines()]
    notes = [table.note for tables in measured.values() for table in tables if "is missing" in table.note]
    return "\n".join([*head, *rows, "", *notes, FINDINGS.read_text(encoding="utf-8")])


if __name__ == "__main__":
    sys.exit(main())
