"""Limits and provider signals that processes share through Redis, and how one lives while Redis is gone.

Four real processes and all windows: test_shared_processes.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.exceptions import QuotaExceededError, RateLimitError, ServerError
from complaint_llm.messages import TokenUsage
from complaint_llm.routing.policies.admission import admission
from complaint_llm.routing.redis import connection as shared_state
from complaint_llm.routing.redis import rate_limit as shared_limit
from complaint_llm.routing.redis.connection import SharedState, SharedStateLostError
from complaint_llm.routing.target import AnyRequest, Estimate, Outcome, Policy
from complaint_llm.secrets import Secret
from complaint_llm.testing.steady_clock import SteadyClock
from tests.routing.routing_model import answer, ask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.routing.redis_peer import RedisPeer

ANSWERED = Outcome(0.1, answer())
NOWHERE = Secret("redis://127.0.0.1:1/0")
REQUESTS = "complaint_llm:a:requests"


def policy(peer: RedisPeer, **keys: object) -> tuple[SharedState, Policy]:
    shared = SharedState(peer.url)
    (found,) = admission("a", breaker=None, shared=shared, **keys)  # type: ignore[arg-type]
    return shared, found


def admitted(limit: Policy, max_queue_wait: float = 0.0) -> int:
    """How many requests in a row are admitted until one is refused."""
    for count in range(1000):
        try:
            limit.enter(ask(), max_queue_wait)
        except RateLimitError:
            return count
    raise AssertionError("there is no limit")


def wait_until_back(*states: SharedState) -> None:
    for _ in range(1000):
        if all(state.available for state in states):
            return
        time.sleep(0.01)
    raise AssertionError("Redis was not found again")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> float:
    """A Redis that refuses is looked for all the time, a slow one is waited for; settling takes this many seconds."""
    monkeypatch.setattr(shared_state, "TIMEOUT", 5.0)
    monkeypatch.setattr(shared_state, "LOOK_AGAIN", 0.02)
    monkeypatch.setattr(shared_limit, "SETTLING", 0.5)
    return 0.5


class TestTogether:
    def test_tokens_are_reserved_and_corrected_for_all(self, redis_server: RedisPeer) -> None:
        def estimate(request: AnyRequest) -> Estimate:
            return Estimate(60, 0)

        one, first = policy(redis_server, tokens_per_minute=100, estimate=estimate)
        two, second = policy(redis_server, tokens_per_minute=100, estimate=estimate)
        permit = first.enter(ask(), 0)
        assert permit is not None
        with pytest.raises(RateLimitError) as caught:
            second.enter(ask(seconds=600), 1.0)
        assert caught.value.retry_after == pytest.approx(60.0, abs=1.0)
        permit.settle(Outcome(0.1, answer()._replace(token_usage=TokenUsage(30, 10, 40))))
        one.close()
        assert second.enter(ask(), 0) is not None
        two.close()

    def test_what_was_not_sent_is_free_again_for_all(self, redis_server: RedisPeer) -> None:
        one, first = policy(redis_server, rate_limit=1)
        two, second = policy(redis_server, rate_limit=1)
        permit = first.enter(ask(), 0)
        assert permit is not None
        permit.settle(Outcome(0.0))
        one.close()
        second.enter(ask(), 0)
        two.close()

    def test_a_429_holds_the_others_back_too(self, redis_server: RedisPeer, steady_clock: SteadyClock) -> None:
        one, first = policy(redis_server)
        two, second = policy(redis_server)
        permit = first.enter(ask(), 0)
        assert permit is not None
        told = time.monotonic()
        permit.settle(Outcome(0.1, None, RateLimitError("429", status=429, retry_after=0.4)))
        with pytest.raises(RateLimitError):
            second.enter(ask(), 0.0)
        began = steady_clock()
        second.enter(ask(), 20.0)
        assert time.monotonic() - told >= 0.4
        assert steady_clock() - began < 1.0
        one.close()
        two.close()

    @pytest.mark.parametrize(
        "error", [QuotaExceededError("spent", status=402), ServerError("o", status=529, retry_after=9)]
    )
    def test_a_spent_quota_and_an_overload_are_everybody_s_knowledge(
        self, redis_server: RedisPeer, error: ServerError | QuotaExceededError
    ) -> None:
        one, first = policy(redis_server)
        two, second = policy(redis_server)
        permit = first.enter(ask(), 0)
        assert permit is not None
        permit.settle(Outcome(0.1, None, error))
        expected = QuotaExceededError if isinstance(error, QuotaExceededError) else RateLimitError
        with pytest.raises(expected) as caught:
            second.enter(ask(), 1.0)
        assert type(caught.value) is expected
        assert not caught.value.sent
        one.close()
        two.close()

    def test_a_private_request_touches_nothing_shared(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=5)
        redis_server.kill()
        permit = limit.enter(ask(privacy="local"), 0)
        assert permit is not None
        permit.settle(ANSWERED)
        assert shared.available
        shared.close()

    def test_a_place_is_taken_before_it_is_free_and_used_when_it_is(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=1, window=0.5)
        limit.enter(ask(), 0)
        ((_, first),) = redis_server.ask("ZRANGE", REQUESTS, "0", "0", "WITHSCORES")
        limit.enter(ask(), 5.0)
        now = time.time() * 1e6
        ((_, second),) = redis_server.ask("ZREVRANGE", REQUESTS, "0", "0", "WITHSCORES")
        assert second == first + 500_000
        assert now >= second
        shared.close()

    def test_who_gives_up_shortly_before_his_place_is_free_leaves_it_to_others(
        self, redis_server: RedisPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Once he has taken it: by Redis' own stamps the next has the same place, not the one after it."""
        monkeypatch.setattr(shared_limit, "AHEAD", 2.0)
        shared, limit = policy(redis_server, rate_limit=1, window=3.0)
        limit.enter(ask(), 0)
        ((_, first),) = redis_server.ask("ZRANGE", REQUESTS, "0", "0", "WITHSCORES")
        waits, taken = ask(), threading.Event()

        def gives_up() -> None:
            while len(redis_server.ask("ZRANGE", REQUESTS, "0", "-1")) < 2:
                time.sleep(0.01)
            taken.set()
            waits.cancel.cancel("closed")

        helper = threading.Thread(target=gives_up)
        helper.start()
        with pytest.raises(RateLimitError):
            limit.enter(waits, 20.0)
        helper.join()
        assert taken.is_set()
        shared.close()
        two, second = policy(redis_server, rate_limit=1, window=3.0)
        second.enter(ask(), 20.0)
        ((_, last),) = redis_server.ask("ZREVRANGE", REQUESTS, "0", "0", "WITHSCORES")
        assert first + 3_000_000 <= last < first + 6_000_000
        two.close()


