"""A Dask cluster elsewhere that has no worker: a batch waits for one, and not for ever."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm.batch import Journal, open_executor, run_batch
from complaint_llm.batch.dask.address import WORKER_TIMEOUT, DaskAddress
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import BatchError, ConfigError
from complaint_llm.messages import InferenceOutput
from tests.batch.dask_asks import OpenAsk
from tests.end_to_end.everything import write_config
from tests.peers import need_peer

pytestmark = [
    pytest.mark.peer("distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A scheduler without workers; those that are added are threads of this process."""
    need_peer("distributed")
    import distributed

    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=0, threads_per_worker=2, processes=False, protocol="tcp", **place) as made:
        yield made


def url_of(cluster: Any, seconds: float) -> str:
    address = str(cluster.scheduler_address).removeprefix("tcp://")
    return f"dask://{address}?worker_timeout={seconds:g}"


def here(prompt: Any, params: Any) -> InferenceOutput:
    return InferenceOutput(f"<{prompt}>")


@pytest.mark.parametrize("count", [3, 60])
def test_without_a_worker_the_batch_ends_and_nothing_is_in_doubt(
    cluster: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    """Whether all that is to be asked was handed to the scheduler, or a part; the next run asks all of it."""
    prompts, journal = [f"p{i}" for i in range(count)], tmp_path / "run.journal"
    executor = open_executor(url_of(cluster, 0.3), OpenAsk(tmp_path, 0.0), 4, {})
    run = run_batch(None, prompts, executor=executor, journal=journal)
    results, raised = [], ""
    try:
        results += run
    except BatchError as error:
        raised = str(error)
    assert bool(raised) == (count > 3)
    for text in [*(str(result.error) for result in results), *filter(None, [raised])]:
        assert "had no worker for 0.3 s: start one" in text
        assert "?worker_timeout=SECONDS" in text
    assert not [result for result in results if result.output is not None]
    with Journal(journal) as book:
        counts = book.counts()
    assert (counts.answered, counts.in_doubt) == (0, 0)
    assert list(cluster.scheduler.tasks) == []
    assert not list(tmp_path.glob("opened-*"))
    assert [record.getMessage() for record in caplog.records if "0.3 s at most" in record.getMessage()]
    again = run_batch(here, prompts, journal=journal, ordered=True)
    assert [result.output.content for result in again if result.output] == [f"<{prompt}>" for prompt in prompts]
    assert again.summary.resent == 0


def test_a_worker_that_comes_in_time_is_waited_for(cluster: Any, tmp_path: Path) -> None:
    """What was handed over before it came is answered."""
    executor = open_executor(url_of(cluster, 60), OpenAsk(tmp_path, 0.0), 4, {})
    later = threading.Timer(0.3, lambda: cluster.scale(1))
    later.start()
    run = run_batch(None, ["a", "b", "c"], executor=executor, ordered=True)
    assert [result.error for result in run] == [None, None, None]
    later.join()


def test_when_the_last_worker_goes_what_it_was_given_is_in_doubt(cluster: Any, tmp_path: Path) -> None:
    """Nothing is lost: the journal has what has no answer."""
    cluster.scale(1)
    cluster.wait_for_workers(1)
    journal = tmp_path / "run.journal"
    executor = open_executor(url_of(cluster, 0.3), OpenAsk(tmp_path, 2.0), 4, {})
    run = run_batch(None, [f"p{i}" for i in range(8)], executor=executor, journal=journal)

    def take_the_worker_away() -> None:
        while not list(tmp_path.glob("opened-*")):
            time.sleep(0.02)
        cluster.scale(0)

    taking = threading.Thread(target=take_the_worker_away)
    taking.start()
    results = list(run)
    taking.join()
    texts = [str(result.error) for result in results]
    assert any("had no worker for 0.3 s" in text for text in texts)
    with Journal(journal) as book:
        counts = book.counts()
    assert counts.answered == 0
    assert 1 <= counts.in_doubt <= 8
    again = run_batch(here, [f"p{i}" for i in range(8)], journal=journal, ordered=True)
    assert [result.output.content for result in again if result.output] == [f"<p{i}>" for i in range(8)]
    assert again.summary.resent == counts.in_doubt


@pytest.mark.parametrize(
    "query",
    [
        *("worker_timeout=", "worker_timeout=x", "worker_timeout=0", "worker_timeout=-1", "worker_timeout=inf"),
        *("worker_timeout=nan", "timeout=5", "x", "worker_timeout=5&worker_timeout=6", "worker_timeout=5&x=6", "=5"),
    ],
)
def test_a_query_that_says_no_such_time_is_refused(query: str) -> None:
    """With what may stand there."""
    with pytest.raises(ConfigError, match=r"after \? stands worker_timeout=SECONDS"):
        DaskAddress.of(f"dask://host:8786?{query}")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("dask://host:8786", DaskAddress("host:8786", WORKER_TIMEOUT)),
        ("dask://host:8786?worker_timeout=1800", DaskAddress("host:8786", 1800.0)),
        ("dask://[::1]:8786/?worker_timeout=0.5", DaskAddress("[::1]:8786", 0.5)),
        ("dask://local/4", DaskAddress(4)),
        ("dask://local", DaskAddress(1)),
    ],
)
def test_a_url_says_where_and_how_long(url: str, address: DaskAddress) -> None:
    """Five minutes where it says nothing."""
    assert DaskAddress.of(url) == address
    assert WORKER_TIMEOUT == 300


def test_processes_of_this_machine_have_a_time_of_their_own() -> None:
    with pytest.raises(ConfigError, match="give dask://host:port, or dask://local/4"):
        DaskAddress.of("dask://local/4?worker_timeout=5")


def test_the_command_ends_with_a_line_and_goes_on_next_time(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, as where the scheduler is lost; OUT is written by the next run."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [{"id": "m", "type": "mock", "echo": True}])
    (tmp_path / "in.txt").write_text("".join(f"p{i}\n" for i in range(40)))
    command = ["-c", "config.json", "batch", "in.txt", "-o", "out.jsonl"]
    ended = CliRunner().invoke(cli, [*command, "--executor", url_of(cluster, 0.3)])
    said = ended.stderr + str(ended.exception)
    assert ended.exit_code == 1
    assert "had no worker for 0.3 s: start one" in said
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    lines = (tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == [f"p{i}" for i in range(40)]
