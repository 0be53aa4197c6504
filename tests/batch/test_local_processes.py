"""The processes of ``dask://local/N`` are begun again after they end, and a batch without any ends in time."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from tests.peers import need_peer

URL = "dask://local/2"


class Cluster:
    """As much of Dask's as is used: workers that are there, and processes that are or begin. ``slow`` is how often it
    is asked for a process before there is one, None for never."""

    def __init__(self, slow: int | None = 0) -> None:
        self.scheduler = SimpleNamespace(workers=dict.fromkeys("ab"))
        self.workers = dict.fromkeys((0, 1))
        self.slow = slow
        self.scaled: list[int] = []
        self.closed: list[float] = []

    def lose(self, *names: str) -> None:
        for name in names:
            del self.scheduler.workers[name]
            self.workers.popitem()

    def scale(self, count: int) -> None:
        self.scaled.append(count)
        if self.slow is not None and len(self.scaled) > self.slow:
            self.workers = dict.fromkeys(range(count))
            self.scheduler.workers = dict.fromkeys(map(str, range(count)))

    def close(self, timeout: float) -> None:
        self.closed.append(timeout)


def processes(cluster: Any, seconds: float = 60.0) -> Any:
    need_peer("distributed")
    from complaint_llm.batch.dask.local_processes import LocalProcesses

    return LocalProcesses(URL, cluster, 2, seconds=seconds)


def replaced(kept: Any, times: int = 1) -> list[str]:
    """What it gave up for after so many losses."""
    said: list[str] = []

    async def lose() -> None:
        for _ in range(times):
            await kept.replace_lost(said.append)

    asyncio.run(asyncio.wait_for(lose(), 60))
    return said


@pytest.mark.parametrize(("lost", "slow"), [("a", 0), ("b", 1), ("ab", 0), ("ab", 1)])
def test_what_dask_has_given_up_is_begun_again(lost: str, slow: int) -> None:
    """As many as there were, however many are left, and asked for until they are there."""
    cluster = Cluster(slow)
    cluster.lose(*lost)
    assert replaced(processes(cluster)) == []
    assert cluster.scaled == [2] * (slow + 1)
    assert len(cluster.scheduler.workers) == 2


def test_what_dask_begins_again_by_itself_is_left_to_it() -> None:
    """A process that begins is not begun twice."""
    cluster = Cluster()
    del cluster.scheduler.workers["a"]
    kept = processes(cluster)

    async def come_back() -> None:
        waiting = asyncio.create_task(kept.replace_lost(lambda why: None))
        await asyncio.sleep(0)
        await kept.replace_lost(lambda why: None)  # the second that hears of it leaves it to the first
        assert not waiting.done()
        cluster.scheduler.workers["c"] = None
        await waiting

    asyncio.run(asyncio.wait_for(come_back(), 60))
    assert cluster.scaled == []


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_without_any_process_the_batch_ends_in_time(seconds: float) -> None:
    cluster = Cluster(slow=None)
    cluster.lose("a", "b")
    said = replaced(processes(cluster, seconds))
    assert said == [f"no process of {URL} came back within {seconds:g} s after the last one ended"]


def test_while_one_process_is_left_nobody_gives_up() -> None:
    """It answers: what is missing is waited for until the end."""
    cluster = Cluster(slow=None)
    cluster.lose("a")
    kept = processes(cluster, seconds=0.0)
    said: list[str] = []

    async def wait() -> None:
        waiting = asyncio.create_task(kept.replace_lost(said.append))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        kept.close(1.0)
        await waiting

    asyncio.run(asyncio.wait_for(wait(), 60))
    assert (said, cluster.closed) == ([], [1.0])


def test_processes_that_end_again_and_again_end_the_batch() -> None:
    """But not where something was answered between."""
    kept = processes(Cluster())
    assert replaced(kept, 23) == []
    kept.note_answer()
    assert replaced(kept, 23) == []
    (why,) = replaced(kept)
    assert why.startswith(f"the processes of {URL} end again and again (24 times, and nothing was answered between)")
