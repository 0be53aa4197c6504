"""Batches that are killed, ended or run out of disk, with budget, cache and provenance on: samples, and long runs."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.batch.chat_server import ChatServer, write_config

ROOT = Path(__file__).resolve().parents[2]


def killed(runs: int, number: str, seed: int, timeout: float) -> str:
    command = [sys.executable, "-m", "benchmarks.batch_kill", "--runs", str(runs), "--items", "100"]
    done = subprocess.run(
        [*command, "--signal", number, "--seed", str(seed)],
        cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 runs with faults" in done.stdout
    return done.stdout.strip()


@pytest.mark.rows(1)
@pytest.mark.parametrize("number", ["TERM", "HUP"])
def test_runs_that_are_ended_by_a_signal_lose_nothing(number: str) -> None:
    killed(1, number, 7, 170)


@pytest.mark.endurance
@pytest.mark.parametrize(("number", "runs"), [("KILL", 200), ("TERM", 50)])
def test_many_runs_lose_nothing(number: str, runs: int) -> None:
    print(killed(runs, number, 13, 3500))


FULL = """
import json, os, random, resource, signal, sys
from complaint_llm import Mediator, exceptions
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
chance = random.Random(int(sys.argv[1]))
after, size = chance.randint(1, 60), chance.randint(4_096, 200_000)
got, rest, kind, said = [], [], "none", ""
try:
    with Mediator.from_config("config.json") as mediator:
        for result in mediator.batch((f"p{i}" for i in range(400)), journal="j", max_workers=4):
            got.append(result)
            if len(got) == after:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
except BaseException as error:
    kind, said, rest = type(error).__name__, str(error), list(getattr(error, "results", None) or [])
answered = [result.output.content for result in [*got, *rest] if result.output is not None]
print(json.dumps([kind, said, len(got), answered]))
"""


def full_disk(folder: Path, chat: ChatServer, seed: int) -> None:
    """A file-size limit stands for the full disk: it comes while the journal, the budget's book, the cache and the
    provenance store are in use."""
    write_config(
        folder,
        chat.backend(pricing={"input": 1, "output": 1}, max_tokens=50, budget=100, cache_enabled=True),
        MEDIATOR={"backends": ["a"], "budget": 100, "cache": {"path": "answers.db"}, "provenance": "digests"},
    )
    chat.text = "paid " * random.Random(seed).choice((1, 40, 400))
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(seed)], cwd=folder, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.stdout, done.stderr[-2000:]
    kind, said, handed_out, answered = json.loads(done.stdout)
    if handed_out == 400:  # only what is closed at the end met the limit, if anything did
        assert len(answered) == len(chat.bodies)
        return
    # Every answer that was paid for is in memory, and the error that says why comes first.
    assert kind == "BatchError", (kind, said)
    assert "the journal cannot be written" in said
    assert len(answered) == len(chat.bodies)


@pytest.mark.rows(1)
@pytest.mark.parametrize("seed", [1, 101, 118])
def test_a_disk_that_becomes_full_costs_no_answer(tmp_path: Path, chat: ChatServer, seed: int) -> None:
    full_disk(tmp_path, chat, seed)


@pytest.mark.endurance
@pytest.mark.parametrize("seed", range(20))
def test_20_disks_that_become_full(tmp_path: Path, chat: ChatServer, seed: int) -> None:
    full_disk(tmp_path, chat, 100 + seed)
