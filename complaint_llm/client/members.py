"""What groups are made of: found by its id, told apart, and permitted or not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from complaint_llm.client.group import Member
    from complaint_llm.client.route import Route


def find_member(members: Sequence[Member], id: str) -> Member | None:
    """The member of this id among them, else inside one of them."""
    for member in members:
        if member.id == id:
            return member
    inside = (find_member(member.members, id) for member in members if member.members)
    return next((found for found in inside if found is not None), None)


def permitted_routes(routes: Collection[Route], privacy: str | None) -> Sequence[Route]:
    """Those that may answer a request of this privacy: on a private path what is local, and models if there are any."""
    kept = [each for each in routes if not (each.terms.private and privacy is None and not each.local)]
    return [each for each in kept if not each.demo] or kept


def members_by_id(members: Sequence[Member]) -> dict[str, Member]:
    """What ``find_member`` finds, by its id."""
    found: dict[str, Member] = {}
    for member in members:
        found.setdefault(member.id, member)
    for member in members:
        if member.members:
            found = {**members_by_id(member.members), **found}
    return found


def id_of(route: Route) -> int:
    """What tells backends apart: two that nobody gave an id have the same one."""
    return id(route.target)
