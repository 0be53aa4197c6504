"""All targets of an order, and what is worked out once of all of them, so that no call has to look at each."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from complaint_llm.routing.target import AnyRequest

T = TypeVar("T")

_MOST_KEPT = 64
"""Answers to one kind of question that are kept: some of them depend on a model's name, which callers give."""


class Caching(NamedTuple):
    """Those whose answers are cached, by what an answer depends on beside the request (``Target.cache_identity``).

    ``of_backend`` has these identities with their targets by the backend's id. ``digest`` is one name of them all, the
    same in every process with the same config.
    """

    targets: Mapping[str, tuple[Any, ...]]
    of_backend: Mapping[str, tuple[tuple[str, Any], ...]]
    digest: str


class TargetList(tuple[Any, ...]):  # noqa: SLOT001 - a tuple can have none
    """Targets in the order in which they are named. Immutable; what is kept of them does not change.

    Made once for a group. Any thread may call it: of two that work the same out, both take one.
    """

    places: dict[int, int]
    """The place of each target by what tells them apart: its identity as an object."""
    _by_id: dict[str, tuple[Any, ...]]
    _caching: dict[str | None, Caching]
    _some: dict[Hashable, TargetList]
    _alike: tuple[TargetList, ...]
    many_eligible: dict[Hashable, bool]
    """Whether more than ``attempts.LOOKED_THROUGH`` of them were found to serve requests of a kind."""

    def __new__(cls, targets: Sequence[Any]) -> TargetList:
        self = super().__new__(cls, targets)
        self.places = {id(target): place for place, target in enumerate(self)}
        self._by_id = _groups((target.id, target) for target in self)
        self._caching, self._some, self.many_eligible = {}, {}, {}
        self._alike = ()
        return self

    def note_eligible(self, kind: Hashable, *, many: bool) -> bool:
        """Whether ``many`` can serve such requests: they need not be counted again."""
        return _with(self.many_eligible, kind, many)

    def of_id(self, id: str) -> tuple[Any, ...]:
        """Those of this id: one, none, or all that nobody gave an id."""
        return self._by_id.get(id, ())

    def some(self, key: Hashable, wanted: Callable[[Any], bool]) -> TargetList:
        """Those that are ``wanted``, which must say the same each time of ``key``."""
        known = self._some.get(key)
        if known is not None:
            return known
        return _with(self._some, key, TargetList([target for target in self if wanted(target)]))

    @property
    def alike(self) -> tuple[TargetList, ...]:
        """The targets in groups, each of those that are asked the same whatever the request is."""
        if not self._alike:
            groups: dict[Hashable, list[Any]] = {}
            for target in self:
                groups.setdefault(target.form_group, []).append(target)
            self._alike = (self,) if len(groups) < 2 else tuple(map(TargetList, groups.values()))
        return self._alike

    def caching(self, request: Request) -> Caching:
        """Whose answers are cached, and under which names."""
        known = self._caching.get(request.model)
        if known is not None:
            return known
        pairs = [(target.cache_identity(request), target) for target in self]
        found = [pair for pair in pairs if pair[0] is not None]
        names = "\n".join(identity for identity, _ in found)
        digest = hashlib.blake2b(names.encode(), digest_size=16).hexdigest()
        of_backend = _groups((pair[1].id, pair) for pair in found)
        return _with(self._caching, request.model, Caching(_groups(found), of_backend, digest))


def asks_for_text_alone(request: AnyRequest) -> bool:
    """Whether the request needs nothing that a backend may lack: text in, text out, and it may go anywhere.

    Of a list longer than ``attempts.LOOKED_THROUGH`` each then counts as eligible until its turn shows that it is not.
    """
    return (
        isinstance(request, Request)
        and request.privacy is None
        and request.requires is None
        and not request.tools
        and request.response_format is None
        and all(isinstance(message.content, str) for message in request.messages)
    )


def kind_of(request: AnyRequest) -> Hashable:
    """What of a request says who may serve it, as far as that does not depend on its words."""
    kinds = {part.type for message in getattr(request, "messages", ()) for part in _parts(message.content)}
    needs = getattr(request, "tools", ()), getattr(request, "response_format", None)
    return type(request), request.privacy, request.requires, request.model, *map(bool, needs), frozenset(kinds)


def _parts(content: Any) -> Sequence[Any]:
    return () if isinstance(content, str) else content


def _groups(pairs: Any) -> dict[str, tuple[Any, ...]]:
    found: dict[str, list[Any]] = {}
    for name, target in pairs:
        found.setdefault(name, []).append(target)
    return {name: tuple(targets) for name, targets in found.items()}


def _with(known: dict[Any, T], key: Hashable, value: T) -> T:
    return known.setdefault(key, value) if len(known) < _MOST_KEPT else value
