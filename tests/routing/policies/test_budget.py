"""Budgets: the worst case is reserved first, nothing is overspent, and all of it survives restarts and kills."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    BudgetExceededError,
    CancelledError,
    InvalidRequestError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.policies.bound import NANO, Bound
from complaint_llm.routing.policies.budget import Account, Budget
from complaint_llm.routing.policies.budget_book import BudgetBook, BudgetLimits
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Outcome
from tests.routing.routing_model import ModelTime, Scripted, answer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = 1795176000.0
"""2026-11-20, 12:00 UTC."""
ONE = Bound(1.0)


class Wall:
    """The time of day, as a test says."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def cost(dollars: float | None) -> Outcome:
    return Outcome(0.1, answer(cost=dollars))


@contextmanager
def opened(path: Path, wall: Wall, **limits: float) -> Iterator[Account]:
    account = Account("a", BudgetLimits(**limits), path, wall=wall)
    try:
        yield account
    finally:
        account.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".complaint_llm" / "state.db"


def spent(path: Path, wall: Wall) -> float:
    book = BudgetBook(path, wall)
    found = book.spent("a").total / NANO
    book.close()
    return found


def test_what_is_spent_is_refused_at_once(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=3.0) as account:
        for _ in range(3):
            account.reserve(ONE, ask(), 0).settle(cost(1.0))
        with pytest.raises(BudgetExceededError, match=r"3.0000 of 3 dollars are spent; .* may cost 1.0000") as caught:
            account.reserve(ONE, ask(), 100)
        assert not caught.value.sent
        assert caught.value.code is None


def test_the_worst_case_is_reserved_and_settled_with_what_it_cost(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=1.5) as account:
        for _ in range(51):
            account.reserve(ONE, ask(), 0).settle(cost(0.01))
        with pytest.raises(BudgetExceededError):
            account.reserve(ONE, ask(), 0)
    assert spent(path, wall) == pytest.approx(0.51)


def test_where_only_open_reservations_stand_in_the_way_it_waits_for_them(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=1.5) as account:
        first = account.reserve(ONE, ask(), 0)
        with pytest.raises(BudgetExceededError) as caught:
            account.reserve(ONE, ask(), 0)
        assert caught.value.code == LOCAL_LIMIT
        timer = threading.Timer(0.05, first.settle, [cost(0.2)])
        timer.start()
        account.reserve(ONE, ask(), 10).settle(cost(0.1))
        timer.join()
    assert spent(path, wall) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("error", "charged"),
    [
        (BackendTimeoutError("t", maybe_received=True), 1.0),
        (CancelledError("c", maybe_received=True), 1.0),
        (BackendConnectionError("reset after sending", maybe_received=True), 1.0),
        (ResponseFormatError("not JSON"), 1.0),
        (BackendConnectionError("refused", sent=False), 0.0),
        (BackendConnectionError("reset while sending"), 0.0),
        (ServerError("500", status=500), 0.0),
        (InvalidRequestError("400", status=400), 0.0),
    ],
)
def test_what_a_failed_attempt_is_charged(path: Path, error: BackendError, charged: float) -> None:
    wall = Wall()
    with opened(path, wall, total=10.0) as account:
        account.reserve(ONE, ask(), 0).settle(Outcome(0.1, None, error))
    assert spent(path, wall) == charged


def test_an_answer_of_unknown_price_is_charged_its_worst_case(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=10.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(None))
    assert spent(path, wall) == 1.0


def test_an_attempt_that_never_started_costs_nothing(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=10.0) as account:
        account.reserve(ONE, ask(), 0).settle(Outcome(0.0))
    assert spent(path, wall) == 0.0


def test_an_unknown_price_is_refused_because_the_budget_could_not_be_kept(path: Path) -> None:
    with opened(path, Wall(), total=10.0) as account, pytest.raises(BudgetExceededError, match="price is unknown"):
        account.reserve(Bound(0.0, unknown="the price is unknown"), ask(), 100)


def test_what_costs_nothing_is_never_refused(path: Path) -> None:
    with opened(path, Wall(), total=1.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(1.0))
        account.reserve(Bound(0.0), ask(), 0).settle(cost(0.0))


