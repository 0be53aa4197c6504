"""Strategies of others, held to what a strategy is: whatever goes wrong in one is a PluginError that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.exceptions import PluginError
from complaint_llm.routing.strategies import STRATEGIES, queue_wait_of
from complaint_llm.routing.turns import TargetOrder

if TYPE_CHECKING:
    from complaint_llm.routing.target import AnyRequest, C, Strategy


class CheckedStrategy:
    """Gives the order that another strategy gives, if that is one: some of the targets, and nothing else.

    ``name`` is what errors call it. What ``order`` raises, and what it gives that is no target, ends the call with a
    PluginError: a backend that nobody chose is not asked. Any thread may call it.
    """

    def __init__(self, name: str, strategy: Strategy) -> None:
        """Raises PluginError for an object that is no strategy."""
        self.name = name
        if not callable(getattr(strategy, "order", None)):
            raise PluginError(f"strategy {name!r}: a {type(strategy).__name__} has no method order(targets, request)")
        self.max_queue_wait = queue_wait_of(strategy)
        if isinstance(self.max_queue_wait, bool) or not isinstance(self.max_queue_wait, (int, float)):
            raise PluginError(f"strategy {name!r}: its max_queue_wait is no number of seconds")
        self._strategy = strategy
        self._known: tuple[Sequence[Any], frozenset[int]] = ((), frozenset())

    def order(self, targets: Sequence[C], request: AnyRequest) -> Sequence[C]:
        """The targets in their order, each once. Raises PluginError, an iterator's as far as it is taken."""
        try:
            given: Any = self._strategy.order(targets, request)
            order = iter(given)
        except (Exception, SystemExit) as fault:
            raise self._failure(fault) from fault
        found = TargetOrder(self._targets_of(order, self._ids(targets)), len(targets))
        if isinstance(given, (list, tuple)):
            len(tuple(found))  # what is there already is looked at before anybody is asked
        return found

    def _targets_of(self, order: Iterator[C], known: frozenset[int]) -> Iterator[C]:
        while True:
            try:
                target = next(order)
            except StopIteration:
                return
            except (Exception, SystemExit) as fault:
                raise self._failure(fault) from fault
            if id(target) not in known:
                kind = type(target).__name__
                raise PluginError(f"strategy {self.name!r} failed: order() gave a {kind} that is none of its targets")
            yield target

    def _ids(self, targets: Sequence[C]) -> frozenset[int]:
        known, ids = self._known
        if known is not targets:
            ids = frozenset(map(id, targets))
            self._known = targets, ids
        return ids

    def _failure(self, fault: BaseException) -> PluginError:
        return PluginError(f"strategy {self.name!r} failed in order(): {_summary(fault)}")


def checked_strategy(strategy: Strategy) -> Strategy:
    """The strategy, unless it is ours already, so that it keeps to what a strategy is. Raises PluginError."""
    if type(strategy) is CheckedStrategy or type(strategy) in STRATEGIES.values():
        return strategy
    return CheckedStrategy(type(strategy).__name__, strategy)


def made_strategy(name: str, make: Callable[[], Strategy]) -> Strategy:
    """What a plugin offers as the strategy of this name. Raises PluginError if it cannot be made."""
    try:
        made = make()
    except (Exception, SystemExit) as fault:
        raise PluginError(f"strategy {name!r} could not be made: {_summary(fault)}") from fault
    return CheckedStrategy(name, made)


def _summary(fault: BaseException) -> str:
    first: Iterable[str] = str(fault).splitlines()
    return f"{type(fault).__name__}: {next(iter(first), '')}"
