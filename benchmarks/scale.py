"""What one process, one machine and a Dask cluster reach, beside what each part of a batch can do alone."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.measure import Contender, Figure, Running, figures
from benchmarks.report import Limit, Options, Table, run
from benchmarks.server import Server
from benchmarks.shared_limit import Redis
from complaint_llm import Mediator
from complaint_llm.batch import Ask, open_executor, run_batch
from complaint_llm.batch.remote import ConfigText, open_worker_ask
from complaint_llm.messages import InferenceOutput

WIDE = (2000, 256, 50)
"""Prompts, workers, latency in ms."""
SPREAD = (800, 128, 50)
"""The same for a cluster of this machine."""
TINY = 2000
PROCESSES = 2
AT_ONCE = 64
SHARED_CALLS = 300


class OpenNothing:
    """Opens an ``ask`` that answers at once: what is left is the way there and back."""

    def __call__(self) -> Ask:
        return nothing


def nothing(prompt: Any, params: Mapping[str, Any]) -> InferenceOutput:
    """An answer without any work."""
    return InferenceOutput("yes")


def bare(prompt: str) -> str:
    """The same without this library."""
    return "yes"


def tables(options: Options) -> Sequence[Table]:
    rounds = min(options.rounds, 3)
    there = find_spec("distributed") is not None
    found = [*_wide(rounds), _journal(rounds), _pool(rounds)]
    found += [_dask(rounds), _cluster(min(rounds, 2))] if there else []
    return found + ([_redis(rounds)] if shutil.which("redis-server") and find_spec("redis") else [])


def _wide(rounds: int) -> Sequence[Table]:
    prompts, workers, latency = WIDE
    samples = []
    with Server(latency) as server:
        settings = {"base": server.urls.slow, "workers": workers}
        for _ in range(rounds):
            with Running(Contender("complaint-llm", "with_complaint_llm", "journalled", settings)) as running:
                samples.append(running.ask("whole", prompts))
    ideal = math.ceil(prompts / workers) * latency / 1000
    rows = [Figure("ideal", ideal, ideal, ideal), *figures({"complaint-llm": [each.wall for each in samples]}, None)]
    rows[1] = rows[1]._replace(ratio=rows[1].median / ideal)
    title = f"One fresh process, {workers} workers, a journal: {prompts:,} prompts at {latency} ms"
    cpu = figures({"complaint-llm": [each.cpu / each.n for each in samples]}, None)
    return [
        Table(f"{title}: wall", "s", 1, rows, [Limit("complaint-llm", 1.7)]),
        Table(f"{title}: CPU a prompt", "µs", 1e6, cpu),
    ]


def _journal(rounds: int) -> Table:
    """Prompts a second of the batch itself: nothing is asked, so its threads and the journal's writer are all."""
    rates: dict[str, list[float]] = {"without a journal": [], "complaint-llm": []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            rates["without a journal"].append(_rate(lambda: _batch()))
            journal = Path(folder, f"{number}.journal")
            rates["complaint-llm"].append(_rate(lambda: _batch(journal=journal)))  # noqa: B023 - called at once
    return Table("One process, answers at once, a journal", "prompts/s", 1, figures(rates, "without a journal"))


def _pool(rounds: int) -> Table:
    """A process pool's own rate, beside ours over the same pool."""
    rates: dict[str, list[float]] = {"the pool alone": [], "complaint-llm": []}
    with ProcessPoolExecutor(PROCESSES) as pool:
        for _ in range(rounds):
            rates["the pool alone"].append(_rate(lambda: list(pool.map(bare, map(str, range(TINY))))))
            rates["complaint-llm"].append(_rate(lambda: _batch(executor=pool)))
    title = f"A pool of {PROCESSES} processes, answers at once"
    limits = [Limit("complaint-llm", 0.6, least=True)]
    return Table(title, "prompts/s", 1, figures(rates, "the pool alone"), limits)


def _dask(rounds: int) -> Table:
    """Dask's own rate for tasks that do nothing, beside ours on a cluster of the same size."""
    import distributed as untyped

    dask: Any = untyped
    rates: dict[str, list[float]] = {"Dask alone": [], "complaint-llm": []}
    url = f"dask://local/{PROCESSES}"
    with (
        dask.LocalCluster(PROCESSES, threads_per_worker=AT_ONCE // PROCESSES, dashboard_address=None) as cluster,
        dask.Client(cluster, set_as_default=False) as client,
    ):
        for _ in range(rounds):
            prompts = [str(number) for number in range(TINY)]
            rates["Dask alone"].append(_rate(lambda: client.gather(client.map(bare, prompts, pure=False))))  # noqa: B023
            executor = open_executor(url, OpenNothing(), AT_ONCE, {})
            rates["complaint-llm"].append(_rate(lambda: _batch(executor=executor)))  # noqa: B023
    title = f"A Dask cluster of {PROCESSES} processes, answers at once"
    limits = [Limit("complaint-llm", 0.6, least=True)]
    return Table(title, "prompts/s", 1, figures(rates, "Dask alone"), limits)


def _cluster(rounds: int) -> Table:
    """A model that takes a while, asked by the threads of one process and by those of a cluster's processes."""
    prompts, workers, latency = SPREAD
    rates: dict[str, list[float]] = {"complaint-llm": [], f"Dask, {PROCESSES} processes": []}
    with Server(latency) as server, tempfile.TemporaryDirectory() as folder:
        backend = {"id": "a", "type": "openai", "base_url": server.urls.slow, "api_key": "k", "model": "m"}
        path = Path(folder, "config.json")
        path.write_text(json.dumps({"BACKENDS": [backend], "MEDIATOR": {}}), encoding="utf-8")
        open_ask = partial(open_worker_ask, Mediator.from_config, ConfigText.read(path))
        with Mediator.from_config(path) as mediator:
            for _ in range(rounds):
                rates["complaint-llm"].append(
                    _rate(lambda: _batch(mediator.asker(), prompts=prompts, max_workers=workers), prompts)
                )
                executor = open_executor(f"dask://local/{PROCESSES}", open_ask, workers, {})
                rates[f"Dask, {PROCESSES} processes"].append(
                    _rate(lambda: _batch(prompts=prompts, executor=executor), prompts)  # noqa: B023 - called at once
                )
    title = f"{workers} at a time at {latency} ms: threads of one process, and a Dask cluster of this machine"
    return Table(title, "prompts/s", 1, figures(rates, "complaint-llm"))


def _redis(rounds: int) -> Table:
    """Calls one after the other to a mock, with limits in this process alone and with those that Redis keeps."""
    keys = {"rate_limit": 10_000_000, "tokens_per_minute": 10_000_000_000, "max_tokens": 50}
    rates: dict[str, list[float]] = {"limits of this process": [], "complaint-llm": []}
    with tempfile.TemporaryDirectory() as folder, Redis(Path(folder)) as redis:
        redis.start()
        for _ in range(rounds):
            for name, mediator in (
                ("limits of this process", {}),
                ("complaint-llm", {"shared": {"redis": redis.url}}),
            ):
                sections = {"BACKENDS": [{"id": "a", "type": "mock", "echo": True, **keys}], "MEDIATOR": mediator}
                path = Path(folder, "config.json")
                path.write_text(json.dumps(sections), encoding="utf-8")
                with Mediator.from_config(path) as made:
                    made.generate("the first")
                    rates[name].append(_rate(lambda: _calls(made), SHARED_CALLS))
    return Table("Calls in a row, limits shared by Redis", "calls/s", 1, figures(rates, "limits of this process"))


def _calls(mediator: Mediator) -> None:
    for number in range(SHARED_CALLS):
        mediator.generate(str(number))


def _batch(ask: Ask = nothing, *, prompts: int = TINY, max_workers: int = AT_ONCE, **how: Any) -> None:
    with run_batch(ask, (f"prompt {number}" for number in range(prompts)), max_workers=max_workers, **how) as results:
        for result in results:
            if result.error is not None:
                raise result.error


def _rate(work: Callable[[], object], count: int = TINY) -> float:
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


if __name__ == "__main__":
    run(__doc__ or "", tables)
