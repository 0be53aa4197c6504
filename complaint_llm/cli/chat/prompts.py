"""What the user says: lines of a terminal, edited and perhaps several at once, or those of a file or pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from complaint_llm.cli.terminal import tell

FENCE = '"""'
"""A line that begins and ends a text of several lines."""
_FIRST, _NEXT = "> ", ". "

Complete = Callable[[str], Sequence[str]]


class TerminalPrompts:
    """Reads from the terminal, with the editing of readline where there is one. What was said is remembered until the
    program ends, and written nowhere."""

    def __init__(self, complete: Complete) -> None:
        self._on_both = sys.stdin.isatty() and sys.stdout.isatty()
        with suppress(ImportError):
            _prepare_readline(complete)

    def read(self) -> str | None:
        """What the user says next, None at the end of input. Raises KeyboardInterrupt."""
        line = self._line(_FIRST)
        if line is None or line.strip() != FENCE:
            return line
        lines: list[str] = []
        while (line := self._line(_NEXT)) is not None and line.strip() != FENCE:
            lines.append(line)
        return "\n".join(lines)

    def _line(self, prompt: str) -> str | None:
        while True:
            try:
                if self._on_both:
                    return input(prompt)
                # Results go elsewhere: what asks for input is none of them.
                tell(prompt, end="")
                line = sys.stdin.readline()
                return line.rstrip("\n") if line else None
            except EOFError:
                return None
            except UnicodeDecodeError:
                tell("that was not in the encoding of the terminal: say it again")


def command_completion(commands: Sequence[str], backends: Callable[[], Sequence[str]]) -> Complete:
    """Completes the names of commands, ids behind ``/backend``, and paths behind ``/file`` and ``/save``."""

    def complete(line: str) -> Sequence[str]:
        name, space, begun = line.partition(" ")
        if not name.startswith("/"):
            return ()
        if not space:
            return [f"{each} " for each in commands if each.startswith(name)]
        if name == "/backend":
            return [f"{name} {each}" for each in backends() if each.startswith(begun)]
        if name in ("/file", "/save"):
            return [f"{name} {each}" for each in _paths(begun)]
        return ()

    return complete


def _paths(begun: str) -> Sequence[str]:
    """The paths that begin so, those of folders with a slash."""
    above, slash, start = begun.rpartition("/")
    try:
        found = [each for each in Path(f"{above}{slash}").expanduser().iterdir() if each.name.startswith(start)]
    except OSError:
        return ()
    hidden = start.startswith(".")
    return sorted(
        f"{above}{slash}{each.name}{'/' if each.is_dir() else ''}"
        for each in found
        if hidden or not each.name.startswith(".")
    )


def _prepare_readline(complete: Complete) -> None:
    import readline  # cold start: not there on every system

    def answer(line: str, place: int) -> str | None:
        found = complete(line)
        return found[place] if place < len(found) else None

    readline.set_completer(answer)
    readline.set_completer_delims("\n")
    if "libedit" in (readline.__doc__ or ""):
        readline.parse_and_bind("bind ^I rl_complete")
        return
    readline.parse_and_bind("tab: complete")
    if os.environ.get("TERM", "dumb") != "dumb":
        # What is pasted is one text, whatever line ends are in it.
        readline.parse_and_bind("set enable-bracketed-paste on")
