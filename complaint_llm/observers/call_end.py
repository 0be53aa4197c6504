"""How a call ended, of which the events of its attempts are made when they are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.observers.observer import AnswerEvent, AttemptEvent

if TYPE_CHECKING:
    from complaint_llm.messages import Attempt
    from complaint_llm.observers.observer import Event


class CallEnd(NamedTuple):
    """The event of a call's end and the attempts before it: its caller does not wait for theirs to be made."""

    answer: AnswerEvent
    attempts: Sequence[Attempt]

    @property
    def number_of_events(self) -> int:
        """How many events it is."""
        return len(self.attempts) + 1

    def events(self) -> list[Event]:
        """Those of the attempts in their order, and that of the end."""
        end = self.answer
        return [
            *(
                AttemptEvent(
                    call=end.call,
                    number=number,
                    backend=each.backend,
                    # The class alone: what a provider says may hold the client's words.
                    error=None if each.error is None else each.error.partition(":")[0],
                    seconds=each.seconds,
                    sent=each.sent,
                    maybe_received=each.maybe_received,
                    matter=end.matter,
                    model=end.model
                    if each.backend == end.backend and (each.error is None) == (end.error is None)
                    else None,
                )
                for number, each in enumerate(self.attempts, 1)
            ),
            end,
        ]
