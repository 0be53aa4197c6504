"""What would be tried for a request, and why not the others; nothing is sent and nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.request import Request
from complaint_llm.routing.eligible import exclusion
from complaint_llm.routing.loop import too_long, window_too_small

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from complaint_llm.routing.target import AnyRequest, Estimate, PolicyState, Target


class Considered(NamedTuple):
    """One target as it stands for a request. ``skip`` is why it would be passed over now, None if it would not."""

    backend: str
    skip: str | None
    estimate: Estimate
    states: tuple[PolicyState, ...]


class Explanation(NamedTuple):
    """The candidates in the order in which they would be tried; ``left_out`` are those that the config left out."""

    strategy: str
    candidates: tuple[Considered, ...]
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def first(self) -> Considered | None:
        """The one that would be asked."""
        return next((each for each in self.candidates if each.skip is None), None)

    @property
    def prompt_tokens(self) -> int:
        """Estimated tokens of the prompt at the one that would be asked; 0 if none would."""
        return self.first.estimate.prompt_tokens if self.first else 0

    @property
    def cost(self) -> float | None:
        """US dollars at most at the one that would be asked, None if unknown."""
        return self.first.estimate.cost if self.first else None


def explain(request: AnyRequest, targets: Iterable[Target], max_attempts: int | None = None) -> list[Considered]:
    """The targets in the order in which they would be tried, with estimates and the state of their policies.

    Those whose context window is too small, by estimate, come last, the largest first, and are skipped where another
    one would be asked. A target that ``max_attempts`` leaves out of reach is skipped, too.
    """
    fitting: list[Considered] = []
    misfits: list[tuple[int, str, Considered]] = []
    for target in targets:
        considered = _consider(request, target)
        found = window_too_small(target, request)
        if found is None:
            fitting.append(considered)
        else:
            misfits.append((found[1], too_long(*found), considered))
    misfits.sort(key=lambda each: -each[0])
    asked = any(each.skip is None for each in fitting)
    last = [each._replace(skip=each.skip or why) if asked else each for _, why, each in misfits]
    return _within_reach([*fitting, *last], max_attempts)


def _within_reach(found: Sequence[Considered], max_attempts: int | None) -> list[Considered]:
    left = len(found) if max_attempts is None else max_attempts
    reached: list[Considered] = []
    for each in found:
        if each.skip is None:
            left -= 1
        beyond = each.skip is None and left < 0
        why = f"out of reach: max_attempts {max_attempts} leaves no attempt for it"
        reached.append(each._replace(skip=why) if beyond else each)
    return reached


def _consider(request: AnyRequest, target: Target) -> Considered:
    estimate = target.estimate(request)
    skip = exclusion(target, request)
    if skip is not None and (_has_forms(request) or (request.privacy == "local" and not target.local)):
        # What is excluded by privacy is not looked at any further: its limits may be shared with other machines. Nor
        # is what a call's documents exclude: there is no form of the request whose cost a limit could weigh.
        return Considered(target.id, skip, estimate, ())
    states = tuple(policy.state(request) for policy in target.policies)
    if skip is None:
        skip = next((f"{state.name}: {state.line}" for state in states if not state.ready), None)
    return Considered(target.id, skip, estimate, states)


def _has_forms(request: AnyRequest) -> bool:
    """Whether what is asked depends on who is asked."""
    return isinstance(request, Request) and request.forms is not None
