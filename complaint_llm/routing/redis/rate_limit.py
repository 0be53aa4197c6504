"""Rate limits and provider signals that several processes keep together, by Redis' clock."""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.exceptions import QuotaExceededError
from complaint_llm.routing.attempts import NEVER_STARTED, full
from complaint_llm.routing.policies.provider_limits import LONGEST_HOLD, ProviderLimits
from complaint_llm.routing.policies.rate_limit import RateLimit, hold_of, tokens_used
from complaint_llm.routing.redis.connection import LOOK_AGAIN, TIMEOUT, SharedState, SharedStateLostError
from complaint_llm.routing.redis.scripts import ADMIT, CORRECT, HOLD, RESTORE
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import CancelToken, Clock
    from complaint_llm.routing.target import AnyRequest, Outcome, Permit, PolicyState

AHEAD = 0.25
"""Seconds by which a place is taken before it comes free: none stays empty because its taker woke up late."""
SETTLING = 2 * LOOK_AGAIN + TIMEOUT
"""Seconds within which every process finds a Redis that is back and tells it what it did meanwhile."""
_MINUTE = 60.0
_NEW = ""
"""The epoch of a Redis that we have not asked yet, or not since it was found again."""


class SharedRateLimit:
    """A RateLimit that all processes with the same Redis and backend id keep together.

    While Redis is there, at most the limit is admitted in any window by its clock; a process that dies takes with it
    only what it was admitted to. While Redis is gone, each process keeps to its share of the limit in any window by its
    own count, which includes what Redis admitted it to; it goes on so for SETTLING seconds after Redis is back, until
    all have told it what they did. So n processes, each with a share of at most 1/n, whether or not they have ever
    reached Redis, pass

    - at most twice the limit in a window in which Redis was lost: what it had admitted, and all shares,
    - at most the limit in any window that begins after that, those in which Redis comes back among them.

    A process that is started anew within a window counts as one more, a share of less than one request as one. A
    request of more tokens than the share is sent when nothing else was for a minute. A process that is cut off from a
    Redis which others reach adds its share to the limit. What a process did in the last window before the loss may pass
    once more, within twice the limit, if it died or asked nothing since: a Redis without memory is not told of it.

    Requests with privacy "local" are counted in this process alone. Any thread may call it. One thread at a time asks
    Redis, in the order of their coming: it holds a place in a queue, not a lock. ``_lock`` guards the log of admissions
    and what limits them without Redis.
    """

    def __init__(
        self,
        id: str,
        local: RateLimit,
        shared: SharedState,
        *,
        requests: int | None,
        window: float,
        tokens_per_minute: int | None,
        wait: bool = True,
        clock: Clock = time.monotonic,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._id = id
        self._local = local
        self._shared = shared
        self._requests = requests or 0
        self._window = window
        self._tokens = tokens_per_minute or 0
        self._ahead = min(AHEAD, window / 10)
        self._wait = wait
        self._clock = clock
        self._make_waiter = make_waiter
        self._turn = Turnstile(clock, make_waiter)
        self._turn_taken = False
        self._lock = threading.Lock()
        self._log: deque[Admission] = deque()
        self._corrections: list[Any] = []
        self._correcting = False
        self._epoch = _NEW
        self._share = 1.0
        self._whole_from = -math.inf
        self._asleep: Waiter | None = None
        names = ("epoch", "hold", "requests", "tokens", "token sum")
        self._keys = [*(shared.key(id, name) for name in names), shared.key("processes")]
        shared.join(self)
        reset_in_child(self)

    def enter(self, request: AnyRequest, max_queue_wait: float) -> Permit:
        """Admit, now or when there is room, or raise RateLimitError; see RateLimit."""
        if request.privacy == "local":
            return self._local.enter(request, max_queue_wait)
        longest = self._local.longest_wait(max_queue_wait, self._tokens_of(request))
        max_queue_wait = min(longest, request.deadline.remaining())
        give_up = self._clock() + max_queue_wait
        # Even who does not wait for the limit waits until it is his turn to ask.
        wait = self._turn.enter(self._take_turn, request, max(max_queue_wait, 2 * TIMEOUT))
        if wait:
            raise full("rate limit reached, others wait before this request", wait)
        try:
            admission = self._wait_for_admission(request, give_up)
        finally:
            with self._turn.lock:
                self._turn_taken = False
                self._turn.notify()
        early = admission.at - self._clock()
        if early > 0:
            try:
                self._sleep(early, request.cancel, self._make_waiter())
                if request.cancel.cancelled:
                    raise full(f"rate limit reached; free in {early:.1f} s", early)
            except BaseException:
                admission.settle(NEVER_STARTED)
                raise
        return admission

    def observe_limits(self, limits: ProviderLimits) -> None:
        """A response's headers; they concern this process only."""
        self._local.observe_limits(limits)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """This process' count, and whether Redis is there. Redis is not asked."""
        local = self._local.state(request)
        if self._shared.available:
            return local._replace(line=f"{local.line} by this process (shared by {self._shared.processes})")
        wait = self._own_wait(0 if request is None else self._tokens_of(request))
        free = f", free in {wait:.1f} s" if wait else ""
        line = f"{local.line} by this process (alone at {self._shared.local_share:.0%}{free}: Redis is gone)"
        return local._replace(line=line, ready=local.ready and not wait)

    def after_fork(self) -> None:
        """The parent goes on with what it was admitted to."""
        self._turn.forget()
        self._turn_taken = False
        self._asleep = None
        self._lock = threading.Lock()
        self._log.clear()
        self._corrections = []
        self._correcting = False
        self._epoch = _NEW
        self._whole_from = -math.inf

    def came_back(self) -> None:
        """Redis is back: tell it what this process was admitted to meanwhile. Raises SharedStateLostError."""
        self._tell()
        with self._lock:
            self._keep_to_share(self._clock() + SETTLING)
            self._epoch = _NEW
            if self._asleep is not None:
                self._asleep.wake()

    def record_outcome(self, admission: Admission, outcome: Outcome) -> None:
        """Correct what was reserved, here and (with the next admission) in Redis; pass on what the provider said."""
        error = outcome.error
        unsent = outcome.output is None and (error is None or not error.sent)
        used = -1 if unsent else tokens_used(outcome, admission.tokens)
        with self._lock:
            admission.tokens = max(0, used)
            if unsent and admission in self._log:
                self._log.remove(admission)
        if not self._shared.available:
            return
        signal = None if error is None else hold_of(error)
        if signal is not None:
            self._hold(*signal)
        if unsent or (self._tokens and used != admission.reserved):
            with self._lock:
                self._corrections += (admission.entry, admission.reserved, used)
                planned, self._correcting = self._correcting, True
            if not planned:
                self._shared.later(self._correct, linger=True)

    def _correct(self) -> None:
        """Tell Redis what admissions came to, where no other admission did."""
        with self._lock:
            self._correcting = False
        corrections = self._take_corrections()
        if corrections:
            self._shared.run_script(CORRECT, self._keys[2:5], corrections)

    def _take_corrections(self) -> list[Any]:
        with self._lock:
            corrections, self._corrections = self._corrections, []
            return corrections

    def _take_turn(self) -> float:
        if self._turn_taken:
            return FOREVER
        self._turn_taken = True
        return 0.0

    def _wait_for_admission(self, request: AnyRequest, give_up: float) -> Admission:
        """Wait for an admission; it may begin a moment from now."""
        entry, tokens = uuid.uuid4().hex, self._tokens_of(request)
        while True:
            found = self._look(request, entry, tokens, max(0.0, give_up - self._clock()))
            if isinstance(found, Admission):
                found.permit = self._local.count(request)
                return found
            if found.free > give_up - self._clock() or request.cancel.cancelled:
                raise full(f"rate limit reached; free in {found.free:.1f} s", found.free)
            with self._lock:
                waiter = self._asleep = self._make_waiter()
            self._sleep(found.again, request.cancel, waiter)

    def _look(self, request: AnyRequest, entry: str, tokens: int, max_queue_wait: float) -> Admission | _Full:
        """An admission by Redis, or by our own share while it is gone; or when to look again.

        Raises QuotaExceededError.
        """
        wait = self._local.provider_wait(tokens) or self._own_wait(tokens)
        if wait:
            return _Full(wait, wait)
        ahead = min(self._ahead, max_queue_wait)
        try:
            reply = self._ask(entry, tokens, ahead)
            if reply[0] == "epoch":
                self._meet(reply[1])
                return self._look(request, entry, tokens, max_queue_wait)
        except SharedStateLostError:
            return self._alone(request, entry, tokens, max_queue_wait)
        self._shared.processes = reply[2]
        seconds = float(reply[1])
        if reply[0] == "quota":
            raise QuotaExceededError(
                f"its quota was spent just now; asked again in {seconds:.0f} s",
                backend=self._id,
                retry_after=seconds,
                sent=False,
            )
        if reply[0] == "wait":
            return _Full(seconds, seconds - ahead)
        with self._lock:
            return self._write_down(entry, tokens, self._clock() + seconds)

    def _alone(self, request: AnyRequest, entry: str, tokens: int, max_queue_wait: float) -> Admission | _Full:
        with self._lock:
            # Under the lock: what is written down before Redis is back is told to it by ``came_back``.
            if not self._shared.available:
                self._keep_to_share(math.inf)
                wait = self._share_wait(tokens)
                return _Full(wait, wait) if wait else self._write_down(entry, tokens, self._clock())
        return self._look(request, entry, tokens, max_queue_wait)

    def _ask(self, entry: str, tokens: int, ahead: float) -> list[Any]:
        """Redis' reply: see ADMIT. Raises SharedStateLostError."""
        limits = (self._requests, _us(self._window), self._tokens, tokens)
        # What earlier ones came to goes along: one command a call, not two.
        args = (self._epoch, entry, *limits, self._shared.process, _us(ahead), *self._take_corrections())
        reply: list[Any] = self._shared.run_script(ADMIT, self._keys, args)
        return reply

    def _meet(self, epoch: str) -> None:
        """Tell a Redis that does not know us what we were admitted to. Raises SharedStateLostError."""
        if self._epoch != _NEW:
            # It has lost its memory since we asked: not everybody may have told it yet what he was admitted to.
            with self._lock:
                self._keep_to_share(self._clock() + SETTLING)
        self._tell()
        self._epoch = epoch

    def _tell(self) -> None:
        now = self._clock()
        with self._lock:
            mine = [(each.entry, _us(now - each.at), each.reserved, each.tokens) for each in self._log]
        if mine:
            flat = [value for each in mine for value in each]
            self._shared.run_script(RESTORE, self._keys[2:5], (self._requests, _us(self._window), self._tokens, *flat))

    def _keep_to_share(self, until: float) -> None:
        # A Redis that has just come back has not counted all processes yet: the share stays what it was.
        if self._clock() >= self._whole_from:
            self._share = self._shared.local_share
        self._whole_from = until

    def _own_wait(self, tokens: int) -> float:
        """Seconds until this process may go on, by its own count: 0.0 unless Redis is gone or has just come back."""
        with self._lock:
            capped = self._whole_from - self._clock()
            if self._shared.available:
                capped = min(capped, SETTLING)  # ``came_back`` may be about to say so
            return min(self._share_wait(tokens), capped) if capped > 0 else 0.0

    def _share_wait(self, tokens: int) -> float:
        """Seconds until this process' share has room for one more."""
        now, wait = self._clock(), 0.0
        part = max(1, int(self._requests * self._share))
        if self._requests and len(self._log) >= part:
            wait = self._log[-part].at + self._window - now
        if self._tokens:
            part = max(1, int(self._tokens * self._share))
            left = part - min(tokens, part)
            for each in reversed(self._log):
                left -= min(each.tokens, part)
                if left < 0:
                    wait = max(wait, each.at + _MINUTE - now)
                    break
        return max(0.0, wait)

    def _write_down(self, entry: str, tokens: int, at: float) -> Admission:
        """An admission in the log."""
        admission = Admission(entry, at, tokens, self)
        self._log.append(admission)
        longest = max(self._window, _MINUTE)
        while self._clock() - self._log[0].at >= longest:
            self._log.popleft()
        return admission

    def _hold(self, seconds: float, quota: bool) -> None:
        milliseconds = max(1, round(min(seconds, LONGEST_HOLD) * 1000))
        try:
            self._shared.run_script(HOLD, self._keys[1:2], ("quota" if quota else "wait", milliseconds))
        except SharedStateLostError:
            pass  # logged; the local limit has heeded it already

    def _sleep(self, seconds: float, cancel: CancelToken, waiter: Waiter) -> None:
        cancel.attach(waiter.wake)
        try:
            waiter.wait(seconds)
        finally:
            cancel.detach(waiter.wake)

    def _tokens_of(self, request: AnyRequest) -> int:
        return min(self._local.tokens_of(request), self._tokens) if self._tokens else 0


class _Full(NamedTuple):
    """No room: the seconds until there is, and until it is worth looking again."""

    free: float
    again: float


class Admission:
    """One admission: its entry in Redis, when it begins (by our clock), its tokens, the permit of the local limit."""

    __slots__ = ("_limit", "at", "entry", "permit", "reserved", "tokens")

    def __init__(self, entry: str, at: float, tokens: int, limit: SharedRateLimit) -> None:
        self.entry = entry
        self.at = at
        self.reserved = self.tokens = tokens
        self.permit: Permit | None = None
        self._limit = limit

    def settle(self, outcome: Outcome) -> None:
        if self.permit is not None:
            self.permit.settle(outcome)
        self._limit.record_outcome(self, outcome)


def _us(seconds: float) -> int:
    return round(seconds * 1e6)
