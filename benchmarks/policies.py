"""What each policy adds to a call when it is switched on: in the caller's thread, and in the whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import yardstick
from benchmarks.measure import figures
from benchmarks.report import Options, Table, run
from benchmarks.server import Server

PROGRAM = Path(__file__).parent / "contenders" / "in_turn.py"
DOWN, WHOLE = "first backend known to be down", "the same in the whole process"


def tables(options: Options) -> Sequence[Table]:
    plain = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    yard = yardstick.seconds()
    with Server() as server:
        urls = server.urls
        command = [sys.executable, str(PROGRAM), urls.fast, urls.cut, urls.refused, str(options.rounds)]
        done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
        served = sum(requests for requests, _ in server.counts())
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    if served != found["asked"]:
        raise RuntimeError(f"the cache did not answer: {served} requests for {found['asked']} prompts")
    hits = figures({"cache hit": found["hits"]}, None)
    down = figures({name: found[where].pop(DOWN) for where, name in (("caller", DOWN), ("whole", WHOLE))}, None)
    return [
        _table(found["caller"], "the caller's thread", 15e-6, yard, but="store"),
        _table(found["whole"], "the whole process, with what is left to other threads", 60e-6, yard),
        Table(
            "An answer from the cache, 1 KB prompt: CPU",
            "µs",
            1e6,
            hits,
            [yardstick.limit("cache hit", 30e-6)],
            yardstick=yard,
        ),
        Table(
            "The first backend is known to be down (open breaker): extra CPU a call to both being up",
            "µs",
            1e6,
            down,
            [yardstick.limit(DOWN, 20e-6)],
            yardstick=yard,
        ),
    ]


def _table(
    extra: Mapping[str, Sequence[float]], where: str, limit: float, yard: float, but: str | None = None
) -> Table:
    """``limit`` in seconds of the old machine; ``but`` is in the names of what has no limit here."""
    title = f"A policy switched on, 1 KB prompt: extra CPU a call in {where}"
    limits = [yardstick.limit(name, limit) for name in extra if but is None or but not in name]
    return Table(title, "µs", 1e6, figures(extra, None), limits, yardstick=yard)


if __name__ == "__main__":
    run(__doc__ or "", tables)
