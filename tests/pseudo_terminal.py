"""The program on a real pseudo-terminal of a given size: what it shows and when, and what stands there afterwards."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests import forked

GIVE_UP = 60.0
"""Seconds after which a test that waits for something fails."""
PROMPT = "\x1b[?2004h> "
"""That of a chat, with what an editor of lines switches on before it."""
_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class PseudoTerminal:
    """A process whose streams are one terminal. Owns both; one thread uses it.

    ``stdout`` may lead elsewhere, and ``start`` be another way to start it (``forked.start``). ``shown`` is all that
    came, with line ends as ``\\n``; ``pieces`` when each piece of it did, and the text (seconds, monotonic, as
    ``began``).
    """

    def __init__(
        self,
        folder: Path,
        *command: str,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str | None] | None = None,
        stdout: Any = None,
        start: Callable[..., Any] = forked.Popen,
    ) -> None:
        self._main, other = pty.openpty()
        self.resize(columns, rows)
        environment: dict[str, str | None] = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm", "NO_COLOR": None}
        environment |= {"COLUMNS": None, "LINES": None, "COMPLAINT_LLM_CONFIG": None, **(env or {})}
        self.began = time.monotonic()
        self.process = start(
            command,
            cwd=folder,
            stdin=other,
            stdout=other if stdout is None else stdout,
            stderr=other,
            env={name: value for name, value in environment.items() if value is not None},
            start_new_session=True,
            takes_terminal=True,
        )
        os.close(other)
        self.shown = ""
        self.pieces: list[tuple[float, str]] = []
        self._text = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def resize(self, columns: int, rows: int = 24) -> None:
        """Give the terminal another size."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._main, keys.encode())

    def wait_for(self, what: str | Callable[[str], bool], after: int = 0) -> str:
        """Read until a text is shown, or what is shown meets a condition, looked at behind place ``after``; all that
        was shown."""
        condition = what if callable(what) else partial(_holds, what)
        until = time.monotonic() + GIVE_UP
        while not condition(self.shown[after:]):
            assert time.monotonic() < until, f"it did not come to that: {self.shown[after:]!r}"
            if not self._read(0.1) and self.process.poll() is not None:
                assert condition(self.shown[after:]), f"it ended before: {self.shown[after:]!r}"
        return self.shown

    def say(self, line: str, until: str = PROMPT) -> str:
        """Type a line at the prompt and read until the next one; what was shown between."""
        place = len(self.shown)
        self.press(f"{line}\n")
        self.wait_for(until, place + len(line))
        return plain(self.shown[place:])

    def seen(self, text: str) -> float:
        """When a text was complete on the terminal."""
        complete, length = self.shown.index(text) + len(text), 0
        for when, piece in self.pieces:
            length += len(piece)
            if length >= complete:
                return when
        raise AssertionError("what is shown has come in pieces")

    def end(self, seconds: float = GIVE_UP) -> int:
        """Read until the process ends; its exit code."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self._read(0.1) and self.process.poll() is not None:
                break
        return self.process.wait(1)

    def interrupt(self) -> int:
        """Type Ctrl-C, and again where it came between two calls to the system, which nothing wakes; the exit code."""
        for _ in range(12):
            self.press("\x03")
            until = time.monotonic() + GIVE_UP / 12
            while time.monotonic() < until:
                if not self._read(0.1) and self.process.poll() is not None:
                    return self.process.wait()
        raise AssertionError(f"it goes on after Ctrl-C: {self.shown!r}")

    def close(self) -> None:
        """End the process if it runs, and take the terminal away."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._main)

    def __enter__(self) -> PseudoTerminal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._main, 65536)
        except OSError:
            return False
        before = len(self.shown)
        self._text += self._decoder.decode(piece)
        self.shown = self._text.replace("\r\n", "\n")
        self.pieces.append((time.monotonic(), self.shown[before:]))
        return bool(piece)


def _holds(text: str, shown: str) -> bool:
    return text in shown


def program(*arguments: str) -> tuple[str, ...]:
    """The command line of the program."""
    return (sys.executable, "-m", "complaint_llm", *arguments)


def at_work(
    folder: Path,
    *arguments: str,
    columns: int = 200,
    env: Mapping[str, str | None] | None = None,
    stdout: Any = None,
    start: Callable[..., Any] = forked.Popen,
) -> PseudoTerminal:
    """The program as a user has it, with these arguments, on a wide terminal."""
    given = {"INPUTRC": "/dev/null", **(env or {})}
    return PseudoTerminal(folder, *program(*arguments), columns=columns, rows=40, env=given, stdout=stdout, start=start)


def drawings(shown: str) -> list[str]:
    """Each text that was drawn between two movements of the cursor, without control sequences."""
    return [piece for piece in re.split(r"[\r\n]+", _SEQUENCE.sub("", shown)) if piece]


def screen(shown: str) -> list[str]:
    """The lines that are left: what was wiped is gone. Of control sequences it knows ``WIPE`` alone."""
    lines, column = [""], 0
    for token in re.findall(r"\x1b\[J|\r|\n|[^\x1b\r\n]+", shown):
        if token == "\n":
            lines.append("")
            column = 0
        elif token == "\r":
            column = 0
        elif token == "\x1b[J":
            lines[-1] = lines[-1][:column]
        else:
            lines[-1] = lines[-1][:column] + token + lines[-1][column + len(token) :]
            column += len(token)
    return lines


def plain(shown: str) -> str:
    """What is left on the screen of lines that were drawn and erased, and of what an editor of lines switches on."""
    without = re.sub(r"\x1b\[\?2004[hl]\r?|\^C", "", shown)
    return re.sub(r"\r(?:[^\r\n]*? \.\.\.(?: \d+ s)? *| +)(?=\r)|\r +\r", "", without).replace("\r", "")


class Session(NamedTuple):
    """What stood on the terminal, and the exit code."""

    shown: str
    code: int


def at_terminal(
    folder: Path, arguments: Sequence[str], typed: Sequence[tuple[str, str]], environ: Mapping[str, str]
) -> Session:
    """Run the program in a folder; ``typed`` are pairs of words to wait for and keys to type then."""
    only = dict.fromkeys(os.environ, None) | environ
    with PseudoTerminal(folder, *program(*arguments), env=only) as terminal:
        seen = 0
        for words, keys in typed:
            terminal.wait_for(lambda shown, words=words, seen=seen: words in shown[seen:])
            seen = terminal.shown.index(words, seen) + len(words)
            if keys == "\x03":
                code = terminal.interrupt()
                return Session(terminal.shown, code)
            terminal.press(keys)
        code = terminal.end()
        return Session(terminal.shown, code)
