"""Rate limits and provider signals that several processes keep together, by Redis' clock."""

from __future__ import annotations

import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING

from complaint_llm.exceptions import QuotaExceededError
from complaint_llm.routing.attempts import full
from complaint_llm.routing.fork import reset_in_child
from complaint_llm.routing.rate_limit import RateLimit, hold_of, tokens_used
from complaint_llm.routing.shared import TIMEOUT, SharedState, SharedStateLostError
from complaint_llm.routing.signals import LONGEST_HOLD, ProviderLimits
from complaint_llm.routing.waiting import FOREVER, Turnstile, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.call import Clock
    from complaint_llm.routing.candidate import AnyRequest, Outcome, Permit, PolicyState

_ADMIT = """
-- KEYS: epoch, hold, requests, tokens, token sum, processes
-- ARGV: known epoch, entry, request limit (0: none), its window in us, token limit (0: none), tokens, process
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local epoch = redis.call('GET', KEYS[1])
if not epoch then
  epoch = ARGV[2]
  redis.call('SET', KEYS[1], epoch)
end
if epoch ~= ARGV[1] then return {'epoch', epoch} end
redis.call('ZADD', KEYS[6], now, ARGV[7])
redis.call('ZREMRANGEBYSCORE', KEYS[6], '-inf', now - 60000000)
local processes = redis.call('ZCARD', KEYS[6])
local wait = 0
local hold = redis.call('PTTL', KEYS[2])
if hold > 0 then
  if redis.call('GET', KEYS[2]) == 'quota' then return {'quota', tostring(hold / 1000), processes} end
  wait = hold * 1000
end
local limit, window = tonumber(ARGV[3]), tonumber(ARGV[4])
if limit > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - window)
  local over = redis.call('ZCARD', KEYS[3]) - limit
  if over >= 0 then
    wait = math.max(wait, redis.call('ZRANGE', KEYS[3], over, over, 'WITHSCORES')[2] + window - now)
  end
end
local most, tokens = tonumber(ARGV[5]), tonumber(ARGV[6])
if most > 0 then
  local minute = 60000000
  for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - minute)) do
    redis.call('DECRBY', KEYS[5], string.match(entry, '|(%d+)$'))
  end
  redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now - minute)
  tokens = math.min(tokens, most)
  local over = (tonumber(redis.call('GET', KEYS[5])) or 0) + tokens - most
  if over > 0 then
    local log = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
    for i = 1, #log, 2 do
      over = over - string.match(log[i], '|(%d+)$')
      if over <= 0 then
        wait = math.max(wait, log[i + 1] + minute - now)
        break
      end
    end
  end
end
if wait > 0 then return {'wait', tostring(wait / 1000000), processes} end
if limit > 0 then
  redis.call('ZADD', KEYS[3], now, ARGV[2])
  redis.call('PEXPIRE', KEYS[3], math.ceil(window / 1000) + 1000)
end
if most > 0 then
  redis.call('ZADD', KEYS[4], now, ARGV[2] .. '|' .. tokens)
  redis.call('INCRBY', KEYS[5], tokens)
  redis.call('PEXPIRE', KEYS[4], 61000)
  redis.call('PEXPIRE', KEYS[5], 61000)
end
return {'ok', string.format('%.0f', now), processes}
"""
"""Look and take in one step, by Redis' clock. Times in microseconds."""

_RESTORE = """
-- KEYS: requests, tokens, token sum. ARGV: request limit, its window in us, token limit, then entry, age in us, tokens
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 4, #ARGV, 3 do
  local at = string.format('%.0f', now - ARGV[i + 1])
  if tonumber(ARGV[1]) > 0 then redis.call('ZADD', KEYS[1], 'NX', at, ARGV[i]) end
  if tonumber(ARGV[3]) > 0 and redis.call('ZADD', KEYS[2], 'NX', at, ARGV[i] .. '|' .. ARGV[i + 2]) == 1 then
    redis.call('INCRBY', KEYS[3], ARGV[i + 2])
  end
end
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[2] / 1000) + 1000)
redis.call('PEXPIRE', KEYS[2], 61000)
redis.call('PEXPIRE', KEYS[3], 61000)
"""
"""Tell a Redis that has lost its memory what this process was admitted to; telling it twice changes nothing."""

