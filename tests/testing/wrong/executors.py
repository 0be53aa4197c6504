"""Executors that are wrong in one thing each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.batch import Work


class Right:
    """Asks at once, in the thread that submits."""

    capacity = 4
    reruns = 0

    def __init__(self, url: str, open_ask: Any, most: int) -> None:
        self.ask = open_ask()
        self.is_closed = False

    def start(self, finished: Any) -> None:
        self.finished = finished

    def submit(self, work: Work) -> None:
        if self.is_closed:
            raise RuntimeError("it is closed")
        try:
            output = self.ask(work.prompt, work.params)
        except Exception as error:
            self.finished(work, None, error)
        else:
            self.finished(work, output, None)

    def withdraw(self) -> Iterable[Work]:
        return ()

    def close(self, wait: float = 0) -> None:
        self.is_closed = True


class NoRoom(Right):
    capacity = 0


class OtherError(Right):
    def start(self, finished: Any) -> None:
        def record_end(work: Work, output: Any, error: Any) -> None:
            finished(work, output, None if error is None else RuntimeError(str(error)))

        self.finished = record_end


class GivesBackAll(Right):
    """Gives back what it has finished."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.works: list[Work] = []

    def submit(self, work: Work) -> None:
        super().submit(work)
        self.works.append(work)

    def withdraw(self) -> Iterable[Work]:
        return self.works


class TakesLate(Right):
    def submit(self, work: Work) -> None:
        if not self.is_closed:
            super().submit(work)


class ClosesOnce(Right):
    """Fails where it is closed again without time to wait."""

    def close(self, wait: float = 0) -> None:
        if self.is_closed and not wait:
            raise RuntimeError("it is closed")
        super().close(wait)


@hookimpl
def complaint_llm_batch_executors() -> Any:
    return {
        "right": Right,
        "full": NoRoom,
        "error": OtherError,
        "back": GivesBackAll,
        "late": TakesLate,
        "once": ClosesOnce,
    }
