"""Batches on a Dask cluster: same journal, same order, same errors, and a killed worker costs no item."""

from __future__ import annotations

import os
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from complaint_llm.batch import BatchItem, Journal, open_executor, run_batch
from complaint_llm.exceptions import BatchError, ConfigError, InvalidRequestError, ServerError
from tests.batch.dask_asks import OpenAsk
from tests.peers import need_peer


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Makes executors whose worker processes can import ``tests``."""
    need_peer("distributed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    return lambda url, workers, seconds=0.0: open_executor(url, OpenAsk(tmp_path, seconds), workers, {})


@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_worker_costs_no_item(opened, tmp_path):
    """1,000 prompts on two processes, one of them killed: 1,000 results, and the journal agrees."""
    executor = opened("dask://local/2", 8, 0.002)
    prompts = [f"p{i}" if i != 200 else "die once" for i in range(1000)]
    with run_batch(None, prompts, executor=executor, journal=tmp_path / "run.journal", ordered=True) as run:
        results = list(run)
    assert (tmp_path / "died").exists()
    assert [r.output.content for r in results] == [f"<{prompt}>" for prompt in prompts]
    assert len({r.output.metadata["pid"] for r in results}) >= 2
    with Journal(tmp_path / "run.journal") as journal:
        assert journal.counts() == (1000, 0, 0)
        assert [r.output for r in journal.recorded_items()] == [r.output for r in results]
    assert run.summary.resent >= 1  # what the killed worker held was run again, and is counted
    assert list(tmp_path.glob("closed-*"))  # each surviving worker closed what it had opened


@pytest.mark.endurance
@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_local_cluster_has_as_many_processes_as_its_url_says(opened, tmp_path):
    """However many cores the machine has; each process opens one ask and closes it."""
    results = list(run_batch(None, map(str, range(30)), executor=opened("dask://local/3", 6, 0.05)))
    assert len({r.output.metadata["pid"] for r in results}) == 3
    assert len(list(tmp_path.glob("opened-*"))) == len(list(tmp_path.glob("closed-*"))) == 3


@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_errors_come_back_as_they_are(opened):
    """What cannot travel costs only its own item, and says what it was."""
    unsendable = BatchItem("u", None, {"extra_body": threading.Lock()})
    prompts = ["a", "fail", "odd", "unmakeable", unsendable, "b"]
    run = run_batch(None, prompts, executor=opened("dask://local/1", 2), ordered=True, digest=repr)
    good, failed, odd, unmakeable, unsent, last = run
    assert (good.output.content, last.output.content) == ("<a>", "<b>")
    assert isinstance(failed.error, ServerError)
    assert (failed.error.backend, failed.error.status) == ("b", 503)
    assert type(unmakeable.error) is ServerError
    assert str(unmakeable.error) == "overloaded"
    for result, text in ((odd, "LookupError"), (unsent, "brought to")):
        assert isinstance(result.error, BatchError)
        assert text in str(result.error)


@pytest.mark.peer("distributed")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("dask://", "give dask://host:port"),
        ("dask://host", "give dask://host:port"),
        ("dask://host:port", "give dask://host:port"),
        ("dask://[::1:8786", "give dask://host:port"),
        ("dask://user@host:8786", "give dask://host:port"),
        ("dask://host:8786?tls=yes", "after . stands worker_timeout=SECONDS"),
        ("dask://local/none", "the number of processes"),
        ("nothing://x", "known are: dask, threads"),
        ("threads://4", "known are: dask, threads"),
    ],
)
def test_urls_that_name_no_executor_are_refused(opened, url, message):
    with pytest.raises(ConfigError, match=message):
        opened(url, 2)


@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_must_stay_on_this_machine_is_not_sent_to_a_cluster_elsewhere(opened, caplog):
    """And a cluster without workers says so, instead of waiting in silence."""
    import distributed

    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=0, processes=True, **here) as cluster:
        executor = opened("dask://" + cluster.scheduler_address.removeprefix("tcp://"), 1)
        assert "has no worker yet" in caplog.text
        (result,) = run_batch(None, [BatchItem("a", None, {"privacy": "local"})], executor=executor)
        assert isinstance(result.error, InvalidRequestError)


@pytest.mark.peer("distributed")
def test_what_the_engine_gives_out_again_is_counted():
    """Be it lost on the way to its answer, or after it; not what was given back or belongs to others."""
    need_peer("distributed")
    from complaint_llm.batch.dask.worker import Reruns

    reruns = Reruns("ours")
    life = {
        "ours-1x1": ("waiting", "processing", "memory", "released", "waiting", "processing", "memory", "forgotten"),
        "ours-2x64": ("waiting", "processing", "released", "waiting", "processing", "memory", "forgotten"),
        "ours-3x7": ("waiting", "processing", "released", "forgotten"),
        "theirs": ("waiting", "processing", "released", "waiting", "processing"),
    }
    for key, states in life.items():
        for before, after in pairwise(states):
            reruns.transition(key, before, after)
    assert reruns.count == 1 + 64  # prompts, however many went together
