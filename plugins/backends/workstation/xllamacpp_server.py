"""One llama.cpp server in this process, through xllamacpp: several requests at once over one model in memory."""

from __future__ import annotations

import queue
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm_plugins.backends.workstation.gguf_file import chat_template, look_at
from complaint_llm_plugins.backends.workstation.runtimes import import_runtime

from complaint_llm.backends import CancelToken, Deadline, raise_if_over
from complaint_llm.exceptions import BackendError

if TYPE_CHECKING:
    from complaint_llm_plugins.backends.workstation.settings import ModelSettings

_WOKEN, _ENDED = object(), object()
_LOOK_AGAIN = 60.0
"""Seconds after which a generation without a deadline looks up; it is woken for everything else."""


class SlotServer:
    """A loaded model that answers ``n_parallel`` requests at a time; further ones wait in its queue.

    Any thread may call it. Each generation runs in a thread of its own, which ends with it: the engine hands pieces to
    a callback, and is told there to stop. ``_lock`` guards the count of those who use the engine; whoever leaves last
    after ``close`` frees it.
    """

    def __init__(self, path: Path, settings: ModelSettings, *, embedding: bool) -> None:
        self._engine: Any = _load(path, settings, embedding=embedding)
        self.takes_tools = not embedding and "tools" in (chat_template(path) or "")
        """Whether the model's own template has a place for tools."""
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._users = 0
        self._closed = False

    def chunks(self, body: Mapping[str, Any], deadline: Deadline, cancel: CancelToken) -> Iterator[dict[str, Any]]:
        """The chunks of a streamed chat completion, as llama.cpp's server sends them.

        Closing the iterator ends the generation. Raises CancelledError, BackendTimeoutError, or BackendError after
        ``close``; ValueError for a body that the engine does not read.
        """
        generation = _Generation(self, body)
        cancel.attach(generation.wake)
        try:
            generation.start()
            while True:
                piece = generation.next(deadline.remaining())
                raise_if_over(deadline, cancel)
                if piece is _ENDED:
                    break
                if piece is not _WOKEN:
                    yield piece
            generation.raise_failure()
        finally:
            cancel.detach(generation.wake)
            generation.stopped = True

    def embed(self, texts: Sequence[str]) -> Any:
        """The engine's answer to a request for embeddings."""
        with self.use() as engine:
            return engine.handle_embeddings({"input": list(texts)})

    @contextmanager
    def use(self) -> Iterator[Any]:
        """The engine, which stays in memory for as long as the context lasts. Raises BackendError after ``close``."""
        with self._lock:
            if self._closed:
                raise BackendError("the model was unloaded", sent=False)
            self._users += 1
        try:
            yield self._engine
        finally:
            self._leave()

    @property
    def closed(self) -> bool:
        """Whether generations are to end."""
        return self._closed

    def close(self, max_wait: float = 1.0) -> None:
        """End what is under way and free the memory, now or when the last one lets go of it."""
        with self._lock:
            self._closed = True
            self._idle.wait_for(lambda: not self._users, max_wait)
            freed = None if self._users else self._take_engine()
        del freed

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._idle.notify_all()
            freed = self._take_engine() if self._closed and not self._users else None
        del freed  # outside the lock: freeing takes a while

    def _take_engine(self) -> Any:
        engine, self._engine = self._engine, None
        return engine


class _Generation:
    """One generation: the engine's thread puts pieces, the caller's takes them."""

    def __init__(self, server: SlotServer, body: Mapping[str, Any]) -> None:
        self._server = server
        self._body = body
        self._pieces: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self.stopped = False

    def start(self) -> None:
        threading.Thread(target=self._generate, name="xllamacpp", daemon=True).start()

    def wake(self) -> None:
        """Let the caller's thread look up, from any thread."""
        self._pieces.put(_WOKEN)

    def next(self, seconds: float) -> Any:
        try:
            return self._pieces.get(timeout=max(0.0, min(seconds, _LOOK_AGAIN)))
        except queue.Empty:
            return _WOKEN

    def raise_failure(self) -> None:
        """Raises what ended the generation, if it was a failure."""
        if self._failure is not None:
            raise self._failure
        if self._server.closed:
            raise BackendError("the model was unloaded")

    def _generate(self) -> None:
        try:
            with self._server.use() as engine:
                engine.handle_chat_completions(dict(self._body), self._take)
        except BaseException as failure:  # noqa: BLE001  raised in the caller's thread
            self._failure = failure
        finally:
            self._pieces.put(_ENDED)

    def _take(self, piece: Any) -> bool:
        """Called by the engine with each piece; true ends the generation."""
        self._pieces.put(piece)
        return self.stopped or self._server.closed


def _load(path: Path, settings: ModelSettings, *, embedding: bool) -> Any:
    look_at(path)
    xllamacpp = import_runtime("xllamacpp")
    given = xllamacpp.CommonParams()
    given.model.path = str(path)
    given.n_parallel = settings.n_parallel
    # The engine shares its context out among the slots.
    given.n_ctx = settings.n_ctx * settings.n_parallel
    given.n_batch = given.n_ubatch = settings.n_batch
    given.n_gpu_layers = settings.n_gpu_layers
    given.fit_params = False  # what the config says holds
    given.verbosity = -1
    given.cache_ram_mib = 0  # prompts of earlier requests are not kept beside the slots' own
    given.cpuparams.n_threads = given.cpuparams_batch.n_threads = settings.threads
    if not settings.f16_kv:
        given.cache_type_k = given.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    if settings.mmproj is not None:
        look_at(settings.mmproj)
        given.mmproj.path = str(settings.mmproj)
    if embedding:
        # One vector for a text, not one for each of its tokens.
        given.embedding = True
        given.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    with _listener_for_nobody(given):
        try:
            return _running(xllamacpp.Server(given))
        except (RuntimeError, ValueError, OSError) as cause:
            raise BackendError(f"cannot load {path.name}: {cause} Is it a whole GGUF model?", sent=False) from cause


def _running(server: Any) -> Any:
    """The same, once its loop takes requests: freed before that, it would wait for its loop for ever, and the whole
    process with it."""
    server.handle_metrics()  # the loop answers it
    return server


@contextmanager
def _listener_for_nobody(given: Any) -> Iterator[None]:
    """The engine opens a listener, which is not used here: one that nobody else can reach.

    It is a socket in a folder of this user alone, whose name is gone once the engine is up. Where there are no such
    sockets it is on the loopback address, behind a key that nobody knows.
    """
    given.api_keys = [secrets.token_urlsafe(32)]
    given.endpoint_slots = given.endpoint_props = given.ui = False
    given.endpoint_metrics = True  # in this process: see _running
    given.n_threads_http = 1
    if not hasattr(socket, "AF_UNIX"):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="complaint-llm-") as folder:
        given.hostnames = [str(Path(folder, "engine.sock"))]
        yield
