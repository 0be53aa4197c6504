"""What becomes of a batch whose Dask cluster goes away, cannot do the work, or is left in mid-run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.batch import Journal, open_executor, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import InferenceOutput
from tests.batch.dask_asks import OpenAsk
from tests.batch.executor_asks import write_config
from tests.peers import free_port, need_peer
from tests.transport.faulty import FaultyServer
from tests.usual_signals import usual_signals

TLS = Path(__file__).parents[1] / "transport" / "tls"

pytestmark = [
    pytest.mark.peer("distributed"),
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Machines:
    """A scheduler and a worker as processes of their own."""

    def __init__(self) -> None:
        port = str(free_port())
        self.url = f"dask://127.0.0.1:{port}"
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        common = ["--host", "127.0.0.1", "--no-dashboard"]
        self.scheduler = self._start(path, "scheduler", "--port", port, *common)
        self._wait_until_it_listens(int(port))
        self.worker = self._start(path, "worker", f"tcp://127.0.0.1:{port}", "--no-nanny", "--nthreads", "2", *common)

    def _start(self, environment: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _wait_until_it_listens(self, port: int) -> None:
        until = time.monotonic() + 120
        while self.scheduler.poll() is None and time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError("the scheduler did not start")

    def stop(self) -> None:
        for process in (self.worker, self.scheduler):
            process.kill()
            process.wait(10)


@pytest.fixture
def machines() -> Iterator[Machines]:
    need_peer("distributed")
    made = Machines()
    yield made
    made.stop()


def here(prompt: Any, params: Any) -> InferenceOutput:
    return InferenceOutput(f"<{prompt}>")


@pytest.mark.endurance
def test_a_lost_scheduler_ends_the_batch_and_the_next_run_goes_on(machines: Machines, tmp_path: Path) -> None:
    """Each item that was taken has one result or one error, and what was under way is in doubt; nothing hangs."""
    executor = open_executor(machines.url, OpenAsk(tmp_path, 0.05), 4, {})
    journal, prompts = tmp_path / "run.journal", [f"p{i}" for i in range(200)]
    run = run_batch(None, prompts, executor=executor, journal=journal)
    results = [next(run) for _ in range(20)]
    machines.scheduler.send_signal(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(BatchError, match="the connection to the Dask scheduler was lost"):
        results += run
    assert time.monotonic() - began < 60
    assert len({result.index for result in results}) == len(results) < 200
    answered = [result for result in results if result.error is None]
    with Journal(journal) as book:
        counts = book.counts()
    assert (counts.answered, counts.answered + counts.failed) == (len(answered), len(results))
    assert 1 <= counts.in_doubt == run.summary.in_doubt <= 8
    again = run_batch(here, prompts, journal=journal, ordered=True)
    assert [result.output.content for result in again] == [f"<{prompt}>" for prompt in prompts]
    assert (again.summary.recorded, again.summary.resent) == (len(answered), counts.in_doubt)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of one worker process."""
    need_peer("distributed")
    import distributed

    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, processes=True, **place) as made:
        yield made


def url_of(cluster: Any) -> str:
    return "dask://" + str(cluster.scheduler_address).removeprefix("tcp://")


def left_behind(cluster: Any) -> list[str]:
    scheduler = cluster.scheduler
    return [name for name in [*scheduler.plugins, *scheduler.worker_plugins] if str(name).startswith("complaint-llm")]


def test_a_batch_that_is_left_frees_its_journal_and_the_cluster(cluster: Any, tmp_path: Path) -> None:
    """What was under way is in doubt at once; the cluster, which goes on, keeps nothing of the batch."""
    journal = tmp_path / "run.journal"
    executor = open_executor(url_of(cluster), OpenAsk(tmp_path, 3.0), 2, {})
    began = time.monotonic()
    with run_batch(None, ["a", "b", "c"], executor=executor, journal=journal):
        while not list(tmp_path.glob("opened-*")):
            time.sleep(0.02)
        assert len(left_behind(cluster)) == 2
    assert time.monotonic() - began < 3.0
    assert left_behind(cluster) == []
    assert list(tmp_path.glob("closed-*"))
    with Journal(journal) as book:
        assert book.counts().in_doubt >= 2
    again = run_batch(here, ["a", "b", "c"], journal=journal, ordered=True)
    assert [result.output.content for result in again] == ["<a>", "<b>", "<c>"]
    assert again.summary.resent >= 2


