"""On a terminal an answer streams by itself: each piece is shown as it arrives, and Ctrl-C says what was received."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from tests.cli.slow_service import GIVE_UP, bodies, chunk, office, streamed, stuck
from tests.faults.modes import WELL
from tests.pseudo_terminal import at_work, plain
from tests.transport.faulty import HANG, REQUEST, Pause

PIECES = [f"piece{number:02} " for number in range(30)]
WITHIN = 0.05
"""Seconds within which a piece is shown after it arrived, where the machine is quiet."""


@pytest.fixture(autouse=True)
def _no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)


def test_each_piece_is_shown_while_the_next_has_not_come(tmp_path: Path) -> None:
    """Times of the server and of the terminal, side by side: a piece is seen before the next one is sent, half of them
    within the promised time, whatever else the machine does."""
    sent: dict[str, float] = {}
    with office(tmp_path, streamed(PIECES, first=1.0, gap=0.15, sent=sent)), at_work(tmp_path, "generate", "q") as it:
        assert it.end() == 0
    delays = [it.seen(piece) - sent[piece] for piece in PIECES]
    assert statistics.median(delays) < WITHIN, delays
    assert max(delays) < 30, delays
    assert plain(it.shown) == "".join(PIECES) + "\n"


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("arguments", "streams"),
    [
        ((), True),
        (("--stream",), True),
        (("--no-stream",), False),
        (("--json",), False),
        (("--json", "--stream"), False),
        (("--schema", "name"), False),
        (("--schema", '{"type": "object"}'), False),
        (("--schema", "name", "--stream"), True),
        (("-p", "temperature", "0.1"), True),
        (("--max-tokens", "9"), True),
        (("-u",), True),
        (("-s", "short"), True),
    ],
)
def test_text_streams_on_a_terminal_and_data_does_not(
    tmp_path: Path, arguments: tuple[str, ...], streams: bool
) -> None:
    """Unless the user says otherwise."""
    with (
        office(tmp_path, streamed(['{"name": "x"}']) if streams else WELL.script(False)) as server,
        at_work(tmp_path, "generate", "q", *arguments) as it,
    ):
        it.end()
    assert bool(bodies(server)[0].get("stream")) is streams


def test_into_a_pipe_nothing_streams_by_itself(tmp_path: Path) -> None:
    """A script gets what it got: one answer, with its retries and checks."""
    with office(tmp_path, WELL.script(False)) as server:
        command = [sys.executable, "-m", "complaint_llm", "generate", "q"]
        forked.run(
            command, cwd=tmp_path, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=GIVE_UP
        )
    assert not bodies(server)[0].get("stream")


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    "pieces", [[], ["Z"], ["Two words"], ["several ", "pieces, ", "then none"], ["line\n", "next"]]
)
def test_ctrl_c_says_what_was_received(tmp_path: Path, pieces: list[str]) -> None:
    """Exit code 130; what came stays on the screen, the line about it stands below."""
    with office(tmp_path, stuck(pieces)) as server, at_work(tmp_path, "generate", "q") as it:
        it.wait_for(lambda _: bool(server.requests))
        if pieces:
            it.wait_for(pieces[-1].strip())
        it.press("\x03")
        assert it.end() == 130
    shown = plain(it.shown)
    text = "".join(pieces)
    assert shown.startswith(text)
    line = f"{len(text)} characters of the answer were received" if text else "nothing of the answer was received"
    assert f"\ninterrupted: {line}" in f"\n{shown}"


def test_ctrl_c_without_a_stream_says_that_nothing_came(tmp_path: Path) -> None:
    """The same exit code and line."""
    with office(tmp_path, [REQUEST, HANG]) as server, at_work(tmp_path, "generate", "q", "--no-stream") as it:
        it.wait_for(lambda _: bool(server.requests))
        it.press("\x03")
        assert it.end() == 130
    assert "interrupted: nothing of the answer was received" in it.shown


def test_reasoning_is_said_and_not_shown(tmp_path: Path) -> None:
    """A model that thinks first is not taken for one that hangs."""
    head, *rest = streamed(["The answer."])
    thinking = [chunk(None, reasoning_content="hidden thoughts"), Pause(1.0)]
    with office(tmp_path, [head, rest[0], *thinking, *rest[1:]]), at_work(tmp_path, "generate", "q") as it:
        assert it.end() == 0
    assert "slow is thinking ..." in it.shown
    assert "hidden" not in it.shown
    assert plain(it.shown) == "The answer.\n"


def test_a_pipe_from_which_nothing_comes_is_named_after_a_second(tmp_path: Path) -> None:
    """Then what comes is read as ever, and joined with the argument."""
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [{"id": "m", "type": "mock", "echo": True}]}))
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "complaint_llm", "generate", "argument"]
    pipe = subprocess.PIPE
    with forked.Popen(command, cwd=tmp_path, stdin=reading, stdout=pipe, stderr=pipe, text=True) as process:
        os.close(reading)
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline().startswith("waiting for standard input")
        os.write(writing, b"piped")
        os.close(writing)
        assert process.stdout.read() == "piped\n\nargument\n"
    assert process.returncode == 0