def test_an_answer_dearer_than_its_estimate_is_charged_in_full(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=3.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(2.5))
        with pytest.raises(BudgetExceededError, match=r"2.5000 of 3"):
            account.reserve(ONE, ask(), 0)
    assert spent(path, wall) == 2.5


def test_day_and_month_begin_anew_by_utc_and_the_total_does_not(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, day=1.0, month=2.0, total=3.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(1.0))
        with pytest.raises(BudgetExceededError, match="today"):
            account.reserve(ONE, ask(), 0)
        wall.now += 12 * 3600 - 1
        with pytest.raises(BudgetExceededError, match="today"):
            account.reserve(ONE, ask(), 0)
        wall.now += 1
        account.reserve(ONE, ask(), 0).settle(cost(1.0))
        wall.now += 86400
        with pytest.raises(BudgetExceededError, match="this month"):
            account.reserve(ONE, ask(), 0)
        wall.now += 10 * 86400
        account.reserve(ONE, ask(), 0).settle(cost(1.0))
        wall.now += 40 * 86400
        with pytest.raises(BudgetExceededError, match=r"3.0000 of 3 dollars are spent;"):
            account.reserve(ONE, ask(), 0)


def test_it_survives_a_restart(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=2.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(1.5))
    with opened(path, wall, total=2.0) as account, pytest.raises(BudgetExceededError, match=r"1.5000 of 2"):
        account.reserve(ONE, ask(), 0)


