"""Whose turn it is: the targets of one call, those not yet tried first, then those that may come back.

Nothing here waits or asks anybody: it is the order alone. Times are those of the router's clock, in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.target import C
from complaint_llm.routing.target_list import TargetList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from complaint_llm.routing.target import Target


IsEligible = Callable[["Target"], bool]


class TargetOrder(Sequence[C]):
    """An order that is taken from a strategy's iterator as far as it is needed, and kept: it can be gone through again.

    ``most`` is how many there can be, which is how long it counts as until the iterator has ended. Each target is in it
    once. ``target_list`` are all of them, where that is known. It belongs to one call and is used by the thread that
    makes it.
    """

    __slots__ = ("_kept", "_known", "_most", "_rest", "target_list")

    def __init__(self, order: Iterable[C], most: int, target_list: TargetList | None = None) -> None:
        self.target_list = target_list
        self._rest: Iterator[C] | None = iter(order)
        self._most = most
        self._kept: list[C] = []
        self._known: set[int] = set()

    def __len__(self) -> int:
        return len(self._kept) if self._rest is None else max(self._most, len(self._kept))

    @overload
    def __getitem__(self, place: int) -> C: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[C]: ...
    def __getitem__(self, place: int | slice) -> C | Sequence[C]:
        if isinstance(place, slice) or place < 0:
            return tuple(self)[place]
        while place >= len(self._kept) and self._pull():
            pass
        return self._kept[place]

    def __iter__(self) -> Iterator[C]:
        place = 0
        while place < len(self._kept) or self._pull():
            yield self._kept[place]
            place += 1

    def _pull(self) -> bool:
        """Whether there was one more."""
        for target in self._rest or ():
            if id(target) not in self._known:
                self._known.add(id(target))
                self._kept.append(target)
                return True
        self._rest = None
        return False


KEPT_ORDERS = (tuple, list, TargetOrder)
"""Orders that can be gone through again, and whose length is known."""


def alike_targets(order: Sequence[Any]) -> Sequence[Sequence[Any]]:
    """The targets of an order in groups, each of those that are asked the same; each alone where all are not known."""
    target_list = target_list_of(order)
    return [(target,) for target in order] if target_list is None else target_list.alike


def target_list_of(order: Sequence[Any]) -> TargetList | None:
    """All targets that an order is one of, where that is known."""
    if isinstance(order, TargetList):
        return order
    return order.target_list if isinstance(order, TargetOrder) else None


class Turn(NamedTuple):
    """A target whose turn may come.

    ``ready`` is when an attempt is likely to be worth its while, None for one whose turn has not come yet;
    ``not_before`` is the earliest time to ask it. One that was ``tried`` uses the surplus of attempts, any other the
    one that is reserved for it. ``too_long`` is set where the prompt is longer than its context window, by estimate.
    """

    target: Target
    ready: float | None = None
    not_before: float = 0.0
    tried: bool = False
    too_long: bool = False


class Turns:
    """The targets of one call, for the thread that makes it.

    Untried ones come in the order given; each is asked whether it is eligible when its turn comes, and counts until
    it is found not to be. Those that may come back (their limit is full, they are not there, they may be tried again)
    wait in one list, the soonest ready first, of equals the one that waits longest. Last come those whose context
    window is too small, the largest first.
    """

    __slots__ = ("_aside", "_at_once", "_next", "_order", "_unseen", "_waiting", "seen")

    def __init__(self, targets: Sequence[Target]) -> None:
        self._order = iter(targets)
        self._unseen = len(targets)
        self._next: deque[Target] = deque()
        self.seen: list[Target] = []
        """The eligible ones that were looked at, those that had their turn among them."""
        self._at_once: Turn | None = None
        self._waiting: list[Turn] = []
        self._aside: list[tuple[int, Target]] = []

    # -- how many ------------------------------------------------------------------------------------------------------

    def look_ahead(self, is_eligible: IsEligible, most: int) -> None:
        """Ask each now whether it is eligible, until more than ``most`` are: up to so many are counted exactly."""
        while self._unseen and len(self.seen) <= most and self._look(is_eligible):
            pass

    @property
    def eligible(self) -> int:
        """How many are or were eligible, as far as it is known."""
        return len(self.seen) + self._unseen

    @property
    def others(self) -> bool:
        """Whether any but those put aside may still have a turn."""
        return bool(self._next or self._unseen or self._waiting)

    @property
    def untried(self) -> int:
        """How many may still have their first turn."""
        return len(self._next) + self._unseen

    @property
    def reserved(self) -> int:
        """How many attempts are kept for targets that had none; for those put aside, one."""
        return self.untried + sum(not turn.tried for turn in self._waiting) + bool(self._aside)

    def untried_until(self, end: Callable[[], float]) -> int:
        """How many untried targets are left whose turn can come before the time ``end()``."""
        left = len(self._next) + self._unseen
        if self._waiting:
            until = end()
            left += sum(not turn.tried and (turn.ready or 0.0) < until for turn in self._waiting)
        return left

    # -- who -----------------------------------------------------------------------------------------------------------

    def next(self, surplus: Callable[[], int], is_eligible: IsEligible) -> Turn | None:
        """Take the next turn; ``surplus`` says how many attempts are left beside the reserved ones."""
        turn = self._at_once
        if turn is not None:
            self._at_once = None
            return turn
        if self._next or self._look(is_eligible):
            return Turn(self._next.popleft())
        turn = self.soonest(surplus)
        if turn is not None:
            self._waiting.remove(turn)
        elif self._aside:
            largest = max(self._aside, key=lambda each: each[0])
            self._aside.remove(largest)
            turn = Turn(largest[1], too_long=True)
        return turn

    def first_cancellable(self, is_eligible: IsEligible) -> Target | None:
        """The next untried one that can be cancelled; it stays in its place."""
        place = 0
        while place < len(self._next) or self._look(is_eligible):
            if self._next[place].cancellable:
                return self._next[place]
            place += 1
        return None

    def remove(self, target: Target) -> None:
        """An untried one had its turn before the others."""
        self._next.remove(target)

    def _look(self, is_eligible: IsEligible) -> bool:
        """Whether there was one more that is eligible."""
        for target in self._order:
            self._unseen = max(0, self._unseen - 1)
            if is_eligible(target):
                self.seen.append(target)
                self._next.append(target)
                return True
        self._unseen = 0
        return False

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
