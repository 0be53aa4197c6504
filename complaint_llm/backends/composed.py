"""Backends made of backends. They make no attempts themselves: they give their parts to the one attempt loop."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from complaint_llm.backends.base import Backend
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.exceptions import BackendError, ConfigError, InvalidRequestError
from complaint_llm.messages import ModelInfo
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import leaves_none_out, takes_no_turns
from complaint_llm.routing.threads.waiting import FOREVER

if TYPE_CHECKING:
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.target import Estimate, Strategy, Target


Part: TypeAlias = Backend | LazyBackend
"""What a composed backend is made of: backends, made already or when they are first asked."""


class ComposedBackend(Backend):
    """A backend whose answer comes from one of its parts.

    ``parts`` are backends, or what can be adapted to one; ``strategy`` puts them into order for each request. Closing
    it closes its parts. ``timeout`` is that of its own calls: inside another, that one's holds. Raises ConfigError for
    a part that cannot answer.
    """

    def __init__(
        self,
        parts: Sequence[Any],
        strategy: Strategy,
        *,
        id: str | None = None,
        timeout: float | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(id=id, timeout=timeout, optional=optional)
        if not len(parts):
            raise ConfigError(f"{self.id}: no backends to choose from")
        self.parts: Sequence[Part] = [_as_part(part) for part in parts]
        self.meter = _PartsLoad(self.parts)
        self.strategy = strategy
        self._router = Router(max_queue_wait=getattr(strategy, "max_queue_wait", FOREVER), cache=self._parts_cache())

    def targets(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        return flatten(self.strategy.order(self.parts, request), request)

    def members(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        """The targets without anybody's turn being taken: in the order in which they are named, where a strategy's
        own depends on turns."""
        parts = self.strategy.order(self.parts, request) if takes_no_turns(self.strategy) else self.parts
        return _but_mocks({id(each): each for part in parts for each in members_of(part, request)}.values())

    def _targets(self, request: Request | EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        return self.targets(request) if wanted is None else self._chosen(request, wanted, ordered=True)

    def _declared(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        if wanted is not None:
            return self._chosen(request, wanted, ordered=False)
        found = {id(each): each for part in self.parts for each in declared_in(part, request)}
        return _but_mocks(found.values())

    def _chosen(self, request: Request | EmbeddingRequest, wanted: str, *, ordered: bool) -> Sequence[Target]:
        """Those of this id, or all that the composed part of this id is made of, but nothing that is no target here.

        ``ordered`` asks that part's strategy for their order. Raises InvalidRequestError.
        """
        here = self.members(request)
        if not leaves_none_out(self.strategy):
            offered = {
                id(each) for part in self.strategy.order(self.parts, request) for each in members_of(part, request)
            }
            here = [each for each in here if id(each) in offered]
        inner = _composed(find_part(self.parts, wanted))
        if inner is None:
            chosen = [each for each in here if each.id == wanted]
        else:
            known = set(map(id, here))
            within = inner.targets(request) if ordered else inner.members(request)
            chosen = [each for each in within if id(each) in known]
        if not chosen:
            names = ", ".join(each.id for each in here)
            raise InvalidRequestError(f"no backend {wanted!r} here; there are: {names}", sent=False)
        return chosen

    def model_info(self, backend: str | None = None) -> ModelInfo:
        """Of the part that this id names, else of the first that is no mock beside others. Raises ConfigError."""
        return (self._first() if backend is None else self._part(backend)).model_info()

    def supports_function_calling(self) -> bool:
        """Whether any part does."""
        return any(part.supports_function_calling() for part in self.parts)

    def supports_streaming(self) -> bool:
        """Whether any part does."""
        return any(part.supports_streaming() for part in self.parts)

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        """Raise a BackendError if none of the parts can work."""
        faults: list[BackendError] = []
        for part in self.parts:
            try:
                part.check(timeout, connect=connect)
            except BackendError as fault:
                faults.append(fault)
            else:
                return
        raise BackendError(f"no part can work: {'; '.join(map(str, faults))}", backend=self.id) from faults[0]

    def load(self) -> None:
        """Make every part ready."""
        for part in self.parts:
            part.load()

    def is_loaded(self) -> bool:
        """Whether every part is ready."""
        return all(part.is_loaded() for part in self.parts)

    def unload(self) -> None:
        """Give back what the parts hold in memory."""
        for part in self.parts:
            part.unload()

    # What a strategy asks of a part: a composed one answers for those that it is made of.

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        reasons = [part.lacks(request) for part in self.parts]
        return None if None in reasons else reasons[0]

    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        """That of its first part."""
        return self._first().estimate(request)

    @property
    def local(self) -> bool:
        """Whether every part is."""
        return all(part.local for part in self.parts)

    @property
    def caches(self) -> bool:
        """Whether any part does."""
        return any(part.caches for part in self.parts)

    def _parts_cache(self) -> Cache | None:
        if not self.caches:
            return None
        from complaint_llm.routing.cache.response_cache import Cache

        return Cache()

    def _first(self) -> Part:
        return next((part for part in self.parts if not part.demo), self.parts[0])

    def _part(self, id: str) -> Part:
        found = find_part(self.parts, id)
        if found is None:
            raise ConfigError(f"no backend {id!r} here; there are: {', '.join(part.id for part in self.parts)}")
        return found

    def close_resources(self) -> None:
        failed: list[BaseException] = []
        for part in self.parts:
            try:
                part.close()
            except Exception as error:  # noqa: BLE001 - one part that cannot close must not keep the others open
                failed.append(error)
        if failed:
            reasons = "; ".join(str(error) or type(error).__name__ for error in failed)
            raise BackendError(f"closing failed: {reasons}", backend=self.id) from failed[0]


class _PartsLoad:
    """How busy the parts of a composed backend are together, and how quick on average."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts

    @property
    def in_flight(self) -> int:
        return sum(part.meter.in_flight for part in self._parts)

    @property
    def latency(self) -> float | None:
        known = [seconds for part in self._parts if (seconds := part.meter.latency) is not None]
        return sum(known) / len(known) if known else None


