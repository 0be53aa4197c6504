"""What a budget set aside and did not spend: no reason to wait, and always given back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from complaint_llm.exceptions import BackendConnectionError, BudgetExceededError
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.policies.bound import Bound
from complaint_llm.routing.policies.budget import Account
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.policies.budget_writer import BudgetWriter
from complaint_llm.routing.target import Outcome
from complaint_llm.routing.threads.waiting import Waiter
from tests.routing.routing_model import ask

ONE = Bound(1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def cost(dollars: float) -> Outcome:
    return Outcome(0.1, InferenceOutput("x", cost=dollars))


@pytest.mark.parametrize("attempts", range(2, 12))
def test_what_is_set_aside_and_not_reserved_is_no_reason_to_wait(path: Path, attempts: int) -> None:
    """Nothing is under way, so nothing that is waited for could come back: what is spent stands in the way."""

    def wait() -> Waiter:
        raise AssertionError("it waits")

    left = 0.9 / (attempts + 1)
    account = Account("a", BudgetLimits(total=1.001 + attempts * left), path, make_waiter=wait)
    with closing(account):
        for _ in range(attempts + 1):
            account.reserve(ONE, ask(), 0).settle(cost(left))
        with pytest.raises(BudgetExceededError, match="dollars are spent"):
            account.reserve(ONE, ask(), 100)


def test_its_writer_stays_awake_while_anything_is_set_aside(path: Path) -> None:
    """It is what gives back what an attempt left, and another holder of the budget may wait for that."""
    account = Account("a", BudgetLimits(total=1.5), path)
    with closing(account):
        account.reserve(ONE, ask(), 0).settle(Outcome(0.0, None, BackendConnectionError("refused", sent=False)))
        writer = BudgetWriter(account)
        account.sleeps(writer)
        assert not writer.asleep
        while not account.flush():
            pass
        account.sleeps(writer)
        assert writer.asleep
