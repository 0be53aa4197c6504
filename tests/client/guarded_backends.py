"""A guard that swaps a name, and backends that say what they were sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Literal

from complaint_llm import Mediator
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
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
