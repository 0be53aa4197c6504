"""From the spawn of a process to its first HTTP answer, and its memory then, beside a script that uses requests."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.exchange import START
from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server

REQUESTS = """
import requests
answer = requests.post("{base}/chat/completions", json={{"model": "bench-model", "messages": [{{"role": "user",
    "content": "Extract the legal claims."}}]}}, headers={{"Authorization": "Bearer sk-bench-0123456789"}}, timeout=30)
answer.raise_for_status()
text = answer.json()["choices"][0]["message"]["content"]
"""
OURS = """
from complaint_llm import Mediator
mediator = Mediator.from_config("{config}")
text = mediator.generate("Extract the legal claims.")
"""
# CLOCK_MONOTONIC is one clock for all processes of the machine.
AFTER = """
import time
print(time.clock_gettime(time.CLOCK_MONOTONIC), text[:19])
print(open("/proc/self/status").read())
"""


def tables(options: Options) -> Sequence[Table]:
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        config = Path(folder) / "config.json"
        keys = {"id": "only", "type": "openai", "base_url": server.urls.fast, "api_key": "sk-bench-0123456789"}
        config.write_text(json.dumps({"BACKENDS": [{**keys, "model": "bench-model"}]}), encoding="utf-8")
        programs = {
            "requests": REQUESTS.format(base=server.urls.fast),
            "complaint-llm": OURS.format(config=config),
            "python alone": f"text = {START!r}",
        }
        seconds: dict[str, list[float]] = {name: [] for name in programs}
        memory: dict[str, list[float]] = {name: [] for name in programs}
        rounds = options.rounds * 3
        for number in range(-1, rounds):  # the first round fills the page cache and is not recorded
            order = list(programs)
            random.Random(number).shuffle(order)
            for name in order:
                taken, kib = _once(programs[name], folder)
                if number >= 0:
                    seconds[name].append(taken)
                    memory[name].append(kib)
    return [
        Table(
            "Cold start: spawn to first answer, wall",
            "ms",
            1e3,
            figures(seconds, "requests"),
            [Limit("complaint-llm", 1.5)],
        ),
        Table(
            "Memory after the first answer (resident)",
            "MiB",
            1 / 1024,
            figures(memory, "requests"),
            [Limit("complaint-llm", 1.6)],
        ),
    ]


def _once(program: str, folder: str) -> tuple[float, float]:
    """Seconds from spawn to answer, and resident KiB then."""
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    start = time.clock_gettime(time.CLOCK_MONOTONIC)
    done = subprocess.run(
        [sys.executable, "-c", program + AFTER],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    first, *status = done.stdout.splitlines()
    moment, _, text = first.partition(" ")
    if text != START:
        raise RuntimeError(f"wrong answer: {text!r}")
    resident = next(line for line in status if line.startswith("VmRSS"))
    return float(moment) - start, float(resident.split()[1])


if __name__ == "__main__":
    run(__doc__ or "", tables)
