"""Where the asking is done: threads of this process, any ``concurrent.futures.Executor``, or a plugin's machines.

An executor is told ``start`` once, then ``submit`` for each piece of work, and calls ``finished`` exactly once for
each, from any thread. How many it is given at once is bounded by its ``capacity``: a plugin that hands whole files to
a provider's batch service names a large one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from concurrent.futures import CancelledError as FutureCancelled
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from complaint_llm.batch.ask_chunk import AskChunk, ChunkAnswers, is_portable, process_name
from complaint_llm.batch.chunks import Chunk, ChunkReport, Chunks, Parcel
from complaint_llm.batch.flow import BrokenThread
from complaint_llm.batch.guarded_work import NotBegunError
from complaint_llm.batch.input.items import Ask
from complaint_llm.batch.remote_errors import lost_error
from complaint_llm.batch.work import Finished, Work
from complaint_llm.exceptions import BatchError, ConfigError, InvalidRequestError
from complaint_llm.messages import InferenceOutput

_log = logging.getLogger("complaint_llm.batch")


class BatchExecutor(Protocol):
    """Asks elsewhere. ``submit`` and ``withdraw`` may come from different threads and must not wait for answers."""

    @property
    def capacity(self) -> int:
        """How many pieces of work it does at once."""
        ...

    @property
    def reruns(self) -> int:
        """How often the engine ran work again on its own, final after ``close``: asked twice, perhaps."""
        ...

    def start(self, finished: Finished) -> None:
        """Called once, before anything is submitted."""
        ...

    def submit(self, work: Work) -> None:
        """Take this work. Raises if no work can be done any more; that ends the batch."""
        ...

    def withdraw(self) -> list[Work]:
        """Give back what was not begun; ``finished`` is not called for it."""
        ...

    def close(self, wait: float = 0.0) -> None:
        """Take no more work; end threads and connections when what was begun has finished, waiting ``wait`` seconds."""
        ...


class ThreadExecutor:
    """Up to ``capacity`` daemon threads that pull from one queue. They end with ``close``, each after what it is doing.

    A thread is started with each piece of work until there are enough: the first prompts are under way while the last
    threads start. ``broken`` hears of one that ended before it could tell what came of its work.
    """

    reruns = 0

    def __init__(self, ask: Ask, capacity: int, broken: BrokenThread | None = None) -> None:
        self.capacity = capacity
        self._ask = ask
        self._broken = BrokenThread() if broken is None else broken
        self._lock = threading.Lock()  # guards what follows: nothing is queued behind what ends the threads
        self._closed = False
        self._withdrawn = False
        self._most = capacity
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._finished: Finished | None = None

    def start(self, finished: Finished) -> None:
        self._finished = finished

    def submit(self, work: Work) -> None:
        with self._lock:
            if self._closed:
                raise BatchError("its threads have ended")
            # First the work, then who does it: a thread that was just started finds some.
            self._queue.put(work)
            if len(self._threads) < self._most:
                self._start_thread()

    def _start_thread(self) -> None:
        name = f"batch-{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=(self._finished,), name=name, daemon=True)
        try:
            thread.start()
        except (RuntimeError, MemoryError) as error:
            if not self._threads:
                with suppress(Empty):  # withdrawn meanwhile
                    self._queue.get_nowait()
                raise BatchError(f"no thread could be started: {error}") from error
            # The machine has no more to give: those that run do the work, in more time.
            self._most = len(self._threads)
            _log.warning("a batch goes on with %d of %d workers: %s", self._most, self.capacity, error)
        else:
            self._threads.append(thread)

    def withdraw(self) -> list[Work]:
        self._withdrawn = True
        works: list[Work] = []
        while True:
            try:
                work = self._queue.get_nowait()
            except Empty:
                return works
            if work is None:
                self._queue.put(None)
                return works
            works.append(work)

    def close(self, wait: float = 0.0) -> None:
        with self._lock:
            self._closed = True
            for _ in self._threads:
                self._queue.put(None)
        join(self._threads, wait)

    def _work(self, finished: Finished) -> None:
        try:
            self._work_through(finished)
        except BaseException as error:
            self._broken.error = error  # there was no memory even to say what came of its work
            raise

    def _work_through(self, finished: Finished) -> None:
        ask, queue = self._ask, self._queue
        while (work := queue.get()) is not None:
            if self._withdrawn:
                finished(work, None, NotBegunError())
                continue
            try:
                output = ask(work.prompt, work.params)
            except Exception as error:  # noqa: BLE001 - whatever was raised is this item's error, and is handed out
                finished(work, None, error)
            except BaseException as error:  # noqa: BLE001 - the same: a worker that dies silently would hang the batch
                finished(work, None, _wrapped_error(error))
            else:
                finished(work, output, None)


class FutureExecutor:
    """Any ``concurrent.futures.Executor``. It stays its owner's: it is neither started nor shut down here.

    For one that crosses processes, ``ask`` must be picklable; what takes little time is sent in chunks (see
    ``chunks``). What must stay on this machine is given to the two pools of the standard library alone. A pool whose
    worker is killed takes nothing more: what it had is in doubt.
    """

    reruns = 0

    def __init__(self, ask: Ask, capacity: int, executor: Executor) -> None:
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor  # cold start: processes

        self.capacity = capacity
        self._ask_chunk = AskChunk(ask)
        self._executor = executor
        self._is_here = isinstance(executor, (ThreadPoolExecutor, ProcessPoolExecutor))
        self._chunks = Chunks(here=process_name())
        self._lock = threading.Lock()  # guards what follows
        self._open: dict[Future[ChunkAnswers], Chunk] = {}
        self._withdrawn = False
        self._refused: Exception | None = None
        self._finished: Finished | None = None

    def start(self, finished: Finished) -> None:
        self._finished = finished

    def submit(self, work: Work) -> None:
        try:
            parcel = Parcel.of(work, leaves=None if self._is_here else "this executor may run on another machine")
        except InvalidRequestError as error:
            self._tell(work, None, error)
            return
        before = self._refusal()
        if before is not None:
            raise before
        unsent = self._send(self._chunks.add(parcel))
        refusal = self._refusal()
        if refusal is not None:
            unsent += self._chunks.take_back()  # it began to refuse meanwhile, before this waited
        self._tell_unsent([each for each in unsent if each is not parcel])
        if refusal is not None and any(each is parcel for each in unsent):
            raise refusal

    def withdraw(self) -> list[Work]:
        with self._lock:
            self._withdrawn = True
            waiting = list(self._open.items())
        works = [parcel.work for parcel in self._chunks.take_back()]
        for future, chunk in waiting:
            with self._lock:
                mine = self._open.pop(future, None)
            if mine is None:
                continue
            if future.cancel():
                works.extend(parcel.work for parcel in chunk)
                self._tell_unsent(self._send(self._chunks.end(None)))
            else:
                with self._lock:
                    self._open[future] = chunk
                if future.done():
                    self._done(future)
        return works

    def close(self, wait: float = 0.0) -> None:
        """Nothing to end: the executor is its owner's."""

    def _send(self, chunks: Sequence[Chunk]) -> list[Parcel]:
        """Hand chunks to the executor; the parcels that it did not take, if it takes no more."""
        sent = [part for chunk in chunks for part in self._chunks.split(chunk, is_portable)]
        for place, chunk in enumerate(sent):
            try:
                future = self._executor.submit(self._ask_chunk, [parcel.question() for parcel in chunk])
            except Exception as error:  # noqa: BLE001 - the executor's own error, whatever its kind, is raised by ``submit``
                self._refused = error
                left = [parcel for unsent in sent[place:] for parcel in unsent]
                return left + self._chunks.take_back()
            with self._lock:
                self._open[future] = chunk
            future.add_done_callback(self._done)
        return []

    def _done(self, future: Future[ChunkAnswers]) -> None:
        with self._lock:
            chunk = self._open.pop(future, None)
        if chunk is None:
            return
        report: ChunkReport | None = None
        again: Chunk = ()
        try:
            outcomes, report = future.result()
        except FutureCancelled as error:
            why = "the executor was shut down or cancelled this item"
            self._tell_all(chunk, _cancelled_error(why, error) if self._is_here else lost_error(why, error))
        except BrokenExecutor as error:
            self._tell_all(chunk, lost_error(f"the worker process was lost: {error}", error))
        except Exception as error:  # noqa: BLE001 - whatever was raised is this item's error, and is handed out
            # Of several each has an error of its own: what ends all of them is the way there or back.
            self._tell_all(chunk, error if len(chunk) == 1 else lost_error(f"its chunk was lost: {error}", error))
        except BaseException as error:  # noqa: BLE001 - the same
            self._tell_all(chunk, _wrapped_error(error))
        else:
            for parcel, (output, problem) in zip(chunk, outcomes, strict=False):
                self._tell(parcel.work, output, problem)
            again = chunk[len(outcomes) :]
        if self._withdrawn:
            for parcel in again:
                self._tell(parcel.work, None, NotBegunError())
            again = ()
        self._tell_unsent(self._send(self._chunks.end(report, again)))

    def _refusal(self) -> Exception | None:
        """Why the executor takes no more."""
        return self._refused

    def _tell_unsent(self, unsent: Sequence[Parcel]) -> None:
        for parcel in unsent:
            assert self._refused is not None
            why = f"the executor takes no more: {self._refused}"
            self._tell(parcel.work, None, _cancelled_error(why, self._refused))

    def _tell_all(self, chunk: Chunk, error: Exception) -> None:
        for parcel in chunk:
            self._tell(parcel.work, None, error)

    def _tell(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        assert self._finished is not None
        self._finished(work, output, error)


ExecutorFactory: TypeAlias = Callable[[str, Callable[[], Ask], int], BatchExecutor]
"""``factory(url, open_ask, max_workers)``: ``open_ask`` is picklable and makes an ``ask`` where the work is done."""


def open_executor(
    url: str, open_ask: Callable[[], Ask], max_workers: int, factories: Mapping[str, ExecutorFactory]
) -> BatchExecutor:
    """The executor that a URL names: ``threads``, ``dask://...`` or a plugin's. Raises ConfigError if none does,
    BatchError if it cannot be used."""
    scheme = url.partition("://")[0]
    if url == "threads":
        return ThreadExecutor(open_ask(), max_workers)
    if scheme in factories:
        return factories[scheme](url, open_ask, max_workers)
    if scheme == "dask":
        try:
            from complaint_llm.batch.dask.executor import open_dask  # extra
        except ImportError as error:
            raise BatchError(f"{url} needs Dask: pip install complaint-llm[dask]") from error
        return open_dask(url, open_ask, max_workers)
    known = ", ".join(sorted({"threads", "dask", *factories}))
    raise ConfigError(f"no executor is called {url!r}; known are: {known}")


def join(threads: list[threading.Thread], wait: float) -> bool:
    """Wait at most ``wait`` seconds for all of them. False if one still runs."""
    until = time.monotonic() + wait
    for thread in threads:
        # A batch that is dropped may be collected on one of its own threads.
        if thread is not threading.current_thread():
            thread.join(max(0.0, until - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _cancelled_error(why: str, cause: BaseException) -> BatchError:
    made = BatchError(f"not asked: {why}")
    made.__cause__ = cause
    return made


def _wrapped_error(error: BaseException) -> BatchError:
    made = BatchError(f"the call ended with {type(error).__name__}: {error}")
    made.__cause__ = error
    return made
