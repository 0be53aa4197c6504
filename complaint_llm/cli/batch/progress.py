"""One line at the foot of a terminal while a batch runs, and lines above it as they come.

The line is drawn with the cursor left at its beginning: where a terminal that becomes narrower breaks it, all its parts
stand behind the cursor and are wiped by the next drawing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from complaint_llm.cli.batch.pace import Pace, status_line
from complaint_llm.cli.terminal import tell_line

WIPE = "\r\x1b[J"
"""To the beginning of the line, and all behind the cursor away."""
_DRAWN_EVERY = 0.2
_LINE_EVERY = 30.0
"""Seconds between the lines for a terminal that cannot draw."""


class Progress:
    """What a terminal shows of a batch. ``update`` and ``say`` are for one thread; another draws."""

    def __init__(self, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._pace = Pace(total)

    @property
    def pace(self) -> Pace:
        """How far the batch is, now."""
        pace = self._pace
        return pace._replace(seconds=self._clock() - self._began)

    def update(self, *, done: int, recorded: int, ahead: int, failed: int, cost: float | None) -> None:
        """Results so far: ``recorded`` of them from the journal, which has ``ahead`` more; the rest this run asked."""
        if done <= recorded:
            self._began = self._clock()  # to read what is recorded is no part of the pace
        self._pace = Pace(self._pace.total, done, min(recorded, done), ahead, failed, cost=cost)

    def pass_over(self, recorded: int) -> None:
        """So many more of what is recorded were passed over, before the next ``update`` counts them."""
        pace = self._pace
        if pace.done <= pace.recorded:
            self._began = self._clock()
        self._pace = pace._replace(
            done=pace.done + recorded,
            recorded=pace.recorded + recorded,
            recorded_ahead=max(0, pace.recorded_ahead - recorded),
        )

    def say(self, text: str) -> None:
        """A line above: one, whatever stands in it, with what would act on a terminal escaped."""
        with suppress(OSError):  # the terminal may be gone: that must cost no answer
            tell_line(text)

    @contextmanager
    def drawing(self) -> Iterator[Progress]:
        """Nothing is drawn where nobody sees it."""
        yield self


class DrawnProgress(Progress):
    """On a terminal: drawn again a few times a second; where it cannot draw (``TERM=dumb``) a plain line at times."""

    def __init__(
        self,
        total: int | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        dumb: bool,
        stream: TextIO | None = None,
    ) -> None:
        super().__init__(total, clock)
        self._stream = sys.stderr if stream is None else stream
        self._dumb = dumb
        self._lock = threading.Lock()
        self._over = threading.Event()

    def wipe(self) -> None:
        """Take away what is drawn. The caller has the lock."""
        if not self._dumb:
            self._stream.write(WIPE)

    @contextmanager
    def drawing(self) -> Iterator[Progress]:
        """Draw until the block ends; what anybody writes to standard error meanwhile stands above."""
        thread = threading.Thread(target=self._keep_drawing, name="batch-progress", daemon=True)
        before = sys.stderr
        sys.stderr = cast("TextIO", _Above(self, self._stream))
        thread.start()
        try:
            yield self
        finally:
            self._over.set()
            thread.join()
            sys.stderr = before
            with self._lock, suppress(OSError):
                self.wipe()
                self._stream.flush()

    def write_above(self, text: str) -> None:
        """Text that is made for a terminal, above the line."""
        with self._lock:
            self.wipe()
            self._stream.write(text)
            self._stream.flush()

    def _keep_drawing(self) -> None:
        while not self._over.wait(_LINE_EVERY if self._dumb else _DRAWN_EVERY):
            with self._lock, suppress(OSError):
                line = status_line(self.pace, _columns())
                self._stream.write(f"{line}\n" if self._dumb else f"{WIPE}{line}\r")
                self._stream.flush()


class _Above:
    """Standard error, whose lines stand above what is drawn."""

    def __init__(self, progress: DrawnProgress, stream: TextIO) -> None:
        self._progress = progress
        self._stream = stream

    def write(self, text: str) -> int:
        """A text, written at once."""
        self._progress.write_above(text)
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def progress(total: int | None) -> Progress:
    """What standard error can show: nothing but lines where it is no terminal."""
    if not sys.stderr.isatty():
        return Progress(total)
    return DrawnProgress(total, dumb=os.environ.get("TERM", "dumb") == "dumb")


def _columns() -> int:
    try:
        return os.get_terminal_size(2).columns or 80
    except OSError:
        return 80