_CORRECT = """
-- KEYS: requests, tokens, token sum. ARGV: entry, tokens reserved, tokens used (-1: nothing was sent)
if ARGV[3] == '-1' then redis.call('ZREM', KEYS[1], ARGV[1]) end
local used = math.max(0, tonumber(ARGV[3]))
local old = ARGV[1] .. '|' .. ARGV[2]
local at = redis.call('ZSCORE', KEYS[2], old)
if at then
  redis.call('ZREM', KEYS[2], old)
  redis.call('ZADD', KEYS[2], at, ARGV[1] .. '|' .. used)
  redis.call('INCRBY', KEYS[3], used - ARGV[2])
end
"""

_HOLD = """
-- KEYS: hold. ARGV: what, milliseconds
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
"""


class SharedRateLimit:
    """A RateLimit that all processes with the same Redis and backend id keep together.

    While Redis is gone each keeps to its share of the limits by its own count, which includes what Redis admitted it
    to; so in one window at most twice the limit passes, and only in the first. A Redis that comes back without its
    memory is told what each process was admitted to. Requests with privacy "local" are counted in this process alone.

    Any thread may call it. One thread at a time asks Redis, in the order of their coming: it holds a place in a queue,
    not a lock. ``_lock`` guards the log of admissions.
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
        self._limits = (requests or 0, round(window * 1e6), tokens_per_minute or 0)
        self._longest = max(window, 60.0)
        self._wait = wait
        self._clock = clock
        self._make_waiter = make_waiter
        self._turn = Turnstile(clock, make_waiter)
        self._asking = False
        self._lock = threading.Lock()
        self._log: deque[_Admission] = deque()
        self._epoch = ""
        self._share = 1.0
        names = ("epoch", "hold", "requests", "tokens", "token sum")
        self._keys = [*(shared.key(id, name) for name in names), shared.key("processes")]
        reset_in_child(self)

    def enter(self, request: AnyRequest, patience: float) -> Permit:
        """Admit, now or when there is room, or raise RateLimitError; see RateLimit."""
        if request.privacy == "local":
            return self._local.enter(request, patience)
        patience = min(patience, request.deadline.remaining()) if self._wait else 0.0
        give_up = self._clock() + patience
        # Even who does not wait for the limit waits until it is his turn to ask.
        wait = self._turn.enter(self._take_turn, request, max(patience, 2 * TIMEOUT))
        if wait:
            raise full("rate limit reached, others wait before this request", wait)
        try:
            admitted = self._admitted(request, give_up)
        finally:
            with self._turn.lock:
                self._asking = False
                self._turn.notify()
        if admitted is None:
            permit = self._local.enter(request, give_up - self._clock())
            return self._logged(_Admission(uuid.uuid4().hex, self._clock(), self._tokens(request), permit, self))
        return self._logged(admitted)

    def heard(self, limits: ProviderLimits) -> None:
        """A response's headers; they concern this process only."""
        self._local.heard(limits)

    def state(self, request: AnyRequest | None = None) -> PolicyState:
        """This process' count, and whether Redis is there. Redis is not asked."""
        local = self._local.state(request)
        where = f"shared by {self._shared.processes}" if self._shared.available else "alone, Redis is gone"
        return local._replace(line=f"{local.line} by this process ({where})")

    def after_fork(self) -> None:
        """The parent goes on with what it was admitted to."""
        self._turn.forget()
        self._asking = False
        self._lock = threading.Lock()
        self._log.clear()

    def settled(self, admission: _Admission, outcome: Outcome) -> None:
        """Correct what was reserved, here and (without waiting for it) in Redis; pass on what the provider said."""
        error = outcome.error
        unsent = outcome.output is None and (error is None or not error.sent)
        used = -1 if unsent else tokens_used(outcome, admission.tokens)
        reserved = admission.tokens
        with self._lock:
            admission.tokens = max(0, used)
            if unsent and admission in self._log:
                self._log.remove(admission)
        if not self._shared.available:
            return
        signal = None if error is None else hold_of(error)
        if signal is not None:
            self._hold(*signal)
        if unsent or (self._limits[2] and used != reserved):
            args = (admission.entry, reserved, used)
            self._shared.later(lambda: self._shared.run(_CORRECT, self._keys[2:5], args))

    def _take_turn(self) -> float:
        if self._asking:
            return FOREVER
        self._asking = True
        return 0.0

    def _admitted(self, request: AnyRequest, give_up: float) -> _Admission | None:
        """Redis' leave; None where Redis is gone and the local limit must decide."""
        entry, tokens = uuid.uuid4().hex, self._tokens(request)
        while True:
            wait = self._local.provider_wait(tokens)
            if not wait:
                try:
                    wait = self._ask(entry, tokens)
                except SharedStateLostError:
                    self._keep_to(self._shared.local_share)
                    return None
            if not wait:
                self._keep_to(1.0)
                return _Admission(entry, self._clock(), tokens, self._local.count(request), self)
            left = give_up - self._clock()
            if wait > left or request.cancel.cancelled:
                raise full(f"rate limit reached; free in {wait:.1f} s", wait)
            waiter = self._make_waiter()
            request.cancel.attach(waiter.wake)
            waiter.wait(wait)
            request.cancel.detach(waiter.wake)

    def _ask(self, entry: str, tokens: int) -> float:
        """Seconds to wait, 0.0 if Redis admitted it. Raises QuotaExceededError, SharedStateLostError."""
        while True:
            reply = self._shared.run(
                _ADMIT, self._keys, (self._epoch, entry, *self._limits, tokens, self._shared.process)
            )
            if reply[0] != "epoch":
                break
            self._restore()
            self._epoch = reply[1]
        self._shared.processes = reply[2]
        if reply[0] == "quota":
            raise QuotaExceededError(
                f"its quota was spent just now; asked again in {float(reply[1]):.0f} s",
                backend=self._id,
                retry_after=float(reply[1]),
                sent=False,
            )
        return 0.0 if reply[0] == "ok" else max(float(reply[1]), 1e-6)

    def _restore(self) -> None:
        now = self._clock()
        with self._lock:
            mine = [(each.entry, round((now - each.at) * 1e6), each.tokens) for each in self._log]
        if mine:
            flat = [value for each in mine for value in each]
            self._shared.run(_RESTORE, self._keys[2:5], (*self._limits, *flat))

    def _hold(self, seconds: float, quota: bool) -> None:
        milliseconds = max(1, round(min(seconds, LONGEST_HOLD) * 1000))
        try:
            self._shared.run(_HOLD, self._keys[1:2], ("quota" if quota else "wait", milliseconds))
        except SharedStateLostError:
            pass  # logged; the local limit has heeded it already

    def _keep_to(self, share: float) -> None:
        if share != self._share:
            self._share = share
            self._local.allow(share)

    def _tokens(self, request: AnyRequest) -> int:
        most = self._limits[2]
        return min(self._local.tokens_of(request), most) if most else 0

    def _logged(self, admission: _Admission) -> _Admission:
        with self._lock:
            self._log.append(admission)
            while self._clock() - self._log[0].at >= self._longest:
                self._log.popleft()
        return admission


class _Admission:
    """One admission: its entry in Redis, and the permit of the local limit."""

    __slots__ = ("_limit", "_permit", "at", "entry", "tokens")

    def __init__(self, entry: str, at: float, tokens: int, permit: Permit, limit: SharedRateLimit) -> None:
        self.entry = entry
        self.at = at
        self.tokens = tokens
        self._permit = permit
        self._limit = limit

    def settle(self, outcome: Outcome) -> None:
        self._permit.settle(outcome)
        self._limit.settled(self, outcome)
