"""Of many backends that are asked the same, what is asked is settled once, and for none of them too late."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.exceptions import GuardError, ServerError
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import Request

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Asked(Backend):
    """Keeps how long it was given, and what it was asked."""

    def __init__(self, *, fails: bool = False, can: tuple[Any, ...] = (), **keys: Any) -> None:
        super().__init__(model="m", max_retries=0, **keys)
        self.capabilities = frozenset(can)  # type: ignore[misc]
        self.seconds: list[float] = []
        self.texts: list[str] = []
        self.fails = fails

    def answer(self, request: Request) -> InferenceOutput:
        self.seconds.append(request.deadline.remaining())
        self.texts.append(request.messages[-1].text)
        if self.fails:
            raise ServerError("no", status=500)
        return InferenceOutput("yes", finish_reason="stop")


class Noted(Guard):
    """Notes for whom it was asked; refuses ``never``."""

    keeps_time = True

    def __init__(self, never: TargetKind | None = None) -> None:
        self.asked: list[TargetKind] = []
        self._never = never

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        self.asked.append(target_kind)
        if target_kind == self._never:
            raise ValueError("no")
        return request.map_text(lambda text: f"{target_kind}: {text}")


def document(data: bytes, name: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "document", "data": data, "name": name}]}]


def mixed(number: int, place: int) -> list[Asked]:
    """Backends that are all here but for that at ``place``."""
    return [Asked(id=f"b{n}", location="remote" if n == place else "local", cache_enabled=True) for n in range(number)]


@pytest.mark.parametrize("place", [0, 1, 16, 17, 59])
@pytest.mark.parametrize("prompt", ["hello", document(b"hello", "note.txt")], ids=["text", "document"])
@pytest.mark.parametrize("strategy", ["fallback", "round_robin", "least_loaded"])
@pytest.mark.rows(8)
def test_one_elsewhere_among_many_is_guarded_before_anything_is_sent(place: int, strategy: str, prompt: Any) -> None:
    """Wherever it stands in the order: the guard is asked at once, and a fault of it ends the call."""
    backends = mixed(60, place)
    with Mediator(backends, strategy=strategy, guards=[Noted("remote")]) as mediator:
        for _ in range(3):
            with pytest.raises(GuardError):
                mediator.infer(prompt)
    assert not any(each.texts for each in backends)


@pytest.mark.parametrize("place", [0, 17, 59])
@pytest.mark.parametrize("prompt", ["hello", document(b"hello", "note.txt")], ids=["text", "document"])
def test_a_guard_is_asked_once_for_each_form_however_many_there_are(place: int, prompt: Any) -> None:
    """And each backend is asked in the form for its kind, also where others failed before it."""
    backends, guard = mixed(60, place), Noted()
    for each in backends[:20]:
        each.fails = True
    with Mediator(backends, guards=[guard]) as mediator:
        mediator.infer(prompt)
    assert guard.asked == ["remote"]
    for number, each in enumerate(backends):
        assert all(text.startswith("remote: ") == (number == place) for text in each.texts)


def test_what_others_were_asked_in_another_form_is_not_given_again() -> None:
    """A kept answer is of those that are asked the same: what one here was told in full is no answer for one elsewhere
    that was told less."""
    here, elsewhere = mixed(2, 1)
    with Mediator([here, elsewhere], guards=[Noted()]) as mediator:
        assert mediator.infer("hello", backend="b0").metadata.get("cached") is None
        assert mediator.infer("hello", backend="b1").metadata.get("cached") is None
        assert [mediator.infer("hello", backend=each).metadata["cached"] for each in ("b0", "b1")] == [True, True]
    assert (here.texts, elsewhere.texts) == (["hello"], ["remote: hello"])


@pytest.mark.parametrize("strategy", ["fallback", "round_robin"])
def test_of_several_kept_answers_that_of_the_first_named_is_given(strategy: str) -> None:
    """In the order of the config, whichever group they are of."""
    backends = mixed(20, 7)
    with Mediator(backends, strategy=strategy, guards=[Noted()]) as mediator:
        for each in ("b9", "b7", "b12"):
            mediator.infer("hello", backend=each)
        assert {mediator.infer("hello").backend for _ in range(5)} == {"b7"}


@pytest.mark.parametrize("seeing", [1, 16])
def test_the_deadline_is_shared_by_those_that_can_be_shown_the_document(seeing: int) -> None:
    """Also after many calls showed that a document of another kind can be shown to all."""
    blind = [Asked(id=f"b{n}", location="local") for n in range(40)]
    able = [Asked(id=f"s{n}", location="local", can=("images",)) for n in range(seeing)]
    with Mediator([*able, *blind], timeout=600) as mediator:
        for _ in range(3):
            mediator.infer(document(b"The rent is late.", "note.txt"))
        mediator.infer(document(PIXEL, "scan.png"))
    assert not blind[0].seconds
    *of_text, of_scan = able[0].seconds
    assert of_text == [pytest.approx(600 / (40 + seeing), rel=0.2)] * 3
    assert of_scan == pytest.approx(600 / seeing, rel=0.2)

