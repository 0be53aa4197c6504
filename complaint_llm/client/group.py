"""Members that may answer for one another, and the strategy that puts them into order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from complaint_llm.client.absence import LeftOut, absent_text, barred_text, none_left_out
from complaint_llm.client.group_load import GroupLoad
from complaint_llm.client.members import find_member, id_of, members_by_id, permitted_routes
from complaint_llm.client.once import Once
from complaint_llm.client.route import OPEN, Route, Terms
from complaint_llm.exceptions import BackendError, ConfigError, InvalidRequestError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.routing.checked_strategy import checked_strategy
from complaint_llm.routing.strategies import leaves_none_out, ordered_targets, takes_no_turns
from complaint_llm.routing.target_list import TargetList
from complaint_llm.routing.turns import TargetOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from complaint_llm.client.admission_settings import AdmissionSettings
    from complaint_llm.handling import Requirements
    from complaint_llm.messages import ModelInfo
    from complaint_llm.routing.target import AnyRequest, Estimate, Load, Strategy

Member: TypeAlias = "Route | Group"
"""What a group is made of: a way to one backend, or another group. Both have the same methods."""


class Closable(Protocol):
    """Whoever owns what a group is made of."""

    def close(self) -> None: ...


class Composition(NamedTuple):
    """What a group is: its members in the order in which they are named, and their strategy.

    ``owner`` is the client that the group belongs to, if that is closed with it; ``others`` are members that are only
    asked by their id.
    """

    members: Sequence[Member]
    strategy: Strategy
    owner: Closable | None = None
    others: Sequence[Member] = ()


class Group:
    """Members of which one answers. They make the attempts; a group only says who may, and in which order.

    It is composed when it is first asked, by ``compose``. ``stands_in`` says whether mocks answer here in the place of
    models that were left out: then their answers say that they are a demonstration. ``left_out`` has the ids that a
    config left out, with the reasons. Any thread may call it.
    """

    demo = False
    weight = 1.0
    is_single = False

    def __init__(
        self,
        id: str,
        compose: Callable[[], Composition],
        *,
        stands_in: Callable[[], bool] | None = None,
        close: Callable[[], None] | None = None,
        caches: bool | None = None,
        left_out: LeftOut = none_left_out,
    ) -> None:
        self.id = id
        self._left_out = left_out
        self._caches = caches
        self._compose = compose
        self._permitted: dict[str | None, tuple[TargetList | None, frozenset[int]]] = {}
        self._members_by_id: Mapping[str, Member] | None = None
        self._others_by_id: Mapping[str, Member] = {}
        self._is_flat = False
        self._load = Once(lambda: GroupLoad([member.meter for member in self.members]), lambda load: None)
        self._local: bool | None = None
        self._only_mocks: bool | None = None
        self._settings: AdmissionSettings | None = None
        self._composition = Once(self._placed_composition, _close if close is None else _leave_open)
        self._close_elsewhere = close
        self._stands_in = stands_in
        self._demonstrations: dict[int, Route] = {}

    def __repr__(self) -> str:
        return f"<Group {self.id!r}>"

    @property
    def members(self) -> Sequence[Member]:
        """In the order in which they are named."""
        return self._composition.get().members

    @property
    def others(self) -> Sequence[Member]:
        """Members that are only asked by their id."""
        return self._composition.get().others

    @property
    def strategy(self) -> Strategy:
        return self._composition.get().strategy

    # -- who may answer ------------------------------------------------------------------------------------------

    def routes(self, request: AnyRequest) -> Sequence[Route]:
        """The routes to try, in order: what the strategy says of the members, and theirs of their own."""
        composition = self._composition.get()
        privacy = request.privacy
        known = self._permitted
        permitted, backends = known[privacy] if privacy in known else self._work_out_permitted(privacy)
        if permitted is not None and self._is_flat:
            order: Sequence[Route] = ordered_targets(composition.strategy, permitted, request)
        else:
            ordered: Sequence[Any] = ordered_targets(composition.strategy, composition.members, request)
            found = (each for member in ordered for each in member.routes(request))
            if permitted is None:
                return self._permitted_routes(found, request)
            # Of inner groups whose mocks stand in for models, it gives demonstrations of the same backends.
            target_list = None if permitted and permitted[0].demo else permitted
            order = TargetOrder((each for each in found if id_of(each) in backends), len(permitted), target_list)
        return self._as_shown(order) if permitted and permitted[0].demo else order

    def routes_as_named(self, request: AnyRequest) -> Sequence[Route]:
        """The same without anybody's turn being taken: in the order in which they are named, where a strategy's own
        depends on turns."""
        members = self.members
        ordered = self.strategy.order(members, request) if takes_no_turns(self.strategy) else members
        return self._permitted_routes((each for member in ordered for each in member.routes_as_named(request)), request)

    def routes_as_declared(self, request: AnyRequest) -> Sequence[Route]:
        """The same in the order in which they are named, whatever any strategy says."""
        permitted, _ = self._permitted.get(request.privacy) or self._work_out_permitted(request.privacy)
        if permitted is not None:
            return permitted
        found = (each for member in self.members for each in member.routes_as_declared(request))
        return self._permitted_routes(found, request)

    def routes_of(self, id: str, request: AnyRequest, order: str = "routes") -> Sequence[Route]:
        """Those of the member of this id, or of what it is made of, but nothing that is not asked here.

        ``order`` names the method that puts them into order. Raises InvalidRequestError.
        """
        if self._members_by_id is None:
            self._others_by_id = members_by_id(self.others)
            self._members_by_id = members_by_id(self.members)
        other = self._others_by_id.get(id)
        if other is not None:
            found: Iterable[Route] = getattr(other, order)(request)
            return self._permitted_routes(found, request)
        member = self._members_by_id.get(id)
        if member is None and not any(leaf.id == id for leaf in self.leaves()):
            # Before anybody is looked at as one who would answer: nobody will.
            names = list(dict.fromkeys(each.id for each in permitted_routes(self.leaves(), request.privacy)))
            raise InvalidRequestError(absent_text(id, names, self._left_out()), sent=False)
        permitted, backends = self._permitted.get(request.privacy) or self._work_out_permitted(request.privacy)
        is_known = leaves_none_out(self.strategy) and (self._is_flat or not (permitted and permitted[0].demo))
        if is_known and permitted and member is not None:
            # As it is permitted here, by whatever of its own it goes.
            chosen = permitted.of_id(id) if not member.members else getattr(member, order)(request)
            chosen = [each for each in chosen if id_of(each) in backends]
            if chosen:
                return self._as_shown(chosen)
        here = self.routes_as_named(request)
        if not leaves_none_out(self.strategy):
            ordered = self.strategy.order(self.members, request)
            offered = {id_of(each) for member in ordered for each in member.routes_as_named(request)}
            here = [each for each in here if id_of(each) in offered]
        if member is None or not member.members:
            chosen = [each for each in here if each.id == id]
        else:
            known = {id_of(each): each for each in here}
            within: Iterable[Route] = getattr(member, order)(request)
            chosen = [known[id_of(each)] for each in within if id_of(each) in known]
        if not chosen:
            names = [each.id for each in here]
            text = barred_text(id, member.leaves(), names) if member else absent_text(id, names, self._left_out())
            raise InvalidRequestError(text, sent=False)
        return chosen

    def leaves(self) -> Sequence[Route]:
        """The routes of all members, in the order in which they are named."""
        return [leaf for member in self.members for leaf in member.leaves()]

    def leaves_none_out(self) -> bool:
        """Whether every route has its place in the order, whatever the request is."""
        return leaves_none_out(self.strategy) and all(member.leaves_none_out() for member in self.members)

    def only_mocks(self) -> bool:
        """Whether nothing but mocks would answer."""
        known = self._only_mocks
        if known is None:
            known = self._only_mocks = all(leaf.demo for leaf in self.leaves())
        return known

    def find(self, id: str) -> Member | None:
        """The member of this id, one that is only asked by its id, or one inside of another."""
        return find_member((*self.members, *self.others), id)

    def member(self, id: str) -> Member:
        """The same. Raises ConfigError if there is none."""
        found = self.find(id)
        if found is not None:
            return found
        known = [*dict.fromkeys(each.id for each in (*self.members, *self.others))]
        raise ConfigError(absent_text(id, known, self._left_out()))

    def as_member(self) -> Group:
        """This one."""
        return self

    def under(self, terms: Terms) -> Group:
        """The same members by paths that begin with ``terms``."""
        if terms == OPEN:
            return self

        def compose() -> Composition:
            inner = self._composition.get()
            return inner._replace(members=[each.under(terms) for each in inner.members])

        return Group(self.id, compose, stands_in=self._stands_in, close=self.close, caches=self._caches)

    def place(self, settings: AdmissionSettings) -> None:
        """Let a Mediator say how the limits of all backends in it are kept, those of a later composition too."""
        self._settings = self._settings or settings
        if self._composition.is_made:
            for member in self.members:
                member.place(settings)

    # -- what a strategy asks of a member ------------------------------------------------------------------------

    @property
    def meter(self) -> Load:
        """How busy its members are together."""
        return self._load.get()

    def lacks(self, request: AnyRequest) -> str | None:
        """What no member can do for the request: the first one's reason."""
        first: str | None = None
        for member in self.members:
            reason = member.lacks(request)
            if reason is None:
                return None
            first = first or reason
        return first

    def estimate(self, request: AnyRequest) -> Estimate:
        """That of its first member."""
        return self.first().estimate(request)

    @property
    def local(self) -> bool:
        """Whether every member is."""
        known = self._local
        if known is None:
            known = self._local = all(member.local for member in self.members)
        return known

    @property
    def caches(self) -> bool:
        """Whether answers of any member may be kept."""
        if self._caches is not None:
            return self._caches
        return any(member.caches for member in (*self.members, *self.others))

    # -- what a client asks of a member --------------------------------------------------------------------------

    @property
    def client(self) -> Closable | None:
        """The client that it belongs to, made now if it was not yet."""
        return self._composition.get().owner

    def first(self) -> Member:
        """The first that is no mock beside others."""
        members = self.members
        return next((member for member in members if not member.demo), members[0])

    def model_info(self) -> ModelInfo:
        return self.first().model_info()

    def supports_function_calling(self) -> bool:
        return any(member.supports_function_calling() for member in self.members)

    def supports_streaming(self) -> bool:
        return any(member.supports_streaming() for member in self.members)

    def check(self, timeout: float = 10.0, *, connect: bool = True, requires: Requirements | None = None) -> str | None:
        """Raise a BackendError if none of the members can work; names those that cannot. All are asked at once, but for
        those that must not be contacted."""
        from concurrent.futures import ThreadPoolExecutor  # cold start: for those who look

        def fault(member: Member) -> BackendError | None:
            try:
                member.check(timeout, connect=connect, requires=requires)
            except BackendError as found:
                return found
            return None

        members = self.members
        with ThreadPoolExecutor(len(members), thread_name_prefix=f"complaint_llm check {self.id}") as pool:
            faults = [found for found in pool.map(fault, members) if found is not None]
        said = "; ".join(map(str, faults))
        if len(faults) == len(members):
            raise BackendError(f"no part can work: {said}", backend=self.id) from faults[0]
        return f"{len(members) - len(faults)} of {len(members)} parts work: {said}" if faults else None

    def load(self) -> None:
        for member in self.members:
            member.load()

    def is_loaded(self) -> bool:
        return all(member.is_loaded() for member in self.members)

    def unload(self) -> None:
        for member in self.members:
            member.unload()

    def close(self) -> None:
        """Close the client that it belongs to, now or as soon as it is made; without one, the members."""
        if self._close_elsewhere is None:
            self._composition.close()
        else:
            self._close_elsewhere()

    # -- inside --------------------------------------------------------------------------------------------------

    def _placed_composition(self) -> Composition:
        composition = self._compose()
        composition = composition._replace(strategy=checked_strategy(composition.strategy))
        if self._settings is not None:
            for member in (*composition.members, *composition.others):
                member.place(self._settings)
        self._is_flat = all(member.is_single for member in composition.members)
        return composition

    def _work_out_permitted(self, privacy: str | None) -> tuple[TargetList | None, frozenset[int]]:
        """The routes that may answer whatever else the request is, and their backends, where that is known beforehand.

        None where each call has to look: at one backend on several paths, at what a plugin's strategy may leave out.
        """
        found: TargetList | None = None
        routes = self.leaves()
        if len({id_of(route) for route in routes}) == len(routes):
            kept = permitted_routes(routes, privacy)
            if (len(kept) == len(routes) and self._is_flat) or self.leaves_none_out():
                found = TargetList(kept)
        return self._permitted.setdefault(privacy, (found, frozenset(map(id_of, found or ()))))

    def _permitted_routes(self, found: Iterable[Route], request: AnyRequest) -> Sequence[Route]:
        """Each backend once; a mock only where there is nothing else, for it never stands in for a model that failed;
        on a private path, what is local."""
        once = {id_of(each): each for each in found}.values()
        return self._as_shown(permitted_routes(once, request.privacy))

    def _as_shown(self, routes: Sequence[Route]) -> Sequence[Route]:
        """Models, or mocks; these as a demonstration where they stand in for models. None is looked at before its turn:
        all are of one kind."""
        if self._stands_in is None or not routes or not routes[0].demo or not self._stands_in():
            return routes
        return TargetOrder(map(self._demonstration, routes), len(routes))

    def _demonstration(self, route: Route) -> Route:
        known = self._demonstrations.get(id(route))
        if known is None:
            known = self._demonstrations.setdefault(id(route), route.under(Terms(demonstration=True)))
        return known


def close_all(id: str, members: Collection[Closable]) -> None:
    """Close each, whichever of them cannot be. Raises BackendError with every reason."""
    failed: list[BaseException] = []
    for member in members:
        try:
            member.close()
        except Exception as error:  # noqa: BLE001 - one that cannot close must not keep the others open
            failed.append(error)
    if failed:
        reasons = "; ".join(str(error) or type(error).__name__ for error in failed)
        raise BackendError(f"closing failed: {reasons}", backend=id) from failed[0]


def _close(composition: Composition) -> None:
    if composition.owner is not None:
        composition.owner.close()
    else:
        close_all("group", composition.members)


def _leave_open(composition: Composition) -> None:
    """What is the same by another path is closed where it was first composed."""
