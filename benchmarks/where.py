"""Where the time of one call goes, ours and that of requests: shares by part of the program, from a profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure
from benchmarks.report import Options, Table, run
from benchmarks.server import Server

CALLS = 2000
SMALLEST = 0.01
PROFILED = Path(__file__).parent / "contenders" / "profiled.py"


def tables(options: Options) -> Sequence[Table]:
    with Server() as server:
        settings = {"base": server.urls.fast}
        return [
            _table("requests", _shares("with_requests", settings)),
            _table("complaint-llm", _shares("with_complaint_llm", settings)),
        ]


def _table(name: str, seconds: Mapping[str, float]) -> Table:
    whole = sum(seconds.values())
    rooms = sorted(seconds.items(), key=lambda item: -item[1])
    shown = [
        Figure(room, taken / whole, taken / whole, taken / whole) for room, taken in rooms if taken >= SMALLEST * whole
    ]
    note = (
        f"{CALLS:,} calls. A profiler makes Python functions look dearer than they are; shares below 1 % are left out."
    )
    return Table(f"Where a call's time goes: {name}", "%", 100, shown, (), note)


def _shares(module: str, settings: Mapping[str, Any]) -> dict[str, float]:
    plain = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    done = subprocess.run(
        [sys.executable, str(PROFILED), module, "call", json.dumps(settings), str(CALLS)],
        env=plain,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds: dict[str, float] = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    run(__doc__ or "", tables)
