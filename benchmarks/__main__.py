"""Measures everything and writes docs/performance.md: ``make benchmark``.

``python -m benchmarks NAME ...`` measures these files alone and prints them; ``--no-peers`` leaves other libraries out.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import peers
from benchmarks.report import Options, Table, machine, versions

FINDINGS = Path(__file__).with_name("findings.md")
DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
MEASURED: Mapping[str, int] = {
    "user_case": 150,
    "cold_start": 40,
    "one_call": 80,
    "structured": 20,
    "stream": 80,
    "fallback": 110,
    "batch": 130,
    "policies": 50,
    "config_load": 20,
    "growth": 100,
    "scale": 100,
    "local_model": 120,
    "evidence_file": 90,
    "evidence_records": 90,
    "yardstick": 20,
}
"""Files with a function ``tables(options)``, in the order of the document, and the seconds that each may take on a
machine that does nothing else: twenty minutes in all. One that is not there is left out."""
PATIENCE = 2
"""How often longer it may take before it is ended, and the others go on."""
OURS = ("complaint-llm", "requests", "urllib3", "pluggy", "jsonschema")
THEIRS = ("openai", "litellm", "any-llm-sdk", "langchain-openai")


def main() -> int:
    there = [name for name in MEASURED if find_spec(f"benchmarks.{name}") is not None]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(there)}; all write the document")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--no-peers", action="store_true", help="leave other libraries out")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)  # where a process of ours puts its tables
    given = parser.parse_args()
    for name in given.names:
        if name not in there:
            parser.error(f"no benchmark {name!r}: choose from {', '.join(there)}")
    options = Options(rounds=given.rounds, peers=not given.no_peers)
    if not given.names:
        return write_document(there, options)
    if options.peers and not given.into:
        peers.install()
    for name in given.names:
        tables = import_module(f"benchmarks.{name}").tables(options)
        if given.into:
            given.into.write_bytes(pickle.dumps(list(tables)))
        else:
            print("\n".join(table.markdown() for table in tables))
    return 0


def write_document(names: Sequence[str], options: Options, document: Path = DOCUMENT) -> int:
    """Measure each in a process of its own; the document is written after each, so that whatever ends one, or all of
    this, what was measured stays."""
    if options.peers:
        peers.install()
    start, load = time.monotonic(), os.getloadavg()[0]
    measured: dict[str, Sequence[Table]] = {}
    missing = dict.fromkeys(names, "not reached")
    for name in names:
        begun = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        try:
            measured[name] = _in_a_process(name, options, PATIENCE * MEASURED[name])
            del missing[name]
        except RuntimeError as error:
            missing[name] = str(error)
        print(f"{missing.get(name, 'measured')}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
        load = max(load, os.getloadavg()[0])
        text = _document(measured, missing, options, time.monotonic() - start, load)
        document.write_text(text, encoding="utf-8")
    print(document)
    return 1 if missing else 0


def _in_a_process(name: str, options: Options, seconds: float) -> Sequence[Table]:
    """Its tables. Raises RuntimeError. All that it started is ended."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "tables"
        command = [sys.executable, "-m", "benchmarks", name, "--rounds", str(options.rounds), "--into", str(into)]
        process = subprocess.Popen(command + ([] if options.peers else ["--no-peers"]), start_new_session=True)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"ended after {seconds:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if code:
            raise RuntimeError("it failed, as the terminal says")
        tables: Sequence[Table] = pickle.loads(into.read_bytes())
        return tables


def _document(
    measured: Mapping[str, Sequence[Table]],
    missing: Mapping[str, str],
    options: Options,
    seconds: float,
    load: float,
) -> str:
    mine = versions()
    used = {name: mine[name] for name in OURS if name in mine}
    if options.peers:
        for python in peers.installed().values():
            used |= {name: version for name, version in versions(python).items() if name in THEIRS}
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
    said = [sentence for tables in measured.values() for table in tables for sentence in table.findings()]
    notes = [f"- {sentence}" for sentence in dict.fromkeys(said)]
    notes += [f"- Not measured: `{name}` ({why})." for name, why in missing.items()]
    return "\n".join([*head, *rows, "", *notes, FINDINGS.read_text(encoding="utf-8")])


if __name__ == "__main__":
    sys.exit(main())
