"""Backends whose model lives in this process: loaded outside a request's deadline, used by one request at a time."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar

from complaint_llm.backends.base import Backend
from complaint_llm.backends.wire.parameters import UNSUPPORTED, UnsupportedParameters
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    ModelNotFoundError,
)
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.threads.worker import run_abandonable

LOAD_TIMEOUT = 3600.0
"""Seconds that loading, a download included, may take where ``load_timeout`` is not set."""

REFUSED_BY_LOCAL_MODELS = frozenset(
    (
        "api_key",
        "base_url",
        "custom_headers",
        "idempotency_header",
        "connection_timeout",
        "extra_body",
        "pricing",
        "embedding_model",
    )
)
"""Common keys that mean nothing to a model in this process."""


class LocalModel(Protocol):
    """A model in memory."""

    def close(self) -> None:
        """Free the memory, now or when whoever uses the model lets go of it."""
        ...


class PulledModel(NamedTuple):
    """A model's file that is on this machine: ``source`` is where it came from (REPO/FILE of a Hub), ``size`` is in
    bytes, ``sha256`` that of its content, ``license`` the identifier that the Hub names, None where it names none."""

    source: str
    path: Path
    size: int
    sha256: str
    license: str | None


M = TypeVar("M", bound=LocalModel)


class LocalModelBackend(Backend, Generic[M]):
    """The base of backends with a model in this process.

    Authors write ``make_model``, and answer with ``self.model(...)``. Any thread may call it; ``max_concurrency`` is 1
    unless it is given. ``_lock`` guards ``_models``; ``_loading`` lets one thread load at a time, always a worker that
    its caller can leave.
    """

    costs_nothing: ClassVar[bool] = True
    default_location: ClassVar[Literal["local", "remote"]] = "local"
    parameters: ClassVar[frozenset[str]] = frozenset()
    """The generation parameters that the model is given; others are refused as the config says."""

    def __init__(self, **keys: Any) -> None:
        # Waiting for the model is waiting for admission: it counts before a batch item's clock starts, and a fallback
        # sees that this backend is busy.
        super().__init__(**{"max_concurrency": 1, **keys})
        refused = [key for key in keys if key in REFUSED_BY_LOCAL_MODELS and keys[key] is not None]
        if refused:
            raise ConfigError(f"{self.id}: a model in this process takes no {refused[0]}: leave it out")
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._models: dict[bool, M] = {}
        self._unsupported = UnsupportedParameters(self.options.unsupported_parameters, self.log)

    # -- what an author writes -----------------------------------------------------------------------------------

    @abstractmethod
    def make_model(self, *, embedding: bool, offline: bool) -> M:
        """Load the model, for embeddings or for answers; with ``offline`` nothing may be fetched."""

    def model_name(self) -> str:
        """The name that outputs carry where the request names none."""
        return self.options.model or ""

    def model(self, *, embedding: bool = False) -> M:
        """The loaded model. Raises BackendError if it was unloaded."""
        model = self._models.get(embedding)
        if model is None:
            raise BackendError("the model was unloaded", sent=False)
        return model

    def unsupported_metadata(self, request: Request) -> dict[str, Any]:
        """The metadata that names the parameters which the model is not given. Raises InvalidRequestError."""
        if request.extra_body:
            raise InvalidRequestError("a model in this process takes no extra_body", sent=False)
        refused = [name for name in request.params if name not in self.parameters]
        if not refused:
            return {}
        self._unsupported.check(refused, self.model_name())
        return {UNSUPPORTED: refused}

    # -- loading -------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Load the model now. Raises BackendError, BackendTimeoutError after ``load_timeout``."""
        self._load(CancelToken(), embedding=False, offline=False)

    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return False in self._models

    def pull(self, tell: Callable[[str], None]) -> PulledModel | None:
        """Fetch the model's file, if it is not on this machine, and check its content; ``tell`` gets a line on what is
        about to be fetched. None where the model is no single file of a Hub. Raises BackendError."""
        return None

    def unload(self) -> None:
        """Free the memory; the next request loads the model again."""
        with self._lock:
            models, self._models = self._models, {}
        for model in models.values():
            model.close()

    def close_resources(self) -> None:
        self.unload()

    def prepare_attempt(self, request: Request | EmbeddingRequest) -> None:
        """Load the model that the request needs, if it is not in memory. Raises ModelNotFoundError for another one."""
        embedding = not isinstance(request, Request)
        if embedding and request.model not in (None, self.model_name()):
            message = f"has the model {self.model_name()}, not {request.model}"
            raise ModelNotFoundError(message, backend=self.id, sent=False)
        if not embedding or "embeddings" in self.capabilities:
            self._load_outside(request, embedding=embedding)

    def model_to_embed(self) -> str | None:
        """Its only model."""
        return self.model_name()

    # -- inside --------------------------------------------------------------------------------------------------

    def _load_outside(self, request: Request | EmbeddingRequest, *, embedding: bool) -> None:
        """Load the model if it is not, while the request's deadline stands still."""
        if embedding in self._models:
            return
        request.deadline.pause()
        try:
            self._load(request.cancel, embedding=embedding, offline=request.privacy == "local")
        finally:
            request.deadline.resume()

    def _load(self, cancel: CancelToken, *, embedding: bool, offline: bool) -> None:
        seconds = self.options.load_timeout or LOAD_TIMEOUT

        def load() -> None:
            with self._loading:
                if self.is_closed or embedding in self._models:
                    return
                self._keep(self.make_model(embedding=embedding, offline=offline), embedding=embedding)

        try:
            run_abandonable(load, Deadline(seconds), cancel, self.id)
        except BackendTimeoutError as cause:
            message = f"the model was not loaded within {seconds:g} s: set load_timeout"
            raise BackendTimeoutError(message, sent=False, retryable=False) from cause

    def _keep(self, model: M, *, embedding: bool) -> None:
        with self._lock:
            if not self.is_closed:
                self._models[embedding] = model
                return
        # It was closed while the model was read: nobody else would free it.
        model.close()


