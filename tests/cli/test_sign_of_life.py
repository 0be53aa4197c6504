"""While an answer is waited for, a line says so: soon, erased in time, plain where the terminal is, nowhere else."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import forked
from tests.cli.slow_service import GIVE_UP, entry, office, streamed, write_config
from tests.pseudo_terminal import at_work, plain
from tests.transport.faulty import REQUEST, FaultyServer, ok

SLOW = streamed(["done"], first=2.5)
SLOW_PLUGIN = """
import time

from complaint_llm import InferenceOutput, hookimpl
from complaint_llm.backends import Backend, BackendType

time.sleep(2.2)


class Parrot(Backend):
    def answer(self, request):
        return InferenceOutput("done")


@hookimpl
def complaint_llm_backend_types():
    return [BackendType("parrot", Parrot)]
"""


@pytest.fixture(autouse=True)
def _no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)


def test_the_first_sign_comes_hardly_later_than_the_version(tmp_path: Path) -> None:
    """The yardstick is the start of the program itself, on the same machine in the same minute: what a sign adds to it
    is a fraction, while getting to a request adds more."""
    with FaultyServer(streamed(["done"])) as server:
        write_config(tmp_path, entry(server))
        signs, versions = [], []
        for _ in range(5):
            began = time.monotonic()
            subprocess.run([sys.executable, "-m", "complaint_llm", "--version"], check=True, capture_output=True)
            versions.append(time.monotonic() - began)
            with at_work(tmp_path, "generate", "q", start=forked.start) as it:
                it.end()
            assert it.pieces[0][1].startswith("\rgetting ready ...")
            signs.append(it.pieces[0][0] - it.began)
    assert statistics.median(signs) < 2 * statistics.median(versions) + 0.1, (signs, versions)


def test_a_config_that_is_slow_to_load_does_not_keep_it_away(tmp_path: Path) -> None:
    """The line is there, and counts, while a plugin is imported."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "parrot.py").write_text(SLOW_PLUGIN)
    write_config(tmp_path, {"id": "a", "type": "parrot"}, PLUGINS={"paths": ["plugins"]})
    with at_work(tmp_path, "generate", "q") as it:
        it.end()
    assert "getting ready ... 1 s" in it.shown
    assert "getting ready ... 2 s" in it.shown
    assert plain(it.shown) == "done\n"


def test_it_names_who_is_asked_counts_and_is_erased_before_the_first_piece(tmp_path: Path) -> None:
    """What stays on the screen is the answer."""
    with office(tmp_path, SLOW), at_work(tmp_path, "generate", "q") as it:
        assert it.end() == 0
    assert "\rasking slow ... 1 s" in it.shown
    assert "\rasking slow ... 2 s" in it.shown
    assert re.search(r"\r {10,}\rdone\n$", it.shown)
    assert plain(it.shown) == "done\n"
    assert "\x1b" not in it.shown


def test_of_several_backends_it_names_the_first_and_how_many_more(tmp_path: Path) -> None:
    """None of them is said to be asked while another one is."""
    with FaultyServer(SLOW) as server:
        write_config(tmp_path, entry(server, "one"), entry(server, "two"), entry(server, "three"))
        with at_work(tmp_path, "generate", "q") as it:
            it.end()
        with at_work(tmp_path, "generate", "q", "-b", "two") as named:
            named.end()
    assert "\rasking one or 2 others ... 1 s" in it.shown
    assert "\rasking two ... 1 s" in named.shown


@pytest.mark.rows(1)
@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}, {"TERM": "dumb", "NO_COLOR": "1"}])
def test_a_terminal_that_cannot_go_back_gets_one_plain_line(tmp_path: Path, variables: dict[str, str]) -> None:
    """No carriage return, no escape."""
    with office(tmp_path, SLOW), at_work(tmp_path, "generate", "q", env=variables) as it:
        assert it.end() == 0
    assert it.shown == "getting ready ...\ndone\n"


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    "variables", [{"NO_COLOR": "1"}, {"TERM": "xterm-256color"}, {"TERM": "vt100"}, {"TERM": "screen"}]
)
def test_it_is_drawn_without_escapes_on_any_terminal(tmp_path: Path, variables: dict[str, str]) -> None:
    """Carriage returns and spaces do."""
    with office(tmp_path, SLOW), at_work(tmp_path, "generate", "q", env=variables) as it:
        assert it.end() == 0
    assert "\x1b" not in it.shown
    assert plain(it.shown) == "done\n"


@pytest.mark.rows(1)
@pytest.mark.parametrize("columns", [10, 17, 18, 20, 40])
def test_it_fits_the_terminal(tmp_path: Path, columns: int) -> None:
    """A line that wraps could not be erased."""
    with office(tmp_path, SLOW), at_work(tmp_path, "generate", "q", columns=columns) as it:
        assert it.end() == 0
    assert max(len(line) for line in it.shown.replace("\n", "\r").split("\r")) < columns
    assert it.shown.endswith("\rdone\n")


def test_without_a_terminal_there_is_none(tmp_path: Path) -> None:
    """Not in a log, not in a pipe."""
    with office(tmp_path, [REQUEST, ok(b"{}")]):
        command = [sys.executable, "-m", "complaint_llm", "generate", "q", "--stream"]
        done = forked.run(command, cwd=tmp_path, capture_output=True, stdin=subprocess.DEVNULL, timeout=GIVE_UP)
    assert b"asking" not in done.stderr
    assert b"ready" not in done.stderr
    assert b"\r" not in done.stderr


def test_results_in_a_file_have_nothing_of_it(tmp_path: Path) -> None:
    """It is shown to who waits at the terminal; standard output holds the answer alone."""
    with (
        office(tmp_path, streamed(["done"], first=1.5)),
        (tmp_path / "out.txt").open("wb") as out,
        at_work(tmp_path, "generate", "q", "--stream", stdout=out) as it,
    ):
        assert it.end() == 0
    assert (tmp_path / "out.txt").read_text() == "done\n"
    assert "\rasking slow ... 1 s" in it.shown
    assert plain(it.shown) == ""


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("q", "-b", "nobody"), 1), ((" ",), 2), (("q", "-f", "nowhere.pdf"), 2), (("-p", "x", "y", "q"), 2)],
)
def test_an_error_begins_a_line_of_its_own(tmp_path: Path, arguments: tuple[str, ...], code: int) -> None:
    """What is said while it is there takes its place."""
    with office(tmp_path, SLOW), at_work(tmp_path, "generate", *arguments) as it:
        assert it.end() == code
    assert "getting ready" in it.shown
    assert "ready" not in plain(it.shown)


def test_a_warning_while_it_is_there_takes_its_place(tmp_path: Path) -> None:
    """The line is drawn again below it."""
    with FaultyServer(streamed(["done"], first=1.5)) as server:
        write_config(tmp_path, entry(server, verbose=True), LOG={"level": "DEBUG"})
        with at_work(tmp_path, "generate", "q") as it:
            assert it.end() == 0
    lines = plain(it.shown).splitlines()
    assert len(lines) > 1
    assert lines[-1] == "done"
    assert [line for line in lines[:-1] if not line.startswith("DEBUG ")] == []