def test_a_cluster_that_lacks_the_code_is_refused_before_anything_is_read(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what it lacks, and what it needs; nothing is left behind there."""
    (tmp_path / "known_here_only.py").write_text("def open_ask():\n    raise AssertionError\n")
    monkeypatch.syspath_prepend(tmp_path)
    import known_here_only

    with pytest.raises(BatchError, match=r"No module named 'known_here_only'.*need complaint-llm\[dask\]"):
        open_executor(url_of(cluster), known_here_only.open_ask, 2, {})
    assert left_behind(cluster) == []


def test_dask_s_own_configuration_says_that_the_way_there_is_tls(tmp_path: Path) -> None:
    """``dask://`` names no transport: where Dask is set to TLS, the first thing that is sent is a TLS greeting."""
    need_peer("distributed")
    import dask.config

    from complaint_llm.batch.dask.executor import open_dask

    first: list[bytes] = []
    comm = {
        "distributed.comm.default-scheme": "tls",
        "distributed.comm.tls.ca-file": str(TLS / "authority.pem"),
        "distributed.comm.tls.client.cert": str(TLS / "server.pem"),
    }
    with (
        FaultyServer([lambda caller: first.append(caller.recv(3))]) as server,
        dask.config.set(comm),
        pytest.raises(BatchError, match="no Dask scheduler answers there"),
    ):
        open_dask(f"dask://127.0.0.1:{server.port}", OpenAsk(tmp_path, 0.0), 2, connect_timeout=3.0)
    assert first[0][:2] == b"\x16\x03"


def test_a_port_where_no_scheduler_is_is_one_error(tmp_path: Path) -> None:
    need_peer("distributed")
    from complaint_llm.batch.dask.executor import open_dask

    with pytest.raises(BatchError, match="no Dask scheduler answers there"):
        open_dask(f"dask://127.0.0.1:{free_port()}", OpenAsk(tmp_path, 0.0), 2, connect_timeout=0.3)


class DiesWhereItIsOpened(OpenAsk):
    """Ends a worker process while it begins, from the second on."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        started = self.folder / "started"
        if started.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        started.touch()


@pytest.mark.endurance
@pytest.mark.parametrize("patience", ["50ms", "15s"])
def test_a_prompt_that_ends_each_process_is_one_error_and_the_batch_goes_on(
    patience: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Dask gives the process up that had ended, for it does not come back at once: the batch has another
    begun in its place. What the process was given beside it may share its fate."""
    need_peer("distributed")
    import dask.config
    import distributed

    assert dask.config.get("distributed.deploy.lost-worker-timeout"), distributed  # its own values come with its import
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    prompts = ["a", "die each time", *map(str, range(20))]
    with dask.config.set({"distributed.deploy.lost-worker-timeout": patience}):
        executor = open_executor("dask://local/1", OpenAsk(tmp_path, 0.0), 1, {})
        results = list(run_batch(None, prompts, executor=executor, ordered=True))
    lost = "each of the 4 worker processes that were given it ended without an answer"
    assert str(results[1].error) == lost
    assert {str(each.error) for each in results} == {lost, "None"}
    assert len([each for each in results if each.output is not None]) >= 18


@pytest.mark.endurance
@pytest.mark.parametrize("url", ["dask://local/1", "dask://local/2"])
def test_processes_that_end_with_each_prompt_end_the_batch(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night's batch would start four processes for each of its prompts."""
    need_peer("distributed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    executor = open_executor(url, OpenAsk(tmp_path, 0.0), 2, {})
    prompts = [f"die each time {number}" for number in range(200)]
    with pytest.raises(BatchError, match=f"the processes of {url} end again and again"):
        list(run_batch(None, prompts, executor=executor))


@pytest.mark.endurance
def test_a_batch_whose_processes_do_not_come_back_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the time that it is given, with what was under way in doubt."""
    need_peer("distributed")
    from complaint_llm.batch.dask.executor import open_dask

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    executor = open_dask("dask://local/1", DiesWhereItIsOpened(tmp_path, 0.0), 1, no_process=1.0)
    with pytest.raises(BatchError, match="no process of dask://local/1 came back within 1 s"):
        list(run_batch(None, ["die once", *map(str, range(50))], executor=executor))


@pytest.mark.endurance
def test_ctrl_c_lets_what_is_under_way_finish(tmp_path: Path) -> None:
    """A terminal sends it to the worker processes too; the journal and OUT have whole answers alone, no errors."""
    need_peer("distributed")
    notes = tmp_path / "notes"
    notes.mkdir()
    write_config(tmp_path, {}, seconds=0.2, notes=str(notes))
    (tmp_path / "in.txt").write_text("".join(f"p{i}\n" for i in range(500)))
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "complaint_llm", "-c", "config.json", "batch", "in.txt", "-o", out.name]
    process = subprocess.Popen(
        [*command, "--executor", "dask://local/2", "-w", "4"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=usual_signals,
    )
    watchdog = threading.Timer(60, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    try:
        while process.poll() is None and len(list(notes.iterdir())) < 4:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate()
    finally:
        watchdog.cancel()
    assert process.returncode == 130, said
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert 4 <= len(lines) == len(list(notes.iterdir())) < 500  # all that was asked was answered and kept
    assert [line["error"] for line in lines if line["error"]] == []
    assert "0 failed" in said
