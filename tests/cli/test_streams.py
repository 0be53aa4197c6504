"""Standard input and output that are closed, full, or speak another encoding: a line and an exit code, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.everything import write_config

PROGRAM = [sys.executable, "-X", "dev", "-W", "error", "-m", "complaint_llm"]
MOCK = {"id": "offline", "type": "mock", "echo": True}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [MOCK])
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    return tmp_path


def shell(redirected: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """The program with a shell's redirection; 1 and 2 are captured where it leaves them."""
    command = ["sh", "-c", f'exec "$@" {redirected}', "sh", *PROGRAM, *arguments]
    return subprocess.run(
        command, capture_output=True, timeout=60, check=False, env={**os.environ, **variables}, stdin=subprocess.DEVNULL
    )


@pytest.mark.rows(2)
@pytest.mark.parametrize("command", ["generate ask", "check", "batch in.txt"])
@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
def test_results_that_cannot_be_written_are_exit_code_1(command: str, redirected: str) -> None:
    """A full disk behind the redirection, a closed descriptor: said in one line, never taken for done."""
    done = shell(redirected, *command.split())
    assert done.returncode == 1
    said = done.stderr.decode().splitlines()
    assert [line for line in said if line.startswith("standard input or output: ")] == said[:1], said


@pytest.mark.parametrize("redirected", [">/dev/full", ">&-"])
def test_evidence_that_cannot_be_written_out_is_exit_code_1(redirected: str) -> None:
    """Bytes that only reach a buffer are no evidence handed out."""
    cid = shell("", "evidence", "add", "in.txt").stdout.split()[0].decode()
    done = shell(redirected, "evidence", "get", cid, "-o", "-")
    assert done.returncode == 1
    assert done.stderr.startswith(b"standard input or output: ")


@pytest.mark.rows(2)
@pytest.mark.parametrize("command", ["generate -", "explain -", "embed", "batch -"])
def test_closed_standard_input_is_said(command: str) -> None:
    """It has nothing to read, and no traceback."""
    done = shell("<&-", *command.split())
    assert done.returncode in (1, 2)
    assert b"Bad file descriptor" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_batch_into_a_file_needs_none_of_the_three(here: Path) -> None:
    """A service may have closed all of them; none of its files is taken for one of them."""
    done = shell("<&- >&- 2>&-", "batch", "in.txt", "-o", "out.jsonl")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert [json.loads(line)["text"] for line in (here / "out.jsonl").read_text().splitlines()] == ["one", "two"]


@pytest.mark.rows(2)
@pytest.mark.parametrize("command", ["generate -", "explain -", "embed"])
def test_standard_input_that_is_not_utf_8_is_a_usage_mistake(here: Path, command: str) -> None:
    """It is not sent with letters that nobody wrote."""
    (here / "latin").write_bytes("Räumung".encode("latin-1"))
    done = shell("<latin", *command.split())
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input is not UTF-8 (at byte 2)" in done.stderr


@pytest.mark.rows(2)
@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "ascii"}])
def test_what_goes_into_a_pipe_is_utf_8(variables: dict[str, str]) -> None:
    """Whatever the locale: a result has one encoding."""
    done = shell("", "generate", "Räumung € 🏠", "--json", **variables)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["content"] == "Räumung € 🏠"


def test_half_a_character_is_printed_escaped() -> None:
    """A byte that is no UTF-8 in an argument does not cost the answer."""
    command = [*PROGRAM, "generate", b"caf\xe9"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"caf\\udce9\n")
