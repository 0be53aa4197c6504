"""The thread that brings a budget's book up to date."""

from __future__ import annotations

import threading
import weakref
from typing import Protocol

from complaint_llm.exceptions import BudgetExceededError
from complaint_llm.routing.policies.budget_book import LEASE
from complaint_llm.routing.threads.waiting import Waiter

IDLE = 1.0
"""Seconds after which the book is brought up to date and what is not needed is given back."""


class Written(Protocol):
    """What is brought up to date: the account of a budget."""

    def flush(self) -> bool:
        """Write what is to be written; whether nothing is left to do. Raises BudgetExceededError."""
        ...

    def sleeps(self, writer: BudgetWriter) -> None:
        """Told that ``writer`` has nothing to do."""
        ...


class BudgetWriter:
    """Brings the book up to date while there is anything to write, and sleeps when there is not."""

    def __init__(self, account: Written) -> None:
        self._thread = threading.Thread(target=self._write_until_stopped, name="budget writer", daemon=True)
        # Weak: an account that is dropped without close() must not be kept alive by its own thread.
        self._account = weakref.ref(account)
        self._waiter = Waiter()
        self._stopped = False
        self.asleep = False

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self.asleep = False
        self._waiter.wake()

    def stop(self) -> None:
        self._stopped = True
        self._waiter.wake()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _write_until_stopped(self) -> None:
        while True:
            slept = self.asleep
            self._waiter.wait(LEASE if slept else IDLE)
            account = self._account()
            if account is None or self._stopped:
                return
            if not slept:
                _write(account, self)
            del account


def _write(account: Written, writer: BudgetWriter) -> None:
    try:
        if account.flush():
            account.sleeps(writer)
    except BudgetExceededError:
        pass  # kept in memory: the next reservation that needs the book meets the same fault and raises it
