"""The ways to the backends behind a config, looking into composed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from complaint_llm.client.members import id_of
from complaint_llm.exceptions import ComplaintLLMError

if TYPE_CHECKING:
    from complaint_llm.client.route import Route
    from complaint_llm.mediator import Mediator


def leaf_routes(mediator: Mediator, backend: str | None) -> tuple[Sequence[Route], list[str]]:
    """The way to each backend that is no group, and a line for each that cannot be made. Raises ConfigError for a
    BACKEND that is not there."""
    ids = [entry.id for entry in mediator.config.backends] if backend is None and mediator.config else [backend or ""]
    asked = [mediator.as_member().member(id) for id in ids]
    found: dict[int, Route] = {}
    faults: list[str] = []
    for member in asked:
        try:
            found.update({id_of(route): route for route in member.leaves()})
        except ComplaintLLMError as error:
            faults.append(f"{member.id}: {error}")
    return list(found.values()), faults