def test_the_folder_is_private_and_never_committed(path: Path) -> None:
    with opened(path, Wall(), total=2.0) as account:
        account.reserve(ONE, ask(), 0).settle(cost(1.0))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_what_lies_in_a_folder_that_was_there_is_for_its_owner_alone_too(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with opened(tmp_path / "state.db", Wall(), total=2.0) as account:
        account.reserve(ONE, ask(), 0)
        account.flush()
        made = sorted(tmp_path.iterdir())
        assert [each.name for each in made] == ["state.db", "state.db-shm", "state.db-wal"]
        assert {stat.S_IMODE(each.stat().st_mode) for each in made} == {0o600}


def test_an_attempt_that_ends_after_closing_is_still_written_down(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=2.0) as account:
        late = account.reserve(ONE, ask(), 0)
    late.settle(cost(0.75))
    assert spent(path, wall) == 0.75


@pytest.mark.parametrize("content", [b"this is no database, it is a text file " * 30])
def test_a_file_that_cannot_be_used_refuses_and_says_where(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    account = Account("a", BudgetLimits(total=2.0), path)
    with pytest.raises(BudgetExceededError, match=r"cannot be kept in .*state.db") as caught:
        account.reserve(ONE, ask(), 100)
    assert caught.value.__cause__ is not None
    assert path.read_bytes() == content


def test_many_threads_never_overspend_and_spend_it_all(path: Path) -> None:
    wall = Wall()
    admitted: list[float] = []

    with opened(path, wall, total=5.0) as account:

        def work() -> None:
            while True:
                try:
                    permit = account.reserve(Bound(0.1), ask(seconds=30), 10)
                except BudgetExceededError:
                    return
                admitted.append(0.03)
                permit.settle(cost(0.03))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()
    total = spent(path, wall)
    assert total == pytest.approx(sum(admitted))
    assert 4.9 < total <= 5.0


CHILD = """
    import sys, time
    from pathlib import Path
    from complaint_llm.call import CancelToken, Deadline
    from complaint_llm.exceptions import BudgetExceededError
    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request, as_messages
    from complaint_llm.routing.policies.bound import Bound
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.policies.budget_book import BudgetLimits
    from complaint_llm.routing.target import Outcome

    account = Account("a", BudgetLimits(total=2.0), Path(sys.argv[1]))
    made = 0
    while True:
        request = Request(as_messages("x"), Deadline(60), CancelToken())
        try:
            permit = account.reserve(Bound(0.01), request, 0.0)
        except BudgetExceededError as error:
            if error.code is None:
                break
            time.sleep(0.02)
            continue
        print("sent", flush=True)
        permit.settle(Outcome(0.1, InferenceOutput("x", cost=0.01)))
        time.sleep(float(sys.argv[2]))
    account.close()
"""


def child(path: Path, pause: float) -> subprocess.Popen[str]:
    code = textwrap.dedent(CHILD)
    return subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(pause)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_share_a_budget_and_none_of_it_is_spent_twice(path: Path) -> None:
    children = [child(path, 0.0) for _ in range(3)]
    sent = 0
    for each in children:
        out, err = each.communicate(timeout=50)
        assert each.returncode == 0, err
        sent += out.count("sent")
    assert sent == 200


def test_after_a_kill_nothing_that_was_sent_is_forgotten(path: Path) -> None:
    victim = child(path, 0.005)
    assert victim.stdout is not None
    for _ in range(60):
        assert victim.stdout.readline() == "sent\n"
    os.kill(victim.pid, signal.SIGKILL)
    sent = 60 + victim.stdout.read().count("sent")
    victim.wait(10)
    if victim.stderr is not None:
        victim.stderr.close()
    victim.stdout.close()
    import time

    wall = Wall()
    wall.now = time.time() + 61
    with opened(path, wall, total=2.0) as account:
        left = 0
        while True:
            try:
                account.reserve(Bound(0.01), ask(), 0).settle(cost(0.01))
            except BudgetExceededError:
                break
            left += 1
    assert sent + left <= 200
    # What the killed process had set aside at that moment is lost, and that is little.
    assert sent + left >= 200 - 17


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_neither_gives_back_nor_settles_what_its_parent_holds(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=2.0) as account:
        held = account.reserve(ONE, ask(), 0)
        pid = os.fork()
        if pid == 0:
            try:
                account.reserve(ONE, ask(), 0).settle(cost(0.25))
                account.close()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        held.settle(cost(0.5))
    assert spent(path, wall) == 0.75


def test_a_spent_backend_is_skipped_and_the_whole_budget_stops_the_call(path: Path) -> None:
    wall = Wall()
    with opened(path, wall, total=0.5) as small, opened(path.with_name("other.db"), wall, total=5.0) as everybody:
        dear = Scripted("a", policies=[Budget(small, lambda request: ONE)], guess=ONE)
        everybody_policy = Budget(everybody, lambda request: ONE)
        cheap = Scripted("b", [answer(cost=1.0)], policies=[everybody_policy])
        router = Router()
        for _ in range(5):
            output = router.answer(ask(), [dear, cheap])
            assert [(a.backend, a.sent) for a in output.attempts] == [("a", False), ("b", True)]
        stopping = Account("a", BudgetLimits(total=0.5), path, total_budget=True, wall=wall)
        first, second = (Scripted(id, policies=[Budget(stopping, lambda request: ONE)]) for id in "bc")
        with pytest.raises(BudgetExceededError, match="whole budget") as caught:
            router.answer(ask(), [first, second])
        assert [a.backend for a in caught.value.attempts] == ["b"]
        stopping.close()


def test_its_state_says_what_is_spent_and_what_would_fit(path: Path) -> None:
    with opened(path, Wall(), total=2.0, day=1.5) as account:
        open_one = account.reserve(ONE, ask(), 0)
        account.reserve(Bound(0.1), ask(), 0).settle(cost(0.1))
        state = account.state(ONE)
        assert state.line == "0.1000 of 2 dollars, 0.1000 of 1.5 dollars today, 1.0000 reserved"
        assert not state.ready
        open_one.settle(cost(0.2))
        assert account.state(ONE).ready


def test_closing_ends_its_thread(path: Path) -> None:
    account = Account("a", BudgetLimits(total=2.0), path)
    before = set(threading.enumerate())
    account.reserve(ONE, ask(), 0).settle(cost(0.1))
    (writer,) = (each for each in threading.enumerate() if each not in before)
    account.close()
    assert not writer.is_alive()


def test_model_time_is_enough_for_a_reservation(path: Path) -> None:
    time = ModelTime()
    account = Account("a", BudgetLimits(total=2.0), path, clock=time.clock, wall=Wall(), make_waiter=time.waiter)
    account.reserve(ONE, ask(time=time), 0)
    account.reserve(ONE, ask(time=time), 0)
    with pytest.raises(BudgetExceededError):
        account.reserve(ONE, ask(time=time, seconds=100), 5.0)
    assert time.clock() == pytest.approx(1005.0)
    account.close()