def flatten(parts: Sequence[Part], request: Request | EmbeddingRequest) -> Sequence[Target]:
    """The backends that make attempts, each once, in order; mocks only where there is nothing else."""
    found: dict[int, Target] = {}
    for part in parts:
        for target in part.targets(request):
            found[id(target)] = target
    return _but_mocks(found.values())


def members_of(part: Part, request: Request | EmbeddingRequest) -> Sequence[Target]:
    """Those that make attempts for a part, as they are named: see ``ComposedBackend.members``."""
    inner = _composed(part)
    return inner.members(request) if inner is not None else part.targets(request)


def declared_in(part: Part, request: Request | EmbeddingRequest) -> Sequence[Target]:
    """Those that make attempts for a part, in the order in which they are named, whatever any strategy says."""
    inner = _composed(part)
    if inner is None:
        return part.targets(request)
    return [each for own in inner.parts for each in declared_in(own, request)]


def find_part(parts: Sequence[Part], id: str) -> Part | None:
    """The part of this id among them, else inside a composed one of them."""
    for part in parts:
        if part.id == id:
            return part
    inside = (find_part(inner.parts, id) for part in parts if (inner := _composed(part)) is not None)
    return next((found for found in inside if found is not None), None)


def only_mocks(part: Part) -> bool:
    """Whether nothing but mocks would answer."""
    inner = _composed(part)
    return part.demo if inner is None else all(map(only_mocks, inner.parts))


def _composed(part: Part | None) -> ComposedBackend | None:
    """The part if it is made of others; a lazy one is made for that."""
    made = part.backend if isinstance(part, LazyBackend) and part.composed else part
    return made if isinstance(made, ComposedBackend) else None


def _but_mocks(found: Collection[Target]) -> Sequence[Target]:
    """A mock is a target only among mocks: it never stands in for a model that failed."""
    models = tuple([each for each in found if not getattr(each, "demo", False)])
    return models or tuple(found)


def _as_part(given: Any) -> Part:
    if isinstance(given, LazyBackend) or (isinstance(given, Backend) and "options" in vars(given)):
        return given
    if isinstance(given, str):
        raise ConfigError(f"{given!r} is a name, not a backend: names are looked up in a config only")
    if isinstance(given, Mapping):
        raise ConfigError("a mapping is no backend: make the backend first, only llm_router takes them inline")
    from complaint_llm.backends.adapters import adapt

    return adapt(given)
