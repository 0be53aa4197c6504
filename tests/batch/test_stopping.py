"""TERM and HUP end a batch as Ctrl-C does, and no error on the way out costs an answer or hides another error."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, MockBackend
from complaint_llm.batch import run_batch
from complaint_llm.exceptions import BatchError, ComplaintLLMError, EvidenceError
from complaint_llm.messages import InferenceOutput, TokenUsage
from tests import forked
from tests.batch.chat_server import ChatServer, read_out, run_command, write_config, write_lines
from tests.usual_signals import usual_signals

ITEMS = 200
COMMAND = ("in.jsonl", "-o", "out.jsonl", "-w", "4")


class SlowServer(ChatServer):
    """Answers after ``delay`` seconds: all items together take longer than any machine needs to bring a signal."""

    delay = 0.3

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.delay)
        return super().answer(body)


@pytest.fixture
def slow(tmp_path: Path) -> Any:
    server = SlowServer()
    write_config(tmp_path, server.backend())
    write_lines(tmp_path / "in.jsonl", *({"id": str(i), "prompt": f"p{i}"} for i in range(ITEMS)))
    yield server
    server.close()


def start(folder: Path, *before: str, **how: Any) -> subprocess.Popen[bytes]:
    command = [*before, sys.executable, "-m", "complaint_llm", "-c", "config.json", "batch", *COMMAND]
    how = {"stderr": subprocess.PIPE, "preexec_fn": usual_signals, **how}
    return forked.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **how)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


def ended_well(folder: Path, server: SlowServer, process: subprocess.Popen[bytes], said: str) -> None:
    """Exit code 130, what was under way in OUT, and a resume that asks none of it again."""
    assert process.returncode == 130
    server.delay = 0.0
    lines = read_out(folder / "out.jsonl")
    assert 0 < len(lines) < ITEMS
    assert {line["state"] for line in lines} == {"answered"}
    assert len(server.bodies) == len(lines)
    assert run_command(folder, *map(str, (folder / "in.jsonl", "-o", folder / "out.jsonl"))).exit_code == 0
    assert len(server.bodies) == ITEMS
    assert len(read_out(folder / "out.jsonl")) == ITEMS
    if said:
        assert "answered" in said


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_records_what_is_under_way_writes_out_and_says_so(tmp_path: Path, slow: SlowServer, name: str) -> None:
    with start(tmp_path) as process:
        wait_for(lambda: len(slow.bodies) >= 10)
        process.send_signal(getattr(signal, name))
        _, said = process.communicate(timeout=60)
    assert b"stopping: waiting for what is under way" in said
    ended_well(tmp_path, slow, process, said.decode())


def test_a_terminal_that_goes_away_costs_nothing(tmp_path: Path, slow: SlowServer) -> None:
    """HUP comes because nobody reads the other end any more: all that is said then fails."""
    ours, theirs = pty.openpty()
    with start(tmp_path, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        wait_for(lambda: len(slow.bodies) >= 10)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        process.wait(60)
    assert process.returncode in (1, 130)  # 1: the summary could not be said
    lines = read_out(tmp_path / "out.jsonl")
    assert len(lines) == len(slow.bodies) < ITEMS


@pytest.mark.endurance
def test_hup_and_term_together_are_one_wish(tmp_path: Path, slow: SlowServer) -> None:
    """A service manager sends both: the second of another kind does not cancel what is under way."""
    with start(tmp_path) as process:
        wait_for(lambda: len(slow.bodies) >= 10)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        _, said = process.communicate(timeout=60)
    ended_well(tmp_path, slow, process, said.decode())


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path, slow: SlowServer) -> None:
    """As with nohup."""
    slow.delay = 0.05
    write_lines(tmp_path / "in.jsonl", *({"prompt": f"p{i}"} for i in range(60)))
    with start(tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        wait_for(lambda: len(slow.bodies) >= 10)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(read_out(tmp_path / "out.jsonl")) == 60


def test_the_same_signal_again_cancels(tmp_path: Path, slow: SlowServer) -> None:
    with start(tmp_path) as process:
        wait_for(lambda: len(slow.bodies) >= 10)
        process.send_signal(signal.SIGTERM)
        wait_for(lambda: b"stopping" in os.read(process.stderr.fileno(), 4096))  # type: ignore[union-attr]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130


class Failing(Backend):
    """Answers, and cannot be closed."""

    type = "failing"

    def answer(self, request: Any) -> InferenceOutput:
        return InferenceOutput("x", cost=0.25, finish_reason="stop")

    def close_resources(self) -> None:
        raise BatchError("the lid is stuck")


def test_an_error_of_closing_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ZeroDivisionError) as caught, Mediator([Failing(id="f")]):
        raise ZeroDivisionError("the first")
    assert "the lid is stuck" in "".join(caught.value.__notes__)
    assert "the lid is stuck" in caplog.text
    with pytest.raises(ComplaintLLMError, match="stuck"), Mediator([Failing(id="f")]):
        pass


@pytest.mark.parametrize("limit", [0.25, 0.5, 0.6, 1, 3.75, 10])
def test_the_cost_of_a_batch_is_bounded_as_the_commands_is(tmp_path: Path, limit: float) -> None:
    class Priced(Backend):
        type = "priced"

        def answer(self, request: Any) -> InferenceOutput:
            return InferenceOutput("x", cost=0.25, finish_reason="stop")

    with Mediator([Priced(id="p")]) as mediator:
        run = mediator.batch((f"p{i}" for i in range(1000)), 2, journal=tmp_path / "j", max_cost=limit)
        results = list(run)
        assert limit <= run.summary.cost <= limit + 4 * 0.25
        assert run.stopped_because == f"the cost reached ${limit:g}"
        assert len(results) == round(run.summary.cost / 0.25)
        again = mediator.batch((f"p{i}" for i in range(len(results))), 2, journal=tmp_path / "j", max_cost=1000)
        assert len(list(again)) == len(results)
        assert again.stopped_because == ""


class Unpriced(Backend):
    """Answers at a price that nobody knows."""

    type = "unpriced"

    def answer(self, request: Any) -> InferenceOutput:
        return InferenceOutput("x", token_usage=TokenUsage(3, 4, 7), finish_reason="stop")


class Demonstration(Unpriced):
    """Is no model, and takes no money."""

    def answer(self, request: Any) -> InferenceOutput:
        return InferenceOutput("x", metadata={"demo": True})


@pytest.mark.parametrize("journal", [False, True])
@pytest.mark.parametrize(
    ("backends", "limit", "named"),
    [
        (lambda: [Unpriced(id="a")], 1.0, ["a"]),
        (lambda: [Unpriced(id="a"), Unpriced(id="b")], 1.0, ["a", "b"]),
        (lambda: [Unpriced(id="a", pricing={"input": 0.0, "output": 0.0})], 1.0, []),
        (lambda: [Unpriced(id="a")], None, []),
        (lambda: [Demonstration(id="d")], 1.0, []),
    ],
    ids=["one", "two", "free", "no limit", "demonstration"],
)
def test_a_backend_whose_answers_a_limit_cannot_count_is_named_once(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    backends: Callable[[], list[Backend]],
    limit: float | None,
    named: list[str],
    journal: bool,
) -> None:
    """As soon as it answers, also where the answer was recorded before: the limit does not hold it."""
    place = {"journal": tmp_path / "j"} if journal else {}
    for _ in range(1 + journal):
        caplog.clear()
        with Mediator(backends(), strategy="round_robin") as mediator:
            assert len(list(mediator.batch([f"p{i}" for i in range(20)], 2, max_cost=limit, **place))) == 20
        said = [each.getMessage() for each in caplog.records if "max_cost" in each.getMessage()]
        assert sorted(each.split()[7].rstrip(",") for each in said) == named
        assert all("pricing" in each for each in said)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf"), True])
def test_a_bound_that_is_none_is_refused(limit: float) -> None:
    with Mediator([MockBackend(id="m", echo=True)]) as mediator, pytest.raises(ValueError, match="max_cost"):
        mediator.batch(["a"], max_cost=limit)


OUT_OF_MEMORY = """
import json, resource, sys
from complaint_llm.batch import run_batch
from complaint_llm.exceptions import BatchError, ComplaintLLMError, EvidenceError
from complaint_llm.messages import InferenceOutput
journal, size = sys.argv[1] or None, int(sys.argv[2])
paid = []
def ask(prompt, params):
    text = "x" * size + prompt
    paid.append(prompt)
    return InferenceOutput(text)
