"""Budgets, answers and flights that processes share through Redis."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.call import CancelToken
from complaint_llm.exceptions import BackendTimeoutError, BudgetExceededError, CancelledError, ServerError
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.policies.bound import NANO, Bound
from complaint_llm.routing.policies.budget import Account
from complaint_llm.routing.policies.budget_book import BudgetBook, BudgetLimits
from complaint_llm.routing.redis.cache import SharedCache
from complaint_llm.routing.redis.connection import SharedState
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Outcome
from tests.routing.routing_model import Scripted, answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request
    from tests.routing.redis_peer import RedisPeer

ONE = Bound(1.0)


def cost(dollars: float) -> Outcome:
    return Outcome(0.1, answer(cost=dollars))


class WaitingToken(CancelToken):
    """Tells when somebody begins to wait with it."""

    def __init__(self) -> None:
        super().__init__()
        self.attached = threading.Event()

    def attach(self, callback: Callable[[], None]) -> None:
        super().attach(callback)
        self.attached.set()


class Machine:
    """A machine of its own as far as budgets go: another state file, another connection."""

    def __init__(self, folder: Path, peer: RedisPeer, **limits: float) -> None:
        self.path = folder / "state.db"
        self.shared = SharedState(peer.url, share=0.5)
        self.account = Account("a", BudgetLimits(**limits), self.path, shared=self.shared)

    def spend(self, dollars: float, bound: Bound = ONE, **fields: Any) -> None:
        self.account.reserve(bound, ask(**fields), 0).settle(cost(dollars))

    def close(self) -> None:
        self.account.close()
        self.shared.close()

    def on_disk(self) -> float:
        book = BudgetBook(self.path)
        found = book.spent("a").total / NANO
        book.close()
        return found


class TestBudget:
    def test_two_machines_spend_one_budget(self, redis_server: RedisPeer, tmp_path: Path) -> None:
        one, two = (Machine(tmp_path / name, redis_server, total=3.0) for name in ("one", "two"))
        one.spend(1.0)
        one.account.flush()
        two.spend(1.5)
        two.account.flush()
        for each in (one, two):
            with pytest.raises(BudgetExceededError, match=r"2.5000 of 3 dollars are spent"):
                each.spend(1.0)
        one.close()
        two.close()
        assert (one.on_disk(), two.on_disk()) == (1.0, 1.5)

    def test_what_another_machine_has_reserved_is_waited_for(self, redis_server: RedisPeer, tmp_path: Path) -> None:
        one, two = (Machine(tmp_path / name, redis_server, total=1.5) for name in ("one", "two"))
        permit = one.account.reserve(ONE, ask(), 0)
        with pytest.raises(BudgetExceededError) as caught:
            two.spend(1.0)
        assert caught.value.code == LOCAL_LIMIT

        waits = WaitingToken()

        def settle() -> None:
            assert waits.attached.wait(10)
            permit.settle(cost(0.1))
            one.account.flush()

        helper = threading.Thread(target=settle)
        helper.start()
        two.account.reserve(ONE, ask()._replace(cancel=waits), 10).settle(cost(0.5))
        helper.join()
        one.close()
        two.close()

    def test_a_redis_without_memory_learns_what_was_spent(self, redis_server: RedisPeer, tmp_path: Path) -> None:
        one, two = (Machine(tmp_path / name, redis_server, total=3.0) for name in ("one", "two"))
        two.spend(1.0)
        two.account.flush()
        one.spend(1.0)
        one.account.flush()
        redis_server.kill()
        redis_server.start()
        one.spend(0.5, Bound(0.5))
        one.account.flush()
        for each in (one, two):
            with pytest.raises(BudgetExceededError, match=r"2.5000 of 3"):
                each.spend(1.0)
        one.close()
        two.close()

    def test_what_was_spent_while_redis_was_gone_is_told_when_it_is_back(
        self, redis_server: RedisPeer, tmp_path: Path
    ) -> None:
        one, two = (Machine(tmp_path / name, redis_server, total=5.0) for name in ("one", "two"))
        for each in (one, two):
            each.spend(1.0)
            each.account.flush()
        redis_server.kill()
        for each in (one, two):
            each.spend(1.0)
        redis_server.start()
        for each in (one, two):
            for _ in range(500):
                if each.shared.available:
                    break
                time.sleep(0.01)
            each.spend(0.0, Bound(0.01))
            each.account.flush()
        with pytest.raises(BudgetExceededError, match=r"4.0000 of 5"):
            one.spend(1.5, Bound(1.5))
        one.close()
        two.close()

    def test_alone_it_may_spend_its_share_of_what_was_left(self, redis_server: RedisPeer, tmp_path: Path) -> None:
        one = Machine(tmp_path / "one", redis_server, total=5.0)
        one.spend(1.0)
        one.account.flush()
        redis_server.kill()
        one.spend(1.0)
        one.spend(1.0)
        with pytest.raises(BudgetExceededError):
            one.spend(1.0)
        one.close()
        assert one.on_disk() == 3.0

    def test_a_private_request_touches_nothing_shared(self, redis_server: RedisPeer, tmp_path: Path) -> None:
        one = Machine(tmp_path / "one", redis_server, total=5.0)
        redis_server.kill()
        one.spend(1.0, privacy="local")
        one.account.flush()
        assert one.shared.available
        one.close()
        assert one.on_disk() == 1.0


def cached(script: list[Any], **fields: Any) -> Scripted:
    return Scripted("a", script, identity="a model 1", **fields)


class Process:
    """A process of its own as far as caching goes."""

    def __init__(self, peer: RedisPeer, script: list[Any], ttl: float | None = None, **fields: Any) -> None:
        self.shared = SharedState(peer.url)
        self.router = Router(cache=Cache(ttl=ttl, shared=SharedCache(self.shared)))
        self.backend = cached(script, **fields)

    def ask(self, text: str = "hi", cancel: CancelToken | None = None, **fields: Any) -> InferenceOutput:
        request = ask(text, **fields)
        return self.router.answer(request if cancel is None else request._replace(cancel=cancel), [self.backend])


class TestCache:
    def test_an_answer_of_one_process_is_found_by_another(self, redis_server: RedisPeer) -> None:
        one, two = Process(redis_server, [answer("yes", cost=0.5)]), Process(redis_server, [answer("no")])
        assert one.ask().content == "yes"
        found = two.ask()
        assert (found.content, found.cost, found.metadata["cached"]) == ("yes", 0.0, True)
        assert not two.backend.seen
        one.shared.close()
        two.shared.close()

    def test_it_ends_with_its_time_to_live(self, redis_server: RedisPeer) -> None:
        one, two = (Process(redis_server, [answer()], ttl=0.2) for _ in range(2))
        one.ask()
        for _ in range(1000):
            if two.ask() and two.backend.seen:
                break
            time.sleep(0.01)
        assert len(two.backend.seen) == 1
        one.shared.close()
        two.shared.close()

    def test_identical_requests_of_two_processes_in_flight_are_one(self, redis_server: RedisPeer) -> None:
        started, follows = threading.Event(), WaitingToken()

        def slow(request: Request) -> InferenceOutput:
            started.set()
            assert follows.attached.wait(10)
            return answer("slow", cost=0.5)

        one, two = Process(redis_server, [slow]), Process(redis_server, [answer("other")])
        outputs: list[InferenceOutput] = []
        leader = threading.Thread(target=lambda: outputs.append(one.ask()))
        leader.start()
        assert started.wait(10)
        assert two.ask(cancel=follows).content == "slow"
        assert not two.backend.seen
        leader.join()
        one.shared.close()
        two.shared.close()

    def test_when_the_leader_fails_the_follower_asks(self, redis_server: RedisPeer) -> None:
        started, follows = threading.Event(), WaitingToken()

        def fails(request: Request) -> InferenceOutput:
            started.set()
            assert follows.attached.wait(10)
            raise ServerError("500", status=500)

        one, two = Process(redis_server, [fails]), Process(redis_server, [answer("own")])

        def lead() -> None:
            with pytest.raises(ServerError):
                one.ask()

        leader = threading.Thread(target=lead)
        leader.start()
        assert started.wait(10)
        assert two.ask(cancel=follows).content == "own"
        leader.join()
        one.shared.close()
        two.shared.close()

    @pytest.mark.parametrize("how", ["deadline", "cancel"])
    def test_a_follower_keeps_its_own_deadline_and_token(self, redis_server: RedisPeer, how: str) -> None:
        started, gate = threading.Event(), threading.Event()

        def stuck(request: Request) -> InferenceOutput:
            started.set()
            assert gate.wait(20)
            return answer()

        one, two = Process(redis_server, [stuck]), Process(redis_server, [answer()])
        leader = threading.Thread(target=one.ask)
        leader.start()
        assert started.wait(10)
        request = ask(seconds=0.2 if how == "deadline" else 20)
        if how == "cancel":
            threading.Timer(0.1, request.cancel.cancel, ["closed"]).start()
        with pytest.raises(BackendTimeoutError if how == "deadline" else CancelledError):
            two.router.answer(request, [two.backend])
        assert not two.backend.seen
        gate.set()
        leader.join()
        one.shared.close()
        two.shared.close()

    def test_a_private_request_touches_nothing_shared(self, redis_server: RedisPeer) -> None:
        one = Process(redis_server, [answer("local")], local=True)
        redis_server.kill()
        assert one.ask(privacy="local").content == "local"
        assert one.shared.available
        one.shared.close()

    def test_without_redis_everybody_asks_for_himself(self, redis_server: RedisPeer) -> None:
        one, two = Process(redis_server, [answer("one")]), Process(redis_server, [answer("two")])
        redis_server.kill()
        assert (one.ask().content, two.ask().content) == ("one", "two")
        one.shared.close()
        two.shared.close()

    def test_a_leader_that_is_killed_is_replaced(self, redis_server: RedisPeer) -> None:
        """Until then it is waited for, however long it takes: a living process renews its lease."""
        code = """
            import sys, time
            from complaint_llm.routing.cache.response_cache import Cache
            from complaint_llm.routing.redis.cache import SharedCache
            from complaint_llm.routing.redis.connection import SharedState
            from complaint_llm.routing.router import Router
            from complaint_llm.secrets import Secret
            from tests.routing.routing_model import Scripted, ask

            def answer(request):
                print("leads", flush=True)
                time.sleep(60)

            shared = SharedState(Secret(sys.argv[1]))
            router = Router(cache=Cache(shared=SharedCache(shared)))
            router.answer(ask(seconds=100), [Scripted("a", [answer], identity="a model 1")])
        """
        arguments = [sys.executable, "-c", textwrap.dedent(code), redis_server.url.reveal()]
        leader = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3])
        assert leader.stdout is not None
        assert leader.stdout.readline() == "leads\n"
        two = Process(redis_server, [answer("other")])
        with pytest.raises(BackendTimeoutError):
            two.router.answer(ask(seconds=4), [two.backend])
        os.kill(leader.pid, signal.SIGKILL)
        leader.wait(10)
        leader.stdout.close()
        assert two.router.answer(ask(seconds=30), [two.backend]).content == "other"
        two.shared.close()

    @pytest.mark.parametrize("which", ["answered", "kept"])
    def test_answers_of_others_to_the_same_question_are_not_taken(self, redis_server: RedisPeer, which: str) -> None:
        """Under one digest are the answers of several models; who asks one of them gets that one's."""
        one, two = Process(redis_server, [answer("one")]), Process(redis_server, [answer("two")])
        two.backend = Scripted("b", [answer("two")], identity="b model 2")
        assert (one.ask().content, two.ask().content) == ("one", "two")
        if which == "kept":  # found by processes that have nothing in memory
            three, four = Process(redis_server, [answer("no")]), Process(redis_server, [answer("no")])
            four.backend = Scripted("b", [answer("no")], identity="b model 2")
            assert (three.ask().content, four.ask().content) == ("one", "two")
            assert not three.backend.seen
            assert not four.backend.seen
            three.shared.close()
            four.shared.close()
        one.shared.close()
        two.shared.close()

    @pytest.mark.rows(3)
    @pytest.mark.parametrize("text", ["", "junk", "x y", "0 junk", "0 []", "0 {}", '0 {"content":1}', "9e99 {", " "])
    def test_what_cannot_be_read_is_as_good_as_not_there(self, redis_server: RedisPeer, text: str) -> None:
        """Whoever wrote it: Redis is not given up for it, and the next answer takes its place."""
        one = Process(redis_server, [answer("yes")])
        one.ask()
        (key,) = redis_server.ask("KEYS", "*answers*")
        redis_server.ask("HSET", key, *redis_server.ask("HKEYS", key), text)
        two, three = Process(redis_server, [answer("anew")]), Process(redis_server, [answer("no")])
        assert (two.ask().content, two.shared.available) == ("anew", True)
        assert three.ask().content == "anew"
        for each in (one, two, three):
            each.shared.close()

    @pytest.mark.parametrize("there", [False, True])
    def test_beside_an_answer_of_another_model_identical_requests_are_one(
        self, redis_server: RedisPeer, there: bool
    ) -> None:
        other = Process(redis_server, [answer("other model")])
        other.backend = Scripted("b", [answer("other model")], identity="b model 2")
        if there:
            other.ask()
        started, follows = threading.Event(), WaitingToken()

        def slow(request: Request) -> InferenceOutput:
            started.set()
            assert follows.attached.wait(10)
            return answer("slow")

        one, two = Process(redis_server, [slow]), Process(redis_server, [answer("second")])
        leader = threading.Thread(target=one.ask)
        leader.start()
        assert started.wait(10)
        assert two.ask(cancel=follows).content == "slow"
        assert not two.backend.seen
        leader.join()
        for each in (one, two, other):
            each.shared.close()

    @pytest.mark.parametrize("first", [None, 0.2, 50.0])
    @pytest.mark.parametrize("second", [None, 0.2, 50.0])
    def test_each_answer_under_a_digest_has_its_own_time(
        self, redis_server: RedisPeer, first: float | None, second: float | None
    ) -> None:
        kinds = (("a", first), ("b", second))
        for name, ttl in kinds:
            process = Process(redis_server, [answer(name)], ttl=ttl)
            process.backend = Scripted(name, [answer(name)], identity=f"{name} model")
            process.ask()
            process.shared.close()
        time.sleep(0.25)
        for name, ttl in kinds:
            process = Process(redis_server, [answer("anew")])
            process.backend = Scripted(name, [answer("anew")], identity=f"{name} model")
            assert process.ask().content == ("anew" if ttl == 0.2 else name)
            process.shared.close()
