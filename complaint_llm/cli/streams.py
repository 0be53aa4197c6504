"""Standard input and output, in whatever state they were handed over."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress

import click

from complaint_llm.cli.terminal import tell

# A closed descriptor's number would go to the next file that is opened, and what is meant for a terminal into that.
# The wrong way round: to read from it or to write results to it is an error, as it is with a closed one.
_STAND_INS = ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))


def prepare() -> None:
    """Open what was closed, and let no character be one that cannot be printed: it is escaped, as JSON has it.

    What does not go to a terminal is UTF-8, whatever the locale says: data has one encoding.
    """
    for number, mode in _STAND_INS:
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it lives as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def give_up_output() -> None:
    """Standard output cannot be written: let the end of the process not try it again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def read_all() -> str:
    """The text of standard input. Raises UsageError if it cannot be read or is no UTF-8."""
    try:
        data = sys.stdin.buffer.read()
    except OSError as error:
        raise click.UsageError(f"standard input cannot be read: {error.strerror or error}") from error
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"standard input is not UTF-8 (at byte {error.start + 1}): convert it") from error


_SILENT = 1.0
"""Seconds after which it is said that a pipe is waited for."""


def read_piped(*, wanted: bool = False) -> str:
    """The text that was piped or redirected in; nothing where standard input is a terminal, a device or closed,
    unless it is ``wanted``.

    Where nothing comes for a second, stderr says what is waited for. Raises UsageError as ``read_all`` does.
    """
    try:
        number = sys.stdin.fileno()
        kind = os.fstat(number).st_mode
    except (OSError, ValueError):  # an object in the place of standard input
        return "" if sys.stdin.isatty() else read_all()
    if stat.S_ISCHR(kind):
        return read_all() if wanted else ""
    if not stat.S_ISREG(kind):
        _tell_of_silence(number)
    return read_all()


def read_lines() -> Iterator[str]:
    """The lines of standard input as they come, without their ends. Silence at its beginning is said as by
    ``read_piped``. Raises UsageError if it cannot be read or is no UTF-8."""
    with suppress(OSError, ValueError):  # an object in the place of standard input
        number = sys.stdin.fileno()
        if stat.S_ISFIFO(os.fstat(number).st_mode) or stat.S_ISSOCK(os.fstat(number).st_mode):
            _tell_of_silence(number)
    try:
        for place, line in enumerate(sys.stdin.buffer, 1):
            try:
                yield line.decode("utf-8-sig" if place == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise click.UsageError(f"line {place} of standard input is not UTF-8: convert it") from error
    except OSError as error:
        raise click.UsageError(f"standard input cannot be read: {error.strerror or error}") from error


def _tell_of_silence(number: int) -> None:
    if not select.select([number], [], [], _SILENT)[0]:
        tell("waiting for standard input; close it (Ctrl-D, or < /dev/null) if there is none")
