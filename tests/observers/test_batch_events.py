"""What observers are told of batches: a beginning and an end, once each, however they end and wherever they are run."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import BackendError, ConfigError, ServerError
from complaint_llm.messages import InferenceOutput
from complaint_llm.observers.event_queue import EventQueue
from complaint_llm.observers.observer import AnswerEvent, BatchEvent, Observer, RequestEvent

DROP_IN = '''
"""An observer that writes a line for each event into a file."""
import json, os
from complaint_llm import hookimpl
from complaint_llm.observers.observer import Observer

class Lines(Observer):
    def __init__(self, path):
        self.path = path

    def _write(self, what, event):
        line = json.dumps([what, os.getpid(), event._asdict()], default=str)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(line + "\\n")

    def answer(self, event):
        self._write("answer", event)

    def batch(self, event):
        self._write("batch", event)

    def close(self):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(["close", os.getpid(), {}]) + "\\n")

@hookimpl
def complaint_llm_observers():
    return {"lines": Lines}
'''


class Keeps(Observer):
    """Everything that it is told."""

    def __init__(self) -> None:
        self.batches: list[BatchEvent] = []
        self.answers: list[AnswerEvent] = []
        self.order: list[str] = []

    def answer(self, event: AnswerEvent) -> None:
        self.answers.append(event)
        self.order.append("answer")

    def batch(self, event: BatchEvent) -> None:
        self.batches.append(event)
        self.order.append(event.phase)

    def close(self) -> None:
        self.order.append("close")


class Counts(Backend):
    """Answers for a dollar; fails for what says so."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        if "fail" in request.messages[-1].text:
            raise ServerError("no", status=500)
        cut = "cut" in request.messages[-1].text
        return InferenceOutput("yes", cost=1.0, finish_reason="length" if cut else "stop")


def config(folder: Path, **more: Any) -> Path:
    """A config with the drop-in and a mock."""
    (folder / "plugins").mkdir(mode=0o755)
    (folder / "plugins" / "lines.py").write_text(DROP_IN, encoding="utf-8")
    path = folder / "config.json"
    path.write_text(
        json.dumps(
            {
                "BACKENDS": [{"id": "a", "type": "mock", "echo": True}],
                "PLUGINS": {"paths": ["plugins"]},
                "OBSERVERS": [{"type": "lines", "path": str(folder / "events")}],
                **more,
            }
        ),
        encoding="utf-8",
    )
    return path


def events_of(folder: Path) -> list[tuple[str, int, dict[str, Any]]]:
    """What the drop-in wrote."""
    return [tuple(json.loads(line)) for line in (folder / "events").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("prompts", "counts", "cost"),
    [
        ([], {}, 0.0),
        (["a"], {"answered": 1}, 1.0),
        (["a", "b", "c"], {"answered": 3}, 3.0),
        (["fail"], {"failed": 1}, 0.0),
        (["fail 1", "fail 2"], {"failed": 2}, 0.0),
        (["a", "fail"], {"answered": 1, "failed": 1}, 1.0),
        (["cut"], {"cut": 1}, 1.0),
        (["cut", "a", "fail"], {"cut": 1, "answered": 1, "failed": 1}, 2.0),
        ([" "], {"not_read": 1}, 0.0),
        ([" ", "a"], {"not_read": 1, "answered": 1}, 1.0),
        ([" ", "a", "cut", "fail"], {"not_read": 1, "answered": 1, "cut": 1, "failed": 1}, 2.0),
        ([str(number) for number in range(40)], {"answered": 40}, 40.0),
    ],
)
def test_a_batch_is_told_with_its_results_by_state(prompts: list[str], counts: dict[str, int], cost: float) -> None:
    """Under one name, with what it cost; the beginning comes before any answer, the end after all."""
    keeps = Keeps()
    with Mediator([Counts(id="a", max_retries=0)], observers=[keeps]) as mediator:
        list(mediator.batch(prompts))
    begin, end = keeps.batches
    assert (begin.phase, end.phase) == ("begin", "end")
    assert begin.batch == end.batch
    assert begin.counts == {"recorded": 0}
    assert {state: count for state, count in end.counts.items() if count} == counts
    assert end.cost == cost
    assert end.seconds > 0
    assert [keeps.order[0], *keeps.order[-2:]] == ["begin", "end", "close"]


