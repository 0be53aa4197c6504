"""Whose turn it is: the targets of one call, those not yet tried first, then those that may come back.

Nothing here waits or asks anybody: it is the order alone. Moments are those of the router's clock, in seconds.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_llm.routing.target import Target


class Turn(NamedTuple):
    """A target whose turn may come.

    ``ready`` is when an attempt is likely to be worth its while, None for one whose turn has not come yet;
    ``not_before`` is the earliest moment to ask it. One that was ``tried`` uses the surplus of attempts, any other the
    one that is reserved for it. ``too_long`` is set where the prompt is longer than its context window, by estimate.
    """

    target: Target
    ready: float | None = None
    not_before: float = 0.0
    tried: bool = False
    too_long: bool = False


class Turns:
    """The targets of one call, for the thread that makes it.

    Untried ones come in the order given. Those that may come back (their limit is full, they are not there, they may be
    tried again) wait in one list, the soonest ready first, of equals the one that waits longest. Last come those whose
    context window is too small, the largest first.
    """

    __slots__ = ("_aside", "_at_once", "_waiting", "untried")

    def __init__(self, targets: Sequence[Target]) -> None:
        self.untried = deque(targets)
        self._at_once: Turn | None = None
        self._waiting: list[Turn] = []
        self._aside: list[tuple[int, Target]] = []

    @property
    def reserved(self) -> int:
        """How many attempts are kept for targets that had none; for those put aside, one."""
        return len(self.untried) + sum(not turn.tried for turn in self._waiting) + bool(self._aside)

    def untried_until(self, moment: Callable[[], float]) -> int:
        """How many untried targets are left whose turn can come before ``moment()``."""
        left = len(self.untried)
        if self._waiting:
            end = moment()
            left += sum(not turn.tried and (turn.ready or 0.0) < end for turn in self._waiting)
        return left

    def next(self, surplus: Callable[[], int]) -> Turn | None:
        """Take the next turn; ``surplus`` says how many attempts are left beside the reserved ones."""
        turn = self._at_once
        if turn is not None:
            self._at_once = None
        elif self.untried:
            turn = Turn(self.untried.popleft())
        else:
            turn = self.soonest(surplus)
            if turn is not None:
                self._waiting.remove(turn)
            elif self._aside:
                largest = max(self._aside, key=lambda each: each[0])
                self._aside.remove(largest)
                turn = Turn(largest[1], too_long=True)
        return turn

    def soonest(self, surplus: Callable[[], int]) -> Turn | None:
        """The first of those that wait and for which an attempt is left."""
        waiting = self._waiting
        if not waiting:
            return None
        if any(turn.tried for turn in waiting) and surplus() <= 0:
            waiting = [turn for turn in waiting if not turn.tried]
        return min(waiting, key=lambda turn: turn.ready or 0.0, default=None)

    def at_once(self, turn: Turn) -> None:
        """Let it be the next, before all others."""
        self._at_once = turn

    def wait(self, turn: Turn) -> None:
        """Let it come back when it is ready."""
        self._waiting.append(turn)

    def put_aside(self, target: Target, window: int) -> None:
        """Ask it only when nobody else is left; ``window`` is the size of its context, in tokens."""
        self._aside.append((window, target))

    def drop_aside(self) -> None:
        """Do not ask those: the prompt is too long for a larger window already."""
        self._aside.clear()
