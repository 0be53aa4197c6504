"""Ctrl-C, TERM and HUP during a batch: the first stops the sending, the same one again cancels what is under way."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple

from complaint_llm.cli.batch.progress import WIPE

_NAMES = {"SIGINT": "Ctrl-C", "SIGTERM": "TERM", "SIGHUP": "HUP"}


class Interruption(NamedTuple):
    """``stop`` is set once a signal came; ``names`` are those that came."""

    stop: threading.Event
    names: list[str]


def _line_begin() -> str:
    """What leads to a free line: on a terminal a line of progress may be drawn there, and "^C" over it."""
    if not os.isatty(2):
        return ""
    return "\n" if os.environ.get("TERM", "dumb") == "dumb" else WIPE


@contextmanager
def interrupts(go_on: str) -> Iterator[Interruption]:
    """Signals set ``stop``; the same one again raises KeyboardInterrupt.

    One that is ignored (``nohup``) stays ignored. ``go_on`` says how the batch goes on later.
    """
    interruption = Interruption(threading.Event(), [])

    def receive(number: int, frame: object) -> None:
        name = _NAMES[signal.Signals(number).name]
        if name in interruption.names:
            raise KeyboardInterrupt
        interruption.names.append(name)
        interruption.stop.set()
        with suppress(OSError):  # the terminal may be gone: that is what HUP says
            text = f"stopping: waiting for what is under way ({name} again: cancel); {go_on}\n"
            os.write(2, f"{_line_begin()}{text}".encode())

    with _received_by(receive):
        yield interruption


@contextmanager
def interrupted_at_once() -> Iterator[None]:
    """Meanwhile each signal raises KeyboardInterrupt: somebody is asked something, and nothing is under way."""

    def receive(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    with _received_by(receive):
        yield


@contextmanager
def _received_by(receive: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {}
    for name in _NAMES:
        number = getattr(signal, name, None)  # Windows has no HUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, receive)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