def _drain(run: Any) -> None:
    list(run)


def _close(run: Any) -> None:
    next(run)
    run.close()
    run.close()


def _leave(run: Any) -> None:
    with run:
        next(run)


def _drop(run: Any) -> None:
    next(run)
    del run


def _stop(run: Any) -> None:
    next(run)
    run.stop()
    list(run)


@pytest.mark.parametrize("end", [_drain, _close, _leave, _drop, _stop])
def test_a_batch_is_told_once_however_it_ends(end: Callable[[Any], None]) -> None:
    """Read to its end, closed, dropped, stopped."""
    keeps = Keeps()
    with Mediator([Counts(id="a", max_retries=0)], observers=[keeps]) as mediator:
        end(mediator.batch([str(number) for number in range(30)], max_workers=2))
    assert [each.phase for each in keeps.batches] == ["begin", "end"]
    assert keeps.batches[1].counts["answered"] >= 1


def test_a_batch_that_goes_on_says_what_was_recorded_before(tmp_path: Path) -> None:
    """At its beginning by its journal, at its end by what was taken from it."""
    keeps = Keeps()
    with Mediator([Counts(id="a", max_retries=0)], observers=[keeps]) as mediator:
        for prompts in (["a", "b"], ["a", "b", "c"]):
            list(mediator.batch(prompts, journal=tmp_path / "j"))
    first, first_end, second, second_end = keeps.batches
    assert (first.counts, first_end.counts["recorded"]) == ({"recorded": 0}, 0)
    assert (second.counts, second_end.counts["recorded"]) == ({"recorded": 2}, 2)
    assert second_end.counts["answered"] == 3
    assert len(keeps.answers) == 3


def test_an_input_that_raises_ends_a_batch_that_is_told() -> None:
    """With what there was until then."""
    keeps = Keeps()

    def prompts() -> Iterator[str]:
        yield "a"
        raise OSError("gone")

    with Mediator([Counts(id="a")], observers=[keeps]) as mediator, pytest.raises(OSError, match="gone"):
        list(mediator.batch(prompts()))
    assert [each.phase for each in keeps.batches] == ["begin", "end"]
    assert keeps.batches[1].counts["answered"] == 1


def test_threads_of_another_executor_are_told_by_the_same_observer() -> None:
    """Each call once."""
    keeps = Keeps()
    with Mediator([Counts(id="a")], observers=[keeps]) as mediator, ThreadPoolExecutor(3) as pool:
        list(mediator.batch([str(number) for number in range(9)], executor=pool))
    assert len(keeps.answers) == 9
    assert keeps.batches[1].counts["answered"] == 9


def test_calls_of_other_processes_are_told_there_and_the_batch_here(tmp_path: Path) -> None:
    """Each process has an observer of its own, made from the same config, and closes it when it ends."""
    path = config(tmp_path)
    with (
        Mediator.from_config(path) as mediator,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool,
    ):
        list(mediator.batch([str(number) for number in range(6)], executor=pool))
    events = events_of(tmp_path)
    batches = [(process, event["phase"]) for what, process, event in events if what == "batch"]
    answers = [process for what, process, _ in events if what == "answer"]
    assert batches == [(os.getpid(), "begin"), (os.getpid(), "end")]
    assert len(answers) == 6
    assert os.getpid() not in answers
    assert {process for what, process, _ in events if what == "close"} == {os.getpid(), *answers}


