"""The command line as a process: exit codes 0, 1, 2 and 130, results on stdout and everything else on stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import forked
from tests.end_to_end.everything import write_config
from tests.faults.mode import ANSWER, GOOD, failed, said
from tests.faults.modes import WELL
from tests.peers import free_port
from tests.transport.faulty import HANG, REQUEST, FaultyServer, ok
from tests.usual_signals import usual_signals

PROGRAM = [sys.executable, "-X", "dev", "-W", "error", "-m", "complaint_llm"]
MOCK = {"id": "offline", "type": "mock", "echo": True}
WAITS = [REQUEST, HANG]


def entry(port: int, **keys: Any) -> dict[str, Any]:
    base = {"id": "first", "type": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-x", "model": "m"}
    return {**base, "max_retries": 0, **keys}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every command runs in an empty folder, without a config in the environment."""
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return forked.run(
        [*PROGRAM, *arguments], input=stdin, capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )


def refused(done: subprocess.CompletedProcess[str], code: int, text: str) -> None:
    """It ended with this code, nothing on stdout and lines without a traceback on stderr, the text among them."""
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("streamed", [[], ["--stream"]], ids=["plain", "stream"])
def test_an_answer_is_all_of_stdout(here: Path, streamed: list[str]) -> None:
    """Exit code 0, the text and a line end, nothing on stderr."""
    with FaultyServer(WELL.script(bool(streamed))) as server:
        write_config(here, [entry(server.port)])
        done = run("generate", "ask", *streamed)
    assert (done.returncode, done.stdout, done.stderr) == (0, ANSWER + "\n", "")


def test_a_failed_call_is_exit_code_1_and_a_line(here: Path) -> None:
    """A backend's error, and of several backends a line for each attempt."""
    write_config(here, [entry(free_port())])
    refused(run("generate", "ask"), 1, "connection refused")
    write_config(here, [entry(free_port()), entry(free_port(), id="second")])
    done = run("generate", "ask")
    refused(done, 1, "none of 2 backends answered")
    assert len(done.stderr.splitlines()) == 3


def test_a_deadline_is_named_as_one(here: Path) -> None:
    """BackendTimeoutError is an OSError too: its line says which backend did not answer."""
    with FaultyServer(WAITS) as server:
        write_config(here, [entry(server.port)])
        done = run("generate", "ask", "--timeout", "0.2")
    refused(done, 1, "first: ")
    assert "standard" not in done.stderr


def test_a_stream_that_breaks_off_is_exit_code_1_after_its_text(here: Path) -> None:
    """What came stands on stdout, why it ended on stderr."""
    from tests.faults.mode import PIECE
    from tests.faults.modes import MODES

    with FaultyServer(MODES["stream cut after a piece"].script(True)) as server:
        write_config(here, [entry(server.port)])
        done = run("generate", "ask", "--stream")
    assert done.returncode == 1
    assert done.stdout.strip() == PIECE.strip()
    assert "Traceback" not in done.stderr
    assert "the answer is cut off" in done.stderr


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no command": (["generat", "ask"], "did you mean 'generate'?"),
    "unknown option": (["generate", "ask", "--modle", "x"], "--modle"),
    "missing argument": (["generate"], "PROMPT"),
    "option out of range": (["generate", "ask", "--max-tokens", "0"], "--max-tokens"),
    "no config anywhere": (["generate", "ask"], "complaint-llm init"),
    "config that is not there": (["-c", "nowhere.json", "generate", "ask"], "nowhere.json"),
    "input that is not there": (["batch", "nowhere.jsonl", "-o", "out.jsonl"], "nowhere.jsonl"),
}


@pytest.mark.rows(2)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_usage_mistake_is_exit_code_2(mistake: str) -> None:
    """Before anything is asked, in words of the command line."""
    arguments, text = MISTAKES[mistake]
    refused(run(*arguments), 2, text)


@pytest.mark.rows(1)
@pytest.mark.parametrize("command", ["generate ask", "check", "batch in.txt", "explain ask", "embed ask"])
def test_a_broken_config_is_exit_code_2_for_every_command_that_reads_it(here: Path, command: str) -> None:
    """Every fault on a line with its place."""
    (here / "in.txt").write_text("ask\n")
    write_config(here, [{**MOCK, "temperatur": 1}, {"id": "x", "type": "opnai"}])
    done = run(*command.split())
    refused(done, 2, 'did you mean "temperature"?')
    assert "opnai" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.rows(1)
