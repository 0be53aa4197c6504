"""A batch on a real terminal: one line at its foot that fits, failures above it, and what is left after a stop."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.chat_server import ChatServer, write_config, write_lines
from tests.pseudo_terminal import PseudoTerminal, drawings, program, screen

ITEMS = 40
COMMAND = program("batch", "in.jsonl", "-o", "out.jsonl", "-w", "2")
STATUS = re.compile(r"(\d+)/(\d+)")


class Gate(ChatServer):
    """Answers ``free`` prompts at once, then slowly, until it is opened; what begins with "bad" is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.free = 20

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        if len(self.bodies) > self.free:
            self.opened.wait(60)
        if body["messages"][-1]["content"].startswith("bad"):
            return {"error": {"message": "over\x1b[2Jloaded\nERROR fine"}}
        return super().answer(body)

    def open_soon(self) -> None:
        threading.Timer(1, self.opened.set).start()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    server = Gate()
    write_config(tmp_path, server.backend())
    write_lines(tmp_path / "in.jsonl", *({"id": f"i{at}", "prompt": f"p{at}"} for at in range(ITEMS)))
    yield server
    server.opened.set()
    server.close()


def done_of(total: int = ITEMS) -> Callable[[str], bool]:
    """Whether a line of progress was drawn after some results."""
    return lambda shown: any(int(done) > 0 and int(of) == total for done, of in STATUS.findall(shown))


@pytest.mark.rows(1)
@pytest.mark.parametrize("columns", [40, 120, 24])
def test_nothing_drawn_is_as_wide_as_the_terminal(tmp_path: Path, gate: Gate, columns: int) -> None:
    with PseudoTerminal(tmp_path, *COMMAND, columns=columns) as terminal:
        terminal.wait_for(done_of())
        gate.open_soon()
        assert terminal.end() == 0
    drawn = [each for each in drawings(terminal.shown) if STATUS.search(each)]
    assert drawn
    assert max(map(len, drawn)) < columns
    assert columns != 120 or any("#" in each for each in drawn)
    assert "\n" not in re.sub(r".*\r", "", terminal.shown.split("answered")[0])
    left = screen(terminal.shown)
    assert not any(STATUS.search(line) for line in left), "the line is wiped at the end"
    assert left[0].startswith(f"{ITEMS} answered")


def test_it_follows_every_change_of_the_size(tmp_path: Path, gate: Gate) -> None:
    """Each drawing begins by wiping all behind the cursor, which stands before the last drawing."""
    with PseudoTerminal(tmp_path, *COMMAND, columns=120) as terminal:
        terminal.wait_for(done_of())
        for columns in (40, 200, 22, 60, 100, 30, 41, 80, 25, 40):
            terminal.resize(columns)
            before = len(terminal.shown)
            terminal.wait_for(lambda shown, before=before: shown.count("\x1b[J", before) >= 3)  # type: ignore[misc]
            drawn = terminal.shown[before:].split("\x1b[J")[-2]
            assert drawn.endswith("\r")
            assert STATUS.search(drawn)
            assert len(drawn.strip("\r")) < columns
        gate.opened.set()
        assert terminal.end() == 0


def test_each_failure_has_a_line_of_its_own_when_it_happens(tmp_path: Path, gate: Gate) -> None:
    """Its id and its error in one line; what would act on a terminal is escaped."""
    gate.free = 20
    bad = [f"bad{at}" for at in range(10)]
    asked = [prompt for at in range(12) for prompt in (f"bad{at}" if at < 10 else f"q{at}", f"p{at}")]
    write_lines(tmp_path / "in.jsonl", *({"id": f"x-{at}", "prompt": at} for at in asked))
    with PseudoTerminal(tmp_path, *COMMAND, columns=40) as terminal:
        terminal.wait_for(lambda shown: shown.count("failed: x-") >= 10)
        assert gate.opened.is_set() is False
        gate.open_soon()
        assert terminal.end() == 1
    lines = [line for line in screen(terminal.shown) if line.startswith("failed: ")]
    assert sorted(line.split(": ")[1] for line in lines) == sorted(f"x-{at}" for at in bad)
    assert "\x1b[2J" not in terminal.shown
    assert all("\\x1b[2J" in line for line in lines)


