"""Guards that fail, hang or are late: the call ends before anything is sent or handed out."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Request
from complaint_llm.exceptions import BatchError, GuardError
from complaint_llm.guards.guard import Guard, GuardRefusal, GuardRequest, TargetKind
from complaint_llm.messages import InferenceOutput
from tests.client.guarded_backends import NAME, WAYS, Echo, Here, Pieces, Swap, ask


class Hangs(Guard):
    """Does not come back before it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        self.let_go.wait(60)
        return request


class Refuses(Guard):
    """Lets nothing go."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        raise GuardRefusal("it names a child")


class Breaks(Guard):
    """Has a fault, whose words are the client's."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        raise ValueError(f"no idea of {NAME}")


class Forgets(Guard):
    """Gives nothing back."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> Any:
        return None


class NeverStarts(Guard):
    """Cannot begin."""

    def for_call(self) -> Any:
        raise OSError("no model")


class Ends(Guard):
    """Raises what ends a thread or a program, on a thread of its own or where it is asked."""

    def __init__(self, error: BaseException, *, keeps_time: bool = False) -> None:
        self.error = error
        self.keeps_time = keeps_time

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        raise self.error


class EndsAtTheBeginning(Ends):
    """The same before it is asked anything."""

    def for_call(self) -> Any:
        raise self.error


FAULTS: list[tuple[Guard, str]] = [
    (Refuses(), "guard 'Refuses' refused: it names a child; nothing was sent"),
    (Breaks(), r"guard 'Breaks' failed \(ValueError\); nothing was sent"),
    (Forgets(), r"guard 'Forgets' failed: before\(\) gave a NoneType"),
    (NeverStarts(), r"guard 'NeverStarts' failed \(OSError\); nothing was sent"),
    (Ends(SystemExit(NAME)), r"guard 'Ends' failed \(SystemExit\); nothing was sent"),
    (Ends(KeyboardInterrupt(NAME)), r"guard 'Ends' failed \(KeyboardInterrupt\); nothing was sent"),
    (Ends(GeneratorExit(NAME)), r"guard 'Ends' failed \(GeneratorExit\); nothing was sent"),
    (Ends(SystemExit(NAME), keeps_time=True), r"guard 'Ends' failed \(SystemExit\); nothing was sent"),
    (EndsAtTheBeginning(SystemExit(NAME)), r"guard 'EndsAtTheBeginning' failed \(SystemExit\); nothing was sent"),
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("guard", "says"), FAULTS)
def test_a_guard_that_fails_ends_the_call_before_anything_is_sent(
    way: Callable[[Mediator], str], guard: Guard, says: str
) -> None:
    """Without fallback, though an unguarded backend stands first; the error says nothing of the client's words."""
    here, remote = Here(id="here"), Echo(id="remote")
    with Mediator([here, remote], guards=[Swap(), guard]) as mediator, pytest.raises(Exception) as raised:
        way(mediator)
    error = raised.value
    errors = list(getattr(error, "errors", {}).values()) or [error]
    assert all(isinstance(each, GuardError) for each in errors)
    assert all(re.match(says, str(each)) for each in errors)
    assert all(NAME not in str(each) for each in errors)
    assert not here.seen
    assert not remote.seen


@pytest.mark.parametrize("guard", [Ends(KeyboardInterrupt(), keeps_time=True), EndsAtTheBeginning(KeyboardInterrupt())])
@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_where_a_guard_is_asked_is_the_users_and_nothing_is_sent(
    way: Callable[[Mediator], str], guard: Guard
) -> None:
    """In the caller's thread a guard's interrupt cannot be told from that of a keyboard: it goes through."""
    remote = Echo(id="remote")
    with Mediator([remote], guards=[guard]) as mediator:
        try:
            way(mediator)
        except (KeyboardInterrupt, BatchError):
            pass
        else:
            pytest.fail("it was answered")
    assert not remote.seen


