"""What a provider says of its limits holds requests back: Retry-After, spent quotas, rate-limit headers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import BackendError, QuotaExceededError, RateLimitError
from complaint_llm.routing.policies.admission import admission, observe_limits
from complaint_llm.routing.policies.provider_limits import Allowance, ProviderLimits, provider_limits, seconds
from complaint_llm.routing.policies.rate_limit import RateLimit
from complaint_llm.routing.target import Estimate, Outcome
from complaint_llm.routing.threads.waiting import FOREVER
from tests.routing.routing_model import ModelTime, answer, ask

ANSWERED = Outcome(0.1, answer())


def limiter(time: ModelTime, **keys: Any) -> RateLimit:
    return RateLimit("a", clock=time.clock, make_waiter=time.waiter, **keys)


class TestProviderState:
    def test_retry_after_holds_all_requests_back_until_then(self) -> None:
        time = ModelTime()
        limit = limiter(time)
        refused = RateLimitError("429", status=429, retry_after=7.0)
        limit.enter(ask(time=time), 0).settle(Outcome(0.1, None, refused))
        limit.enter(ask(time=time, seconds=100), FOREVER)
        assert time.clock() == pytest.approx(1007.0)

    @pytest.mark.parametrize(
        ("asked", "max_queue_wait", "waits"),
        [
            (0.5, 60.0, True), (1.0, 60.0, True), (0.9, 1.0, True), (1.1, 60.0, False), (7.0, 60.0, False),
            (7.0, 7.0, False), (100.0, 600.0, False), (7.0, FOREVER, True), (99.0, FOREVER, True), (0.5, 0.1, False),
        ],
    )  # fmt: skip
    def test_while_another_backend_is_left_a_provider_that_holds_requests_back_is_not_waited_for(
        self, asked: float, max_queue_wait: float, waits: bool
    ) -> None:
        """FOREVER says that nobody else is left; a limit of ours is waited for as long as the strategy says."""
        time = ModelTime()
        limit = limiter(time)
        limit.enter(ask(time=time), 0).settle(Outcome(0.1, None, RateLimitError("x", status=429, retry_after=asked)))
        if waits:
            limit.enter(ask(time=time, seconds=100), max_queue_wait)
        else:
            with pytest.raises(RateLimitError) as caught:
                limit.enter(ask(time=time, seconds=100), max_queue_wait)
            assert caught.value.retry_after == pytest.approx(asked)
        assert time.clock() == pytest.approx(1000.0 + (asked if waits else 0.0))

    def test_an_absurd_retry_after_does_not_shut_the_backend_for_good(self) -> None:
        time = ModelTime()
        limit = limiter(time)
        refused = RateLimitError("429", status=429, retry_after=1e12)
        limit.enter(ask(time=time), 0).settle(Outcome(0.1, None, refused))
        with pytest.raises(RateLimitError):
            limit.enter(ask(time=time), 1.0)
        time.advance(300)
        limit.enter(ask(time=time), 0)

    def test_a_spent_quota_refuses_at_once_for_a_while(self) -> None:
        time = ModelTime()
        limit = limiter(time)
        limit.enter(ask(time=time), 0).settle(Outcome(0.1, None, QuotaExceededError("no credit", status=402)))
        with pytest.raises(QuotaExceededError) as caught:
            limit.enter(ask(time=time, seconds=1000), FOREVER)
        assert not caught.value.sent
        assert time.clock() == 1000.0
        time.advance(30)
        limit.enter(ask(time=time), 0)

    def test_refusals_of_our_own_are_no_signal(self) -> None:
        time = ModelTime()
        limit = limiter(time)
        ours: BackendError = RateLimitError("full", retry_after=60.0, sent=False)
        limit.enter(ask(time=time), 0).settle(Outcome(0.0, None, ours))
        limit.enter(ask(time=time), 0)

    def test_headers_that_leave_nothing_hold_requests_back_until_their_reset(self) -> None:
        time = ModelTime()
        limit = limiter(time)
        limit.observe_limits(ProviderLimits(requests=Allowance(2, 12.0)))
        permits = [limit.enter(ask(time=time), 0) for _ in range(2)]
        with pytest.raises(RateLimitError):
            limit.enter(ask(time=time), 1.0)
        permits[0].settle(ANSWERED)
        limit.enter(ask(time=time), 0)
        limit.observe_limits(ProviderLimits(requests=Allowance(0, 12.0)))
        limit.enter(ask(time=time, seconds=100), FOREVER)
        assert time.clock() == pytest.approx(1012.0)

    def test_the_provider_s_token_allowance_is_kept_too(self) -> None:
        time = ModelTime()
        limit = limiter(time, estimate=lambda request: Estimate(600, 400))
        limit.observe_limits(ProviderLimits(tokens=Allowance(1500, 20.0)))
        limit.enter(ask(time=time), 0)
        with pytest.raises(RateLimitError):
            limit.enter(ask(time=time), 1.0)

    def test_what_comes_back_evenly_is_waited_for_only_as_long_as_is_needed(self) -> None:
        """The reset is when all is back: of 60 requests in 60 s the first is back after one."""
        time = ModelTime()
        limit = limiter(time)
        limit.observe_limits(ProviderLimits(requests=Allowance(0, 60.0, 60)))
        limit.enter(ask(time=time, seconds=100), FOREVER)
        assert time.clock() == pytest.approx(1001.0)
        limit.enter(ask(time=time, seconds=100), FOREVER)
        assert time.clock() == pytest.approx(1002.0)

    def test_headers_reach_the_limit_among_the_policies(self) -> None:
        time = ModelTime()
        policies = admission("a", clock=time.clock, make_waiter=time.waiter)
        assert provider_limits({"x-request-id": "1"}) is None
        policies[-1].enter(ask(time=time), 0)
        limits = provider_limits({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9s"})
        assert limits is not None
        observe_limits(policies, limits)
        policies[-1].enter(ask(time=time, seconds=100), FOREVER)
        assert time.clock() == pytest.approx(1009.0)


class TestHeaders:
    def test_openai_s(self) -> None:
        headers = {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1m30s",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-tokens": "12ms",
        }
        assert provider_limits(headers) == ProviderLimits(Allowance(59, 90.0, 60), Allowance(149984, 0.012))

    def test_anthropic_s_with_the_tightest_of_its_token_limits(self) -> None:
        headers = {
            "anthropic-ratelimit-requests-remaining": "3",
            "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:30Z",
            "anthropic-ratelimit-tokens-remaining": "9000",
            "anthropic-ratelimit-tokens-reset": "2026-11-20T12:00:10Z",
            "anthropic-ratelimit-output-tokens-remaining": "100",
            "anthropic-ratelimit-output-tokens-reset": "2026-11-20T12:01:00+00:00",
        }
        noon = 1795176000.0
        assert provider_limits(headers, lambda: noon) == ProviderLimits(Allowance(3, 30.0), Allowance(100, 60.0))

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-ratelimit-remaining-requests": "5"},
            {"x-ratelimit-remaining-requests": "-5", "x-ratelimit-reset-requests": "1s"},
            {"x-ratelimit-remaining-requests": "many", "x-ratelimit-reset-requests": "1s"},
            {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "soon"},
            {"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "nan"},
        ],
    )
    def test_what_makes_no_sense_is_no_limit(self, headers: dict[str, str]) -> None:
        assert provider_limits(headers) is None

    @given(st.text(max_size=30))
    def test_no_reset_whatever_breaks_the_reader(self, text: str) -> None:
        found = seconds(text, lambda: 0.0)
        assert found is None or found >= 0.0