held, error, rest = [], None, []
run = run_batch(ask, map(str, range(100)), max_workers=4, journal=journal)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400_000_000, resource.RLIM_INFINITY))
try:
    for result in run:
        held.append(result)
except BaseException as caught:
    error, rest = type(caught).__name__, getattr(caught, "results", [])
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
answered = [result for result in [*held, *rest] if result.output is not None]
print(json.dumps([len(paid), len(answered), len(held) + len(rest), error]))
"""


@pytest.mark.rows(1)
@pytest.mark.parametrize("journal", ["", "j"])
@pytest.mark.parametrize("size", [20_000_000, 390_000_000])
def test_memory_that_runs_out_ends_a_batch_and_does_not_hang_it(tmp_path: Path, journal: str, size: int) -> None:
    """A consumer keeps every result until there is no room for another: the answers that came are handed over."""
    where = str(tmp_path / journal) if journal else ""
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, where, str(size)],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    paid, answered, results, error = json.loads(done.stdout)
    assert results == 100 or error is not None
    assert answered <= paid < 100
    assert answered == paid or journal


NO_MEMORY = """
import faulthandler, sys, tempfile, threading
import _testcapi
from complaint_llm.batch import run_batch
from complaint_llm.messages import InferenceOutput
threading.excepthook = lambda args: None
sys.unraisablehook = lambda args: None
def one(first, count, journal):
    armed = threading.Event()
    def ask(prompt, params):
        if prompt == "5" and not armed.is_set():
            armed.set()
            _testcapi.set_nomemory(first, first + count)
        return InferenceOutput("a" + prompt)
    got = 0
    try:
        with run_batch(ask, map(str, range(12)), max_workers=2, journal=journal) as run:
            for result in run:
                got += 1
        ended = got == 12
    except (Exception, KeyboardInterrupt):
        ended = True
    _testcapi.remove_mem_hooks()
    return ended
