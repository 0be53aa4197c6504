"""What an observer is, and what it is told: times, counts, names and prices; never a text, a key or an address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from complaint_llm.messages import TokenUsage

Kind = Literal["infer", "stream", "embed"]


class RequestEvent(NamedTuple):
    """A call begins. ``time`` is in seconds since 1970 (UTC), ``call`` the same in all events of one call.

    ``messages`` and ``tools`` are how many there are, ``asked`` is the backend that the call names, ``model`` its model
    where it names one. ``batch`` is the batch that it is of. ``digest`` is that of the texts that are asked: the same
    for the same ones; None where no observer wants ``digests`` or guards stand before them, and of what embeds.
    """

    call: str
    time: float
    kind: Kind
    messages: int
    tools: int = 0
    asked: str | None = None
    model: str | None = None
    task: str | None = None
    matter: str | None = None
    private: bool = False
    batch: str | None = None
    digest: str | None = None


class AttemptEvent(NamedTuple):
    """One try at a backend, or the reason why it was passed over (``sent`` is false).

    ``error`` is the class of its error, None for the one that answered; ``seconds`` are how long it took.
    ``maybe_received``: no answer came, and the provider may have done the work. ``model`` is known of the one that
    answered, and of the last that failed.
    """

    call: str
    number: int
    backend: str
    error: str | None
    seconds: float
    sent: bool
    maybe_received: bool
    matter: str | None = None
    model: str | None = None


class AnswerEvent(NamedTuple):
    """A call ended: with an answer (``error`` is None), or with an error of this class.

    ``seconds`` are those of the whole call; ``cost`` is in US dollars, None where it is unknown. ``first_piece`` are
    the seconds until the first piece of a stream. ``guards`` are the names of those that stood before it. ``asked``,
    ``batch`` and ``digest`` are as in its request's event. ``sole_attempt`` are the seconds of its attempt where it has
    just one, which was sent and answered.
    """

    call: str
    time: float
    kind: Kind
    seconds: float
    error: str | None = None
    status: int | None = None
    backend: str | None = None
    model: str | None = None
    usage: TokenUsage = TokenUsage()
    cost: float | None = None
    finish_reason: str | None = None
    cached: bool = False
    demo: bool = False
    first_piece: float | None = None
    guards: tuple[str, ...] = ()
    task: str | None = None
    matter: str | None = None
    asked: str | None = None
    batch: str | None = None
    digest: str | None = None
    sole_attempt: float | None = None


class BatchEvent(NamedTuple):
    """A batch begins or ends; ``batch`` is the same in both.

    ``counts`` are, at the end, its results by state ("answered", "cut", "refused", "failed", "not_read"), and
    "recorded": how many of the answers its journal held before; at the beginning "recorded" alone, 0 without a journal.
    ``cost`` is in US dollars, of all answers of known price; ``seconds`` are those of the batch. What is asked is told
    by the events of its calls, in the process that makes them.
    """

    batch: str
    time: float
    phase: Literal["begin", "end"]
    counts: Mapping[str, int]
    cost: float = 0.0
    seconds: float = 0.0


Event: TypeAlias = RequestEvent | AttemptEvent | AnswerEvent | BatchEvent

ObserverFactory = Callable[..., "Observer"]
"""Makes an observer from the keys of its entry in OBSERVERS."""


class Observer:
    """The base of observers: override what you want to be told of.

    One thread calls all methods, one after the other, while calls go on. What one raises is logged once and changes
    nothing; while one is slow, events wait, and beyond a bound they are dropped and counted.
    """

    version: ClassVar[str] = "0"
    sole_attempts: ClassVar[bool] = True
    """Whether ``attempt`` is told of an attempt that is its call's only one and answered: ``AnswerEvent.sole_attempt``
    says the same."""
    digests: ClassVar[bool] = False
    """Whether it wants the digest of what is asked: that takes some 15 µs for 20 kB, of the caller's time where an
    observer is told of requests."""

    def request(self, event: RequestEvent) -> None:
        """A call begins."""

    def attempt(self, event: AttemptEvent) -> None:
        """An attempt of a call, told when the call has ended; in their order."""

    def answer(self, event: AnswerEvent) -> None:
        """A call ended."""

    def batch(self, event: BatchEvent) -> None:
        """A batch began or ended."""

    def report_loss(self, events: int) -> None:
        """So many more events were dropped, since they waited too long."""

    def flush(self) -> None:
        """Half a second has passed since the first event after the last flush, or the last event was told: whoever
        gathers what it is told writes it now."""

    def close(self) -> None:
        """The last event was told."""


METHODS: Mapping[type, Callable[[Observer], Callable[[Any], None]]] = {
    RequestEvent: lambda observer: observer.request,
    AttemptEvent: lambda observer: observer.attempt,
    AnswerEvent: lambda observer: observer.answer,
    BatchEvent: lambda observer: observer.batch,
}
