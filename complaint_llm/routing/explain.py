"""What would be tried for a request, and why not the others; nothing is sent and nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.routing.attempts import excluded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from complaint_llm.routing.candidate import AnyRequest, Candidate, Estimate, PolicyState


class Considered(NamedTuple):
    """One candidate as it stands for a request. ``skip`` is why it would be passed over now, None if it would not."""

    backend: str
    skip: str | None
    estimate: Estimate
    states: tuple[PolicyState, ...]


def explain(request: AnyRequest, candidates: Sequence[Candidate]) -> list[Considered]:
    """The candidates in the order in which they would be tried, with estimates and the state of their policies."""
    return [_considered(request, candidate) for candidate in candidates]


def _considered(request: AnyRequest, candidate: Candidate) -> Considered:
    estimate = candidate.estimate(request)
    if request.privacy == "local" and not candidate.local:
        # What is excluded by privacy is not looked at any further: its limits may be shared with other machines.
        return Considered(candidate.id, excluded(candidate, request), estimate, ())
    states = tuple(policy.state(request) for policy in candidate.policies)
    skip = excluded(candidate, request)
    if skip is None:
        skip = next((f"{state.name}: {state.line}" for state in states if not state.ready), None)
    return Considered(candidate.id, skip, estimate, states)
