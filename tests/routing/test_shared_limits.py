"""Limits and provider signals that processes share through Redis, and what happens when it goes away."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from routing_model import answer, ask

from complaint_llm.exceptions import QuotaExceededError, RateLimitError, ServerError
from complaint_llm.messages import TokenUsage
from complaint_llm.routing.admission import admission
from complaint_llm.routing.candidate import AnyRequest, Estimate, Outcome, Policy
from complaint_llm.routing.shared import SharedState
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from redis_peer import RedisPeer

WORKER = Path(__file__).with_name("shared_worker.py")
ANSWERED = Outcome(0.1, answer())


class Fleet:
    """Worker processes and the moments of their admissions."""

    def __init__(self, peer: RedisPeer, processes: int, limit: int, window: float, seconds: float) -> None:
        self.lines: list[tuple[float, str]] = []
        self.counts = [0] * processes
        arguments = [peer.url.reveal(), str(limit), str(window), "4", str(seconds)]
        self.processes = [
            subprocess.Popen([sys.executable, str(WORKER), *arguments], stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        self._readers = [threading.Thread(target=self._read, args=each) for each in enumerate(self.processes)]
        for reader in self._readers:
            reader.start()

    def _read(self, place: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if line != "ready\n" and line.endswith("\n"):
                    at, how = line.split()
                    self.lines.append((float(at), how))
                    self.counts[place] += 1

    def wait_for_all(self) -> None:
        """Return when every process was admitted twice, the second time knowing of the others."""
        for count in (1, 2):
            seen = len(self.lines)
            for _ in range(3000):
                if all(self.counts[place] >= count for place in range(len(self.processes))) and len(self.lines) > seen:
                    break
                time.sleep(0.01)

    def admissions(self) -> list[float]:
        for process in self.processes:
            process.wait(60)
        for reader in self._readers:
            reader.join(10)
        return sorted(at for at, _ in self.lines)


def most_in_any(times: list[float], window: float) -> int:
    """The most within any half-open ``window`` of seconds."""
    most = start = 0
    for end, at in enumerate(times):
        while at - times[start] >= window:
            start += 1
        most = max(most, end - start + 1)
    return most


class RedisLog:
    """Every admission that Redis writes down, by its own clock; read faster than it forgets."""

    def __init__(self, peer: RedisPeer) -> None:
        import redis

        self._client = redis.Redis(port=peer.port, decode_responses=True)
        self._found: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._stop.wait(0.1):
            log: Any = self._client.zrange("complaint_llm:a:requests", 0, -1, withscores=True)
            for entry, score in log:
                self._found[entry] = score / 1e6

    def close(self) -> list[float]:
        self._stop.set()
        self._thread.join()
        self._client.close()
        return sorted(self._found.values())


def policy(peer: RedisPeer, **keys: object) -> tuple[SharedState, Policy]:
    shared = SharedState(peer.url)
    (found,) = admission("a", breaker=None, shared=shared, **keys)  # type: ignore[arg-type]
    return shared, found


def test_four_processes_keep_one_limit_and_use_it_up(redis_server: RedisPeer) -> None:
    log = RedisLog(redis_server)
    fleet = Fleet(redis_server, 4, limit=100, window=3.0, seconds=10.0)
    times, by_redis = fleet.admissions(), log.close()
    assert most_in_any(by_redis, 3.0) == 100
    windows = [times[0] + start * 3.0 + 0.3 for start in range(3)]
    # The median: a machine that stands still for a moment is no fault of the limit.
    used = sorted(sum(start <= at < start + 3.0 for at in times) for start in windows)
    assert used[1] >= 95
    assert {how for _, how in fleet.lines} == {"shared"}


def test_killing_one_process_changes_nothing(redis_server: RedisPeer) -> None:
    log = RedisLog(redis_server)
    fleet = Fleet(redis_server, 4, limit=50, window=1.0, seconds=5.0)
    fleet.wait_for_all()
    killed_at = time.time()
    fleet.processes[0].send_signal(signal.SIGKILL)
    times, by_redis = fleet.admissions(), log.close()
    assert most_in_any(by_redis, 1.0) == 50
    after = [at for at in times if at > killed_at]
    assert len(after) >= 0.9 * 50 * int(after[-1] - after[0])


def test_killing_redis_costs_at_most_twice_the_limit_and_it_is_found_again(redis_server: RedisPeer) -> None:
    fleet = Fleet(redis_server, 4, limit=100, window=1.0, seconds=9.0)
    fleet.wait_for_all()
    time.sleep(0.5)
    redis_server.kill()
    time.sleep(2.2)
    redis_server.start()
    times = fleet.admissions()
    assert most_in_any(times, 1.0) <= 200
    kinds = [how for _, how in sorted(fleet.lines)]
    assert kinds[0] == "shared"
    assert "alone" in kinds
    assert kinds[-1] == "shared"
    # Moments are read a little after Redis has decided: allow for what lies between the two.
    assert most_in_any([at for at in times if at > times[-1] - 1.5], 1.0 - 0.1) <= 100


class TestOneProcess:
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

    def test_a_429_holds_the_others_back_too(self, redis_server: RedisPeer) -> None:
        one, first = policy(redis_server)
        two, second = policy(redis_server)
        permit = first.enter(ask(), 0)
        assert permit is not None
        permit.settle(Outcome(0.1, None, RateLimitError("429", status=429, retry_after=0.4)))
        with pytest.raises(RateLimitError):
            second.enter(ask(), 0.0)
        began = time.monotonic()
        second.enter(ask(), 5.0)
        assert 0.2 < time.monotonic() - began < 1.0
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
            redis_server.start()
            for _ in range(500):
                if shared.available:
                    break
                time.sleep(0.01)
            limit.enter(ask(), 0)
            assert "Redis is back" in caplog.text
        # Redis came back empty and was told of all seven.
        log = RedisLog(redis_server)
        time.sleep(0.3)
        assert len(log.close()) == 7
        shared.close()

    def test_alone_it_keeps_to_its_share_of_the_limit(self, redis_server: RedisPeer) -> None:
        shared = SharedState(redis_server.url, share=0.25)
        (limit,) = admission("a", breaker=None, rate_limit=8, shared=shared)
        redis_server.kill()
        for _ in range(2):
            limit.enter(ask(), 0)
        with pytest.raises(RateLimitError):
            limit.enter(ask(), 1.0)
        shared.close()

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
