"""Which pieces of work go to another process together.

A prompt that a model answers takes a thousand times what it takes to bring it to another process, and goes alone, at
once. Where answers come faster than they can be fetched one by one (from a cache, from a mock), what waits goes in
chunks: at least as many as there are processes, none longer than ``CHUNK_SECONDS`` by what the last ones took. A
process that finds that this time has passed gives back what it has not begun, so one long answer holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

from complaint_llm.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from complaint_llm.batch.work import Work

T = TypeVar("T")

CHUNK_SECONDS = 0.02
"""Seconds of asking in one chunk: some ten times what Dask needs to bring one task to a process and back."""
MOST = 64
"""Pieces of work in one chunk."""
_EACH = 2
"""Chunks under way for each process: one is there when the one before it ends."""


class Parcel(NamedTuple):
    """A piece of work as it is sent: its prompt has the bytes of the files that it names."""

    work: Work
    prompt: Any

    @classmethod
    def of(cls, work: Work, leaves: str | None) -> Parcel:
        """``leaves`` says who may take it to another machine, None where nobody does. Raises InvalidRequestError if a
        private prompt would leave, or a file cannot be read."""
        if leaves is not None and work.params.get("privacy") == "local":
            raise InvalidRequestError(f"privacy is local: {leaves}", sent=False)
        return cls(work, work.prompt_with_files())

    def question(self) -> tuple[Any, dict[str, Any]]:
        """What is asked: prompt and parameters."""
        return self.prompt, dict(self.work.params)


Chunk: TypeAlias = Sequence[Parcel]


class ChunkReport(NamedTuple):
    """What a process tells of a chunk beside its answers: how many it asked, in how many seconds, and its own name."""

    asked: int
    seconds: float
    process: str


class Chunks:
    """What waits, and what goes next. Any thread may call it; it does no I/O and calls nobody.

    ``here`` names this process, to which nothing has to be brought: what it does by itself is never chunked.
    """

    def __init__(self, here: str | None = None) -> None:
        self._here = here
        self._lock = threading.Lock()
        self._waiting: deque[Parcel] = deque()
        self._under_way = 0
        self._processes: set[str] = set()
        self._seconds: float | None = None

    def add(self, parcel: Parcel) -> list[Chunk]:
        """The chunks that are to be sent now; they count as under way."""
        with self._lock:
            self._waiting.append(parcel)
            return self._ready()

    def end(self, report: ChunkReport | None, again: Iterable[Parcel] = ()) -> list[Chunk]:
        """One chunk is no longer under way, with its ``report`` if it was asked; the chunks that are to be sent now.

        ``again`` was not begun, and each of it goes alone.
        """
        with self._lock:
            self._under_way -= 1
            if report is not None and report.asked:
                self._learn(report)
            alone: list[Chunk] = [(parcel,) for parcel in again]
            self._under_way += len(alone)
            return alone + self._ready()

    def split(self, chunk: Chunk, is_portable: Callable[[Any], bool]) -> list[Chunk]:
        """The chunk without what cannot be brought to another process, each of which goes alone: it fails alone."""
        if len(chunk) == 1:
            return [chunk]
        together = [parcel for parcel in chunk if is_portable(parcel.question())]
        if len(together) == len(chunk):
            return [chunk]
        parts: list[Chunk] = [(parcel,) for parcel in chunk if not any(parcel is each for each in together)]
        parts += [together] if together else []
        with self._lock:
            self._under_way += len(parts) - 1
        return parts

    def take_back(self) -> list[Parcel]:
        """What waits, which waits no longer."""
        with self._lock:
            waiting = list(self._waiting)
            self._waiting.clear()
            return waiting

    def _learn(self, report: ChunkReport) -> None:
        each = report.seconds / report.asked
        # What takes longer counts at once, what takes less in the mean: a long answer behind short ones costs most.
        known = self._seconds
        self._seconds = each if known is None or each > known else (known + each) / 2
        self._processes.add(report.process)

    def _ready(self) -> list[Chunk]:
        most = self._most()
        ready: list[Chunk] = []
        while self._waiting and (most < 2 or self._under_way < _EACH * len(self._processes)):
            size = max(1, min(most, len(self._waiting) // len(self._processes))) if most > 1 else 1
            ready.append([self._waiting.popleft() for _ in range(size)])
            self._under_way += 1
        return ready

    def _most(self) -> int:
        """The most pieces of work in one chunk."""
        if self._seconds is None or self._here in self._processes:
            return 1
        return MOST if self._seconds * MOST < CHUNK_SECONDS else int(CHUNK_SECONDS / self._seconds)


def ask_in_time(ask: Callable[[Any], T], given: Sequence[Any]) -> tuple[list[T], float]:
    """Run in the other process: what ``ask`` makes of each, of the first in any case, until ``CHUNK_SECONDS`` have
    passed; and the seconds that it took."""
    begin = time.monotonic()
    outcomes = [ask(given[0])]
    for each in given[1:]:
        if time.monotonic() - begin > CHUNK_SECONDS:
            break
        outcomes.append(ask(each))
    return outcomes, time.monotonic() - begin
