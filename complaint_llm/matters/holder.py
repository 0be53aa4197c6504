"""What keeps something of a matter, and what of it was found or deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from complaint_llm.exceptions import ComplaintLLMError


class Place(NamedTuple):
    """Where something of a matter is: its ``kind`` (results, journal, page, cache, evidence, provenance, ...), the file
    or folder, how many of what."""

    kind: str
    where: str
    number: int
    what: str

    def line(self) -> str:
        """For people."""
        return f"{self.kind} {self.where}: {self.number:,} {self.what}"


class Holder(Protocol):
    """Something that keeps records of matters. A new one joins by being put into ``holders.holders_of``.

    Both methods may raise a ComplaintLLMError, an OSError or an sqlite3.Error; ``name`` is then what could not be used.
    """

    @property
    def name(self) -> str:
        """The file or folder, for people."""
        ...

    def find(self, matter: str) -> Sequence[Place]:
        """What is kept of the matter; nothing is changed."""
        ...

    def forget(self, matter: str) -> Sequence[Place]:
        """Delete it for good; what was deleted. Called again after it was cut short, it finishes."""
        ...


class MatterPlaces(NamedTuple):
    """What was found or deleted, and what could not be used, in words."""

    places: tuple[Place, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"places": [place._asdict() for place in self.places], "problems": list(self.problems)}


def find_matter(holders: Sequence[Holder], matter: str) -> MatterPlaces:
    """All places where something of a matter is kept."""
    return _through(holders, lambda holder: holder.find(matter))


def forget_matter(holders: Sequence[Holder], matter: str) -> MatterPlaces:
    """Delete all that is kept of a matter. What one holder cannot do keeps no other from it."""
    return _through(holders, lambda holder: holder.forget(matter))


def _through(holders: Sequence[Holder], work: Callable[[Holder], Sequence[Place]]) -> MatterPlaces:
    places: list[Place] = []
    problems: list[str] = []
    for holder in holders:
        try:
            places += work(holder)
        except (ComplaintLLMError, OSError, sqlite3.Error) as error:
            said = str(error)
            problems.append(said if holder.name in said else f"{holder.name}: {said}")
    return MatterPlaces(tuple(places), tuple(problems))
