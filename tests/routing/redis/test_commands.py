"""How many commands a call costs the Redis that keeps its limits, as the server itself counts them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm import Mediator
from complaint_llm.routing.redis import connection as shared_state

if TYPE_CHECKING:
    from pathlib import Path

    from tests.routing.redis_peer import RedisPeer

CALLS = 60
PRICED: dict[str, Any] = {"pricing": {"input": 1.0, "output": 4.0}, "max_tokens": 50}
LIMITS: dict[str, Any] = {"rate_limit": 1_000_000, "tokens_per_minute": 1_000_000_000, "max_concurrency": 10}


def commands_of(
    peer: RedisPeer, folder: Path, keys: dict[str, Any], mediator: dict[str, Any], backends: int = 1
) -> tuple[int, float]:
    """Commands that the client sent for CALLS calls (not those of its scripts), and the seconds that they took."""
    import redis

    entries = [{"id": f"a{number or ''}", "type": "mock", "echo": True, **keys} for number in range(backends)]
    sections = {"BACKENDS": entries, "MEDIATOR": {"shared": {"redis": peer.url.reveal()}, **mediator}}
    (folder / "config.json").write_text(json.dumps(sections))
    with redis.Redis(port=peer.port) as client, Mediator.from_config(folder / "config.json") as made:
        made.generate("the first one opens connections and loads scripts")
        client.config_resetstat()
        begin = time.monotonic()
        for number in range(CALLS):
            made.generate(f"prompt {number}")
        taken = time.monotonic() - begin
        stats: dict[str, Any] = client.info("commandstats")
    return sum(int(told["calls"]) for name, told in stats.items() if name in ("cmdstat_evalsha", "cmdstat_eval")), taken


@pytest.mark.parametrize(
    ("keys", "mediator"),
    [
        ({}, {}),
        ({"rate_limit": 1_000_000}, {}),
        ({"tokens_per_minute": 1_000_000_000}, {}),
        ({"max_concurrency": 10}, {}),
        (LIMITS, {}),
        ({**PRICED, "budget": 1000}, {}),
        (PRICED, {"budget": 1000}),
        ({**PRICED, **LIMITS}, {"budget": {"day": 500, "month": 900}}),
        ({**PRICED, **LIMITS, "budget": 1000}, {"budget": 1000}),
        ({**PRICED, **LIMITS, "budget": {"total": 10, "day": 5}}, {"budget": {"total": 20, "month": 10}}),
    ],
)
def test_all_limits_of_a_backend_cost_one_command_a_call(
    redis_server: RedisPeer, tmp_path: Path, keys: dict[str, Any], mediator: dict[str, Any]
) -> None:
    """What earlier calls came to goes along with the next admission; alone it goes at most every LINGER seconds, as
    each of two budgets goes at most every second, and when it is used up."""
    commands, seconds = commands_of(redis_server, tmp_path, keys, mediator)
    budgets = ("budget" in keys) + ("budget" in mediator)
    by_time = seconds / shared_state.LINGER + 1 + budgets * (seconds + 4)
    assert CALLS <= commands <= CALLS + by_time


def test_a_lease_is_not_renewed_by_each_that_comes_after_it(redis_server: RedisPeer, tmp_path: Path) -> None:
    """A call that is not in the shared cache: one look that takes the lease, one admission, and one command that keeps
    the answer and gives the lease back."""
    commands, seconds = commands_of(redis_server, tmp_path, {**LIMITS, "cache_enabled": True}, {})
    assert 3 * CALLS <= commands <= 3 * CALLS + seconds / shared_state.LINGER + 2 * seconds + 4


def test_an_answer_that_another_process_keeps_costs_one_command(redis_server: RedisPeer, tmp_path: Path) -> None:
    """And uses up no limit: the look-up comes first."""
    keys = {**LIMITS, "cache_enabled": True}
    commands_of(redis_server, tmp_path, keys, {})
    commands, seconds = commands_of(redis_server, tmp_path, keys, {})
    assert CALLS <= commands <= CALLS + 2 * seconds + 2


@pytest.mark.parametrize("backends", [1, 50])
def test_with_all_of_it_a_call_costs_three_commands_whoever_is_asked(
    redis_server: RedisPeer, tmp_path: Path, backends: int
) -> None:
    """Look-up, admission, and the answer kept; a budget's share is taken ahead for many calls."""
    keys = {**PRICED, **LIMITS, "cache_enabled": True, "budget": 1000}
    commands, seconds = commands_of(redis_server, tmp_path, keys, {"budget": 1000}, backends)
    by_time = seconds / shared_state.LINGER + 1 + 2 * (seconds + 4)
    assert 3 * CALLS <= commands <= 3 * CALLS + by_time + 2 * seconds


def test_what_the_last_call_came_to_is_told_at_the_end(redis_server: RedisPeer, tmp_path: Path) -> None:
    """Nobody comes after it to take it along: the tokens that it did not use are free for others."""
    import redis

    commands_of(redis_server, tmp_path, {"tokens_per_minute": 100_000, "max_tokens": 1000}, {})
    with redis.Redis(port=redis_server.port, decode_responses=True) as client:
        log = client.zrange("complaint_llm:a:tokens", 0, -1)
        assert len(log) == CALLS + 1
        assert sum(int(entry.rpartition("|")[2]) for entry in log) == int(client.get("complaint_llm:a:token sum") or 0)
        assert not any(entry.endswith("|1002") or int(entry.rpartition("|")[2]) >= 1000 for entry in log)