class ModelLock:
    """Lets one request at a time use a model. Any thread may call it.

    A model is freed (``free``) only by whoever holds the turn: using one after it was freed can crash the process.
    """

    def __init__(self, free: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._free = free

    @contextmanager
    def hold(self, deadline: Deadline, cancel: CancelToken) -> Iterator[None]:
        """The model is this thread's for as long as the context lasts.

        Raises BackendTimeoutError if the turn does not come before the deadline, BackendError after ``close``.
        """
        # Woken every tenth of a second to see a cancellation: a lock cannot be waited for together with anything else.
        while not self._lock.acquire(timeout=max(0.0, min(0.1, deadline.remaining()))):
            raise_if_over(deadline, cancel)
        try:
            if self._closed:
                raise BackendError("the model was unloaded", sent=False)
            yield
        finally:
            if self._closed:
                self._free()
            self._lock.release()

    def close(self, max_queue_wait: float = 1.0) -> None:
        """Free the model, now or when whoever uses it lets go of it."""
        self._closed = True
        if self._lock.acquire(timeout=max_queue_wait):
            try:
                self._free()
            finally:
                self._lock.release()


def raise_if_over(deadline: Deadline, cancel: CancelToken) -> None:
    """Raise CancelledError or BackendTimeoutError if the request is over; a model looks between its steps."""
    if cancel.cancelled:
        raise CancelledError(cancel.reason or "cancelled")
    if deadline.remaining() <= 0:
        raise BackendTimeoutError("the deadline passed while the model was busy")


__all__ = [
    "LOAD_TIMEOUT",
    "REFUSED_BY_LOCAL_MODELS",
    "LocalModel",
    "LocalModelBackend",
    "ModelLock",
    "PulledModel",
    "raise_if_over",
]
