"""A line on standard error that shows, while an answer is waited for, that something is being done.

It is drawn with carriage returns and spaces, without escape sequences, and is gone before anything else is written. A
terminal that cannot go back to the beginning of a line (``TERM=dumb``) gets one plain line. Without a terminal there is
none.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TextIO, cast

from complaint_llm.call import Clock
from complaint_llm.harmless import harmless_line

_STEP = 0.1
"""Seconds between two looks at the clock."""


class SignOfLife:
    """The line, from the beginning of the ``with`` until ``erase`` or its end: ``what``, and the seconds so far.

    One thread of its own draws it. Meanwhile what anybody writes to the terminal, lines of standard output too, erases
    it first, and it is drawn again below; who writes less than a line calls ``erase`` before.
    """

    def __init__(self, what: str, *, clock: Clock = time.monotonic) -> None:
        self._what = what
        self._clock = clock
        self._began = clock()
        self._terminal, self._output = sys.stderr, sys.stdout
        self._shown = self._terminal.isatty()
        self._plain = os.environ.get("TERM") in (None, "", "dumb")
        # One writer at a time: a line that is drawn while another is written would stand in its middle.
        self._drawing = threading.RLock()
        self._drawn, self._width = "", 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw_until_over, name="sign of life", daemon=True)

    def say(self, what: str) -> None:
        """Say something else from now on."""
        self._what = what

    def erase(self) -> None:
        """End it, and take the line away. Idempotent."""
        self._over.set()
        self._clear()

    def __enter__(self) -> Self:
        if self._shown:
            sys.stderr = cast(TextIO, _ErasingStream(self._terminal, self))
            if self._output.isatty():
                sys.stdout = cast(TextIO, _ErasingStream(self._output, self))
            with suppress(OSError):
                self._draw(self._line())
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr, sys.stdout = self._terminal, self._output
            with suppress(OSError):  # the terminal may be gone: what is under way says more
                self.erase()
            self._thread.join()

    def write_above(self, text: str, stream: TextIO) -> int:
        """Write to a stream of the terminal in the line's place; the line is drawn again later."""
        with self._drawing:
            self._clear()
            length = stream.write(text)
            stream.flush()
            return length

    def _draw_until_over(self) -> None:
        with suppress(OSError, ValueError):  # the terminal may be gone, or its stream closed
            while not self._plain and not self._over.wait(_STEP):
                self._draw(self._line())

    def _line(self) -> str:
        seconds = int(self._clock() - self._began)
        line = harmless_line(f"{self._what} ...{f' {seconds} s' if seconds and not self._plain else ''}")
        return line[: _columns(self._terminal)]

    def _draw(self, line: str) -> None:
        with self._drawing:
            if self._over.is_set() or line == self._drawn:
                return
            self._terminal.write(f"{line}\n" if self._plain else f"\r{line}{' ' * (self._width - len(line))}")
            self._terminal.flush()
            self._drawn = line
            self._width = 0 if self._plain else len(line)

    def _clear(self) -> None:
        with self._drawing:
            if self._width:
                # With what the terminal itself writes behind it where the user presses Ctrl-C: ^C.
                width = min(self._width + 2, _columns(self._terminal))
                self._terminal.write(f"\r{' ' * width}\r")
                self._terminal.flush()
                self._drawn, self._width = "", 0


def _columns(terminal: TextIO) -> int:
    """How many can be written to before the line wraps."""
    columns = 0
    with suppress(OSError, ValueError):
        columns = os.get_terminal_size(terminal.fileno()).columns
    return max(1, (columns or shutil.get_terminal_size().columns) - 1)


class _ErasingStream:
    """A stream of the terminal while the line is there."""

    def __init__(self, stream: TextIO, sign: SignOfLife) -> None:
        self._stream = stream
        self._sign = sign

    def write(self, text: str) -> int:
        return self._sign.write_above(text, self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