def test_the_command_tells_of_its_batch(tmp_path: Path) -> None:
    """A run of ``complaint-llm batch`` is a batch like any other."""
    path = config(tmp_path)
    (tmp_path / "in.txt").write_text("one\ntwo\n", encoding="utf-8")
    done = CliRunner().invoke(cli, ["-c", str(path), "batch", f"{tmp_path}/in.txt", "-o", f"{tmp_path}/out.jsonl"])
    assert done.exit_code == 0, done.output
    events = events_of(tmp_path)
    assert [event["phase"] for what, _, event in events if what == "batch"] == ["begin", "end"]
    assert [what for what, _, _ in events].count("answer") == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_tells_its_own_calls_and_none_of_the_parents(tmp_path: Path) -> None:
    """It has a queue and a thread of its own."""
    path = config(tmp_path)
    with Mediator.from_config(path) as mediator:
        mediator.generate("in the parent")
        child = os.fork()
        if child == 0:
            mediator.generate("in the child")
            mediator.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        mediator.generate("in the parent")
    answers = [process for what, process, _ in events_of(tmp_path) if what == "answer"]
    assert sorted(answers) == sorted([os.getpid(), child, os.getpid()])


def test_observers_are_closed_last_and_told_of_calls_that_closing_ended() -> None:
    """Nothing is discarded of a call that ends because its Mediator is closed."""
    keeps, began = Keeps(), threading.Event()

    class Waits(Counts):
        def answer(self, request: Request) -> InferenceOutput:
            began.set()
            request.cancel.wait(60)
            raise ServerError("no", status=500)

        def close(self) -> None:
            asking.join(60)

    mediator = Mediator([Waits(id="a", max_retries=0)], observers=[keeps])

    def ask() -> None:
        with pytest.raises(Exception, match=r".*"):
            mediator.generate("x")

    asking = threading.Thread(target=ask)
    asking.start()
    began.wait(60)
    mediator.close()
    assert keeps.order == ["answer", "close"]


def test_what_cannot_be_closed_keeps_no_observer_from_being_closed() -> None:
    """The fault of a backend's end is raised, after observers were told all."""
    keeps = Keeps()

    class Sticks(Counts):
        def close(self) -> None:
            raise OSError("sticks")

    mediator = Mediator([Sticks(id="a")], observers=[keeps])
    mediator.generate("x")
    with pytest.raises(BackendError, match="sticks"):
        mediator.close()
    assert keeps.order == ["answer", "close"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"type": "line", "path": "x"}, "no observer 'line': there are lines, otel; did you mean 'lines'"),
        ({"type": "otl"}, "no observer 'otl': there are lines, otel; did you mean 'otel'"),
        ({"type": "zebra"}, "no observer 'zebra': there are lines, otel$"),
        ({}, 'the key "type" is missing'),
        ({"type": 3}, "must be a text, not a number"),
        ({"type": "lines"}, "observer 'lines': missing a required argument: 'path'"),
        ({"type": "lines", "path": "x", "pth": "y"}, "observer 'lines': got an unexpected keyword argument 'pth'"),
    ],
)
def test_a_wrong_entry_is_a_line_that_says_what_is_meant(tmp_path: Path, entry: dict[str, Any], says: str) -> None:
    """With the place where it stands, before anything is asked."""
    path = config(tmp_path, OBSERVERS=[entry])
    with pytest.raises(ConfigError, match=says) as raised:
        Mediator.from_config(path)
    assert "/OBSERVERS/0" in str(raised.value)


def test_a_finalizer_may_put_an_event_at_any_moment() -> None:
    """A batch that is dropped is told from within the collector, which may run inside of another put."""
    told: list[str] = []

    class Tells(Observer):
        def request(self, event: RequestEvent) -> None:
            told.append(event.call)

    queue = EventQueue([("tells", Tells())])
    inside = False

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal inside
        if not inside and frame.f_code.co_filename.endswith(("event_queue.py", "waiting.py")):
            inside = True
            queue.put(RequestEvent("inner", 0.0, "infer", 1))
            inside = False
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        queue.put(RequestEvent("outer", 0.0, "infer", 1))
    finally:
        sys.settrace(before)
    queue.close()
    assert told.count("outer") == 1
    assert told.count("inner") >= 3
