"""A backend that is declared but not made until it is first asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.base import Backend
from complaint_llm.exceptions import BackendError, ComplaintLLMError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, ModelInfo
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.target import PolicyState
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.routing.target import Estimate, EventStream, Load, Policy, RetryPolicy, Target


class LazyBackend:
    """Stands for a declared backend and makes it when an attempt, or a question about it, needs it.

    Importing a provider's code and opening its transport is paid for by the first request that reaches it. One that
    cannot be made answers every attempt with the reason, so that a fallback behind it still answers. Any thread may
    call it; one lock guards the making.
    """

    def __init__(
        self,
        id: str,
        make: Callable[[], Backend],
        *,
        composed: bool = False,
        demo: bool = False,
        caches: bool = False,
        retry: RetryPolicy | None = None,
        embedding_model: str | None = None,
    ) -> None:
        self.id = id
        self._declared_embedding = embedding_model
        self._declared_retry = retry
        self.demo = demo
        self.caches = caches
        self._make = make
        self.composed = composed
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._closed = False
        self._when_made: list[Callable[[Backend], None]] = []
        reset_in_child(self)

    @property
    def backend(self) -> Backend:
        """The backend itself, made now if it was not yet."""
        made = self._backend
        if made is None:
            with self._lock:
                made = self._backend
                if made is None:
                    made = self._made()
                    for act in self._when_made:
                        act(made)
                    self._backend = made
                    if self._closed:
                        # Closed while it was being made: nobody else would close it.
                        made.close()
        return made

    def when_made(self, act: Callable[[Backend], None]) -> None:
        """Do this with the backend before its first attempt: now, if it is made already."""
        with self._lock:
            if self._backend is None:
                self._when_made.append(act)
                return
        act(self._backend)

    @property
    def is_made(self) -> bool:
        return self._backend is not None

    def targets(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        return self.backend.targets(request) if self.composed else (self,)

    @property
    def timeout(self) -> float | None:
        return self.backend.timeout

    @property
    def retry(self) -> RetryPolicy:
        # The cap of a call's attempts looks at all targets: what is declared answers for one that was never asked.
        declared = self._declared_retry
        return self.backend.retry if declared is None or self._backend is not None else declared

    @property
    def policies(self) -> Sequence[Policy]:
        return self.backend.policies

    @property
    def weight(self) -> float:
        return self.backend.weight

    @property
    def meter(self) -> Load:
        return self.backend.meter

    @property
    def cache_ttl(self) -> float | None:
        return self.backend.cache_ttl

    @property
    def cancellable(self) -> bool:
        return self.backend.cancellable

    @property
    def local(self) -> bool:
        return self.backend.local

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        if self._backend is None and _is_plain(request):
            return None
        return self.backend.lacks(request)

    def estimate(self, request: Request | EmbeddingRequest) -> Estimate:
        return self.backend.estimate(request)

    @property
    def embedding_model(self) -> str | None:
        # One that cannot be made keeps the space that it is declared to have.
        return self._declared_embedding or self.backend.embedding_model

    def context_window(self, request: Request | EmbeddingRequest) -> int | None:
        return self.backend.context_window(request)

    def cache_identity(self, request: Request) -> str | None:
        # Nothing has to be made to know that nothing is kept.
        return self.backend.cache_identity(request) if self.caches else None

    def bind(self, request: Request) -> Request:
        return self.backend.bind(request)

    def attempt(self, request: Request) -> InferenceOutput:
        return self.backend.attempt(request)

    def attempt_stream(self, request: Request) -> EventStream:
        return self.backend.attempt_stream(request)

    def attempt_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return self.backend.attempt_embedding(request)

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        self.backend.check(timeout, connect=connect)

    def load(self) -> None:
        self.backend.load()

    def is_loaded(self) -> bool:
        return self._backend is not None and self._backend.is_loaded()

    def unload(self) -> None:
        if self._backend is not None:
            self._backend.unload()

    def model_info(self) -> ModelInfo:
        return self.backend.model_info()

    def supports_function_calling(self) -> bool:
        return self.backend.supports_function_calling()

    def supports_streaming(self) -> bool:
        return self.backend.supports_streaming()

    def close(self) -> None:
        self._closed = True
        if self._backend is not None:
            self._backend.close()

    def after_fork(self) -> None:
        """The thread that was making it is the parent's."""
        self._lock = threading.Lock()

    def _made(self) -> Backend:
        try:
            return self._make()
        except Exception as error:  # noqa: BLE001 - whatever a plugin's class raises, a fallback behind it answers
            return _UnmakeableBackend(self.id, error)

    def __repr__(self) -> str:
        return f"<LazyBackend {self.id!r}>"


def _is_plain(request: Request | EmbeddingRequest) -> bool:
    """Text in, text out: what every backend can do, so none has to be made to be asked."""
    return (
        isinstance(request, Request)
        and request.privacy is None
        and not request.tools
        and request.response_format is None
        and all(isinstance(message.content, str) for message in request.messages)
    )


class RefusingBackend(Backend):
    """Answers every attempt with the reason why it cannot work."""

    interruptible = True

    def __init__(self, id: str) -> None:
        super().__init__(id=id, max_retries=0)

    def fault(self) -> BackendError:
        """The reason, as an error of its own each time."""
        raise NotImplementedError

    def answer(self, request: Request) -> InferenceOutput:
        raise self.fault()

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        raise self.fault()

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
        raise self.fault()

    def load(self) -> None:
        raise self.fault()

    def is_loaded(self) -> bool:
        return False

    def lacks(self, request: Any) -> str | None:
        return None


class _UnmakeableBackend(RefusingBackend):
    """Stands for a backend that could not be made."""

    def __init__(self, id: str, error: Exception) -> None:
        super().__init__(id)
        self._error = error
        known = isinstance(error, (ComplaintLLMError, TypeError, ImportError))
        self._reason = str(error) if known else f"{type(error).__name__}: {error}"

    def fault(self) -> BackendError:
        fault = BackendError(f"could not be made: {self._reason}", backend=self.id, sent=False)
        fault.__cause__ = self._error
        return fault


class LeftOutBackend(RefusingBackend):
    """Stands for a part of a composed backend that was left out when the config was read, so that attempts and
    ``explain`` tell of it. Any thread may call it."""

    def __init__(self, id: str, reason: BackendError, local: bool = False) -> None:
        super().__init__(id)
        self._reason = reason
        self._local = local

    @property
    def policies(self) -> Sequence[Policy]:
        """Only that it admits nothing."""
        return (self,)

    def enter(self, request: Request | EmbeddingRequest, max_queue_wait: float) -> BackendError:
        return self.fault()

    def state(self, request: Request | EmbeddingRequest | None = None) -> PolicyState:
        return PolicyState("left out", str(self._reason.args[0]), ready=False)

    @property
    def local(self) -> bool:
        return self._local

    def fault(self) -> BackendError:
        return copy(self._reason)
