"""Workers in processes of their own keep one limit and spend one budget through Redis, and do not without it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.batch import BatchResult, open_executor, run_batch
from complaint_llm.batch.remote import ConfigText, open_worker_ask
from complaint_llm.exceptions import BudgetExceededError
from tests.batch.executor_asks import (
    Admissions,
    WorkerAsker,
    elsewhere,
    most_in_any,
    process_that_opened,
    write_config,
)
from tests.peers import need_peer
from tests.routing.redis_peer import RedisPeer

LIMIT, WINDOW = 12, 1.5
TICK = 0.01
"""Seconds by which a worker may begin before the moment of its admission: two looks at one machine's clock."""

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a cluster of two worker processes; a copy of a config lands in a folder of the test's."""
    need_peer("distributed")
    import distributed

    place = {"TMPDIR": str(tmp_path_factory.mktemp("workers"))}
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=4, processes=True, env=place, **here) as made:
        made.wait_for_workers(2, 120)
        yield "dask://" + made.scheduler_address.removeprefix("tcp://")


def on_dask(cluster: str, config: ConfigText, count: int, workers: int = 8) -> list[BatchResult]:
    executor = open_executor(cluster, partial(open_worker_ask, Mediator.from_config, config), workers, {})
    with run_batch(None, (f"p{i}" for i in range(count)), executor=executor, ordered=True) as run:
        return list(run)


def processes(results: list[BatchResult]) -> set[int]:
    assert [result.error for result in results if result.error] == []
    return {result.output.metadata["pid"] for result in results}


def began(results: list[BatchResult]) -> list[float]:
    return [result.output.metadata["at"] for result in results]


def limited(folder: Path, peer: RedisPeer | None) -> ConfigText:
    shared = {} if peer is None else {"shared": {"redis": peer.url.reveal()}}
    return write_config(folder, shared, rate_limit=LIMIT, rate_limit_window=WINDOW)


def check_one_limit(results: list[BatchResult], admitted: list[float]) -> None:
    """Redis admitted each request, never more than the limit in a window, to two processes other than this one; and no
    worker began before it was admitted."""
    assert len(admitted) == len(results)
    assert most_in_any(admitted, WINDOW) <= LIMIT
    assert all(start >= place - TICK for start, place in zip(sorted(began(results)), admitted, strict=True))
    assert len(processes(results) - {os.getpid()}) == 2


@pytest.mark.endurance
@pytest.mark.peer("distributed")
@pytest.mark.peer("redis")
def test_the_workers_of_a_cluster_keep_one_limit(cluster: str, redis_server: RedisPeer, tmp_path: Path) -> None:
    admissions = Admissions(redis_server.port)
    results = on_dask(cluster, limited(tmp_path, redis_server), 3 * LIMIT)
    check_one_limit(results, admissions.close())


@pytest.mark.peer("distributed")
def test_without_redis_each_worker_has_the_limit_to_itself(cluster: str, tmp_path: Path) -> None:
    """What the test above would see if nothing were shared."""
    results = on_dask(cluster, limited(tmp_path, None), 3 * LIMIT)
    assert len(processes(results)) == 2
    assert most_in_any(began(results), WINDOW) > LIMIT


@pytest.mark.peer("redis")
def test_the_processes_of_a_pool_keep_one_limit(redis_server: RedisPeer, tmp_path: Path) -> None:
    config = limited(tmp_path, redis_server)
    admissions = Admissions(redis_server.port)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        while len(set(pool.map(process_that_opened, [config] * 8))) < 2:
            """One of them is not up yet."""
        run = run_batch(WorkerAsker(config), map(str, range(2 * LIMIT)), max_workers=8, executor=pool)
        results = list(run)
    check_one_limit(results, admissions.close())


def spent(cluster: str, config: ConfigText) -> tuple[int, int, list[Any]]:
    """Answers at a dollar each, the processes that gave them, and the errors, of 20 items on machines of their own."""
    results = on_dask(cluster, elsewhere(config), 20, workers=2)
    assert [result.index for result in results] == list(range(20))
    assert all((result.output is None) != (result.error is None) for result in results)
    answers = [result for result in results if result.output is not None]
    assert all(result.output.cost == pytest.approx(1.0) for result in answers)
    return len(answers), len(processes(answers)), [result.error for result in results if result.error is not None]


PRICES: dict[str, Any] = {"pricing": {"input": 0, "output": 100_000}, "seconds": 0.25}
"""Ten tokens, as many as are reserved, cost a dollar; slow enough for both workers to have a part."""


@pytest.mark.peer("distributed")
@pytest.mark.peer("redis")
def test_the_workers_of_a_cluster_spend_one_budget(cluster: str, redis_server: RedisPeer, tmp_path: Path) -> None:
    """Whole dollars are spent until less than one is left of 11.50; what is refused has its error."""
    mediator = {"budget": 11.5, "shared": {"redis": redis_server.url.reveal()}}
    answered, workers, errors = spent(cluster, write_config(tmp_path, mediator, **PRICES))
    assert (answered, workers, len(errors)) == (11, 2, 9)
    assert {type(error) for error in errors} == {BudgetExceededError}
    assert "11.0000 of 11.5 dollars are spent" in str(errors[-1])


@pytest.mark.endurance
@pytest.mark.peer("distributed")
def test_without_redis_each_machine_has_the_budget_to_itself(cluster: str, tmp_path: Path) -> None:
    """What the test above would see if nothing were shared."""
    answered, workers, _ = spent(cluster, write_config(tmp_path, {"budget": 11.5}, **PRICES))
    assert (answered, workers) == (20, 2)
