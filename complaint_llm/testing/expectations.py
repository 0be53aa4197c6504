"""What the suites have in common: the error that something raises, what is logged, and waiting for what happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
E = TypeVar("E", bound=BaseException)

THREADS = 16


class LogListener(logging.Handler):
    """Keeps what is logged, in words."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


def error_of(act: Callable[[], Any]) -> BaseException:
    """The error that ``act`` raises. Raises AssertionError if it raises none."""
    try:
        act()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    raise AssertionError("no error was raised")


def expect_error(kind: type[E], act: Callable[[], Any]) -> E:
    """The error of this class that ``act`` raises. Raises AssertionError for none and for another."""
    error = error_of(act)
    assert isinstance(error, kind), f"{type(error).__name__}: {error} is no {kind.__name__}"
    return error


def wait_until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for it. Raises AssertionError if it does not happen."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


def in_threads(act: Callable[[int], T], times: int = 64) -> list[T]:
    """What ``act`` gives for 0, 1, ..., asked by sixteen threads at once."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(act, range(times)))
