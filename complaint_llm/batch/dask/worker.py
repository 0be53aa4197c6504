"""What runs inside a Dask cluster for a batch: in its workers, and in its scheduler. See ``executor``.

Answers and errors go back as JSON, and nothing here unpickles. Dask itself does: calls reach the workers as pickles,
and its messages to the client have pickles in them. Who can connect to a scheduler can run code on every machine of the
cluster and of its clients; the TLS of Dask is what keeps others out.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import distributed as untyped

from complaint_llm.batch.chunks import ChunkReport, ask_in_time
from complaint_llm.batch.guarded_work import GuardedWork, NotBegunError
from complaint_llm.batch.journal.codec import encode_output
from complaint_llm.batch.remote_errors import encode_raised
from complaint_llm.exceptions import BatchError, CancelledError, ComplaintLLMError
from complaint_llm.messages import Prompt

if TYPE_CHECKING:
    from complaint_llm.batch.input.items import Ask

dask: Any = untyped  # its types are incomplete, and it may be missing where types are checked

_log = logging.getLogger("complaint_llm.batch")


def task_key(batch: str, number: int, size: int) -> str:
    """The key of a batch's task of so many prompts."""
    return f"{batch}-{number}x{size}"


def size_in(key: str) -> int:
    """How many prompts a task has."""
    return int(str(key).rpartition("x")[2])


class AskPlugin(dask.WorkerPlugin):  # type: ignore[misc]
    """Opens ``ask`` once in a worker process, when first used, and closes it with the batch or the worker.

    ``ours`` says that the process was started for this batch alone.
    """

    def __init__(self, open_ask: Callable[[], Ask], *, ours: bool) -> None:
        self._open_ask = open_ask
        self._ours = ours

    def setup(self, worker: Any) -> None:
        self._where = worker.address
        self._opening = threading.Lock()  # held while opening, so that many first callers open one
        self._ask: Ask | None = None
        self._closed = False
        self.work = GuardedWork()
        if self._ours and threading.current_thread() is threading.main_thread():
            # A terminal sends Ctrl-C to every process: it is for the batch, which lets what is under way finish.
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def teardown(self, worker: Any) -> None:
        with self._opening:
            self._closed = True
            close = getattr(self._ask, "close", None)
        if close is not None:
            await asyncio.to_thread(close)

    def ask(self) -> Ask:
        """The worker's ``ask``. Raises CancelledError after the end, BatchError if it cannot be opened here."""
        with self._opening:
            if self._closed:
                raise _over()
            if self._ask is None:
                try:
                    self._ask = self._open_ask()
                except ComplaintLLMError as error:
                    raise BatchError(f"Dask worker {self._where} cannot begin: {error}") from error
            return self._ask


class Reruns(dask.SchedulerPlugin):  # type: ignore[misc]
    """Counts, in the scheduler, prompts of one batch that were given out again, and tells how many workers are left
    when one goes away.

    Work is given out again when its worker goes away, before it has answered or before the answer was fetched.
    """

    def __init__(self, batch: str) -> None:
        self.batch = batch
        self.count = 0
        self._given: set[str] = set()

    def transition(self, key: Any, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        if not str(key).startswith(self.batch):
            return
        if finish == "processing":
            self.count += size_in(key) if key in self._given else 0
            self._given.add(key)
        elif finish == "forgotten":
            self._given.discard(key)

    def was_given(self, key: str) -> bool:
        """Whether a worker ever had this task."""
        return key in self._given

    def remove_worker(self, scheduler: Any, worker: str, **kwargs: Any) -> None:
        scheduler.log_event(self.batch, len(scheduler.workers))


def withdraw_unserved(batch: str, client: str, dask_scheduler: Any = None) -> list[str] | None:
    """Run in the scheduler: take the tasks of a batch back, where there is no worker for them; the keys of those that
    one had been given before. None, and nothing is done, where there is one."""
    if dask_scheduler.workers:
        return None
    keys = [key for key in dask_scheduler.tasks if str(key).startswith(batch)]
    given = [key for key in keys if dask_scheduler.plugins[batch].was_given(key)]
    dask_scheduler.client_releases_keys(keys=keys, client=client)
    return given


async def leave(batch: str, seconds: float, dask_scheduler: Any = None) -> int:
    """Run in the scheduler: end the batch there, and in all workers that can be told within ``seconds``.

    How often work was given out again.
    """
    count: int = dask_scheduler.plugins[batch].count
    dask_scheduler.remove_plugin(name=batch)
    dask_scheduler.worker_plugins.pop(batch, None)
    ended = dask_scheduler.broadcast(msg={"op": "plugin-remove", "name": batch}, on_error="ignore")
    try:
        await asyncio.wait_for(ended, seconds)
    except TimeoutError:
        _log.warning("a worker did not end its batch within %.0f s", seconds)
    return count


class PromptChunk:
    """Prompts with their parameters, as one value: Dask looks into lists for work of its own."""

    def __init__(self, given: Sequence[tuple[Prompt, Mapping[str, Any]]]) -> None:
        self.given = given


def ask_here(batch: str, asked: PromptChunk) -> tuple[list[tuple[str | None, str]], ChunkReport]:
    """Run in a worker: for each prompt, from the first, the answer as text; else None and the error as text, see
    ``remote_errors``, which is empty for what was not begun because the batch has ended. What is missing at the end was
    not begun either, see ``chunks``.

    Errors are returned, not raised: Dask logs what is raised, with the prompts beside it.
    """
    worker = dask.get_worker()

    def ask(given: tuple[Prompt, Mapping[str, Any]]) -> tuple[str | None, str]:
        try:
            plugin = worker.plugins.get(batch)
            if plugin is None:
                raise _over()
            return encode_output(plugin.work.ask(plugin.ask(), *given)), ""
        except NotBegunError:
            return None, ""
        except Exception as error:  # noqa: BLE001 - whatever was raised is this item's error, and is handed out
            return None, encode_raised(error)

    outcomes, seconds = ask_in_time(ask, asked.given)
    return outcomes, ChunkReport(len(outcomes), seconds, worker.address)


def begin_no_more(batch: str, dask_worker: Any = None) -> None:
    """Run in a worker: what it has not begun of a batch is not begun any more."""
    plugin = dask_worker.plugins.get(batch)
    if plugin is not None:
        plugin.work.end()


def _over() -> CancelledError:
    return CancelledError("the batch is over, or this worker could not join it", sent=False)
