"""A way to a backend: its target, and what belongs to the path on which it was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from complaint_llm.client.privacy import content_elsewhere
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.handling import Requirements, strictest
from complaint_llm.messages import Done, InferenceOutput, StreamEvent
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.target import Estimate, Load
from complaint_llm.routing.turns import target_list_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from typing import Any

    from complaint_llm.backends.base import Backend
    from complaint_llm.client.admission_settings import AdmissionSettings
    from complaint_llm.client.group import Group
    from complaint_llm.client.target import BackendTarget
    from complaint_llm.messages import EmbeddingOutput, ModelInfo
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.target import AnyRequest, EventStream, Policy, RetryPolicy


R = TypeVar("R", Request, EmbeddingRequest)


class Terms(NamedTuple):
    """What holds on a path: the ``budgets`` that pay (the outermost first), whether all of it stays on this machine,
    whether a mock's answer is a demonstration, and what is required of how data is handled."""

    budgets: tuple[Account, ...] = ()
    private: bool = False
    demonstration: bool = False
    requires: Requirements | None = None

    def inside(self, outer: Terms) -> Terms:
        """These terms on a path that begins with ``outer``."""
        return Terms(
            budgets=outer.budgets + tuple(each for each in self.budgets if each not in outer.budgets),
            private=outer.private or self.private,
            demonstration=outer.demonstration or self.demonstration,
            requires=strictest(outer.requires, self.requires),
        )


OPEN = Terms()


