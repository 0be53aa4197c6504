"""Explaining shows order, skips with reasons, estimates and the state of every policy, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.exceptions import ServerError
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.policies.bound import Bound
from complaint_llm.routing.policies.breaker import BreakerSettings
from complaint_llm.routing.policies.budget import Account
from complaint_llm.routing.policies.budget_book import BudgetLimits
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import AnyRequest, Estimate, Outcome
from tests.routing.routing_model import ModelTime, Scripted, answer, ask

if TYPE_CHECKING:
    from pathlib import Path


def guess(request: AnyRequest) -> Estimate:
    return Estimate(40, 60, 0.5)


def test_each_target_is_listed_with_the_state_of_its_policies_and_why_it_would_be_skipped(tmp_path: Path) -> None:
    time = ModelTime()
    account = Account("a", BudgetLimits(total=1.0), tmp_path / "s" / "state.db")

    open_one = admission("open", breaker=BreakerSettings(1, 30.0), clock=time.clock)
    open_one[0].enter(ask(time=time), 0).settle(Outcome(0.1, None, ServerError("500", status=500)))  # type: ignore[union-attr]
    busy = admission("busy", rate_limit=1, clock=time.clock, estimate=guess)
    Router(clock=time.clock).answer(ask(time=time), [Scripted("busy", policies=busy)])
    together = admission(
        "fine", meter=Meter(), max_concurrency=2, budget=account, bound=lambda request: Bound(0.5), clock=time.clock
    )
    targets = [
        Scripted("open", policies=open_one),
        Scripted("busy", policies=busy),
        Scripted("blind", lacking="no images"),
        Scripted("fine", policies=together, guess=guess(ask())),
    ]
    explained = Router(clock=time.clock).explain(ask(time=time), targets)
    assert [(each.backend, each.skip) for each in explained] == [
        ("open", "circuit: open, probed in 30.0 s"),
        ("busy", "rate limit: 1 of 1 requests in 60 s, free in 60.0 s"),
        ("blind", "cannot serve this request: no images"),
        ("fine", None),
    ]
    assert explained[3].estimate == Estimate(40, 60, 0.5)
    assert [f"{state.name}: {state.line}" for state in explained[3].states] == [
        "circuit: closed, 0 of 5 failures",
        "load: 0 under way, no answer yet",
        "budget: 0.0000 of 1 dollars",
        "concurrency: 0 of 2 under way",
        "rate limit: none",
    ]
    assert not any(target.seen for target in targets)
    assert Router(clock=time.clock).explain(ask(time=time), targets) == explained
    account.close()


def test_of_a_private_request_nothing_remote_is_looked_at() -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"{name} of a remote backend's policy was used for a private request")

    remote = Scripted("r", policies=[Untouchable()])  # type: ignore[list-item]
    (considered,) = Router().explain(ask(privacy="local"), [remote])
    assert considered.skip == 'not local: privacy "local" keeps the request on this machine'


def test_a_backend_whose_spent_budget_leaves_too_little_is_skipped(tmp_path: Path) -> None:
    account = Account("a", BudgetLimits(total=0.75), tmp_path / "s" / "state.db")
    backend = Scripted(
        "a",
        [answer(cost=0.5)],
        policies=admission("a", budget=account, bound=lambda request: Bound(0.5)),
        guess=guess(ask()),
    )
    Router().answer(ask(), [backend])
    (considered,) = Router().explain(ask(), [backend])
    assert considered.skip == "budget: 0.5000 of 0.75 dollars"
    account.close()
