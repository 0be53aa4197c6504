"""One contender in one process, started with MODULE FUNCTION SETTINGS; JSON lines on stdin and stdout.

``FUNCTION(**SETTINGS)`` gives what is measured. Commands: ``{"shape": "each" | "pieces" | "whole", "n": N}``: call it
with N prompts one after the other, iterate what it returns, or hand it all N at once. Runs in the environment of the
contender, so it uses the standard library alone.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

START = "The intake supports"


def prompt(number: int) -> str:
    """A prompt of 1 KB; every one is another one."""
    head = f"Extract the legal claims from this intake, matter {number:07}: "
    fact = "I kept a notebook of my hours, the owner changed the time cards, and when I complained he cut my shifts. "
    return (head + fact * 10)[:1024]


def memory_kib(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    raise KeyError(key)


def measure(subject: Any, shape: str, prompts: list[str]) -> dict[str, Any]:
    wrong = pieces = 0
    walls: list[float] = []
    gc.collect()
    wall, cpu, thread = time.perf_counter(), time.process_time(), time.thread_time()
    if shape == "each":
        last = wall
        for each in prompts:
            if not subject(each).startswith(START):
                wrong += 1
            now = time.perf_counter()
            walls.append(now - last)
            last = now
    elif shape == "pieces":
        for each in prompts:
            for _ in subject(each):
                pieces += 1
    else:
        wrong = sum(not text.startswith(START) for text in subject(prompts))
    cpu, thread, wall = time.process_time() - cpu, time.thread_time() - thread, time.perf_counter() - wall
    p99 = sorted(walls)[len(walls) * 99 // 100] if walls else 0.0
    counts = {"n": len(prompts), "wrong": wrong, "pieces": pieces}
    return {"wall": wall, "cpu": cpu, "thread": thread, "p99": p99, **counts}


def main() -> None:
    # Whatever a contender prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, function, settings = sys.argv[1:4]
    subject = getattr(importlib.import_module(module), function)(**json.loads(settings))
    done = 0
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        prompts = [prompt(done + number) for number in range(command["n"])]
        done += len(prompts)
        result = measure(subject, command["shape"], prompts)
        result["rss_kib"], result["peak_kib"] = memory_kib("VmRSS"), memory_kib("VmHWM")
        print(json.dumps(result), file=answers, flush=True)
    os._exit(0)  # a contender's own threads must not keep the round waiting


if __name__ == "__main__":
    main()
