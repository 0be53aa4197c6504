"""Guards stand before every way out: plain, streamed, embedded, cached, hedged, in batches; and they fail closed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.exceptions import BatchError, ConfigError, GuardError, ServerError
from complaint_llm.guards.guard import Guard, GuardRefusal, GuardRequest, TargetKind
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta

NAME = "Maria Lopez"
TOKEN = "[NAME_1]"


class Swap(Guard):
    """A name for a token, and back."""

    version: ClassVar[str] = "7"

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        turns = [turn._replace(content=turn.text.replace(NAME, TOKEN)) for turn in request.messages]
        return request._replace(messages=turns)

    def after(self, output: InferenceOutput) -> InferenceOutput:
        return output._replace(content=output.content.replace(TOKEN, NAME))

    def pieces(self, kind: Literal["text", "json"]) -> Any:
        return Pieces()


class Pieces:
    """Gives everything at the end."""

    def __init__(self) -> None:
        self.text = ""

    def feed(self, piece: str) -> str:
        self.text += piece
        return ""

    def flush(self) -> str:
        text, self.text = self.text, ""
        return text.replace(TOKEN, NAME)


class Echo(Backend):
    """Says what it was asked, and keeps it."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("stream", "embeddings"))

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self.seen: list[str] = []

    def answer(self, request: Request) -> InferenceOutput:
        self.seen.append(request.messages[-1].text)
        return InferenceOutput(f"You said {self.seen[-1]}")

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        output = self.answer(request)
        yield TextDelta(output.content[:14])
        yield TextDelta(output.content[14:])
        yield Done(output.token_usage, output)

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self.seen += request.texts
        return EmbeddingOutput(tuple((0.5,) for _ in request.texts))


class Here(Echo):
    """The same on this machine."""

    default_location = "local"


class Down(Echo):
    """Never answers."""

    def answer(self, request: Request) -> InferenceOutput:
        super().answer(request)
        raise ServerError("down", status=500)


def ask(mediator: Mediator) -> str:
    """One question."""
    return mediator.generate(f"Help {NAME}.")


def stream(mediator: Mediator) -> str:
    """The same in pieces."""
    with mediator.stream_generate(f"Help {NAME}.") as pieces:
        text = "".join(pieces)
    assert pieces.output is not None
    assert pieces.output.content == text
    return text


def batch(mediator: Mediator) -> str:
    """The same in a batch."""
    return mediator.batch_generate([f"Help {NAME}."])[0]


WAYS: list[Callable[[Mediator], str]] = [ask, stream, batch]


@pytest.mark.parametrize("way", WAYS)
def test_what_leaves_is_guarded_and_what_comes_back_restored(way: Callable[[Mediator], str]) -> None:
    """The caller sees names, the backend tokens."""
    remote = Echo(id="remote")
    with Mediator([remote], guards=[Swap()]) as mediator:
        assert way(mediator) == f"You said Help {NAME}."
    assert remote.seen == [f"Help {TOKEN}."]


@pytest.mark.parametrize("way", WAYS)
def test_a_guard_for_what_leaves_is_none_for_what_stays(way: Callable[[Mediator], str]) -> None:
    """Each kind of target gets its own form of one call, by fallback too."""
    down, here = Down(id="down", max_retries=0), Here(id="here")
    with Mediator([down, here], guards=[Swap()]) as mediator:
        assert way(mediator) == f"You said Help {NAME}."
    assert set(down.seen) == {f"Help {TOKEN}."}
    assert here.seen == [f"Help {NAME}."]


def test_texts_to_embed_are_guarded() -> None:
    """Though a vector has nothing to restore."""
    remote = Echo(id="remote", embedding_model="e")
    with Mediator([remote], guards=[Swap()]) as mediator:
        mediator.embed([f"of {NAME}", "of none"])
    assert remote.seen == [f"of {TOKEN}", "of none"]


def test_the_cache_keeps_what_was_sent_and_restores_for_each_caller() -> None:
    """A second caller is answered from it, names in their places."""
    remote = Echo(id="remote", cache_enabled=True)
    with Mediator([remote], guards=[Swap()]) as mediator:
        first, second = (mediator.infer(f"Help {NAME}.") for _ in range(2))
    assert len(remote.seen) == 1
    assert second.metadata["cached"]
    assert first.content == second.content == f"You said Help {NAME}."


def test_an_answer_says_which_guard_stood_before_it() -> None:
    """By name and version; nothing of what it hid."""
    with Mediator([Echo(id="remote")], guards=[Swap()]) as mediator:
        report = mediator.infer(f"Help {NAME}.").metadata["guards"]
    assert report == [{"name": "Swap", "version": "7", "counts": {}}]


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


def test_guards_see_what_they_declare_and_no_more() -> None:
    """Names, matter, tools, schema only for who needs them; what was not shown goes as it was."""
    shown: list[GuardRequest] = []

    class Looks(Guard):
        needs: ClassVar[Any] = frozenset(("messages",))

        def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
            shown.append(request)
            return request

    remote = Echo(id="remote")
    with Mediator([remote], guards=[Looks()]) as mediator:
        mediator.infer("x", names=[NAME], matter="2026-0417", stop=["END"])
    assert (shown[0].names, shown[0].matter, shown[0].tools, shown[0].schema) == ((), None, (), None)
    assert shown[0].parameters == {"stop": ["END"]}


def test_an_image_is_not_sent_past_a_guard_that_does_not_look_into_images() -> None:
    """A backend on this machine may have it; who else is left is named."""
    from complaint_llm.backends import Capability

    class Seeing(Here):
        capabilities: ClassVar[frozenset[Capability]] = frozenset(("images",))

    class SeeingElsewhere(Echo):
        capabilities: ClassVar[frozenset[Capability]] = frozenset(("images",))

    picture = [{"role": "user", "content": [{"type": "image", "data": b"\x89PNG\r\n\x1a\n"}]}]
    here, remote = Seeing(id="here"), SeeingElsewhere(id="remote")
    with Mediator([remote, here], guards=[Swap()]) as mediator:
        assert mediator.infer(picture).backend == "here"
        with pytest.raises(Exception, match="images, which the guard 'Swap' does not look into"):
            mediator.infer(picture, backend="remote")
    assert not remote.seen


def test_a_mediator_with_guards_cannot_be_inside_another() -> None:
    """The outer one would go past them."""
    inner = Mediator([Echo(id="remote")], guards=[Swap()])
    with inner, pytest.raises(ConfigError, match="with guards cannot be inside another Mediator: give them"):
        Mediator([inner])
