"""Budgets in dollars: an attempt reserves the most that it can cost, and is settled with what it cost."""

from __future__ import annotations

import atexit
import functools
import logging
import time
import weakref
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BudgetExceededError
from complaint_llm.routing.attempts import LOCAL_LIMIT
from complaint_llm.routing.policies.bound import NANO, Bound, charge
from complaint_llm.routing.policies.budget_book import DAY, LEASE, BudgetBook, BudgetLimits, Grant, GrantRequest, Spent
from complaint_llm.routing.policies.budget_writer import IDLE, BudgetWriter
from complaint_llm.routing.retry_table import TOTAL_BUDGET
from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from complaint_llm.call import Clock
    from complaint_llm.routing.redis.budget import SharedBook
    from complaint_llm.routing.redis.connection import SharedState

_LOOK_AGAIN = 0.25
"""Seconds after which a waiting thread asks the book again: another process may have given something back."""
_ENOUGH = 1e18


class Account:
    """One budget. Reservations are taken from an amount that the book has set aside for this process, so most of them
    touch no disk; a thread of its own brings the book up to date within a second, and ``close`` ends it.

    ``workers`` is how many calls at a time have to share what is left, where the budget chooses the longest answers.

    Any thread may call it. The turnstile's lock guards the amounts and is never held over a disk access; where both
    are needed, the book's lock is taken first.
    """

    def __init__(
        self,
        scope: str,
        limits: BudgetLimits,
        path: Path,
        *,
        total_budget: bool = False,
        workers: int = 8,
        shared: SharedState | None = None,
        clock: Clock = time.monotonic,
        wall: Callable[[], float] = time.time,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._scope = scope
        self._limits = limits
        self._is_total = total_budget
        self._workers = workers
        self._clock = clock
        self._wall = wall
        self._book: BudgetBook | SharedBook = BudgetBook(path, wall)
        if shared is not None:
            from complaint_llm.routing.redis.budget import SharedBook  # extra

            self._book = SharedBook(self._book, shared)
        self._gate = Turnstile(clock, make_waiter)
        self._spare = 0
        self._reserved = 0
        self._open = 0
        self._entering = 0
        self._spent: dict[int, int] = {}
        self._recorded = 0.0
        self._refills: list[float] = []
        self._writer: BudgetWriter | None = None
        self._closed = False
        # A script that ends without close() still gives back what it has set aside.
        self._at_exit = functools.partial(_close, weakref.ref(self))
        atexit.register(self._at_exit)
        reset_in_child(self)

    def reserve(self, bound: Bound, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Set the most that one attempt can cost aside. The permit's ``max_tokens`` is the longest answer that is paid
        for, where the request says none.

        Waits, at most ``max_queue_wait`` seconds, where only open reservations stand in the way. Raises
        BudgetExceededError where what is spent does (``code`` TOTAL_BUDGET if a whole one), or where there is no bound.
        """
        if bound.unknown is not None:
            raise BudgetExceededError(bound.unknown, sent=False)
        if bound.chosen:
            need = bound.smallest
            with self._gate.lock:
                if self._spare >= need or not need:
                    return self._reservation(need, None)
        return self._reserve(bound, request, max_queue_wait)

    def _reserve(self, bound: Bound, request: AnyRequest, max_queue_wait: float) -> Permit:
        """The same, where not enough is set aside yet or the budget chooses the longest answer."""
        left = request.deadline.remaining()
        # No other backend is ready where the whole budget is reserved: nothing is gained by going on to the next.
        give_up = self._clock() + (left if self._is_total else min(max_queue_wait, left))
        with self._gate.lock:
            self._entering += 1
        try:
            while True:
                most = None if bound.chosen else bound.longest(self._share())
                need = bound.smallest if most is None else bound.nano(most)
                with self._gate.lock:
                    if self._spare >= need or not need:
                        return self._reservation(need, most)
                if not self._refill(need, request.privacy == "local"):
                    left = give_up - self._clock()
                    if left <= 0 or request.cancel.cancelled:
                        raise self._refusal("all that is left is reserved by requests under way", code=LOCAL_LIMIT)
                    least = bound.smallest
                    self._gate.enter(lambda: self._enough(least), request, min(left, _LOOK_AGAIN))  # noqa: B023
        finally:
            with self._gate.lock:
                self._entering -= 1

    def _share(self) -> int:
        """Nano-dollars that one worker may have of what is neither spent nor reserved."""
        with self._book.lock:
            spent = self._book.spent(self._scope)
            with self._gate.lock:
                free = self._unspent(spent) - spent.held + self._spare
                workers = max(self._workers, self._open + self._entering)
                return int(min(max(0.0, free), _ENOUGH)) // max(1, workers - self._open)

    def _unspent(self, spent: Spent) -> float:
        """Nano-dollars that the book says are not spent; what is reserved is among them."""
        return min(
            (
                round(limit * NANO) - used
                for limit, used in (
                    (self._limits.total, spent.total),
                    (self._limits.day, spent.day),
                    (self._limits.month, spent.month),
                )
                if limit is not None
            ),
            default=FOREVER,
        )

    def state(self, bound: Bound | None = None) -> PolicyState:
        """What is spent of each limit, and whether an attempt of ``bound`` would be admitted now."""
        with self._book.lock:
            spent = self._book.spent(self._scope)
            with self._gate.lock:
                fresh = sum(self._spent.values())
                held = spent.held - fresh - self._spare
        parts = []
        for limit, used, name in (
            (self._limits.total, spent.total, ""),
            (self._limits.day, spent.day, " today"),
            (self._limits.month, spent.month, " this month"),
        ):
            if limit is not None:
                parts.append(f"{(used + fresh) / NANO:.4f} of {limit:g} dollars{name}")
        if held > 0:
            parts.append(f"{held / NANO:.4f} reserved")
        free = self._unspent(spent) - fresh - held
        if bound is not None:
            parts.append(bound.unknown or self._capacity(bound, free))
        need = 0 if bound is None else bound.smallest
        ready = need <= free and free > 0 and (bound is None or bound.unknown is None)
        return PolicyState("whole budget" if self._is_total else "budget", ", ".join(filter(None, parts)), ready=ready)

    def _capacity(self, bound: Bound, free: float) -> str:
        """How many workers at a time find enough for an answer, in words; nothing where answers cost nothing."""
        if not bound.token or free == FOREVER:
            return ""
        workers = int(max(0.0, free) // bound.smallest)
        if workers < self._workers or bound.chosen:
            most = bound.answer if bound.chosen else min(bound.least, bound.answer)
        else:
            most = bound.longest(int(free) // self._workers)
        return f"feeds {min(workers, self._workers)} of {self._workers} workers with answers of {most} tokens"

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
        self._spare = self._reserved = self._open = self._entering = 0
        self._spent = {}
        self._writer = None

    def settle(self, reserved: int, cost: int) -> None:
        """An attempt that reserved so much cost so much."""
        with self._gate.lock:
            self._open -= 1
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
            logging.getLogger("complaint_llm.routing").warning(
                "%s: what a late answer cost is lost: %s", self._scope, fault
            )
        finally:
            self._book.close()

    def sleeps(self, writer: BudgetWriter) -> None:
        """Let the writer sleep until the next reservation, if there is nothing to write."""
        with self._gate.lock:
            writer.asleep = not self._reserved and not self._spent and not self._spare

    def _reservation(self, need: int, most: int | None) -> _Reservation:
        self._open += 1
        self._spare -= need
        self._reserved += need
        writer = self._writer
        if writer is None:
            if not self._closed:
                self._start_writer()
        elif writer.asleep:
            writer.wake()
        return _Reservation(self, need, most)

    def _start_writer(self) -> None:
        writer = BudgetWriter(self)
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
            self._refills = [at for at in self._refills if now - at < IDLE][-4:]
            # Exactly what is needed at first, more at once while many are made: what a killed process loses is little.
            want = 2 ** len(self._refills) * need
            self._refills.append(now)
            with self._gate.lock:
                lacking = need - max(0, self._spare)
            if lacking <= 0:
                return True
            grant = self._record(
                GrantRequest(
                    limits=self._limits, need=lacking, want=max(want, lacking), attempt=need, private=private
                )
            )
        if grant.spent_up is not None:
            raise self._refusal(f"{grant.spent_up}; this request may cost {need / NANO:.4f}")
        return grant.nano > 0

    def _record(self, ask: GrantRequest | None) -> Grant:
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
        if self._is_total:
            code = TOTAL_BUDGET
            why = f"the whole budget: {why}"
        return BudgetExceededError(why, code=code, sent=False)


class Budget:
    """An account as the policy of one backend. Any thread may call it."""

    __slots__ = ("_account", "_bound")

    def __init__(self, account: Account, bound: Callable[[AnyRequest], Bound]) -> None:
        self._account = account
        self._bound = bound

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Reserve the most that the request can cost; see ``Account.reserve``."""
        return self._account.reserve(self._bound(request), request, max_queue_wait)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """What is spent, and whether the request would be admitted."""
        return self._account.state(None if request is None else self._bound(request))


class _Reservation:
    """The permit of one attempt. ``max_tokens``: the longest answer that is paid for, None if the request says it."""

    __slots__ = ("_account", "_nano", "max_tokens")

    def __init__(self, account: Account, nano: int, max_tokens: int | None) -> None:
        self._account = account
        self._nano = nano
        self.max_tokens = max_tokens

    def settle(self, outcome: Outcome) -> None:
        self._account.settle(self._nano, charge(outcome, self._nano))


def _close(account: weakref.ref[Account]) -> None:
    found = account()
    if found is not None:
        found.close()
