"""Guards stand before every way out: plain, streamed, embedded, cached, hedged, in batches; and they fail closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Request
from complaint_llm.exceptions import ConfigError, ServerError
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import InferenceOutput
from tests.client.guarded_backends import NAME, TOKEN, WAYS, Echo, Here, Swap


class Down(Echo):
    """Never answers."""

    def answer(self, request: Request) -> InferenceOutput:
        super().answer(request)
        raise ServerError("down", status=500)


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
