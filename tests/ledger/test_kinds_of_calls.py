"""What a ledger has of hedged calls, demonstrations, guarded calls and those of workers; and where it cannot be."""

from __future__ import annotations

import json
import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.exceptions import GuardError, ServerError
from complaint_llm.guards.chain import GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard, GuardRefusal, GuardRequest, TargetKind
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.threads.waiting import cancellable_sleep
from tests.peers import need_peer


class Answers(Backend):
    """Answers after some seconds, or fails."""

    interruptible: ClassVar[bool] = True
    default_location: ClassVar[str] = "remote"

    def __init__(self, *, seconds: float = 0.0, fails: bool = False, **keys: Any) -> None:
        super().__init__(**keys)
        self._seconds, self._fails = seconds, fails

    def answer(self, request: Request) -> InferenceOutput:
        cancellable_sleep(self._seconds, request.cancel)
        if self._fails:
            raise ServerError("no", status=500)
        return InferenceOutput("x", cost=0.25)


class Passes(Guard):
    """Lets everything go."""

    keeps_time = True


class Refuses(Passes):
    """Lets nothing go."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        raise GuardRefusal("not today")


def rows(path: Path, query: str = "SELECT * FROM calls ORDER BY id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(query)]


@pytest.mark.parametrize("first_fails", [False, True])
def test_a_hedged_call_is_one_row_with_an_attempt_at_each(tmp_path: Path, first_fails: bool) -> None:
    """Who answered is its backend; the other attempt has an error of its own, and the price is paid once."""
    backends = [Answers(id="slow", seconds=0.4 if first_fails else 60.0, fails=first_fails, max_retries=0)]
    backends.append(Answers(id="quick", seconds=0.6 if first_fails else 0.0))
    with Mediator(backends, hedge_after=0.02, ledger={"path": str(tmp_path / "l.db")}) as mediator:
        mediator.generate("x")
    (call,) = rows(tmp_path / "l.db")
    assert (call["backend"], call["error"], call["cost"]) == ("quick", None, 0.25)
    attempts = rows(tmp_path / "l.db", "SELECT * FROM attempts ORDER BY number")
    assert {(each["backend"], each["error"] is None) for each in attempts} == {("slow", False), ("quick", True)}
    assert {each["call"] for each in attempts} == {call["id"]}


def test_a_demonstration_is_marked_and_costs_nothing(tmp_path: Path) -> None:
    """Where no model can be reached, what the mock says is no model's answer."""
    config = {
        "BACKENDS": [
            {"id": "real", "type": "openai", "api_key": "$NO_SUCH_KEY_HERE", "model": "m", "optional": True},
            {"id": "demo", "type": "mock", "echo": True},
        ],
        "MEDIATOR": {"ledger": {"path": str(tmp_path / "l.db")}},
    }
    (tmp_path / "c.json").write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(tmp_path / "c.json") as mediator:
        output = mediator.infer("x")
        assert output.metadata["demo"]
    (call,) = rows(tmp_path / "l.db")
    assert (call["demo"], call["backend"], call["cost"] or 0.0) == (1, "demo", 0.0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_guards_stand_in_a_row_by_their_names(tmp_path: Path, count: int) -> None:
    """In their order; what the prompt was is not told, not even by a digest."""
    names = [f"passes {number}" for number in range(count)]
    chain = GuardChain([GuardEntry(name, Passes()) for name in names])
    with Mediator([Answers(id="a")], guards=chain, ledger={"path": str(tmp_path / "l.db")}) as mediator:
        mediator.infer("x")
    (call,) = rows(tmp_path / "l.db")
    assert call["guards"] == ",".join(names)
    assert call["digest"] is None


def test_a_call_that_a_guard_refused_is_a_row_without_attempts(tmp_path: Path) -> None:
    """Nothing was sent."""
    ledger = {"path": str(tmp_path / "l.db")}
    with (
        Mediator([Answers(id="a")], guards=[Refuses()], ledger=ledger) as mediator,
        pytest.raises(GuardError),
    ):
        mediator.generate("x")
    (call,) = rows(tmp_path / "l.db")
    assert (call["error"], call["cost"], call["digest"]) == ("GuardError", None, None)
    assert rows(tmp_path / "l.db", "SELECT * FROM attempts") == []


def run_processes(mediator: Mediator, prompts: list[str]) -> list[Any]:
    """A batch on a process that is started anew."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(mediator.batch(prompts, executor=pool))


def run_dask(mediator: Mediator, prompts: list[str]) -> list[Any]:
    """A batch on a cluster of this machine."""
    need_peer("distributed")
    import distributed

    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=1, processes=True, **place) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        return list(mediator.batch(prompts, executor=client.get_executor()))


@pytest.mark.parametrize(
    "run", [run_processes, pytest.param(run_dask, marks=[pytest.mark.peer("distributed"), pytest.mark.endurance])]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_workers_write_into_the_ledger_of_their_config(
    tmp_path: Path, run: Callable[[Mediator, list[str]], list[Any]]
) -> None:
    """A row for each item, once, whichever process asked; their ends lose none."""
    config = {"BACKENDS": [{"id": "m", "type": "mock", "echo": True}], "MEDIATOR": {"ledger": True}}
    (tmp_path / "c.json").write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(tmp_path / "c.json") as mediator:
        assert len(run(mediator, [f"p{number}" for number in range(12)])) == 12
    path = tmp_path / ".complaint_llm/ledger.db"
    until = time.monotonic() + 30
    while len(rows(path)) < 12 and time.monotonic() < until:  # a worker of a cluster ends after it
        time.sleep(0.02)
    found = rows(path)
    assert len(found) == len({row["call"] for row in found}) == len({row["digest"] for row in found}) == 12
    assert {row["backend"] for row in found} == {"m"}


def below_a_file(folder: Path) -> Path:
    """In what is no folder."""
    (folder / "file").write_text("")
    return folder / "file" / "l.db"


def read_only(folder: Path) -> Path:
    """In a folder in which nothing may be made."""
    if os.geteuid() == 0:
        return Path("/proc/self/l.db")
    (folder / "theirs").mkdir(mode=0o500)
    return folder / "theirs" / "l.db"


def read_only_below(folder: Path) -> Path:
    """In a folder that cannot be made there."""
    return read_only(folder).parent / "new" / "l.db"


def broken_link(folder: Path) -> Path:
    """At a link that leads into nothing."""
    (folder / "link").symlink_to(folder / "gone" / "l.db")
    return folder / "link"


@pytest.mark.parametrize("place", [below_a_file, read_only, read_only_below, broken_link])
def test_where_no_ledger_can_be_calls_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, place: Callable[[Path], Path]
) -> None:
    """One line says what to do, with the path; how many events were not written is a second one, at the end."""
    path = place(tmp_path)
    with Mediator([Answers(id="a")], ledger={"path": str(path)}) as mediator:
        assert [mediator.generate("x") for _ in range(3)] == ["x"] * 3
    said = [each.getMessage() for each in caplog.records if "cannot be written" in each.getMessage()]
    assert len(said) == 1
    assert str(path) in said[0]
    assert "MEDIATOR.ledger" in said[0]
    assert said[0].endswith("calls go on")
    assert "\n" not in said[0]
