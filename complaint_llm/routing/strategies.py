"""The built-in strategies: who is tried first, and who after that.

Each keeps what it must remember under a lock of its own, so any thread may call it. Targets that may not or cannot
serve the request go to the end (the loop records why they are passed over) and do not disturb the shares of others.
"""

from __future__ import annotations

import random as _random
import threading
from typing import TYPE_CHECKING

from complaint_llm.exceptions import ConfigError
from complaint_llm.routing.attempts import excluded
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import BRIEF, FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from complaint_llm.routing.target import AnyRequest, C, Strategy


class Fallback:
    """In the order in which they are named. A full local limit holds a call for at most a second."""

    max_queue_wait = BRIEF

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        return targets


class _Shares:
    """Turns in proportion to weights, exact to one turn at every moment and spread as evenly as they can be.

    Each turn adds its weight to every target's credit, and the one with the most pays the sum of all weights.
    Targets are told apart by what they are, not by name: three keys of one provider may all be called "openai".
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._credit: dict[Hashable, float] = {}
        reset_in_child(self)

    def next(self, sharers: Sequence[Hashable], weights: Sequence[float]) -> int:
        """The place of the one whose turn it is."""
        with self._lock:
            credits = [self._credit.get(each, 0.0) + weight for each, weight in zip(sharers, weights, strict=True)]
            chosen = max(range(len(sharers)), key=credits.__getitem__)
            credits[chosen] -= sum(weights)
            self._credit.update(zip(sharers, credits, strict=True))
            return chosen

    def after_fork(self) -> None:
        self._lock = threading.Lock()


class RoundRobin:
    """Each in turn; those after it in the row are its fallbacks."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._shares = _Shares()

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(targets, request)
        if len(able) < 2:
            return targets
        first = self._shares.next([*map(id, able)], [1.0] * len(able))
        return [*able[first:], *able[:first], *unable]


class Weighted:
    """Each in turn as often as its ``weight`` says; the others follow, the heaviest first. Weight 0: a fallback."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._shares = _Shares()

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(targets, request)
        if len(able) < 2:
            return targets
        weights = [max(0.0, each.weight) for each in able]
        first = self._shares.next([*map(id, able)], weights) if any(weights) else 0
        others = sorted((each for each in able if each is not able[first]), key=lambda each: -each.weight)
        return [able[first], *others, *unable]


class Random:
    """In an order drawn for each request, each order equally likely."""

    max_queue_wait = FOREVER

    def __init__(self, random: Callable[[], float] = _random.random) -> None:
        self._random = random

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(targets, request)
        return [*sorted(able, key=lambda each: self._random()), *unable]


class LeastLoaded:
    """The one with the fewest attempts under way for its weight; of equals each in turn."""

    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._turns = RoundRobin()

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(self._turns.order(targets, request), request)
        return [*sorted(able, key=lambda each: (each.meter.in_flight + 1) / (each.weight or 1e-9)), *unable]


class LowestLatency:
    """The quickest by its decaying average; one that never answered is tried first, to learn of it.

    Every ``PROBE_EVERY``-th request begins with another one in turn: a backend that was slow once is not slow for ever.
    """

    PROBE_EVERY = 20
    max_queue_wait = FOREVER

    def __init__(self) -> None:
        self._turns = RoundRobin()
        self._probe = _Shares()

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(targets, request)
        if len(able) < 2:
            return targets
        ranked = sorted(able, key=lambda each: -1.0 if each.meter.latency is None else each.meter.latency)
        if self._probe.next(("quickest", "probe"), (self.PROBE_EVERY - 1.0, 1.0)) == 1:
            probed = self._turns.order(able, request)[0]
            ranked.sort(key=lambda each: each is not probed)
        return [*ranked, *unable]


class LowestCost:
    """The cheapest by the estimated worst case of this request; those of unknown price last."""

    max_queue_wait = FOREVER

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        able, unable = _parted(targets, request)
        costs = {id(each): each.estimate(request).cost for each in able}

        def rank(each: C) -> float:
            cost = costs[id(each)]
            return FOREVER if cost is None else cost

        return [*sorted(able, key=rank), *unable]


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


def _parted(targets: Sequence[C], request: AnyRequest) -> tuple[list[C], list[C]]:
    able: list[C] = []
    unable: list[C] = []
    for target in targets:
        (able if excluded(target, request) is None else unable).append(target)
    return able, unable
