"""From the spawn of a process to its first answer over HTTP and HTTPS, and its memory then, beside requests; and what
twenty HTTPS backends take beside one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.exchange import START
from benchmarks.measure import figures, plain_environment
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server
from benchmarks.tls_server import TLSServer

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
ASKED = """
from complaint_llm import Mediator
mediator = Mediator.from_config("{config}")
for number in range({count}):
    text = mediator.generate("Extract the legal claims.", backend=f"b{{number}}")
"""
MANY = 20
# CLOCK_MONOTONIC is one clock for all processes of the machine.
AFTER = """
import time
print(time.clock_gettime(time.CLOCK_MONOTONIC), text[:19])
print(open("/proc/self/status").read())
"""


def tables(options: Options) -> Sequence[Table]:
    with tempfile.TemporaryDirectory() as folder, Server() as plain, TLSServer() as secured:
        return [
            *_first_answer("HTTP", plain.urls.fast, folder, options, 1.5),
            *_first_answer("HTTPS", secured.base, folder, options, 1.1),
            _many(secured.base, folder, options),
        ]


def _first_answer(scheme: str, base: str, folder: str, options: Options, limit: float) -> Sequence[Table]:
    programs = {
        "requests": REQUESTS.format(base=base),
        "complaint-llm": OURS.format(config=_config(folder, base, 1)),
        "python alone": f"text = {START!r}",
    }
    seconds, memory = _rounds(programs, folder, options.rounds * 2)
    limits = [Limit("complaint-llm", limit)]
    return [
        Table(f"First answer over {scheme}, from the spawn: wall", "ms", 1e3, figures(seconds, "requests"), limits),
        Table(
            f"Memory after the first answer over {scheme} (resident)",
            "MiB",
            1 / 1024,
            figures(memory, "requests"),
            [Limit("complaint-llm", 1.6)],
        ),
    ]


def _many(base: str, folder: str, options: Options) -> Table:
    """The limit is 1.2 times one's memory and 50 kB for each."""
    many = "twenty HTTPS backends, each asked"
    programs = {
        "one": ASKED.format(config=_config(folder, base, 1), count=1),
        many: ASKED.format(config=_config(folder, base, MANY), count=MANY),
    }
    _, memory = _rounds(programs, folder, options.rounds)
    found = figures(memory, "one")
    allowed = (1.2 * found[0].median + MANY * 50_000 / 1024) / 1024
    return Table("Memory (resident)", "MiB", 1 / 1024, found, [Limit(many, allowed, of="figure")])


def _config(folder: str, base: str, count: int) -> Path:
    path = Path(folder) / f"{base.partition(':')[0]}-{count}.json"
    keys = {"type": "openai", "base_url": base, "api_key": "sk-bench-0123456789", "model": "bench-model"}
    path.write_text(json.dumps({"BACKENDS": [{"id": f"b{each}", **keys} for each in range(count)]}), encoding="utf-8")
    return path


def _rounds(
    programs: Mapping[str, str], folder: str, rounds: int
) -> tuple[Mapping[str, list[float]], Mapping[str, list[float]]]:
    """Seconds and KiB of each program in each round, in an order that changes."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    memory: dict[str, list[float]] = {name: [] for name in programs}
    for number in range(-1, rounds):  # the first round fills the page cache and is not recorded
        order = list(programs)
        random.Random(number).shuffle(order)
        for name in order:
            taken, kib = _once(programs[name], folder)
            if number >= 0:
                seconds[name].append(taken)
                memory[name].append(kib)
    return seconds, memory


def _once(program: str, folder: str) -> tuple[float, float]:
    """Seconds from spawn to answer, and resident KiB then."""
    environment = plain_environment()
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
