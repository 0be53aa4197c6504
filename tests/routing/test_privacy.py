"""A private request reaches no remote backend and touches no policy of one, whatever is configured around it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import BackendError, ServerError
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import STRATEGIES, make_strategy
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState, RetryPolicy
from tests.routing.routing_model import Scripted, ask, events
from tests.sampled import sampled


class Forbidden:
    """A policy of a remote backend: using it for a private request is the fault."""

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        assert request.privacy != "local"
        return self

    def settle(self, outcome: Outcome) -> None:
        raise AssertionError("settled")

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        assert request is None or request.privacy != "local"
        return PolicyState("forbidden", "")


backends = st.lists(st.tuples(st.booleans(), st.sampled_from(["answers", "fails", "lacks"])), max_size=6)


@sampled(200, of=2000)
@given(
    backends,
    st.sampled_from(sorted(STRATEGIES)),
    st.sampled_from([None, 0.0]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_over_random_configurations_nothing_remote_is_asked(
    given_backends: list[tuple[bool, str]],
    strategy: str,
    hedge: float | None,
    cached: bool,
    streamed: bool,
    retries: int,
) -> None:
    targets = []
    for place, (local, kind) in enumerate(given_backends):
        step = ServerError("500", status=500) if kind == "fails" else events("x") if streamed else InferenceOutput("x")
        targets.append(
            Scripted(
                f"b{place}",
                [step],
                local=local,
                lacking="no tools" if kind == "lacks" else None,
                retry=RetryPolicy(retries, 0.0),
                policies=[] if local else [Forbidden()],
                identity=f"b{place}" if cached else None,
            )
        )
    router = Router(hedge_after=hedge, cache=Cache() if cached else None, random=random.Random(1).random)
    request = ask(privacy="local")
    ordered = make_strategy(strategy).order(targets, request)
    router.explain(request, ordered)
    possible = any(local and kind == "answers" for local, kind in given_backends)
    try:
        output = list(router.stream(request, ordered)) if streamed else router.answer(request, ordered)
        assert output
        assert possible
    except BackendError:
        # With at most as many attempts as targets and two more, retries may use them up before a sound backend.
        assert not possible or retries
    assert not any(target.seen for target in targets if not target.local)


def test_with_nothing_local_left_the_error_says_so() -> None:
    with pytest.raises(BackendError, match=r'privacy "local" keeps the request on this machine'):
        Router().answer(ask(privacy="local"), [Scripted("a"), Scripted("b")])