class BreaksAfter(Swap):
    """Lets go, and fails with the answer: at ``place``, with ``error``."""

    def __init__(self, place: str, error: BaseException) -> None:
        self.place, self.error = place, error

    def fail(self, place: str) -> None:
        if place == self.place:
            raise self.error

    def after(self, output: InferenceOutput) -> InferenceOutput:
        self.fail("after")
        return super().after(output)

    def pieces(self, kind: Literal["text", "json"]) -> Any:
        self.fail("pieces")
        guard = self

        class Failing(Pieces):
            def feed(self, piece: str) -> str:
                guard.fail("feed")
                return super().feed(piece)

            def flush(self) -> str:
                guard.fail("flush")
                return super().flush()

        return Failing()

    def counts(self) -> Any:
        self.fail("counts")
        return {}


@pytest.mark.parametrize("error", [ValueError(NAME), SystemExit(NAME), GuardRefusal("it names a child")])
@pytest.mark.parametrize("place", ["after", "pieces", "feed", "flush", "counts"])
def test_a_guard_that_fails_with_the_answer_hands_out_nothing(place: str, error: BaseException) -> None:
    """Plain or streamed it is a GuardError, without the client's words."""
    said = "refused: it names a child" if isinstance(error, GuardRefusal) else rf"failed \({type(error).__name__}\)"
    streams = place in ("pieces", "feed", "flush")
    with Mediator([Echo(id="remote")], guards=[BreaksAfter(place, error)]) as mediator:
        with pytest.raises(GuardError, match=f"^guard 'BreaksAfter' {said}; its answer is not handed out") as raised:
            list(mediator.infer_stream(f"Is {NAME} late?")) if streams else mediator.infer(f"Is {NAME} late?")
        assert NAME not in str(raised.value)


def test_a_guard_that_is_late_ends_the_call(request: pytest.FixtureRequest) -> None:
    """After its timeout, not after its end."""
    guard = Hangs()
    request.addfinalizer(guard.let_go.set)
    from complaint_llm.guards.chain import GuardChain, GuardEntry

    remote = Echo(id="remote")
    chain = GuardChain([GuardEntry("slow", guard, timeout=0.05)])
    late = r"guard 'slow' took longer than its timeout of 0\.05 s; nothing was sent"
    with Mediator([remote], guards=chain) as mediator, pytest.raises(GuardError, match=late):
        ask(mediator)
    assert not remote.seen


def test_a_batch_ends_with_the_first_guard_that_fails(tmp_path: Path) -> None:
    """Nothing more is sent of what is left; the error is raised."""

    class Third(Swap):
        def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
            if "3" in request.messages[-1].text:
                raise GuardRefusal("a three")
            return super().before(request, target_kind)

    remote = Echo(id="remote")
    with Mediator([remote], guards=[Third()]) as mediator:
        run = mediator.batch((f"prompt {number}" for number in range(1, 1000)), max_workers=1)
        with pytest.raises(GuardError, match="a three"):
            list(run)
    assert len(remote.seen) < 20


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("journal", [True, False])
def test_a_batch_sends_nothing_after_a_guard_failed_whoever_looks(
    tmp_path: Path, *, ordered: bool, journal: bool
) -> None:
    """The one before it is still under way, so in their order nobody has seen the failure yet."""
    failed, more = threading.Event(), threading.Event()

    class Fails(Guard):
        keeps_time = True

        def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
            if request.messages[0].text == "1":
                failed.set()
                raise ValueError
            return request

    class Waits(Echo):
        def answer(self, request: Request) -> InferenceOutput:
            if request.messages[0].text == "0":
                assert failed.wait(60)
                more.wait(0.5)
            else:
                more.set()
            return super().answer(request)

    remote = Waits(id="remote")
    path = tmp_path / "journal" if journal else None
    with Mediator([remote], guards=[Fails()]) as mediator:
        results = mediator.batch(map(str, range(40)), max_workers=2, ordered=ordered, journal=path)
        handed_out: list[int] = []
        with pytest.raises(GuardError):
            handed_out.extend(result.index for result in results)
    assert remote.seen == ["0"]
    assert set(handed_out) == {0, 1}
