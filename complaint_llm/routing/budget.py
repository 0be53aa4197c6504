"""Budgets in dollars: an attempt reserves its worst case first, and is settled with what it cost."""

from __future__ import annotations

import atexit
import functools
import threading
import time
import weakref
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BackendConnectionError, BackendError, BudgetExceededError
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.budget_book import DAY, LEASE, NANO, Ask, BudgetBook, Grant, Limits
from complaint_llm.routing.candidate import AnyRequest, Estimate, Outcome, Permit, PolicyState
from complaint_llm.routing.fork import reset_in_child
from complaint_llm.routing.retry import WHOLE_BUDGET
from complaint_llm.routing.waiting import FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_llm.call import Clock
    from complaint_llm.routing.shared import SharedState
    from complaint_llm.routing.shared_budget import SharedBook

_LOOK_AGAIN = 0.25
"""Seconds after which a waiting thread asks the book again: another process may have given something back."""
_IDLE = 1.0
"""Seconds after which the book is brought up to date and what is not needed is given back."""


class Account:
    """One budget. Reservations are taken from an amount that the book has set aside for this process, so most of them
    touch no disk; a thread of its own brings the book up to date within a second, and ``close`` ends it.

    Any thread may call it. The turnstile's lock guards the amounts and is never held over a disk access; where both
    are needed, the book's lock is taken first.
    """

    def __init__(
        self,
        scope: str,
        limits: Limits,
        path: Path,
        *,
        whole: bool = False,
        shared: SharedState | None = None,
        clock: Clock = time.monotonic,
        wall: Callable[[], float] = time.time,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._scope = scope
        self._limits = limits
        self._whole = whole
        self._clock = clock
        self._wall = wall
        self._book: BudgetBook | SharedBook = BudgetBook(path, wall)
        if shared is not None:
            from complaint_llm.routing.shared_budget import SharedBook

            self._book = SharedBook(self._book, shared)
        self._gate = Turnstile(clock, make_waiter)
        self._spare = 0
        self._reserved = 0
        self._spent: dict[int, int] = {}
        self._recorded = 0.0
        self._refills: list[float] = []
        self._writer: _Writer | None = None
        self._closed = False
        # A script that ends without close() still gives back what it has set aside.
        self._at_exit = functools.partial(_close, weakref.ref(self))
        atexit.register(self._at_exit)
        reset_in_child(self)

    def reserve(self, estimate: Estimate, request: AnyRequest, patience: float) -> Permit:
        """Set the worst case of one attempt aside.

        Waits, at most ``patience`` seconds, where only open reservations stand in the way. Raises BudgetExceededError
        where what is spent does, or where the worst case is unknown (``code`` WHOLE_BUDGET for a whole budget).
        """
        if estimate.cost is None:
            raise self._refusal("the price is unknown, so the budget could not be kept: set pricing and max_tokens")
        need = round(estimate.cost * NANO)
        left = request.deadline.remaining()
        # No other backend is ready where the whole budget is reserved: nothing is gained by going on to the next.
        give_up = self._clock() + (left if self._whole else min(patience, left))
        while True:
            with self._gate.lock:
                if self._spare >= need or not need:
                    return self._taken(need)
            if not self._refill(need, request.privacy == "local"):
                left = give_up - self._clock()
                if left <= 0 or request.cancel.cancelled:
                    raise self._refusal("all that is left is reserved by requests under way", code=LOCAL_LIMIT)
                self._gate.enter(lambda: self._enough(need), request, min(left, _LOOK_AGAIN))

    def state(self, estimate: Estimate | None = None) -> PolicyState:
        """What is spent of each limit, and whether an attempt of ``estimate`` would be admitted now."""
        with self._book.lock:
            spent = self._book.spent(self._scope)
            with self._gate.lock:
                fresh = sum(self._spent.values())
                held = spent.held - fresh - self._spare
        parts = []
        free = FOREVER
        for limit, used, name in (
            (self._limits.total, spent.total, ""),
            (self._limits.day, spent.day, " today"),
            (self._limits.month, spent.month, " this month"),
        ):
            if limit is not None:
                parts.append(f"{(used + fresh) / NANO:.4f} of {limit:g} dollars{name}")
                free = min(free, limit * NANO - used - fresh - held)
        if held > 0:
            parts.append(f"{held / NANO:.4f} reserved")
        need = 0.0 if estimate is None else FOREVER if estimate.cost is None else estimate.cost * NANO
        if need == FOREVER:
            parts.append("price unknown")
        name = "whole budget" if self._whole else "budget"
        return PolicyState(name, ", ".join(parts), ready=need <= free and free > 0)

    def flush(self) -> bool:
        """Write down what was spent and give back what nobody needs now. True if there is nothing more to do.

        Raises BudgetExceededError when the book cannot be used; then everything is kept for the next time.
        """
        with self._gate.lock:
            idle = not self._reserved and not self._spent and not self._spare
            fresh = not self._spent and not self._spare and self._clock() - self._recorded < LEASE / 3
        if not idle and not fresh:
            self._record(None)
        return idle

    def close(self) -> None:
        """Write everything down, give back what is left, end the thread and close the file."""
        with self._gate.lock:
            self._closed = True
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.stop()
        try:
            self.flush()
        finally:
            self._book.close()
            atexit.unregister(self._at_exit)

    def after_fork(self) -> None:
        """What is set aside, reserved and unwritten is the parent's."""
        self._gate.forget()
        self._spare = self._reserved = 0
        self._spent = {}
        self._writer = None

    def settle(self, reserved: int, cost: int) -> None:
        """An attempt that reserved so much cost so much."""
        with self._gate.lock:
            self._reserved -= reserved
            self._spare += reserved - cost
            if cost:
                day = int(self._wall() // DAY)
                self._spent[day] = self._spent.get(day, 0) + cost
            self._gate.notify()
        if self._closed:
            self._write_late()

    def _write_late(self) -> None:
        """An attempt that ended after ``close``, when nobody else writes any more. A fault must not cost its answer."""
        try:
            self.flush()
        except BudgetExceededError as fault:
            import logging

            logging.getLogger("complaint_llm.routing").warning(
                "%s: what a late answer cost is lost: %s", self._scope, fault
            )
        finally:
            self._book.close()

    def sleeps(self, writer: _Writer) -> None:
        """Let the writer sleep until the next reservation, if there is nothing to write."""
        with self._gate.lock:
            writer.asleep = not self._reserved and not self._spent

    def _taken(self, need: int) -> _Reservation:
        self._spare -= need
        self._reserved += need
        writer = self._writer
        if writer is None:
            if not self._closed:
                self._start_writer()
        elif writer.asleep:
            writer.wake()
        return _Reservation(self, need)

    def _start_writer(self) -> None:
        writer = _Writer(self)
        try:
            writer.start()
        except RuntimeError:
            return  # no more threads: the next reservation tries again, and ``close`` writes everything down
        self._writer = writer

    def _enough(self, need: int) -> float:
        return 0.0 if self._spare >= need else FOREVER

    def _refill(self, need: int, private: bool) -> bool:
        """Have more set aside. False if open reservations stand in the way; raises if what is spent does."""
        now = self._clock()
        with self._book.lock:
            self._refills = [at for at in self._refills if now - at < _IDLE][-4:]
            # Exactly what is needed at first, more at once while many are made: what a killed process loses is little.
            want = 2 ** len(self._refills) * need
            self._refills.append(now)
            with self._gate.lock:
                lacking = need - max(0, self._spare)
            if lacking <= 0:
                return True
            grant = self._record(Ask(self._limits, lacking, max(want, lacking), private))
        if grant.spent_up is not None:
            raise self._refusal(f"{grant.spent_up}; this request may cost {need / NANO:.4f}")
        return grant.nano > 0

    def _record(self, ask: Ask | None) -> Grant:
        """Bring the book up to date; without an ``ask`` what is spare is given back."""
        with self._book.lock:
            with self._gate.lock:
                spent, self._spent = self._spent, {}
                spare, self._spare = self._spare, 0
                # Where attempts cost more than they had reserved, what is spent now says so: nothing is owed.
                keep = 0 if ask is None else max(0, spare)
                held = keep + self._reserved
            try:
                grant = self._book.record(self._scope, spent, held, ask)
            except BudgetExceededError:
                with self._gate.lock:
                    self._spare += spare
                    for day, nano in spent.items():
                        self._spent[day] = self._spent.get(day, 0) + nano
                raise
            with self._gate.lock:
                self._spare += keep + grant.nano
                self._recorded = self._clock()
        return grant

    def _refusal(self, why: str, code: str | None = None) -> BudgetExceededError:
        if self._whole:
            code = WHOLE_BUDGET
            why = f"the whole budget: {why}"
        return BudgetExceededError(why, code=code, sent=False)


class Budget:
    """An account as the policy of one backend. Any thread may call it."""

    __slots__ = ("_account", "_estimate")

    def __init__(self, account: Account, estimate: Callable[[AnyRequest], Estimate]) -> None:
        self._account = account
        self._estimate = estimate

    def enter(self, request: AnyRequest, patience: float) -> Permit:
        """Reserve the worst case of the request; see ``Account.reserve``."""
        return self._account.reserve(self._estimate(request), request, patience)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """What is spent, and whether the request would be admitted."""
        return self._account.state(None if request is None else self._estimate(request))


class _Reservation:
    """The permit of one attempt."""

    __slots__ = ("_account", "_nano")

    def __init__(self, account: Account, nano: int) -> None:
        self._account = account
        self._nano = nano

    def settle(self, outcome: Outcome) -> None:
        self._account.settle(self._nano, _cost(outcome, self._nano))


def _cost(outcome: Outcome, reserved: int) -> int:
    """Nano-dollars that an attempt cost; the reservation where nobody knows."""
    if outcome.output is not None:
        return reserved if outcome.output.cost is None else round(outcome.output.cost * NANO)
    error = outcome.error
    return reserved if error is not None and _may_cost(error) else 0


def _may_cost(error: BackendError) -> bool:
    """Whether the provider may charge for an attempt that failed so."""
    if not error.sent:
        return False
    if error.maybe_received:
        return True
    refused = error.status is not None and error.status >= 400
    return not refused and not isinstance(error, BackendConnectionError)


def _close(account: weakref.ref[Account]) -> None:
    found = account()
    if found is not None:
        found.close()


class _Writer:
    """Brings the book up to date while there is anything to write, and sleeps when there is not."""

    def __init__(self, account: Account) -> None:
        self._thread = threading.Thread(target=self._run, name="budget writer", daemon=True)
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

    def _run(self) -> None:
        while True:
            slept = self.asleep
            self._waiter.wait(LEASE if slept else _IDLE)
            account = self._account()
            if account is None or self._stopped:
                return
            if not slept:
                self._write(account)
            del account

    def _write(self, account: Account) -> None:
        try:
            if account.flush():
                account.sleeps(self)
        except BudgetExceededError:
            pass  # kept in memory: the next reservation that needs the book meets the same fault and raises it
