"""Asking on the workers of a Dask cluster: ``dask://host:port``, or ``dask://local/4`` for processes of this machine.

The journal stays with the process that hands out the work. Each worker process opens its own ``ask`` once, from a
factory that travels as it is written: with config and references, never with resolved secrets. A worker that dies
loses nothing: Dask runs its work elsewhere, and ``reruns`` counts that, because a provider may have been asked twice.
What ends four of them one after the other is an error of its own; see ``local_processes`` for those of this machine.
What takes little time goes in chunks, see ``batch.chunks``.
A scheduler that goes away ends the batch: what was under way comes back as errors that are in doubt. So does a cluster
elsewhere that has no worker for ``worker_timeout`` seconds; what no worker was given is not in doubt then.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import distributed as untyped

from complaint_llm.batch.chunks import Chunk, ChunkReport, Chunks, Parcel
from complaint_llm.batch.dask.address import WORKER_TIMEOUT, DaskAddress
from complaint_llm.batch.dask.local_processes import NO_PROCESS_SECONDS, LocalProcesses, start_cluster
from complaint_llm.batch.dask.worker import (
    AskPlugin,
    PromptChunk,
    Reruns,
    ask_here,
    begin_no_more,
    leave,
    size_in,
    task_key,
    withdraw_unserved,
)
from complaint_llm.batch.guarded_work import NotBegunError
from complaint_llm.batch.journal.codec import decode_output
from complaint_llm.batch.remote_errors import decode_raised, lost_error
from complaint_llm.exceptions import BatchError, InvalidRequestError

if TYPE_CHECKING:
    from complaint_llm.batch.input.items import Ask
    from complaint_llm.batch.work import Finished, Work
    from complaint_llm.messages import InferenceOutput

dask: Any = untyped  # its types are incomplete, and it may be missing where types are checked

CONNECT_TIMEOUT = 10.0
"""Seconds to reach a scheduler."""
_LOOK = 1.0
"""The most seconds between two looks at whether there is a worker, while there is none."""
_LEAVE = 5.0
"""Seconds for the workers to close what they have opened, and for the connection to close."""

_log = logging.getLogger("complaint_llm.batch")

_Outcome: TypeAlias = "tuple[InferenceOutput | None, Exception | None]"


def open_dask(
    url: str,
    open_ask: Callable[[], Ask],
    max_workers: int,
    *,
    connect_timeout: float = CONNECT_TIMEOUT,
    no_process: float = NO_PROCESS_SECONDS,
) -> DaskExecutor:
    """The executor of a ``dask://`` URL, known to all its workers; ``no_process`` is for how many seconds a batch waits
    for one where ``dask://local`` has none.

    Raises ConfigError if the URL is none, BatchError if nobody answers there or a machine of the cluster lacks this
    package.
    """
    target, worker_timeout = DaskAddress.of(url)
    local: LocalProcesses | None = None
    if isinstance(target, int):
        cluster = start_cluster(url, target, math.ceil(max_workers / target))
        local = LocalProcesses(url, cluster, target, seconds=no_process)
    try:
        client = dask.Client(local.cluster if local else target, timeout=connect_timeout, set_as_default=False)
    except Exception as error:
        if local is not None:
            local.close(_LEAVE)
        raise BatchError(f"{url}: no Dask scheduler answers there: {error}") from error
    executor = DaskExecutor(client, open_ask, max_workers, local, url=url, worker_timeout=worker_timeout)
    try:
        executor.join_cluster()
    except Exception as error:
        executor.close(_LEAVE)
        raise BatchError(
            f"{url}: the cluster cannot do this work: {error}; "
            "scheduler and workers need complaint-llm[dask] in the version that is used here"
        ) from error
    if not client.scheduler_info()["workers"]:
        _log.warning("%s has no worker yet: the batch waits for one, %g s at most", url, worker_timeout)
        executor.wait_for_worker()
    return executor


class DaskExecutor:
    """See the module. ``finished`` is called by the client's event loop; any thread may submit."""

    def __init__(
        self,
        client: Any,
        open_ask: Callable[[], Ask],
        capacity: int,
        local: LocalProcesses | None = None,
        *,
        url: str = "",
        worker_timeout: float = WORKER_TIMEOUT,
    ) -> None:
        self.capacity = capacity
        self.reruns = 0
        self._client = client
        self._local = local
        self._open_ask = open_ask
        self._url = url
        self._worker_timeout = worker_timeout
        self._is_waiting = False
        self._giving_up = asyncio.Lock()  # of the client's event loop: held while it is found out who was given what
        self._name = f"complaint-llm-{uuid.uuid4().hex}"
        self._finished: Finished | None = None
        self._joined = False
        self._settled = threading.Condition()  # guards what follows; never held while the cluster is asked
        self._chunks = Chunks()
        self._numbers = count()
        self._open: dict[str, Chunk] = {}
        self._withdrawn = False
        self._refuses = ""
        self._closing = False
        self._closer: threading.Thread | None = None

    def join_cluster(self) -> None:
        """Bring the factory to the workers, those that join later too. Raises what the cluster says against it."""
        self._client.subscribe_topic(self._name, self._worker_lost)
        self._client.register_plugin(Reruns(self._name), name=self._name)
        self._joined = True
        self._client.register_plugin(AskPlugin(self._open_ask, ours=self._local is not None), name=self._name)

    def wait_for_worker(self) -> None:
        """End the batch if none comes in time."""
        self._client.loop.add_callback(self._wait_for_worker)

    def start(self, finished: Finished) -> None:
        self._finished = finished

    def submit(self, work: Work) -> None:
        """Hand the prompt to the cluster. What must stay on this machine is refused on a cluster that is not ours."""
        try:
            parcel = Parcel.of(work, leaves="only dask://local may ask this" if self._local is None else None)
        except InvalidRequestError as error:
            self._tell(work, None, error)
            return
        self._check_connection()
        with self._settled:
            if self._refuses:
                raise BatchError(self._refuses)
            numbered = self._number(self._chunks.add(parcel))
        self._send(numbered)
        self._check_connection()

    def withdraw(self) -> list[Work]:
        """What waits here: whether a task has begun is known to its worker alone. They are told to begin no more, and
        what they had not begun is finished as such."""
        self._client.loop.add_callback(self._stop_workers)
        with self._settled:
            self._withdrawn = True
            return [parcel.work for parcel in self._chunks.take_back()]

    def close(self, wait: float = 0.0) -> None:
        """Close the workers' asks and the connection; without ``wait``, once everything submitted has finished.

        With ``wait`` what has not finished then comes back as an error that is in doubt.
        """
        with self._settled:
            self._closing = True
            idle = self._settled.wait_for(lambda: not self._open, wait)
        if idle or wait > 0:
            self._end()
        if wait > 0 and self._closer is not None:
            self._closer.join(3 * _LEAVE)

    # -- in the client's event loop

    async def _follow(self, key: str, future: Any) -> None:
        """Wait for one task's answers, and keep its future alive: Dask cancels a forgotten one."""
        report: ChunkReport | None = None
        outcomes: list[_Outcome]
        try:
            texts, report = await self._client.gather(future, asynchronous=True)
            outcomes = [_outcome(text, raised) for text, raised in texts]
        except ImportError as problem:
            error: Exception = BatchError(f"a worker lacks what this item needs: {problem}")
            error.__cause__ = problem
            outcomes = [(None, error)] * size_in(key)
        except dask.KilledWorker as problem:
            times = problem.allowed_failures + 1
            why = f"each of the {times} worker processes that were given it ended without an answer"
            error = lost_error(why, problem)
            outcomes = [(None, error)] * size_in(key)
        except BaseException as problem:  # noqa: BLE001 - whatever it is: an item that nobody settles would hang the batch
            error = lost_error(f"the Dask cluster lost it: {str(problem).partition(chr(10))[0]}", problem)
            outcomes = [(None, error)] * size_in(key)
            async with self._giving_up:
                pass  # if that is why, it has been told of
        if report is not None and self._local is not None:
            self._local.note_answer()
        self._settle(key, outcomes, report)
        if self._client.status != "running":
            self._lose()

    async def _stop_workers(self) -> None:
        """Bring ``begin_no_more`` to every worker that can be told. One that cannot ends with its connection."""
        try:
            await self._client.run(begin_no_more, self._name, on_error="ignore")
        except Exception as error:  # noqa: BLE001 - the batch ends all the same
            _log.warning("Dask workers could not be told to begin no more: %s", error)

    def _worker_lost(self, event: tuple[float, int]) -> None:
        """The scheduler tells how many are left."""
        _, left = event
        if self._local is not None:
            self._client.loop.add_callback(self._local.replace_lost, self._give_up)
        if self._open and not left:
            _log.warning("no Dask worker is left; the batch waits for one")
        if not left and self._local is None:
            self.wait_for_worker()

    async def _wait_for_worker(self) -> None:
        if self._is_waiting:
            return
        self._is_waiting = True
        try:
            since = time.monotonic()
            while self._client.status == "running" and not (await self._client.scheduler.identity())["workers"]:
                left = self._worker_timeout - (time.monotonic() - since)
                if left > 0:
                    await asyncio.sleep(min(_LOOK, left))
                elif await self._ended_unserved():
                    return
        except OSError as error:
            _log.debug("the Dask scheduler is gone while a worker was waited for: %s", error)
        finally:
            self._is_waiting = False

    async def _ended_unserved(self) -> bool:
        """End the batch, unless there is a worker now."""
        async with self._giving_up:
            in_doubt: frozenset[str] | None = None  # all, where the scheduler does not say
            try:
                given = await self._client.run_on_scheduler(withdraw_unserved, self._name, self._client.id)
                if given is None:
                    return False
                in_doubt = frozenset(given)
            except Exception as error:  # noqa: BLE001 - the batch ends all the same
                _log.warning("the Dask scheduler does not say what it has given out: %s", error)
            self._give_up(
                f"{self._url} had no worker for {self._worker_timeout:g} s: start one (`dask worker` with its address) "
                "and run the same batch again, or let it wait longer by ?worker_timeout=SECONDS in the URL",
                in_doubt,
            )
            return True

    # -- anywhere

    def _number(self, chunks: list[Chunk]) -> dict[str, Chunk]:
        """The keys of tasks that are to be sent; they are open from now on. Called with the condition held."""
        numbered = {task_key(self._name, next(self._numbers), len(chunk)): chunk for chunk in chunks}
        self._open.update(numbered)
        return numbered

    def _send(self, numbered: dict[str, Chunk]) -> None:
        for key, chunk in numbered.items():
            try:
                asked = PromptChunk([parcel.question() for parcel in chunk])
                future = self._client.submit(ask_here, self._name, asked, key=key, pure=False)
                self._client.loop.add_callback(self._follow, key, future)
            except Exception as error:  # noqa: BLE001 - what cannot be brought to a worker is this item's error
                self._settle_unsent(key, error)

    def _settle_unsent(self, key: str, error: Exception) -> None:
        """A task that was not sent: of several prompts each is tried alone, for one of them may be why."""
        with self._settled:
            chunk = self._open.pop(key, None)
            if chunk is None:  # settled meanwhile, because the connection was lost
                return
            numbered = self._number(self._chunks.end(None, chunk if len(chunk) > 1 else ()))
        if len(chunk) == 1:
            problem = BatchError(f"this item cannot be brought to a worker: {error}")
            problem.__cause__ = error
            self._tell(chunk[0].work, None, problem)
        self._send(numbered)

    def _settle(self, key: str, outcomes: Sequence[_Outcome], report: ChunkReport | None) -> None:
        with self._settled:
            chunk = self._open.pop(key, None)
            if chunk is None:
                return
            unasked = chunk[len(outcomes) :]
            numbered = self._number(self._chunks.end(report, () if self._withdrawn else unasked))
        for parcel, (output, error) in zip(chunk, outcomes, strict=False):
            self._tell(parcel.work, output, error)
        if self._withdrawn:
            for parcel in unasked:
                self._tell(parcel.work, None, NotBegunError())
        self._send(numbered)
        with self._settled:
            self._settled.notify_all()
            last = self._closing and not self._open
        if last:
            self._end()

    def _check_connection(self) -> None:
        """Raises BatchError if the scheduler is gone."""
        if self._client.status != "running":
            self._lose()
            raise BatchError(self._refuses)

    def _lose(self) -> None:
        """The scheduler is gone, and with it everything that it was given; another in its place knows nothing of it."""
        self._give_up("the connection to the Dask scheduler was lost; once it is back, run the same batch again")

    def _give_up(self, why: str, in_doubt: frozenset[str] | None = None) -> None:
        """Take no more work, and tell what is still under way that it is lost. ``in_doubt`` are the keys that may have
        been asked, None for all."""
        with self._settled:
            self._refuses = self._refuses or why
            lost: list[Work] = []
            waiting: list[Work] = []
            for key, chunk in self._open.items():
                (lost if in_doubt is None or key in in_doubt else waiting).extend(parcel.work for parcel in chunk)
            self._open.clear()
            waiting += [parcel.work for parcel in self._chunks.take_back()]
        for work in lost:
            self._tell(work, None, lost_error(why))
        for work in waiting:
            self._tell(work, None, BatchError(f"not asked: {why}"))
        with self._settled:
            self._settled.notify_all()

    def _end(self) -> None:
        """Begin to end, once. In a thread of its own: it waits for the event loop, and may be called by it."""
        with self._settled:
            if self._closer is not None:
                return
            self._closer = threading.Thread(target=self._leave, name="batch-dask-close", daemon=True)
            self._closer.start()

    def _leave(self) -> None:
        self._give_up("the batch was closed before the answer came")
        client = self._client
        try:
            if self._joined and client.status == "running":
                self.reruns = client.run_on_scheduler(leave, self._name, _LEAVE, callback_timeout=_LEAVE + 1)
        except Exception as error:  # noqa: BLE001 - the answers are there; that workers still hold theirs open is a warning
            _log.warning("Dask workers could not be told that the batch is over: %s", error)
        dask_log = logging.getLogger("distributed.client")
        dask_log.addFilter(_is_news)
        for each in (client, self._local):
            try:
                if each is not None:
                    each.close(timeout=_LEAVE)
            except Exception as error:  # noqa: BLE001 - the same; the other one must be closed too
                _log.warning("a Dask connection could not be closed: %s", error)
        dask_log.removeFilter(_is_news)

    def _tell(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        assert self._finished is not None
        self._finished(work, output, error)


def _outcome(text: str | None, raised: str) -> _Outcome:
    """An answer or an error that a worker wrote down."""
    try:
        if text is not None:
            return decode_output(text), None
        return None, decode_raised(raised) if raised else NotBegunError()
    except Exception as problem:  # noqa: BLE001 - what one item's text is makes no other item lost
        return None, lost_error(f"the answer of a worker cannot be read: {problem}", problem)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that looking for a lost scheduler was cancelled by our own close, which Dask logs with a traceback."""
    kind = record.exc_info and record.exc_info[0]
    return not (kind and issubclass(kind, asyncio.CancelledError))
