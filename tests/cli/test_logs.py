"""``logs``: a table that fits, JSON lines, CSV, one call in full, and what to do where no ledger is kept."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.messages import Attempt
from tests import forked
from tests.ledger.made_ledgers import call_end
from tests.matters.holdings import command

MOCK = {"id": "m", "type": "mock", "echo": True}
TIMES = (1_776_384_000.0, 1_776_470_400.0)


def make_config(folder: Path, **mediator: object) -> None:
    (folder / "config.json").write_text(json.dumps({"BACKENDS": [MOCK], "MEDIATOR": mediator}))


@pytest.fixture
def office(tmp_path: Path) -> Path:
    """A ledger of two calls: one that failed at first, and an older one that was refused."""
    make_config(tmp_path, ledger=True)
    observer = LedgerObserver(tmp_path / ".complaint_llm/ledger.db")
    tried = [Attempt("first", "RateLimitError: no", 0.2), Attempt("second", None, 0.8)]
    refused = {"error": "ServerError", "status": 500, "backend": "second", "matter": "=1+1"}
    observer.calls([call_end("mmmm1111", TIMES[0], 1.0, **refused)])
    answered = {"backend": "second", "model": "gpt", "task": "claims", "cost": 0.5}
    observer.calls([call_end("nnnn2222", TIMES[1], 1.0, attempts=tried, **answered)])
    observer.close()
    return tmp_path


def test_the_newest_call_comes_first(office: Path) -> None:
    """A row for each, with who answered and how it ended."""
    code, said = command(office, "logs")
    lines = said.splitlines()
    assert (code, len(lines)) == (0, 3)
    assert all(word in lines[1] for word in ("nnnn2222", "answered", "$0.5000"))
    assert all(word in lines[2] for word in ("mmmm1111", "ServerError 500"))


def test_json_is_a_line_for_each_call(office: Path) -> None:
    """With the attempts, and the time in UTC."""
    code, said = command(office, "logs", "--json")
    newest, oldest = (json.loads(line) for line in said.splitlines())
    assert code == 0
    assert [each["error"] for each in newest["attempts"]] == ["RateLimitError", None]
    assert (newest["time"], newest["cost"], newest["cached"]) == ("2026-04-17T23:59:59.000Z", 0.5, False)
    assert oldest["status"] == 500


def test_pages_follow_one_another_and_lose_no_call(tmp_path: Path) -> None:
    """Each page goes on after the last call of the one before, whatever its length and whatever else is asked for."""
    make_config(tmp_path, ledger=True)
    observer = LedgerObserver(tmp_path / ".complaint_llm/ledger.db")
    for number in range(23):
        matter = f"m{number % 2}"
        observer.calls([call_end(f"{number:08x}", TIMES[0] + number % 5, 1.0, backend="b", matter=matter)])
    observer.close()
    for chosen in ((), ("--matter", "m1"), ("--backend", "b")):
        whole = [json.loads(line) for line in command(tmp_path, "logs", "--json", "-n", "0", *chosen)[1].splitlines()]
        assert len(whole) == (11 if "m1" in chosen else 23)
        paged: list[dict[str, object]] = []
        while len(paged) < len(whole):
            after = ("--after", str(paged[-1]["id"])) if paged else ()
            page = command(tmp_path, "logs", "--json", "-n", "4", *chosen, *after)[1].splitlines()
            assert 1 <= len(page) <= 4
            paged += map(json.loads, page)
        assert paged == whole


def test_csv_runs_nothing_in_a_spreadsheet(office: Path) -> None:
    """A matter that looks like a formula is a text there."""
    _, said = command(office, "logs", "--csv")
    rows = list(csv.DictReader(io.StringIO(said)))
    assert [row["call"] for row in rows] == ["nnnn2222", "mmmm1111"]
    assert rows[1]["matter"] == "'=1+1"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--error"], ["mmmm1111"]),
        (["--error", "ServerError"], ["mmmm1111"]),
        (["--error", "Other"], []),
        (["--backend", "second", "-n", "1"], ["nnnn2222"]),
        (["--task", "claims"], ["nnnn2222"]),
        (["--matter", "=1+1"], ["mmmm1111"]),
        (["--since", "2026-04-17T12:00"], ["nnnn2222"]),
        (["--until", "2026-04-17T12:00"], ["mmmm1111"]),
        (["--until", "2026-04-18"], ["nnnn2222", "mmmm1111"]),
        (["--day", "today"], []),
        (["-n", "0"], ["nnnn2222", "mmmm1111"]),
    ],
)
def test_filters(office: Path, arguments: list[str], expected: list[str]) -> None:
    """By day, backend, matter, error and task."""
    code, said = command(office, "logs", "--json", *arguments)
    assert (code, [json.loads(line)["call"] for line in said.splitlines() if line.startswith("{")]) == (0, expected)


def test_one_call_is_shown_in_full(office: Path) -> None:
    """By the first letters of its name."""
    code, said = command(office, "logs", "nnnn")
    assert code == 0
    assert "model: gpt" in said
    assert "1  first  RateLimitError  0.2 s" in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--json", "--csv"], "give one of them"),
        (["--day", "today", "--since", "today"], "--day is one day"),
        (["--day", "nonsense"], "is no day"),
        (["-n", "-1"], "-1"),
    ],
)
def test_wrong_options_are_named(office: Path, arguments: list[str], says: str) -> None:
    """Exit code 2 and what is wrong."""
    code, said = command(office, "logs", *arguments)
    assert code != 0
    assert says in said


def program(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run(
        [sys.executable, "-m", "complaint_llm", *arguments],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_without_a_ledger_it_says_how_to_keep_one(tmp_path: Path) -> None:
    """And where one is kept that has nothing yet, it says that."""
    make_config(tmp_path)
    off = program(tmp_path, "logs")
    assert (off.returncode, off.stdout) == (1, "")
    assert '"ledger": true' in off.stderr
    assert program(tmp_path, "config", "set", "MEDIATOR", "ledger", "true").returncode == 0
    on = program(tmp_path, "logs")
    assert (on.returncode, on.stdout) == (0, "")
    assert "no call is in the ledger yet" in on.stderr
    program(tmp_path, "generate", "x")
    assert len(program(tmp_path, "logs").stdout.splitlines()) == 2


@pytest.mark.rows(2)
@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("more", [[], ["-v"]])
def test_no_line_is_longer_than_the_terminal(office: Path, columns: int, more: list[str]) -> None:
    """On one of 40 columns too, where time, backend and outcome are left."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    with forked.Popen(
        [sys.executable, "-m", "complaint_llm", "logs", *more],
        cwd=office, stdout=terminal, stderr=subprocess.DEVNULL, stdin=terminal, env={**environment, "NO_COLOR": "1"},
    ) as process:  # fmt: skip
        os.close(terminal)
        said = b""
        try:
            while piece := os.read(controller, 4096):
                said += piece
        except OSError:
            pass  # how a terminal says that nobody writes any more
    os.close(controller)
    lines = said.decode().splitlines()
    assert process.returncode == 0
    assert "2026-04-1" in said.decode()
    assert max(map(len, lines)) <= columns, lines
