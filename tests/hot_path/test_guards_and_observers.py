"""What guards and observers cost a call: nothing where there are none; doing nothing, little beside a prompt's hash."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.guards.chain import GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, Observer, RequestEvent

PROMPT = "a word " * 2_857  # 20 kB
GUARDED_CALL, OBSERVED_CALL = 1.1, 1.0
"""What may be added to a whole call, in hashes of 20 kB by OpenSSL: it is 0.85 to 1.03 for a guard, 0.8 for an
observer."""
THREADED_CALL = 6
"""The same of a guard on a thread of its own: two hand-overs between threads."""
ROUNDS = 400
PAIRS = 4
"""Pairs of Mediators that are measured at most: where in memory the objects of one lie makes a tenth of a hash."""


class Answers(Backend):
    """Answers at once."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput("x")


class Nothing(Guard):
    """Lets everything go, on a thread of its own."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        return request


class NothingAtOnce(Nothing):
    """The same where it is asked."""

    keeps_time = True


class Deaf(Observer):
    """Is told, and does nothing."""

    def request(self, event: RequestEvent) -> None:
        pass

    def attempt(self, event: AttemptEvent) -> None:
        pass

    def answer(self, event: AnswerEvent) -> None:
        pass


def least_added(plain: Callable[[], object], other: Callable[[], object], limit: float) -> float:
    """What ``other`` takes beyond ``plain``, in hashes: from the least CPU time of this thread for each, in rounds that
    are made in turn, until that is within the limit or all are made."""
    works = plain, other, one_hash()
    best = [1e9] * 3
    added = 1e9
    for made in range(ROUNDS):
        for at, work in enumerate(works):
            work()
            began = time.thread_time()
            for _ in range(30):
                work()
            best[at] = min(best[at], time.thread_time() - began)
        added = (best[1] - best[0]) / best[2]
        if made >= ROUNDS // 8 and added <= limit:
            break
    return added


def one_hash() -> Callable[[], object]:
    """What the limits are measured in."""
    data = PROMPT.encode()
    return lambda: hashlib.sha256(data).digest()


def test_without_guards_and_observers_no_function_of_theirs_is_called() -> None:
    """A plain call does not go through any of their modules."""
    entered: list[str] = []

    def profile(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename.replace("\\", "/")
        if event == "call" and ("complaint_llm/guards" in name or "complaint_llm/observers" in name):
            entered.append(f"{name}:{frame.f_code.co_name}")

    with Mediator([Answers(id="a")]) as mediator:
        mediator.generate(PROMPT)
        sys.setprofile(profile)
        try:
            mediator.generate(PROMPT)
        finally:
            sys.setprofile(None)
    assert entered == []


def test_a_guard_that_does_nothing_takes_at_most_half_a_hash() -> None:
    """The guards' own part of a call: asked for what may be sent, for the answer, for its report; half a hash."""
    request = GuardRequest(messages=(Message("user", PROMPT),))
    output = InferenceOutput("x")
    chain = GuardChain([GuardEntry("nothing", NothingAtOnce())])

    def work() -> None:
        guards = chain.for_call()
        guards.before("remote", request)
        guards.after("remote", output)
        guards.report("remote")

    assert least_added(lambda: None, work, 0.5) <= 0.5


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("more", "hashes"),
    [
        ({"guards": [NothingAtOnce()]}, GUARDED_CALL),
        ({"guards": [Nothing()]}, THREADED_CALL),
        ({"observers": [Deaf()]}, OBSERVED_CALL),
    ],
    ids=["guard", "guard on a thread", "observer"],
)
def test_a_whole_call_is_not_much_dearer(more: dict[str, Any], hashes: float) -> None:
    """By so many hashes of its prompt at most."""
    measured = []
    for _ in range(PAIRS):
        with Mediator([Answers(id="a")]) as plain, Mediator([Answers(id="a")], **more) as other:
            measured.append(least_added(lambda: plain.generate(PROMPT), lambda: other.generate(PROMPT), hashes))
        if measured[-1] <= hashes:
            return
    raise AssertionError(f"{measured} hashes, and {hashes} are the limit")


@pytest.mark.parametrize("length", [20, 20_000, 2_000_000])
def test_who_wants_no_digest_pays_for_no_length(length: int) -> None:
    """A prompt is read for its digest where an observer declares that it wants it, and else not at all."""
    read: list[int] = []

    class Counting(str):
        """Says when its bytes are asked for."""

        __slots__ = ()

        def __format__(self, form: str) -> str:
            read.append(len(self))
            return str(self)

    class Curious(Deaf):
        digests = True

    for observer, reads in ((Deaf(), []), (Curious(), [length])):
        read.clear()
        with Mediator([Answers(id="a")], observers=[observer]) as mediator:
            mediator.infer([Message("user", Counting("x" * length))])
        assert read == reads