faulthandler.dump_traceback_later(150, exit=True)
for first in range(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])):
    for count in (1, 3):
        for journal in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                assert one(first, count, folder + "/j" if journal else None), (first, count, journal)
print("all ended")
"""


def no_memory(first: int, last: int, step: int) -> None:
    pytest.importorskip("_testcapi")
    command = [sys.executable, "-c", NO_MEMORY, str(first), str(last), str(step)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    assert done.stdout == "all ended\n", done.stderr[-2000:]


@pytest.mark.rows(1)
@pytest.mark.parametrize("first", [5, 6, 10, 15, 20, 30, 50, 90, 150, 250, 400])
def test_an_allocation_that_fails_in_whatever_thread_ends_the_batch(first: int) -> None:
    """The interpreter refuses one or three allocations, counted from the sixth question on."""
    no_memory(first, first + 1, 1)


@pytest.mark.endurance
@pytest.mark.parametrize("first", range(0, 600, 100))
def test_each_of_600_allocations_that_fails_ends_the_batch(first: int) -> None:
    no_memory(first, first + 100, 2)


@pytest.mark.parametrize("journal", [True, False])
def test_an_answer_outlives_its_record_of_provenance(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, journal: bool
) -> None:
    """The store's disk is full: what was paid for comes, is recorded, and says what is missing."""
    answer = InferenceOutput("paid for", cost=0.25, finish_reason="stop")
    asked: list[str] = []

    def ask(prompt: str, params: object) -> InferenceOutput:
        asked.append(prompt)
        error = EvidenceError("the disk is full")
        error.output = answer
        raise error

    for _ in range(2 if journal else 1):
        results = list(run_batch(ask, ["a", "b"], journal=tmp_path / "j" if journal else None))
        assert [result.output.content for result in results if result.output] == ["paid for"] * 2
        assert {result.output.metadata["provenance_error"] for result in results if result.output} == {
            "the disk is full"
        }
    assert len(asked) == 2
    assert "no record of provenance" in caplog.text
