"""Targets kept in an order, so that a request looks at the first and not at all: what strategies are made of.

An order is kept for the sequence of targets that a strategy was last given; another one, an equal one too, makes it
anew from what is known of each target, so turns go on. Whether a target may serve a request is asked without a lock.
"""

from __future__ import annotations

import threading
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Generic, TypeVar

from complaint_llm.routing.eligible import exclusion
from complaint_llm.routing.target import C
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from complaint_llm.routing.target import AnyRequest, Rankable

V = TypeVar("V")

_SLACK = 1e-9
"""What sums of binary fractions may be off by, in turns of weight 1."""
_FOLLOWERS = 4


class _Share(Generic[C]):
    """One target's part of the turns: its next is due from ``start`` on and late after ``end``, in virtual time.

    Of equal ones the smaller ``number`` has waited longer.
    """

    __slots__ = ("end", "number", "place", "start", "target", "weight")

    def __init__(self, target: C, place: int, weight: float, number: int) -> None:
        self.target = target
        self.place = place
        self.weight = weight
        self.number = number
        self.start = self.end = 0.0

    def begin(self, start: float) -> None:
        self.start = start
        self.end = start + 1.0 / self.weight


class FairTurns(Generic[C]):
    """Turns in proportion to weights, exact to one turn at every moment (to a few, of requests that not all can serve)
    and spread as evenly as they can be.

    Of those whose turn is due the one comes first that would be late first ("earliest eligible virtual deadline
    first", Stoica and Abdel-Wahab 1995). One that cannot serve a request saves no turns up meanwhile; weight 0 has
    none. Targets are told apart by what they are, not by name: three keys of one provider may all be called "openai".
    Any thread may call it.
    """

    def __init__(self, weight_of: Callable[[Rankable], float]) -> None:
        self._weight_of = weight_of
        self._lock = threading.Lock()
        self._targets: Sequence[C] | None = None
        self._shares: dict[int, _Share[C]] = {}
        self._due: list[tuple[float, int, _Share[C]]] = []
        self._later: list[tuple[float, int, _Share[C]]] = []
        self._now = 0.0
        self._pace = 0.0
        self._number = 0
        reset_in_child(self)

    def take(self, targets: Sequence[C], request: AnyRequest) -> int | None:
        """The place of the one whose turn it is, of those that may serve the request; None if none may."""
        may_serve: dict[int, bool] = {}
        while True:
            with self._lock:
                if self._targets is not targets:
                    self._adopt(targets)
                first = self._first(may_serve)
            if first is None or first.place in may_serve:
                return None if first is None else first.place
            may_serve[first.place] = exclusion(first.target, request) is None

    def after_fork(self) -> None:
        """The lock may have been held in the midst of a change: the turns begin anew."""
        self._lock = threading.Lock()
        self._targets = None
        self._shares.clear()

    def _adopt(self, targets: Sequence[C]) -> None:
        shares: dict[int, _Share[C]] = {}
        for place, target in enumerate(targets):
            weight = self._weight_of(target)
            if weight <= 0:
                continue
            share = self._shares.get(id(target))
            if share is None or share.weight != weight:
                self._number += 1
                share = _Share(target, place, weight, self._number)
                share.begin(self._now)
            share.place = place
            shares[id(target)] = share
        self._targets = targets
        self._shares = _with_former(shares, self._shares)
        self._pace = 1.0 / (sum(share.weight for share in shares.values()) or 1.0)
        self._due = []
        self._later = [(share.start, share.number, share) for share in shares.values()]
        heapify(self._later)

    def _first(self, may_serve: dict[int, bool]) -> _Share[C] | None:
        """The first that may serve, its turn taken; or the first of which that is not known yet, as it stands."""
        passed: list[_Share[C]] = []
        first: _Share[C] | None = None
        while first is None and (self._due or self._later):
            while self._later and self._later[0][0] <= self._now + _SLACK:
                share = heappop(self._later)[2]
                heappush(self._due, (share.end, share.number, share))
            # If those that are due cannot serve it, the next one's turn comes early.
            share = heappop(self._due or self._later)[2]
            if may_serve.get(share.place, True):
                first = share
            else:
                passed.append(share)
        if first is not None and first.place in may_serve:
            self._now = max(self._now, first.start) + self._pace
            self._number += 1
            first.number = self._number
            first.begin(first.end)
            for share in passed:
                share.begin(max(share.start, self._now))
        for share in passed if first is None else (*passed, first):
            heappush(self._later, (share.start, share.number, share))
        return first


class _Rank(Generic[C]):
    """One target's place in a Ranking: its value, and of equal ones who waits longest (the smaller ``number``)."""

    __slots__ = ("__weakref__", "_ranking", "number", "place", "target", "value")

    def __init__(self, ranking: Ranking[C], target: C) -> None:
        self._ranking = ranking
        self.target = target
        self.place = self.number = 0
        self.value = 0.0

    def load_changed(self) -> None:
        self._ranking.look_again(self)


