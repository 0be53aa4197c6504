"""How a call began and ended: what its caller has at hand, of which the observers' thread makes the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.observers.observer import AnswerEvent, AttemptEvent, Observer
from complaint_llm.observers.texts_digest import in_hex, texts_digest

if TYPE_CHECKING:
    from complaint_llm.call import Deadline
    from complaint_llm.messages import Attempt, Message, TokenUsage
    from complaint_llm.observers.observer import Event, Kind


class CallStart(NamedTuple):
    """A call that began.

    ``deadline`` has its name. ``texts`` are the messages of which a digest is to be made, or that digest; None where
    nobody wants it. ``began`` is on the monotonic clock.
    """

    kind: Kind
    deadline: Deadline
    task: str | None
    matter: str | None
    asked: str | None
    batch: str | None
    texts: tuple[Message, ...] | int | None
    began: float

    @property
    def digest(self) -> int | None:
        """The digest of its texts."""
        texts = self.texts
        return texts_digest(texts) if isinstance(texts, tuple) else texts


class CallEnd(NamedTuple):
    """A call that ended, with an answer, vectors or an error; ``ended`` is on the monotonic clock, ``time`` in seconds
    since 1970, the rest as in its event."""

    start: CallStart
    ended: float
    time: float
    attempts: Sequence[Attempt]
    error: str | None
    status: int | None
    backend: str | None
    model: str | None
    usage: TokenUsage
    cost: float | None
    finish_reason: str | None
    cached: bool
    demo: bool
    first_piece: float | None
    guards: tuple[str, ...]

    def without_texts(self) -> CallEnd:
        """The same with the digest in the place of its texts."""
        start = self.start
        return self if start.texts is None else self._replace(start=start._replace(texts=start.digest))

    def number_of_events(self, sole_attempts: bool) -> int:
        """How many events it is."""
        is_one = not sole_attempts and sole_attempt(self.attempts, self.error) is not None
        return 1 if is_one else len(self.attempts) + 1

    def events(self, sole_attempts: bool) -> list[Event]:
        """Those of the attempts in their order, and that of the end; of a sole attempt only if that is wanted."""
        start = self.start
        sole = sole_attempt(self.attempts, self.error)
        answer = AnswerEvent(
            call=start.deadline.call_id,
            time=self.time,
            kind=start.kind,
            seconds=self.ended - start.began,
            error=self.error,
            status=self.status,
            backend=self.backend or None,
            model=self.model or None,
            usage=self.usage,
            cost=self.cost,
            finish_reason=self.finish_reason,
            cached=self.cached,
            demo=self.demo,
            first_piece=self.first_piece,
            guards=self.guards,
            task=start.task,
            matter=start.matter,
            asked=start.asked,
            batch=start.batch,
            digest=in_hex(start.digest),
            sole_attempt=None if sole is None else sole.seconds,
        )
        if sole is not None and not sole_attempts:
            return [answer]
        return [*(_attempt_event(self, number, each) for number, each in enumerate(self.attempts, 1)), answer]


class CallObserver(Observer):
    """An observer that is told of many calls at once, each with its attempts, and not by ``attempt`` and ``answer``."""

    def calls(self, ends: Sequence[CallEnd]) -> None:
        """These have ended, in this order."""
        raise NotImplementedError


def sole_attempt(attempts: Sequence[Attempt], error: str | None) -> Attempt | None:
    """The attempt of a call that ended with this error or none, where it is just one, which was sent and answered."""
    if len(attempts) != 1 or error is not None:
        return None
    only = attempts[0]
    return only if only.error is None and only.sent else None


def attempt_error(attempt: Attempt) -> str | None:
    """The class of its error alone: what a provider says may hold the client's words."""
    return None if attempt.error is None else attempt.error.partition(":")[0]


def attempt_model(attempt: Attempt, backend: str | None, model: str | None, error: str | None) -> str | None:
    """Its model, where that is known of a call that ended so: of the attempt that answered, or the last that failed."""
    is_last = attempt.backend == backend and (attempt.error is None) == (error is None)
    return model or None if is_last else None


def _attempt_event(end: CallEnd, number: int, attempt: Attempt) -> AttemptEvent:
    return AttemptEvent(
        call=end.start.deadline.call_id,
        number=number,
        backend=attempt.backend,
        error=attempt_error(attempt),
        seconds=attempt.seconds,
        sent=attempt.sent,
        maybe_received=attempt.maybe_received,
        matter=end.start.matter,
        model=attempt_model(attempt, end.backend, end.model, end.error),
    )
