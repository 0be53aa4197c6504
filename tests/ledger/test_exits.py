"""Nothing is lost where a process ends as it should, and at most the last second where it is killed."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.sampled import ALL

CALLS = 300
OPEN = """
import sys, os, threading, atexit, multiprocessing
from complaint_llm import Mediator
from complaint_llm.testing.mock import MockBackend
def mediator():
    return Mediator([MockBackend(id="m", echo=True)], ledger={"path": sys.argv[1]})
def ask(m, n=300):
    for _ in range(n):
        m.generate("x")
"""
ENDINGS = {
    "closed": "m = mediator(); ask(m); m.close()",
    "never closed": "m = mediator(); ask(m)",
    "dropped": "ask(mediator())",
    "sys.exit": "m = mediator(); ask(m); sys.exit(3)",
    "unhandled exception": "m = mediator(); ask(m); raise ValueError",
    "end of the main thread": "m = mediator(); threading.Thread(target=ask, args=(m,)).start()",
    "several threads": "m = mediator(); [threading.Thread(target=ask, args=(m, 100)).start() for _ in range(3)]",
    "several Mediators": "ms = [mediator() for _ in range(3)]; [ask(m, 100) for m in ms]",
    "atexit before it": "m = None; atexit.register(lambda: ask(m, 100)); m = mediator(); ask(m, 200)",
    "forked process": (
        "m = mediator(); ask(m, 100)\n"
        "p = multiprocessing.get_context('fork').Process(target=ask, args=(m, 200)); p.start(); p.join()"
    ),
    "several processes": (
        "ps = [multiprocessing.get_context('fork').Process(target=lambda: ask(mediator(), 100)) for _ in range(3)]\n"
        "[p.start() for p in ps]; [p.join() for p in ps]"
    ),
}


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])


@pytest.mark.rows(2)
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS.keys())
def test_no_row_is_lost_at_a_normal_exit(tmp_path: Path, ending: str) -> None:
    """However the program ends, and whether anybody closed the Mediator."""
    done = subprocess.run(
        [sys.executable, "-c", f"{OPEN}\n{ending}", str(tmp_path / "l.db")],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert count(tmp_path / "l.db") == CALLS, done.stderr.decode()


FOREVER = f"""{OPEN}
import time
m = mediator()
print("ready", flush=True)
while True:
    m.generate("x")
    print(time.time(), flush=True)
    time.sleep(0.01)
"""


@pytest.mark.rows(2)
@pytest.mark.parametrize("number", range(100 if ALL else 3))
def test_at_most_the_last_second_is_lost_by_a_kill(tmp_path: Path, number: int) -> None:
    """Every call that ended more than a second before the last one is there, and the file is whole."""
    with subprocess.Popen(
        [sys.executable, "-c", FOREVER, str(tmp_path / "l.db")], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        ended = [float(process.stdout.readline()) for _ in range(60 + 7 * (number % 20))]
        process.send_signal(signal.SIGKILL)
        ended += [float(line) for line in process.stdout.read().splitlines() if line.endswith(tuple("0123456789"))]
    sure = sum(time < ended[-1] - 1.0 for time in ended)
    assert sure <= count_or_none(tmp_path / "l.db") <= len(ended) + 1


def count_or_none(path: Path) -> int:
    """0 where the process was killed before there was a file, or a table in it."""
    with closing(sqlite3.connect(path)) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return 0
    return count(path)