@pytest.mark.parametrize("named", ["option", "variable"])
def test_plugins_answers_though_the_config_is_not_there(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists what there is, says what is wrong, and ends with 2."""
    monkeypatch.setenv("COMPLAINT_LLM_CONFIG", "nowhere.json" if named == "variable" else "")
    done = run(*(("-c", "nowhere.json") if named == "option" else ()), "plugins")
    assert (done.returncode, "openai" in done.stdout, "nowhere.json" in done.stderr) == (2, True, True)


@pytest.mark.parametrize("command", ["generate ask", "evidence list"])
def test_an_environment_that_names_no_config_is_a_mistake_too(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """$COMPLAINT_LLM_CONFIG is as binding as -c: a file that is not there is never passed over."""
    monkeypatch.setenv("COMPLAINT_LLM_CONFIG", "nowhere.json")
    refused(run(*command.split()), 2, "nowhere.json")


def interrupted(arguments: list[str], server: FaultyServer, requests: int = 1) -> tuple[int, str]:
    """Start it, press Ctrl-C once so many requests have arrived, once more where it says that it waits for what is
    under way; exit code and stderr."""
    pipe = subprocess.PIPE
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=pipe, stderr=pipe, text=True, preexec_fn=usual_signals)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        until = time.monotonic() + 60
        while len(server.requests) < requests and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = ""
        if arguments[0] == "batch":
            while "Ctrl-C again" not in said:
                line = process.stderr.readline()
                assert line, said
                said += line
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=25)  # the server keeps its requests for 30 s
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    assert out == ""
    return process.returncode, said + err


@pytest.mark.rows(2)
@pytest.mark.parametrize("command", ["generate ask", "generate ask --stream", "embed ask", "batch in.txt -o out.jsonl"])
def test_ctrl_c_is_exit_code_130(here: Path, command: str) -> None:
    """While it waits for a server: it ends at once (a batch at the second), without a traceback."""
    (here / "in.txt").write_text("ask\n")
    with FaultyServer(WAITS) as server:
        write_config(here, [entry(server.port, embedding_model="m")])
        code, err = interrupted(command.split(), server)
    assert code == 130, err
    assert "Traceback" not in err


def test_a_batch_that_was_interrupted_goes_on_where_it_stopped(here: Path) -> None:
    """The first answer is in the journal; the second run asks only for the rest."""
    (here / "in.txt").write_text("one\ntwo\n")
    command = ["batch", "in.txt", "-o", "out.jsonl", "-w", "1"]
    answer = [REQUEST, ok(GOOD, b"Connection: close\r\n")]
    with FaultyServer(answer, WAITS) as server:
        write_config(here, [entry(server.port)])
        code, err = interrupted(command, server, requests=2)
        assert code == 130, err
    with FaultyServer(answer) as server:
        write_config(here, [entry(server.port)])
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 1
    lines = [json.loads(line) for line in (here / "out.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == [ANSWER, ANSWER]


def test_batch_between_pipes(here: Path) -> None:
    """Lines in, lines out in their order, the summary on stderr."""
    write_config(here, [MOCK])
    prompts = [f"Fall {number}: Kündigung" for number in range(20)]
    given = "".join(json.dumps({"id": f"n{at}", "prompt": prompt}) + "\n" for at, prompt in enumerate(prompts))
    done = run("batch", "-", stdin=given)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["id"], line["text"]) for line in lines] == [(f"n{at}", prompt) for at, prompt in enumerate(prompts)]
    assert "20" in done.stderr


def test_a_batch_of_which_some_failed_is_exit_code_1(here: Path) -> None:
    """The rest is answered; the failed line holds its error; a line that is none is named by its number."""
    with FaultyServer([REQUEST, failed(500, said("down"))], [REQUEST, ok(GOOD, b"Connection: close\r\n")]) as server:
        write_config(here, [entry(server.port)])
        done = run("batch", "-", "-w", "1", stdin='{"prompt": "one"}\nnonsense\n{"prompt": "two"}\n')
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "2" in next(line for line in done.stderr.splitlines() if "line" in line)
    texts = [json.loads(line).get("text") for line in done.stdout.splitlines()]
    assert [text for text in texts if text] == [ANSWER]


def test_a_reader_that_goes_away_ends_it_quietly(here: Path) -> None:
    """``complaint-llm schema | head -0``: no traceback."""
    process = subprocess.Popen([*PROGRAM, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 1
    assert err == b""


def test_demo_text_says_so_on_stderr_only(here: Path) -> None:
    """Without a key: the echo on stdout, and beside it what would have to be set."""
    write_config(here, [entry(9, api_key="$NO_SUCH_VARIABLE", optional=True), MOCK])
    done = run("generate", "ask")
    assert (done.returncode, done.stdout) == (0, "ask\n")
    assert "demo text" in done.stderr
    assert "NO_SUCH_VARIABLE" in done.stderr


def test_the_prompt_may_come_from_standard_input(here: Path) -> None:
    """``-`` reads all of it, in UTF-8."""
    write_config(here, [MOCK])
    done = run("generate", "-", stdin="Räumung\nzweite Zeile")
    assert (done.returncode, done.stdout) == (0, "Räumung\nzweite Zeile\n")


def test_a_traceback_is_shown_where_it_was_asked_for(here: Path) -> None:
    """--debug: the same line and code, and the whole error."""
    write_config(here, [entry(free_port())])
    done = run("--debug", "generate", "ask")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" in done.stderr
    assert "sk-x" not in done.stderr


def test_the_installed_command_is_the_same_program(here: Path) -> None:
    """``complaint-llm`` and ``python -m complaint_llm`` say the same."""
    command = Path(sys.executable).with_name("complaint-llm")
    if not command.exists():
        pytest.skip("the command is not installed beside this Python: pip install complaint-llm")
    shown = subprocess.run([str(command), "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert (shown.returncode, shown.stdout) == (0, run("--help").stdout)


@pytest.mark.rows(2)
@pytest.mark.parametrize("command", ["check", "plugins", "--help"])
def test_no_colours_reach_a_pipe(here: Path, command: str) -> None:
    """Escape sequences are for terminals."""
    write_config(here, [MOCK])
    done = run(command)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr


def test_nothing_is_written_beside_the_config(here: Path) -> None:
    """Asking leaves no file behind."""
    write_config(here, [MOCK])
    assert run("generate", "ask").returncode == 0
    assert sorted(os.listdir(here)) == ["config.json"]
