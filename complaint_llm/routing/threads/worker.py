"""Code that cannot be interrupted, run so that its caller keeps its deadline."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import CancelToken, Deadline

T = TypeVar("T")


class AbandonableThread(threading.Thread):
    """A daemon thread of backend ``name``; ``abandoned`` once nobody waits for it any more, ``done`` at its end."""

    def __init__(self, name: str, target: Callable[[], None] | None = None) -> None:
        super().__init__(target=target, name=name, daemon=True)
        self.done = False
        self.abandoned = False


class _Worker(AbandonableThread, Generic[T]):
    """Does one piece of work."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        super().__init__(name, self._do_job)
        self._job: Callable[[], T] | None = work
        self._job_context = contextvars.copy_context()
        self._job_waiter = Waiter()
        self.value: Any = None
        self.error: BaseException | None = None

    def _do_job(self) -> None:
        work, self._job = self._job, None
        assert work is not None
        try:
            self.value = self._job_context.run(work)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self.error = error
        self.done = True
        self.wake()

    def wake(self) -> None:
        self._job_waiter.wake()

    def wait(self, seconds: float) -> None:
        self._job_waiter.wait(seconds)


def run_abandonable(work: Callable[[], T], deadline: Deadline, cancel: CancelToken, name: str) -> T:
    """What ``work()`` returns or raises, run on a daemon thread called ``name``.

    At the deadline, or when ``cancel`` is cancelled, the thread is left to itself and BackendTimeoutError or
    CancelledError is raised, ``maybe_received`` set: the work may still be finished, unseen. Locks and slots that
    ``work`` holds stay taken until it returns. Any thread may call it.
    """
    worker: _Worker[T] = _Worker(work, name)
    cancel.attach(worker.wake)
    try:
        worker.start()
        while not worker.done:
            if cancel.cancelled:
                raise CancelledError(cancel.reason or "cancelled", maybe_received=True)
            left = deadline.remaining()
            if left <= 0:
                raise BackendTimeoutError(
                    "no answer before the deadline; its worker was abandoned", maybe_received=True
                )
            worker.wait(left)
    finally:
        worker.abandoned = True
        cancel.detach(worker.wake)
    if worker.error is not None:
        # The error's traceback leads back to this frame: without the cycle it is freed at once.
        error, worker.error = worker.error, None
        try:
            raise error
        finally:
            del error
    value: T = worker.value
    return value


def abandoned_workers(name: str) -> list[str]:
    """Workers of this name that nobody waits for and that still run, as ``name (thread id)``."""
    return [
        f"{each.name} (thread {each.native_id})"
        for each in threading.enumerate()
        if isinstance(each, AbandonableThread)
        and each.name == name
        and each.abandoned
        and each.is_alive()
        and not each.done
    ]
