"""Loading and checking a config of 1,000 backends of mixed types, JSON and YAML: CPU beyond imports."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import yardstick
from benchmarks.measure import figures
from benchmarks.report import Options, Table, run

BACKENDS = 1000
KINDS: Sequence[dict[str, Any]] = (
    {"type": "openai", "api_key": "sk-bench-0123456789", "model": "a-model", "max_tokens": 500, "temperature": 0.2},
    {"type": "anthropic", "api_key": "sk-bench-0123456789", "model": "a-model", "max_tokens": 500, "max_retries": 1},
    {"type": "google", "api_key": "sk-bench-0123456789", "model": "a-model", "top_p": 0.9, "stop": ["END"]},
    {"type": "xai", "api_key": "sk-bench-0123456789", "model": "a-model", "rate_limit": 60, "timeout": 30},
    {"type": "openrouter", "api_key": "${BENCH_KEY:-sk-bench-0123456789}", "model": "a-model", "weight": 2},
    {"type": "lmstudio", "base_url": "http://localhost:1234", "model": "a-model", "max_concurrency": 1},
    {"type": "mock", "echo": True},
)
# The first load of a config with one backend of each type pays for the imports; the second one is what is measured.
PROGRAM = """
import sys, time
from complaint_llm import load_config
load_config(sys.argv[1])
start = time.process_time()
config = load_config(sys.argv[2])
print(time.process_time() - start, len(config.backends))
"""


def tables(options: Options) -> Sequence[Table]:
    seconds: dict[str, list[float]] = {"JSON": [], "YAML": []}
    with tempfile.TemporaryDirectory() as folder:
        files = {
            "JSON": (_json(Path(folder), len(KINDS)), _json(Path(folder), BACKENDS)),
            "YAML": (_yaml(Path(folder), len(KINDS)), _yaml(Path(folder), BACKENDS)),
        }
        for _ in range(options.rounds):
            for name, (small, large) in files.items():
                done = subprocess.run(
                    [sys.executable, "-c", PROGRAM, str(small), str(large)],
                    cwd=folder,  # not the source tree, which would be imported in place of what is installed
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    raise RuntimeError(done.stderr)
                taken, loaded = done.stdout.split()
                if int(loaded) != BACKENDS:
                    raise RuntimeError(f"{name}: {loaded} of {BACKENDS} backends were loaded")
                seconds[name].append(float(taken))
    limits = [yardstick.limit("JSON", 0.25), yardstick.limit("YAML", 0.30)]
    return [
        Table(
            f"Load and check a config of {BACKENDS:,} backends: CPU beyond imports",
            "s",
            1,
            figures(seconds, None),
            limits,
            yardstick=yardstick.seconds(),
        )
    ]


def _entries(count: int) -> list[dict[str, Any]]:
    return [{"id": f"backend-{number}", **KINDS[number % len(KINDS)]} for number in range(count)]


def _json(folder: Path, count: int) -> Path:
    path = folder / f"{count}.json"
    path.write_text(json.dumps({"BACKENDS": _entries(count)}, indent=2), encoding="utf-8")
    return path


def _yaml(folder: Path, count: int) -> Path:
    """Written by hand, because the orchestrating Python needs nothing but the standard library."""
    lines = ["BACKENDS:"]
    for entry in _entries(count):
        first, *others = (f"{key}: {json.dumps(value)}" for key, value in entry.items())
        lines += [f"  - {first}", *(f"    {other}" for other in others)]
    path = folder / f"{count}.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    run(__doc__ or "", tables)
