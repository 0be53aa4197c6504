"""One backend as it is asked: made when that is first needed, and what is kept for it however it is reached."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

from complaint_llm.client.admission_settings import ALONE, AdmissionSettings
from complaint_llm.client.once import Once
from complaint_llm.exceptions import BackendError, ComplaintLLMError, InvalidRequestError
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.policies.admission import admission, observe_limits
from complaint_llm.routing.policies.load_meter import Meter
from complaint_llm.routing.policies.provider_limits import provider_limits
from complaint_llm.routing.target import AnyRequest, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend
    from complaint_llm.backends.options import Options
    from complaint_llm.request import DocumentMode
    from complaint_llm.routing.policies.bound import Bound
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.target import Estimate, Policy


class FormTraits(NamedTuple):
    """What of a target decides on a form (see ``request.FormTarget``), but for the host, which only words name."""

    local: bool
    sees_images: bool
    document_mode: DocumentMode
    document_types: frozenset[str]


class BackendTarget:
    """A backend, or the entry of one, with its limits, its breaker, its load and its own budget, each of which exists
    once for all clients that ask it.

    ``options`` are the common keys as far as they are known without making it, ``demo`` and ``embedding_model`` what
    its type and entry say. Any thread may call it; ``_lock`` guards the policies.
    """

    def __init__(
        self,
        id: str,
        make: Callable[[], Backend],
        options: Options,
        *,
        demo: bool = False,
        embedding_model: str | None = None,
    ) -> None:
        self.id = id
        self.demo = demo
        self.declared_embedding_model = embedding_model
        self.meter = Meter()
        self.options = options
        """The common keys of the backend; until it is made, of its entry."""
        self.existing: Backend | None = None
        """The backend, where it was made already."""
        self._make = make
        self._once = Once(self._make_for_this, _close)
        self._lock = threading.Lock()
        self._settings: AdmissionSettings | None = None
        self._policies: Sequence[Policy] | None = None
        self._account: Account | None = None
        self._form_traits: FormTraits | None = None
        reset_in_child(self)

    @classmethod
    def of(cls, backend: Backend) -> BackendTarget:
        """The target of a backend that was made already."""
        target = cls(backend.id, lambda: backend, backend.options, demo=backend.demo)
        target._once = Once.of(backend, _close)
        target.existing = backend
        return target

    @property
    def backend(self) -> Backend:
        """The backend itself, made now if it was not yet. Raises BackendError if it cannot be."""
        if self.existing is not None:
            return self.existing
        try:
            return self._once.get()
        except (Exception, SystemExit) as error:
            known = isinstance(error, (ComplaintLLMError, TypeError, ImportError))
            reason = str(error) if known else f"{type(error).__name__}: {error}"
            raise BackendError(f"could not be made: {reason}", backend=self.id, sent=False) from error

    @property
    def backend_to_ask(self) -> Backend:
        """The backend, for an attempt. Raises BackendError as ``backend``, and where what was prepared for this machine
        would leave it: a backend said that it is here, and now says that it is not."""
        backend = self.existing
        if backend is None:
            backend = self.backend
        traits = self._form_traits
        if traits is not None and traits.local and not backend.local:
            said = "it was on this machine when requests were prepared, and is not any more: nothing is sent to it"
            raise InvalidRequestError(said, backend=self.id, sent=False)
        return backend

    @property
    def made(self) -> Backend | None:
        """The backend, made now if it was not yet; None if it cannot be."""
        if self.existing is not None:
            return self.existing
        try:
            return self.backend
        except BackendError:
            return None

    @property
    def local(self) -> bool:
        """Whether what it is asked stays on this machine."""
        made = self.existing
        if made is None:
            made = self.made
        return made is not None and made.local

    @property
    def sees_images(self) -> bool:
        """Whether it takes images."""
        made = self.made
        return made is not None and "images" in made.capabilities

    @property
    def form_traits(self) -> FormTraits:
        """What of it decides on what it is asked, where that depends on who is asked. One that cannot be made has none
        of them, and never will."""
        known = self._form_traits
        if known is None:
            made = self.made
            types: frozenset[str] = frozenset() if made is None else frozenset(made.document_types)
            known = self._form_traits = FormTraits(self.local, self.sees_images, self.document_mode, types)
        return known

    @property
    def host(self) -> str | None:
        """The host that it sends to, where there is one."""
        made = self.made
        return None if made is None else made.host

    @property
    def document_mode(self) -> DocumentMode:
        """How its config wants documents to be given."""
        return self.options.documents

    def reads(self, media_type: str) -> bool:
        """Whether it takes such files as they are."""
        made = self.made
        return made is not None and media_type in made.document_types

    def request_to(self, request: AnyRequest) -> AnyRequest:
        """What it is asked, where that depends on who is asked. Raises InvalidRequestError where it cannot be."""
        if isinstance(request, EmbeddingRequest):
            forms = request.forms
            return request if forms is None else request._replace(texts=forms.texts_to(self), forms=None)
        return request if request.forms is None else request.forms.request_to(self, request)

    @property
    def policies(self) -> Sequence[Policy]:
        """What every attempt has to be admitted by, whoever asks."""
        found = self._policies
        return self._open_policies() if found is None else found

    def place(self, settings: AdmissionSettings) -> None:
        """Keep its limits as a Mediator wants them kept; of several Mediators the first one's settings hold."""
        with self._lock:
            if self._settings is not None:
                return
            self._settings, self._policies = settings, None
            account, self._account = self._account, None
        if account is not None:
            account.close()

    def observe_headers(self, headers: Mapping[str, str]) -> None:
        """Let its rate limit know what a response's headers (lower-case names) say of the provider's limits."""
        limits = provider_limits(headers)
        if limits is not None:
            observe_limits(self.policies, limits)

    def close(self) -> None:
        """Close the backend, now or as soon as it is made; that closes its account too."""
        self._once.close()

    def close_account(self) -> None:
        """Close the book of its budget."""
        with self._lock:
            account = self._account
        if account is not None:
            account.close()

    def after_fork(self) -> None:
        """A lock of the parent's may be held."""
        self._lock = threading.Lock()

    # -- inside --------------------------------------------------------------------------------------------------

    def _make_for_this(self) -> Backend:
        backend = self._make()
        backend.stand_behind(self)
        # Here, where one thread makes it: hundreds of workers that look the prices up at once each read the lists.
        backend.model_catalog.of(backend.options.model or "")
        self.options = backend.options
        self.existing = backend
        return backend

    def _open_policies(self) -> Sequence[Policy]:
        try:
            backend = self.backend
        except BackendError as fault:
            return (Refusal("unusable", fault),)
        with self._lock:
            if self._policies is None:
                self._policies = self._admission(backend, self._settings or ALONE)
            return self._policies

    def _admission(self, backend: Backend, settings: AdmissionSettings) -> Sequence[Policy]:
        options = backend.options
        if options.budget is not None:
            # cold start: sqlite3
            from complaint_llm.routing.policies.budget import Account
            from complaint_llm.routing.policies.budget_book import limits_of

            self._account = Account(
                self.id,
                limits_of(options.budget),
                settings.state,
                shared=settings.shared,
                workers=settings.workers,
            )
        return admission(
            self.id,
            meter=self.meter,
            breaker=settings.breaker,
            rate_limit=options.rate_limit,
            window=options.rate_limit_window,
            tokens_per_minute=options.tokens_per_minute,
            max_concurrency=options.max_concurrency,
            still_running=None if backend.interruptible else self._abandoned_attempts,
            on_rate_limit=options.retry.on_rate_limit,
            budget=self._account,
            estimate=self._estimate,
            bound=self.cost_bound,
            shared=settings.shared,
        )

    def _estimate(self, request: AnyRequest) -> Estimate:
        backend = self.backend if self.existing is None else self.existing
        return backend.estimate(request if request.forms is None else self.request_to(request))

    def cost_bound(self, request: AnyRequest) -> Bound:
        """The most that an attempt can cost, for budgets; see ``routing.policies.bound.Bound``."""
        backend = self.backend if self.existing is None else self.existing
        return backend.cost_bound(request if request.forms is None else self.request_to(request))

    def _abandoned_attempts(self) -> int:
        # cold start: threads that can be left behind
        from complaint_llm.routing.threads.worker import abandoned_workers

        return len(abandoned_workers(self.id))


class Refusal:
    """The only policy of what cannot answer: it admits nothing and says why. Any thread may call it."""

    def __init__(self, name: str, reason: BackendError) -> None:
        self._name = name
        self._reason = reason

    def enter(self, request: AnyRequest, max_queue_wait: float) -> BackendError:
        """The reason, an error of its own each time."""
        refusal = copy(self._reason)
        refusal.__cause__ = self._reason.__cause__
        return refusal

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """Never ready."""
        return PolicyState(self._name, str(self._reason.args[0]), ready=False)


class LeftOutTarget(BackendTarget):
    """What was left out when the config was read: attempts and ``explain`` tell of it."""

    def __init__(self, id: str, reason: BackendError, options: Options, *, local: bool) -> None:
        super().__init__(id, self._refuse, options)
        self._reason = reason
        self._local = local

    @property
    def local(self) -> bool:
        return self._local

    @property
    def policies(self) -> Sequence[Policy]:
        """Only that it admits nothing."""
        return (Refusal("left out", self._reason),)

    def _refuse(self) -> Backend:
        raise self._reason


def _close(backend: Backend) -> None:
    backend.close()
