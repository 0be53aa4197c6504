"""What each kind of target is asked where guards stand before it, also where a guard takes away what one lacks."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator, Tool
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.batch import BatchItem
from complaint_llm.exceptions import BackendError, InvalidRequestError, ServerError
from complaint_llm.guards.chain import GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, Message

NAME = "Maria Lopez"
TOOL = Tool("find", "Finds", {"type": "object", "properties": {}})


class Asked(Backend):
    """Keeps what it was asked, and answers or fails."""

    interruptible: ClassVar[bool] = True

    def __init__(self, *, kind: TargetKind, fails: bool = False, tools: bool = True, **keys: Any) -> None:
        super().__init__(location=kind, max_retries=0, **keys)
        self.capabilities = frozenset(("tools",) if tools else ())  # type: ignore[misc]
        self.asked: list[str] = []
        self._fails = fails

    def answer(self, request: Request) -> InferenceOutput:
        self.asked.append(request.messages[-1].text)
        if self._fails:
            raise ServerError("no", status=500)
        return InferenceOutput(self.asked[-1])


class WithoutTools(Guard):
    """Lets no tool go anywhere."""

    keeps_time = True

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        return request._replace(tools=())


class WithoutNames(Guard):
    """Lets no name leave the machine."""

    keeps_time = True

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        return request.map_text(lambda text: text.replace(NAME, "[name]"))

    def after(self, output: InferenceOutput) -> InferenceOutput:
        return output._replace(content=output.content.replace("[name]", NAME))


def chain(*, names_first: bool) -> GuardChain:
    entries = [GuardEntry("tools", WithoutTools(), "all"), GuardEntry("names", WithoutNames())]
    return GuardChain(entries[::-1] if names_first else entries)


@pytest.mark.parametrize("names_first", [False, True])
@pytest.mark.parametrize("others", range(3))
@pytest.mark.parametrize("local_fails", [False, True])
def test_who_lacks_nothing_any_more_is_asked_in_the_form_of_its_own_kind(
    names_first: bool, others: int, local_fails: bool
) -> None:
    """A hosted backend without tools may be asked once a guard took the tools away, and never in what may stay here."""
    local = Asked(id="local", kind="local", fails=local_fails)
    hosted = [Asked(id=f"hosted {number}", kind="remote", tools=False) for number in range(others)]
    with Mediator([local, *hosted], strategy="fallback", guards=chain(names_first=names_first)) as mediator:
        try:
            mediator.infer([Message("user", f"about {NAME}")], tools=[TOOL])
        except (ServerError, InvalidRequestError):
            assert local_fails
    assert local.asked == [f"about {NAME}"]
    assert all(NAME not in text for each in hosted for text in each.asked)


@pytest.mark.parametrize("names_first", [False, True])
@pytest.mark.parametrize("way", ["plain", "stream", "batch"])
def test_whose_form_came_to_be_asked_later_hands_out_by_its_own_guards(way: str, names_first: bool) -> None:
    """Where only one kind could be asked at first: the answer of another has names in their places again, and says
    which guards stood before it."""
    local = Asked(id="local", kind="local", fails=True)
    hosted = Asked(id="hosted", kind="remote", tools=False)
    with Mediator([local, hosted], strategy="fallback", guards=chain(names_first=names_first)) as mediator:
        prompt = [Message("user", f"about {NAME}")]
        if way == "stream":
            *_, done = mediator.infer_stream(prompt, tools=[TOOL])
            assert isinstance(done, Done)
            output = done.output
        elif way == "batch":
            (result,) = mediator.batch([BatchItem(prompt, "a")], tools=[TOOL])
            assert result.output is not None, result.error
            output = result.output
        else:
            output = mediator.infer(prompt, tools=[TOOL])
    assert (output.backend, output.content) == ("hosted", f"about {NAME}")
    assert {each["name"] for each in output.metadata["guards"]} == {"tools", "names"}
    assert hosted.asked == ["about [name]"]


@pytest.mark.parametrize("many", [1, 3])
def test_where_nobody_can_serve_a_request_nothing_is_sent(many: int) -> None:
    """Though the guard of those who lack something was asked: what they lack is the error."""
    hosted = [Asked(id=f"hosted {number}", kind="remote", tools=False) for number in range(many)]
    with Mediator(hosted, guards=[WithoutNames()]) as mediator:
        with pytest.raises(InvalidRequestError, match="no tools"):
            mediator.infer(f"about {NAME}", tools=[TOOL])
        with pytest.raises(InvalidRequestError, match="not local"):
            mediator.infer(f"about {NAME}", privacy="local")
    assert [each.asked for each in hosted] == [[]] * many


class Moves(Asked):
    """One on this machine that is not any more when ``gone``: what no backend should do."""

    gone = False

    @property
    def local(self) -> bool:
        return not self.gone

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self.asked += request.texts
        return EmbeddingOutput(tuple((0.0,) for _ in request.texts))


@pytest.mark.parametrize("others", [(), ("local",), ("remote",)])
@pytest.mark.parametrize("way", ["infer", "stream", "batch", "embed"])
def test_what_was_prepared_for_this_machine_goes_to_no_backend_that_left_it(
    way: str, others: tuple[TargetKind, ...]
) -> None:
    """It is refused with nothing sent; others are asked in the form for them."""
    moves = Moves(kind="local", id="moves", embedding_model="e")
    beside = [Asked(kind=kind, id=f"beside-{kind}") for kind in others]
    guards = GuardChain([GuardEntry("names", WithoutNames())])
    with Mediator([moves, *beside], guards=guards) as mediator:
        mediator.infer(f"{NAME} asks")
        moves.gone, before = True, list(moves.asked)
        try:
            if way == "embed":
                mediator.embed([f"{NAME} asks"], backend="moves")
            elif way == "stream":
                list(mediator.infer_stream(f"{NAME} asks"))
            elif way == "batch":
                list(mediator.batch([f"{NAME} asks"]))
            else:
                mediator.infer(f"{NAME} asks")
        except BackendError:
            pass  # where nobody else may be asked
    assert before == [f"{NAME} asks"]
    assert moves.asked == before
    assert all(NAME not in text for each in beside if not each.local for text in each.asked)
