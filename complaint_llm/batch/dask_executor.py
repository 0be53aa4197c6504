"""Asking on the workers of a Dask cluster: ``dask://host:port``, or ``dask://local/4`` for processes of this machine.

The journal stays with the process that hands out the work. Each worker process opens its own ``ask`` once, from a
factory that travels as it is written: with config and references, never with resolved secrets. A worker that dies
loses nothing: Dask runs its work elsewhere, and ``reruns`` counts that, because a provider may have been asked twice.
"""

from __future__ import annotations

import math
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import distributed as untyped

from complaint_llm.batch.codec import decode_output, encode_output
from complaint_llm.exceptions import BatchError, ComplaintLLMError, InvalidRequestError
from complaint_llm.messages import InferenceOutput, Prompt

if TYPE_CHECKING:
    from complaint_llm.batch.executors import Finished, Work
    from complaint_llm.batch.items import Ask

dask: Any = untyped  # its types are incomplete, and it may be missing where types are checked


def open_dask(url: str, open_ask: Callable[[], Ask], max_workers: int) -> DaskExecutor:
    """The executor of a ``dask://`` URL. Raises BatchError if the URL is none or nobody answers there."""
    parts = urlsplit(url)
    if parts.netloc == "local":
        processes = parts.path.strip("/") or "1"
        if not processes.isdecimal() or int(processes) < 1:
            raise BatchError(f"{url}: after dask://local/ stands the number of processes")
        threads = math.ceil(max_workers / int(processes))
        here = "127.0.0.1:0"
        cluster = dask.LocalCluster(
            int(processes),
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address=here,
            worker_dashboard_address=here,
        )
        return DaskExecutor(dask.Client(cluster), open_ask, max_workers, cluster)
    if not parts.hostname or not parts.port or parts.path.strip("/"):
        raise BatchError(f"{url}: give dask://host:port, or dask://local/4")
    try:
        return DaskExecutor(dask.Client(f"tcp://{parts.netloc}", timeout=10), open_ask, max_workers)
    except OSError as error:
        raise BatchError(f"{url}: no Dask scheduler answers there: {error}") from error


class DaskExecutor:
    """See the module. ``finished`` is called by the client's callback thread; any thread may submit."""

    def __init__(self, client: Any, open_ask: Callable[[], Ask], capacity: int, cluster: Any = None) -> None:
        self.capacity = capacity
        self._client = client
        self._cluster = cluster
        self._open_ask = open_ask
        self._name = f"complaint-llm-{uuid.uuid4().hex}"
        self._lock = threading.Lock()  # guards _open, which also keeps futures alive: a forgotten one is cancelled
        self._open: dict[str, tuple[Any, Work]] = {}
        self._closing = self._shut = False
        self._finished: Finished | None = None
        self.reruns = 0

    def start(self, finished: Finished) -> None:
        """Bring the factory to the workers, those that join later too."""
        self._finished = finished
        self._client.register_plugin(_Asking(self._open_ask), name=self._name)
        self._client.register_plugin(_Reruns(self._name), name=self._name)

    def submit(self, work: Work) -> None:
        """Hand the prompt to the cluster. What must stay on this machine is refused on a cluster that is not ours."""
        if work.params.get("privacy") == "local" and self._cluster is None:
            refused = InvalidRequestError("privacy is local: only dask://local may ask this", sent=False)
            self._tell(work, None, refused)
            return
        key = f"{self._name}-{work.position}"
        future = self._client.submit(_ask_here, self._name, work.prompt, dict(work.params), key=key, pure=False)
        with self._lock:
            self._open[key] = (future, work)
        future.add_done_callback(self._done)

    def withdraw(self) -> list[Work]:
        """Nothing: whether a task has begun is known to the cluster alone, and only after the fact."""
        return []

    def close(self, wait: float = 0.0) -> None:
        """Close the workers' asks and the connection; without ``wait``, once everything submitted has finished."""
        with self._lock:
            self._closing = True
        self._shut_if(not self._open or wait > 0)

    def _shut_if(self, idle: bool) -> None:
        with self._lock:
            if not idle or not self._closing or self._shut:
                return
            self._shut = True
        try:
            if self._finished is None:  # never started
                return
            self.reruns = self._client.run_on_scheduler(_read_reruns, name=self._name)
            self._client.unregister_worker_plugin(self._name)
        finally:
            self._client.close()
            if self._cluster is not None:
                self._cluster.close()

    def _done(self, future: Any) -> None:
        with self._lock:
            entry = self._open.pop(future.key, None)
        if entry is None:
            return
        _, work = entry
        if future.status == "finished":
            text, error = future.result()
            self._tell(work, None if text is None else decode_output(text), error)
        else:
            reason = future.exception() if future.status == "error" else future.status
            self._tell(work, None, BatchError(f"the cluster gave up on this item: {reason}"))
        self._shut_if(not self._open)

    def _tell(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        assert self._finished is not None
        self._finished(work, output, error)


class _Asking(dask.WorkerPlugin):  # type: ignore[misc]
    """Opens ``ask`` once in a worker process, when first used, and closes it with the worker."""

    def __init__(self, open_ask: Callable[[], Ask]) -> None:
        self._open_ask = open_ask

    def setup(self, worker: Any) -> None:
        self._lock = threading.Lock()
        self._ask: Ask | None = None

    def teardown(self, worker: Any) -> None:
        close = getattr(self._ask, "close", None)
        if close is not None:
            close()

    def ask(self) -> Ask:
        with self._lock:
            if self._ask is None:
                self._ask = self._open_ask()
            return self._ask


class _Reruns(dask.SchedulerPlugin):  # type: ignore[misc]
    """Counts, in the scheduler, tasks of one batch that were taken from a worker that went away."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.count = 0

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        if start == "processing" and finish not in ("memory", "erred", "forgotten"):
            self.count += str(key).startswith(self.prefix)


def _read_reruns(name: str, dask_scheduler: Any = None) -> int:
    count: int = dask_scheduler.plugins[name].count
    return count


def _ask_here(name: str, prompt: Prompt, params: Mapping[str, Any]) -> tuple[str | None, Exception | None]:
    """Runs in a worker. Errors are returned, not raised: Dask logs what is raised, with the prompt beside it."""
    try:
        return encode_output(dask.get_worker().plugins[name].ask()(prompt, params)), None
    except ComplaintLLMError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 - it may not be picklable; its kind and text always are
        return None, BatchError(f"the call ended with {type(error).__name__}: {error}")
