"""Budgets that several machines keep together through Redis, each with its own book on disk."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.routing.policies.bound import NANO
from complaint_llm.routing.policies.budget_book import (
    LEASE,
    BudgetBook,
    BudgetLimits,
    Grant,
    GrantRequest,
    Spent,
    why_spent_up,
)
from complaint_llm.routing.redis.connection import SharedState, SharedStateLostError
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

_GRANT = """
-- KEYS: total, day, month (hashes of machine -> nano-dollars), held (holder -> nano-dollars), until (holder by time)
-- ARGV: holder, what it holds, need, want, lease in us, limits of total, day, month (-1: none), then for each of the
-- three hashes what the caller knows of it, as JSON
local function text(number) return string.format('%.0f', number) end
local function sum(key)
  local all = 0
  for _, value in ipairs(redis.call('HVALS', key)) do all = all + value end
  return all
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
for i = 1, 3 do
  -- What a machine has spent only grows: the greater number is the newer one, and telling it twice changes nothing.
  for machine, nano in pairs(cjson.decode(ARGV[8 + i])) do
    if (tonumber(redis.call('HGET', KEYS[i], machine)) or -1) < tonumber(nano) then
      redis.call('HSET', KEYS[i], machine, nano)
    end
  end
end
redis.call('EXPIRE', KEYS[2], 259200)
redis.call('EXPIRE', KEYS[3], 5356800)
for _, holder in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now)) do
  if holder ~= ARGV[1] then
    local nano = redis.call('HGET', KEYS[4], holder)
    for i = 1, 3 do if nano then redis.call('HINCRBY', KEYS[i], 'lost:' .. holder, nano) end end
    redis.call('HDEL', KEYS[4], holder)
    redis.call('ZREM', KEYS[5], holder)
  end
end
local held, need = tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('HSET', KEYS[4], ARGV[1], text(held))
local all_held = sum(KEYS[4])
local grant = 0
if need > 0 then
  local free = tonumber(ARGV[4])
  for i = 1, 3 do
    local limit = tonumber(ARGV[5 + i])
    if limit >= 0 then free = math.min(free, limit - sum(KEYS[i]) - all_held) end
  end
  if free >= need then grant = free end
end
held = held + grant
if held > 0 then
  redis.call('HSET', KEYS[4], ARGV[1], text(held))
  redis.call('ZADD', KEYS[5], now + ARGV[5], ARGV[1])
else
  redis.call('HDEL', KEYS[4], ARGV[1])
  redis.call('ZREM', KEYS[5], ARGV[1])
end
local known = {}
for i = 1, 3 do known[i] = redis.call('HGETALL', KEYS[i]) end
return {text(grant), text(all_held), known[1], known[2], known[3]}
"""


class SharedBook:
    """A budget book whose limits count what all machines with the same Redis have spent.

    What this machine spends is on its own disk first; Redis is sums_json the sums, so one that comes back without its
    memory learns them again. While it is gone, and for requests with privacy "local", this process may spend its share
    of what was left when it was last there. Any thread may call it; ``lock`` is its
    book's, and is held while Redis is asked (most reservations need neither).
    """

    def __init__(self, book: BudgetBook, shared: SharedState) -> None:
        self._book = book
        self._shared = shared
        self._joined = False
        self._known: dict[str, _Known] = {}
        self._sums: dict[str, dict[str, str]] = {}
        reset_in_child(self)

    @property
    def lock(self) -> threading.RLock:
        """The lock of the book on disk."""
        return self._book.lock

    def spent(self, scope: str) -> Spent:
        """What all had spent when Redis was last asked, else what this machine has."""
        known = self._known.get(scope)
        return self._book.spent(scope) if known is None else known.all

    def record(self, scope: str, spent: Mapping[int, int], held: int, ask: GrantRequest | None = None) -> Grant:
        """See BudgetBook.record."""
        if ask is not None and not ask.private:
            self._joined = True
        alone = not self._joined or not self._shared.available or (ask is not None and ask.private)
        if not alone:
            self._book.record(scope, spent, 0)
            spent = {}
            try:
                return self._grant(scope, held, ask)
            except SharedStateLostError:
                pass  # logged; from here on by our own share
        if ask is None:
            return self._book.record(scope, spent, held)
        return self._book.record(scope, spent, held, ask._replace(limits=self._own_part(scope, ask.limits)))

    def close(self) -> None:
        """Close the book on disk; the connection to Redis is its owner's."""
        self._book.close()

    def after_fork(self) -> None:
        """The child has spent and joined nothing yet."""
        self._joined = False

    def _grant(self, scope: str, held: int, ask: GrantRequest | None) -> Grant:
        mine = self._book.spent(scope)
        today = time.strftime("%Y-%m-%d", time.gmtime(self._book.wall()))
        names = [self._shared.key("budget", scope, name) for name in ("total", f"day {today}", f"month {today[:7]}")]
        sums_json = [
            {**self._sums.get(name, {}), self._book.machine(): str(own)}
            for name, own in zip(names, (mine.total, mine.day, mine.month), strict=True)
        ]
        limits = BudgetLimits() if ask is None else ask.limits
        grant, all_held, *sums = self._shared.run_script(
            _GRANT,
            [*names, self._shared.key("budget", scope, "held"), self._shared.key("budget", scope, "until")],
            (
                self._shared.process,
                max(0, held),
                0 if ask is None else ask.need,
                0 if ask is None else ask.want,
                round(LEASE * 1e6),
                *(-1 if limit is None else round(limit * NANO) for limit in (limits.total, limits.day, limits.month)),
                *map(json.dumps, sums_json),
            ),
        )
        # Everybody remembers what all have spent, so that a Redis without its memory learns it from the first to ask.
        hashes = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in sums]
        self._sums = dict(zip(names, hashes, strict=True))
        total, day, month = (sum(map(int, each.values())) for each in hashes)
        everybody = Spent(total, day, month, int(all_held))
        self._known[scope] = _Known(mine, held + int(grant), everybody)
        if int(grant) or ask is None:
            return Grant(int(grant))
        return Grant(0, why_spent_up(ask, everybody))

    def _own_part(self, scope: str, limits: BudgetLimits) -> BudgetLimits:
        """What this machine may have spent in all, without asking the others any more."""
        known = self._known.get(scope)
        if known is None:
            mine = self._book.spent(scope)
            known = _Known(mine, 0, mine._replace(held=0))
        share = self._shared.local_share

        def part(limit: float | None, own: int, all_spent: int) -> float | None:
            if limit is None:
                return None
            free = max(0.0, limit - (all_spent + known.all.held) / NANO)
            return (own + known.held) / NANO + share * free

        return BudgetLimits(
            part(limits.total, known.mine.total, known.all.total),
            part(limits.day, known.mine.day, known.all.day),
            part(limits.month, known.mine.month, known.all.month),
        )


class _Known(NamedTuple):
    """What Redis said last: this machine's sums and holding at that time, and everybody's."""

    mine: Spent
    held: int
    all: Spent
