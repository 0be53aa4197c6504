"""The one way out of the command line: results to standard output, everything else to standard error.

What is written was partly written by others (answers, errors of providers, file names, evidence). On a terminal its
control and bidi characters are shown as escapes; into a file or pipe it goes as it is.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import sys
import textwrap
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO

import click

from complaint_llm.harmless import harmless, harmless_line


def write(text: str = "", *, end: str = "\n") -> None:
    """Write a result to standard output."""
    _write(sys.stdout, text, end)


def tell(text: str, *, end: str = "\n") -> None:
    """Write what is no result to standard error."""
    _write(sys.stderr, text, end)


def tell_line(text: str) -> None:
    """Write a line to standard error; on a terminal it is one line, whatever stands in it."""
    _put(sys.stderr, (harmless_line(text) if sys.stderr.isatty() else text) + "\n")


def tell_wrapped(text: str, hang: int = 0) -> None:
    """Write a line to standard error; on a terminal it is broken between words, what follows ``hang`` columns in."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, subsequent_indent=" " * min(hang, width // 4), drop_whitespace=True)
    tell(text)


def tell_if_open(text: str) -> None:
    """Write a line to standard error. The terminal may be gone: that must cost no answer."""
    with suppress(OSError):
        tell(text)


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes records to what is standard error when they come, be it one that has something to erase first."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)  # that of StreamHandler would keep the stream of now

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error."""
        return sys.stderr


def columns() -> int | None:
    """How wide the terminal is that standard output goes to; None where that is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def shows_progress() -> bool:
    """Whether somebody sees a bar on standard error; a terminal that is ``dumb`` cannot draw one."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def write_bytes(pieces: Iterable[bytes]) -> None:
    """Write a file's content to standard output: its bytes, or on a terminal what of it is text."""
    if not sys.stdout.isatty():
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        return
    decoder = getincrementaldecoder("utf-8")("backslashreplace")
    for piece in pieces:
        write(decoder.decode(piece), end="")
    write(decoder.decode(b"", final=True), end="")


def write_cells(text: str, *, bold: bool = False) -> None:
    """Write a row of a table to standard output: one line, whatever stands in its cells."""
    terminal = sys.stdout.isatty()
    shown = harmless_line(text) if terminal else text
    styled = bold and terminal and click.get_current_context().color is not False
    _put(sys.stdout, (click.style(shown, bold=True) if styled else shown) + "\n")


def tell_error(error: click.ClickException) -> None:
    """Write an error of usage to standard error, with its usage line."""
    shown = io.StringIO()
    error.show(file=shown)
    tell(shown.getvalue(), end="")


def _write(stream: TextIO, text: str, end: str) -> None:
    _put(stream, (harmless(text) if stream.isatty() else text) + end)


def _put(stream: TextIO, text: str) -> None:
    # Not by click.echo: into a pipe it takes escape sequences out of what it is given.
    stream.write(text)
    stream.flush()
