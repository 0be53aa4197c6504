"""The built-in strategies: who is tried first, and who after that.

Each keeps what it must remember under a lock of its own, so any thread may call it. What they give is put into order as
far as somebody asks. Targets that may not or cannot serve the request go to the end (the loop records why they are
passed over) and do not disturb the shares of others.
"""

from __future__ import annotations

import math
import random as _random
import threading
from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import ConfigError
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.attempts import LOOKED_THROUGH
from complaint_llm.routing.eligible import exclusion
from complaint_llm.routing.ranking import FairTurns, Ranking
from complaint_llm.routing.target_list import TargetList
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import BRIEF, FOREVER
from complaint_llm.routing.turns import KEPT_ORDERS, TargetOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

    from complaint_llm.routing.target import AnyRequest, C, Rankable, Strategy


def ordered_targets(strategy: Strategy, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
    """The targets in the order that any strategy gives, an iterator too: what the router takes, as far as it needs."""
    order = strategy.order(targets, request)
    if not isinstance(order, KEPT_ORDERS):
        return TargetOrder(order, len(targets))
    if type(order) is TargetOrder and isinstance(targets, TargetList) and leaves_none_out(strategy):
        order.target_list = targets
    return order


class Fallback:
    """In the order in which they are named. A full local limit holds a call for at most a second."""

    max_queue_wait = BRIEF

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return targets


class RoundRobin:
    """Each in turn; those after it in the row are its fallbacks."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._turns: FairTurns[Any] = FairTurns(lambda target: 1.0)

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return _eligible_first(self._each(targets, request), targets, request)

    def _each(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
        first = self._turns.take(targets, request) or 0
        for place in range(len(targets)):
            yield targets[(first + place) % len(targets)]


class Weighted:
    """Each in turn as often as its ``weight`` says; the others follow, the heaviest first. Weight 0: a fallback."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._turns: FairTurns[Any] = FairTurns(lambda target: target.weight)
        self._heaviest_first: tuple[Sequence[Any], Sequence[int]] = ((), ())

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return _eligible_first(self._each(targets, request), targets, request)

    def _each(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
        first = self._turns.take(targets, request)
        if first is not None:
            yield targets[first]
        known, places = self._heaviest_first
        if known is not targets:
            places = sorted(range(len(targets)), key=lambda place: -targets[place].weight)
            self._heaviest_first = targets, places
        yield from (targets[place] for place in places if place != first)


class Random:
    """In an order drawn for each request, each order equally likely."""

    max_queue_wait = FOREVER

    def __init__(self, random: Callable[[], float] = _random.random) -> None:
        self._random = random

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return _eligible_first(self._each(targets, request), targets, request)

    def _each(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
        # Fisher and Yates' shuffle, of which only what was exchanged is kept.
        exchanged: dict[int, int] = {}
        for place in range(len(targets)):
            drawn = place + int(self._random() * (len(targets) - place))
            yield targets[exchanged.get(drawn, drawn)]
            exchanged[drawn] = exchanged.get(place, place)


class LeastLoaded:
    """The one with the fewest attempts under way for its weight; of equals each in turn."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._ranking: Ranking[Any] = Ranking(lambda target: (target.meter.in_flight + 1) / (target.weight or 1e-9))

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return _eligible_first(self._ranking.order(targets, request), targets, request)


class LowestLatency:
    """The quickest by its decaying average; one that never answered is tried first, to learn of it.

    Every ``PROBE_EVERY``-th request begins with another one in turn: a backend that was slow once is not slow for ever.
    """

    PROBE_EVERY = 20
    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._ranking: Ranking[Any] = Ranking(_latency)
        self._probes = RoundRobin()
        self._requests = count(1)

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return _eligible_first(self._each(targets, request), targets, request)

    def _each(self, targets: Sequence[C], request: AnyRequest) -> Iterator[C]:
        probe = next(self._requests) % self.PROBE_EVERY == 0
        first = next(iter(self._probes.order(targets, request)), None) if probe else None
        if first is not None:
            yield first
        yield from (each for each in self._ranking.order(targets, request) if each is not first)


class LowestCost:
    """The cheapest by the estimated worst case of this request; those of unknown price last.

    Exact for up to LOOKED_THROUGH targets. Of more the order is kept for all requests of one size: what it puts first
    costs at most a fifth more than the cheapest.
    """

    max_queue_wait = FOREVER
    SIZES_A_DOUBLING = 4
    """Prompts of one size differ by less than a factor of 2 ** (1 / 4) in their tokens."""
    _MOST_KEPT = 64

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._targets: Sequence[Any] | None = None
        self._orders: dict[Hashable, Sequence[Any]] = {}
        reset_in_child(self)

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        if len(targets) <= LOOKED_THROUGH:
            return _eligible_first(self._by_cost(targets, request), targets, request)
        size = math.floor(self.SIZES_A_DOUBLING * math.log2(max(1, targets[0].estimate(request).prompt_tokens)))
        params = {} if isinstance(request, EmbeddingRequest) else request.params
        shape = (type(request), request.model, params.get("max_tokens"), size)
        with self._lock:
            if self._targets is not targets:
                self._targets, self._orders = targets, {}
            kept = self._orders.get(shape)
        if kept is None:
            kept = self._by_cost(targets, request)
            with self._lock:
                if self._targets is targets:
                    if len(self._orders) >= self._MOST_KEPT:
                        del self._orders[next(iter(self._orders))]
                    self._orders[shape] = kept
        return _eligible_first(kept, targets, request)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def _by_cost(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        def cost(target: C) -> float:
            found = target.estimate(request).cost
            return FOREVER if found is None else found

        return sorted(targets, key=cost)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = {
    "fallback": Fallback,
    "round_robin": RoundRobin,
    "random": Random,
    "weighted": Weighted,
    "least_loaded": LeastLoaded,
    "lowest_latency": LowestLatency,
    "lowest_cost": LowestCost,
}
"""The built-in strategies by the names that a config gives them."""


def leaves_none_out(strategy: Strategy) -> bool:
    """Whether every target is in the order that it gives: true of the built-in ones, unknown of a plugin's."""
    return type(strategy) in STRATEGIES.values()


def takes_no_turns(strategy: Strategy) -> bool:
    """Whether the same request always gets the same order, so that asking for it changes nothing."""
    return type(strategy) in (Fallback, LowestCost)


def queue_wait_of(strategy: Strategy) -> float:
    """How many seconds a full local limit may hold a call while others are left; see ``Strategy``."""
    wait: float = getattr(strategy, "max_queue_wait", FOREVER)
    return wait


def make_strategy(name: str, others: Mapping[str, Callable[[], Strategy]] | None = None) -> Strategy:
    """A strategy by name, from the built-in ones and ``others`` (plugins'). Raises ConfigError for an unknown one."""
    known = {**STRATEGIES, **(others or {})}
    make = known.get(name)
    if make is None:
        raise ConfigError(f"no strategy {name!r}; there are {', '.join(sorted(known))}")
    return make()


def _latency(target: Rankable) -> float:
    return -1.0 if target.meter.latency is None else target.meter.latency


def _eligible_first(order: Iterable[C], targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
    def iterate() -> Iterator[C]:
        excluded: list[C] = []
        for target in order:
            if exclusion(target, request) is None:
                yield target
            else:
                excluded.append(target)
        yield from excluded

    return TargetOrder(iterate(), len(targets))
