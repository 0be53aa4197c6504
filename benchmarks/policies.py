"""What each policy adds to a call when it is switched on: in the caller's thread, and in the whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

PROGRAM = Path(__file__).parent / "contenders" / "in_turn.py"
DOWN, WHOLE = "first backend known to be down", "the same in the whole process"


def tables(options: Options) -> Sequence[Table]:
    plain = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
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
        _table(found["caller"], "the caller's thread", 15, but="store"),
        _table(found["whole"], "the whole process, with what is left to other threads", 60),
        Table("An answer from the cache, 1 KB prompt: CPU", "µs", 1e6, hits, [Limit("cache hit", 30, of="figure")]),
        Table(
            "The first backend is known to be down (open breaker): extra CPU a call to both being up",
            "µs",
            1e6,
            down,
            [Limit(DOWN, 20, of="figure")],
        ),
    ]


def _table(extra: Mapping[str, Sequence[float]], where: str, limit: float, but: str | None = None) -> Table:
    """``but`` is in the names of what has no limit here."""
    title = f"A policy switched on, 1 KB prompt: extra CPU a call in {where}"
    limits = [Limit(name, limit, of="figure") for name in extra if but is None or but not in name]
    return Table(title, "µs", 1e6, figures(extra, None), limits)


if __name__ == "__main__":
    run(__doc__ or "", tables)