class Ranking(Generic[C]):
    """Targets by a value that changes with their load, the least first; of equal ones the one that waits longest.

    Loads that cannot be watched are looked at for every request. Any thread may call it; ``_lock`` guards the heap, in
    which an entry counts only if its number is still that of its rank.
    """

    def __init__(self, value_of: Callable[[Rankable], float]) -> None:
        self._value_of = value_of
        self._lock = threading.Lock()
        self._targets: Sequence[C] | None = None
        self._ranks: dict[int, _Rank[C]] = {}
        self._numbers: dict[int, int] = {}
        self._unwatched: list[_Rank[C]] = []
        self._heap: list[tuple[float, int, _Rank[C]]] = []
        self._number = 0
        reset_in_child(self)

    def order(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
        """The first of those that may serve the request, then those that follow as they stand; all of them are put into
        order only if more than ``_FOLLOWERS`` are asked for."""
        first = self.take(targets, request)
        given = set() if first is None else {first}
        if first is not None:
            yield targets[first]
        with self._lock:
            following = self._smallest(_FOLLOWERS) if self._targets is targets else []
        for place in following:
            if place not in given:
                given.add(place)
                yield targets[place]
        ranks = self._ranks
        others = [
            (self._value_of(target), ranks[id(target)].number if id(target) in ranks else 0, place)
            for place, target in enumerate(targets)
            if place not in given
        ]
        yield from (targets[place] for _, _, place in sorted(others))

    def take(self, targets: Sequence[C], request: AnyRequest) -> int | None:
        """The place of the first that may serve the request, which is now the last of its equals; None if none may."""
        if self._targets is targets:
            for rank in self._unwatched:
                self.look_again(rank)
        may_serve: dict[int, bool] = {}
        while True:
            if self._targets is not targets:
                self._adopt(targets)
            with self._lock:
                if self._targets is not targets:
                    continue
                first = self._first(may_serve)
            if first is None or first.place in may_serve:
                return None if first is None else first.place
            may_serve[first.place] = exclusion(first.target, request) is None

    def look_again(self, rank: _Rank[C]) -> None:
        """Put a target into the place that its load gives it now."""
        with self._lock:
            value = self._value_of(rank.target)
            if value != rank.value:
                rank.value = value
                self._put_last(rank)

    def after_fork(self) -> None:
        """The lock may have been held, and loads are others in the child."""
        self._lock = threading.Lock()
        self._targets = None

    def _adopt(self, targets: Sequence[C]) -> None:
        """Rank these; without the lock, since a target may first have to be made to have a load."""
        known = self._ranks
        ranks: dict[int, _Rank[C]] = {}
        unwatched: list[_Rank[C]] = []
        for target in targets:
            rank = ranks[id(target)] = known.get(id(target)) or _Rank(self, target)
            watch = getattr(target.meter, "watch", None)
            if watch is None:
                unwatched.append(rank)
            elif id(target) not in known:
                watch(rank)
        with self._lock:
            self._numbers = _with_former({key: rank.number for key, rank in known.items()}, self._numbers)
            self._ranks, self._unwatched, self._heap = ranks, unwatched, []
            for place, target in enumerate(targets):
                rank = ranks[id(target)]
                rank.place = place
                rank.value = self._value_of(target)
                self._put(rank, rank.number or self._numbers.get(id(target)) or self._next_number())
            self._targets = targets

    def _first(self, may_serve: dict[int, bool]) -> _Rank[C] | None:
        """The first that may serve, now last of its equals; or the first of which that is not known yet."""
        passed: list[_Rank[C]] = []
        first: _Rank[C] | None = None
        while first is None and self._heap:
            _, number, rank = heappop(self._heap)
            if number != rank.number:
                continue  # an old entry: its rank has another place
            if may_serve.get(rank.place, True):
                first = rank
            else:
                passed.append(rank)
        for rank in passed:
            self._put(rank, rank.number)
        if first is not None and first.place in may_serve:
            self._put_last(first)
        elif first is not None:
            self._put(first, first.number)
        return first

    def _smallest(self, most: int) -> list[int]:
        """The places of the first so many."""
        found: list[_Rank[C]] = []
        while len(found) < most and self._heap:
            _, number, rank = heappop(self._heap)
            if number == rank.number:
                found.append(rank)
        for rank in found:
            self._put(rank, rank.number)
        return [rank.place for rank in found]

    def _put_last(self, rank: _Rank[C]) -> None:
        self._put(rank, self._next_number())
        if len(self._heap) > 2 * len(self._ranks) + 64:
            self._heap = [(each.value, each.number, each) for each in self._ranks.values()]
            heapify(self._heap)

    def _put(self, rank: _Rank[C], number: int) -> None:
        rank.number = number
        heappush(self._heap, (rank.value, number, rank))

    def _next_number(self) -> int:
        self._number += 1
        return self._number


def _with_former(new: dict[int, V], former: dict[int, V]) -> dict[int, V]:
    """``new``, and what was known of other targets, bounded: a strategy may be given two groups in turns."""
    kept = {**former, **new}
    for key in list(kept)[: max(0, len(kept) - 4 * len(new) - 64)]:
        if key not in new:
            del kept[key]
    return kept