class Route:
    """One backend by one path, as strategies and the attempt loop see it (``routing.target.Target``). Immutable.

    Any thread may call it. It is also the smallest member that a group can have.
    """

    members: tuple[Route | Group, ...] = ()
    is_single = True

    def __init__(self, target: BackendTarget, terms: Terms = OPEN) -> None:
        self.target = target
        self.terms = terms
        self.id = target.id
        self.demo = target.demo
        self.meter: Load = target.meter
        self._budgets: tuple[Policy, ...] = ()
        if terms.budgets:
            # cold start: sqlite3
            from complaint_llm.routing.policies.budget import Budget

            self._budgets = tuple(Budget(account, target.cost_bound) for account in terms.budgets)

    def __repr__(self) -> str:
        return f"<Route to {self.id!r}>"

    # -- what strategies and the loop ask ------------------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        return self.target.options.timeout

    @property
    def retry(self) -> RetryPolicy:
        return self.target.options.retry

    @property
    def weight(self) -> float:
        return self.target.options.weight

    @property
    def form_group(self) -> Hashable:
        return self.target.form_traits, self.terms.private

    @property
    def cache_ttl(self) -> float | None:
        return self.target.options.cache_ttl

    @property
    def caches(self) -> bool:
        """Whether its answers may be kept and given again."""
        return self.target.options.cache_enabled

    @property
    def policies(self) -> Sequence[Policy]:
        own = self.target.policies
        return (*self._budgets, *own) if self._budgets else own

    @property
    def cancellable(self) -> bool:
        made = self.target.made
        return made is None or made.interruptible

    @property
    def local(self) -> bool:
        made = self.target.existing  # asked of each at every call
        return self.target.local if made is None else made.local

    @property
    def embedding_model(self) -> str | None:
        # One that cannot be made keeps the space that it is declared to have.
        declared = self.target.declared_embedding_model
        if declared is not None:
            return declared
        made = self.target.made
        return None if made is None else made.embedding_model

    def lacks(self, request: AnyRequest) -> str | None:
        if request.requires is not None or self.terms.requires is not None:
            unmet = self._unmet(strictest(self.terms.requires, request.requires))
            if unmet is not None:
                return unmet
        if self.terms.private:
            request = request._replace(privacy="local")
            elsewhere = content_elsewhere(request)
            if elsewhere is not None:
                return elsewhere
        if isinstance(request, Request) and request.forms is not None:
            reason = request.forms.lacks(self.target)
            if reason is not None:
                return reason
            request = request.forms.request_to(self.target, request)
        backend = self.target.existing
        if backend is None:
            if _is_plain(request):
                return None  # what every backend can do: none has to be made for that
            backend = self.target.made
        return None if backend is None else backend.lacks(request)

    def estimate(self, request: AnyRequest) -> Estimate:
        made = self.target.made
        if made is None or (isinstance(request, Request) and request.forms and request.forms.lacks(self.target)):
            return Estimate(0)  # it is not asked, and there is no form of the request for it
        return made.estimate(self.target.request_to(request))

    def context_window(self, request: AnyRequest) -> int | None:
        backend = self.target.existing
        if backend is None:
            backend = self.target.made
        return None if backend is None else backend.context_window(request)

    def cache_identity(self, request: Request) -> str | None:
        target = self.target
        if not target.options.cache_enabled:
            return None
        made = target.made if target.existing is None else target.existing
        return None if made is None else made.cache_identity(request)

    def binding(self, request: Request) -> Callable[[], Request]:
        """What gives the request as it is sent here, with the backend's own defaults; also when all is closed."""
        return partial(self.target.backend.attempt_maker.bind, self.request_to(request))

    def attempt(self, request: Request) -> InferenceOutput:
        output = self.target.backend_to_ask.attempt_maker.answer(self.request_to(request))
        return _marked_demo(output) if self.terms.demonstration else output

    def attempt_stream(self, request: Request) -> EventStream:
        stream: EventStream = self.target.backend_to_ask.attempt_maker.stream(self.request_to(request))
        if request.forms is not None:
            stream = request.forms.restored_stream(self.target, stream)
        return DemoStream(stream) if self.terms.demonstration else stream

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        if request.forms is not None:
            request = request._replace(texts=request.forms.texts_to(self.target), forms=None)
        if self.terms.private:
            request = request._replace(privacy="local")
        request = self._with_requirements(request)
        return self.target.backend_to_ask.attempt_maker.embed(request)

    def request_to(self, request: Request) -> Request:
        """What is asked on this path: shown as its backend is to be shown it, and private where the path is."""
        if request.forms is not None:
            request = request.forms.request_to(self.target, request)
        if self.terms.requires is not None:
            request = self._with_requirements(request)
        return request._replace(privacy="local") if self.terms.private else request

    def _with_requirements(self, request: R) -> R:
        """The request with what its path requires, too."""
        if self.terms.requires is None:
            return request
        return request._replace(requires=self.terms.requires.with_others(request.requires))

    def _unmet(self, requires: Requirements | None) -> str | None:
        """Why the backend must not be asked under these requirements; None where it may be, or cannot be made."""
        made = self.target.made
        return None if made is None or requires is None else requires.unmet_by(made.handling(requires))

    # -- as a member of a group ----------------------------------------------------------------------------------

    def routes(self, request: AnyRequest) -> Sequence[Route]:
        """This one: nobody else answers for it."""
        return (self,)

    routes_as_named = routes
    routes_as_declared = routes

    def routes_of(self, id: str, request: AnyRequest, order: str = "routes") -> Sequence[Route]:
        """This one, if the id is its own. Raises InvalidRequestError."""
        if id != self.id:
            raise InvalidRequestError(f"no backend {id!r} here; there are: {self.id}", sent=False)
        return (self,)

    def member(self, id: str) -> Route:
        """This one, if the id is its own. Raises ConfigError."""
        if id != self.id:
            raise ConfigError(f"no backend {id!r} here; there are: {self.id}")
        return self

    def as_member(self) -> Route:
        """This one."""
        return self

    def under(self, terms: Terms) -> Route:
        """The same backend by a path that begins with ``terms``."""
        return self if terms == OPEN else Route(self.target, self.terms.inside(terms))

    def place(self, settings: AdmissionSettings) -> None:
        """Let a Mediator say how its limits are kept."""
        self.target.place(settings)

    def leaves(self) -> Sequence[Route]:
        """This one."""
        return (self,)

    def leaves_none_out(self) -> bool:
        """Always."""
        return True

    @property
    def client(self) -> Backend:
        """The backend, made now if it was not yet. Raises BackendError if it cannot be."""
        return self.target.backend

    def model_info(self) -> ModelInfo:
        return self.target.backend.model_info()

    def supports_function_calling(self) -> bool:
        return self.target.backend.supports_function_calling()

    def supports_streaming(self) -> bool:
        return self.target.backend.supports_streaming()

    def check(self, timeout: float = 10.0, *, connect: bool = True, requires: Requirements | None = None) -> str | None:
        """Raise a BackendError if the backend cannot work, or must not be contacted under what is required."""
        unmet = self._unmet(strictest(self.terms.requires, requires))
        if unmet is not None:
            raise InvalidRequestError(unmet, backend=self.id, sent=False)
        return self.target.backend.check(timeout, connect=connect)

    def load(self) -> None:
        self.target.backend.load()

    def is_loaded(self) -> bool:
        return self.target.existing is not None and self.target.existing.is_loaded()

    def unload(self) -> None:
        if self.target.existing is not None:
            self.target.existing.unload()

    def close(self) -> None:
        self.target.close()

    def answer_settings(self) -> Mapping[str, Any] | None:
        """The settings that shape its answers, by name; None where it cannot be made."""
        made = self.target.made
        return None if made is None else made.answer_settings()


def route_of(routes: Sequence[Route], id: str) -> Route:
    """That of these which leads to this backend; where all of them are not known, no more are taken than up to it.
    Raises LookupError."""
    target_list = target_list_of(routes)
    known: Sequence[Route] = () if target_list is None else target_list.of_id(id)
    for route in known if len(known) == 1 else routes:
        if route.id == id:
            return route
    raise LookupError(id)


class DemoStream:
    """A mock's stream that stands in where no model is reachable: its answer says so."""

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        event = next(self._stream)
        return Done(event.token_usage, _marked_demo(event.output)) if isinstance(event, Done) else event

    def close(self) -> None:
        """Free the stream, from any thread."""
        self._stream.close()


def _marked_demo(output: InferenceOutput) -> InferenceOutput:
    return output._replace(metadata={**output.metadata, "demo": True})


def _is_plain(request: AnyRequest) -> bool:
    """Text in, text out: what every backend can do."""
    return (
        isinstance(request, Request)
        and request.privacy is None
        and request.requires is None
        and not request.tools
        and request.forms is None
        and request.response_format is None
        and all(isinstance(message.content, str) for message in request.messages)
    )