def test_after_a_resume_the_time_left_is_that_of_this_run(tmp_path: Path, gate: Gate) -> None:
    """The recorded answers come in no time: they say nothing of what the rest takes."""
    with PseudoTerminal(tmp_path, *COMMAND, columns=40) as terminal:
        terminal.wait_for(lambda shown: any(int(done) >= 18 for done, _ in STATUS.findall(shown)))
        terminal.process.send_signal(signal.SIGINT)
        gate.open_soon()
        assert terminal.end() == 130
    asked = len(gate.bodies)
    gate.opened.clear()
    gate.free = asked + 2
    with PseudoTerminal(tmp_path, *COMMAND, columns=80) as terminal:
        terminal.wait_for(lambda shown: f"{asked + 2}/{ITEMS}" in shown)
        begun = len(terminal.shown)
        until = time.monotonic() + 3.2
        terminal.wait_for(lambda shown: time.monotonic() > until)
        last = re.findall(r"(\d+) s left", terminal.shown[begun:])[-1]
        gate.open_soon()
        assert terminal.end() == 0
    left = ITEMS - asked - 2
    # Two answers took more than three seconds: with the recorded ones in the count it would be far less.
    assert int(last) > 3 / 2 * left * 0.9


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_after_a_signal_it_says_how_many_are_left_and_how_to_go_on(tmp_path: Path, gate: Gate, name: str) -> None:
    with PseudoTerminal(tmp_path, *COMMAND, columns=40) as terminal:
        terminal.wait_for(done_of())
        if name == "SIGINT":
            terminal.press("\x03")
        else:
            terminal.process.send_signal(getattr(signal, name))
        terminal.wait_for(lambda shown: "stopping: waiting" in shown)
        gate.open_soon()
        assert terminal.end() == 130
    answered = len((tmp_path / "out.jsonl").read_text().splitlines())
    lines = screen(terminal.shown)
    assert f"{ITEMS - answered} of {ITEMS} left; run the same command again to go on" in lines
    assert any(line.startswith("stopping: ") for line in lines)


def test_the_second_signal_says_it_too(tmp_path: Path, gate: Gate) -> None:
    with PseudoTerminal(tmp_path, *COMMAND, columns=40) as terminal:
        terminal.wait_for(done_of())
        terminal.press("\x03")
        terminal.wait_for(lambda shown: "stopping: waiting" in shown)
        terminal.press("\x03")
        assert terminal.end() == 130
    assert f" of {ITEMS} left; run the same command again to go on" in terminal.shown
    assert "Traceback" not in terminal.shown


@pytest.mark.rows(1)
@pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": None}])
def test_a_terminal_that_cannot_draw_gets_plain_lines(tmp_path: Path, gate: Gate, env: dict[str, str | None]) -> None:
    gate.opened.set()
    with PseudoTerminal(tmp_path, *COMMAND, columns=40, env=env) as terminal:
        assert terminal.end() == 0
    assert "\x1b" not in terminal.shown
    assert "\r" not in terminal.shown.replace("\r\n", "\n")
    assert f"{ITEMS} answered" in terminal.shown


def test_no_colour_is_drawn(tmp_path: Path, gate: Gate) -> None:
    """The line moves the cursor, and that is all."""
    with PseudoTerminal(tmp_path, *COMMAND, env={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for(done_of())
        gate.open_soon()
        assert terminal.end() == 0
    assert set(re.findall(r"\x1b\[[0-9;?]*[A-Za-z]", terminal.shown)) == {"\x1b[J"}


def test_lines_of_the_log_stand_above_it(tmp_path: Path, gate: Gate) -> None:
    """Each wipes what is drawn, and begins a line."""
    write_config(tmp_path, gate.backend(verbose=True))
    command = program("--debug", "batch", "in.jsonl", "-o", "out.jsonl", "-w", "2")
    with PseudoTerminal(tmp_path, *command, columns=400) as terminal:
        terminal.wait_for(done_of())
        gate.open_soon()
        assert terminal.end() == 0
    shown = terminal.shown
    assert re.search(r"\d+/\d+[^\n]*\r\r\x1b\[JDEBUG ", shown), "a line came while the other was drawn"
    assert re.findall(r"[^\n]{9}(?<!\x1b\[J)DEBUG [^\n]{9}", shown) == []
    assert not any("left" in line and "#" in line for line in screen(shown))