class TestWithoutRedis:
    def test_losing_redis_is_one_clear_warning_and_finding_it_another(
        self, redis_server: RedisPeer, caplog: pytest.LogCaptureFixture
    ) -> None:
        shared, limit = policy(redis_server, rate_limit=100)
        limit.enter(ask(), 0)
        redis_server.kill()
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                limit.enter(ask(), 0)
            assert [record.levelname for record in caplog.records] == ["WARNING"]
            assert "Redis is gone" in caplog.text
            assert "alone, at 25 % of each (shared.share)" in caplog.text
            redis_server.start()
            wait_until_back(shared)
            limit.enter(ask(), 0)
            assert "Redis is back" in caplog.text
        assert len(caplog.records) == 2
        # Redis came back empty and was told of all seven.
        assert redis_server.ask("ZCARD", REQUESTS) == 7
        shared.close()

    @pytest.mark.parametrize(("share", "expected"), [(None, 4), (0.5, 8), (0.125, 2), (0.01, 1)])
    def test_who_has_never_reached_redis_keeps_to_its_share(self, share: float | None, expected: int) -> None:
        shared = SharedState(NOWHERE, share=share)
        (limit,) = admission("a", breaker=None, rate_limit=16, shared=shared)
        assert admitted(limit, 1.0) == expected
        shared.close()

    def test_what_redis_admitted_counts_as_part_of_the_share(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=16)
        for _ in range(3):
            limit.enter(ask(), 0)
        redis_server.kill()
        assert admitted(limit) == 1
        shared.close()

    def test_more_processes_than_shares_divide_the_limit(self, redis_server: RedisPeer) -> None:
        fleet = [policy(redis_server, rate_limit=32) for _ in range(8)]
        for _ in range(2):
            for _, limit in fleet:
                limit.enter(ask(), 0).settle(Outcome(0.0))  # type: ignore[union-attr]
        redis_server.kill()
        assert [admitted(limit) for _, limit in fleet] == [4] * 8
        for shared, _ in fleet:
            shared.close()

    def test_tokens_are_kept_to_the_share_too(self) -> None:
        shared = SharedState(NOWHERE)
        (limit,) = admission(
            "a", breaker=None, tokens_per_minute=1000, estimate=lambda request: Estimate(60), shared=shared
        )
        assert admitted(limit) == 4
        shared.close()

    def test_a_redis_that_was_away_with_its_memory_is_told_what_was_done_alone(
        self, redis_server: RedisPeer, soon: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(shared_state, "TIMEOUT", 0.5)

        def estimate(request: AnyRequest) -> Estimate:
            return Estimate(60)

        shared, limit = policy(redis_server, rate_limit=100, tokens_per_minute=4000, estimate=estimate)
        permit = limit.enter(ask(), 0)
        assert permit is not None
        redis_server.pause()
        for _ in range(3):
            limit.enter(ask(), 0)
        permit.settle(Outcome(0.1, answer()._replace(token_usage=TokenUsage(30, 10, 40))))
        redis_server.go_on()
        wait_until_back(shared)
        limit.enter(ask(), 0)
        assert redis_server.ask("GET", "complaint_llm:a:token sum") == str(40 + 4 * 60)
        # The one that Redis was asked for when it fell silent may have been admitted as well.
        assert redis_server.ask("ZCARD", REQUESTS) in (5, 6)
        shared.close()

    def test_who_waited_for_its_share_asks_redis_when_it_is_back(self, redis_server: RedisPeer, soon: float) -> None:
        """Its own count would let it through: it is another process that has used up the limit."""
        one, first = policy(redis_server, rate_limit=8)
        two, second = policy(redis_server, rate_limit=8)
        redis_server.kill()
        assert admitted(first) == 2
        refused: list[RateLimitError] = []

        def wait() -> None:
            try:
                first.enter(ask(seconds=60), 2.0)
            except RateLimitError as error:
                refused.append(error)

        waiting = [threading.Thread(target=wait) for _ in range(4)]
        for thread in waiting:
            thread.start()
        redis_server.start()
        wait_until_back(one)
        assert admitted(second) == 6
        for thread in waiting:
            thread.join()
        assert len(refused) == 4
        one.close()
        two.close()

    def test_it_keeps_to_its_share_until_all_have_had_time_to_tell(
        self, redis_server: RedisPeer, soon: float, steady_clock: SteadyClock
    ) -> None:
        shared, limit = policy(redis_server, rate_limit=8)
        limit.enter(ask(), 0)
        redis_server.kill()
        assert admitted(limit) == 1
        redis_server.start()
        wait_until_back(shared)
        assert admitted(limit) == 0
        began = steady_clock()
        limit.enter(ask(), 10.0)
        assert steady_clock() - began < soon + 0.5
        assert admitted(limit) == 5
        shared.close()

    def test_a_redis_that_was_started_anew_unnoticed_is_told_all_the_same(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=16)
        for _ in range(5):
            limit.enter(ask(), 0)
        redis_server.ask("FLUSHALL")
        assert admitted(limit) == 0, "its share is used up, and others may still have to tell"
        assert redis_server.ask("ZCARD", REQUESTS) == 5
        shared.close()

    def test_a_redis_that_comes_back_that_very_moment_is_asked(
        self, redis_server: RedisPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Or what is admitted alone just then would never be told."""
        shared, limit = policy(redis_server, rate_limit=16)
        run = shared.run_script

        def once_lost(script: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
            monkeypatch.setattr(shared, "run_script", run)
            raise SharedStateLostError

        monkeypatch.setattr(shared, "run_script", once_lost)
        limit.enter(ask(), 0)
        assert redis_server.ask("ZCARD", REQUESTS) == 1
        shared.close()

    def test_its_state_says_so(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=4)
        limit.enter(ask(), 0)
        assert limit.state(ask()).line == "1 of 4 requests in 60 s by this process (shared by 1)"
        redis_server.kill()
        with pytest.raises(RateLimitError):
            limit.enter(ask(), 0)
        line, ready = limit.state(ask())[1:]
        assert line.startswith("1 of 4 requests in 60 s by this process (alone at 25%, free in ")
        assert not ready
        shared.close()

    def test_a_closed_one_refuses_and_admits_by_its_share(self, redis_server: RedisPeer) -> None:
        shared, limit = policy(redis_server, rate_limit=8)
        shared.close()
        assert admitted(limit) == 2

    def test_closing_leaves_no_thread(self, redis_server: RedisPeer) -> None:
        before = threading.active_count()
        shared, limit = policy(redis_server, rate_limit=5)
        permit = limit.enter(ask(), 0)
        assert permit is not None
        permit.settle(Outcome(0.0))
        redis_server.kill()
        limit.enter(ask(), 0)
        shared.close()
        for _ in range(100):
            if threading.active_count() <= before:
                return
            time.sleep(0.01)
        pytest.fail(f"left: {threading.enumerate()}")

    def test_the_password_in_its_url_is_never_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        url = Secret("redis://user:canary-password@127.0.0.1:1/0")
        shared = SharedState(url)
        (limit,) = admission("a", breaker=None, rate_limit=5, shared=shared)
        limit.enter(ask(), 0)
        assert "Redis is gone" in caplog.text
        assert "canary" not in caplog.text
        assert "canary" not in repr(vars(shared))
        shared.close()
