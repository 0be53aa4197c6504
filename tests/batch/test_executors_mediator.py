"""``Mediator.batch(executor=...)``: the config goes to the other process as it was written, and is opened there."""

from __future__ import annotations

import json
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import MockBackend
from complaint_llm.batch.remote import ConfigText, open_worker_ask
from complaint_llm.exceptions import BackendError, BatchError, ConfigError
from tests.peers import need_peer

KEY = "sk-canary-5fe1c0d2"


@pytest.fixture
def mediator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mediator]:
    """One whose config names a key that only this process has, beside the mock that answers."""
    monkeypatch.setenv("SERVICE_KEY", KEY)
    far = {"id": "far", "type": "openai", "base_url": "http://127.0.0.1:9/v1", "api_key": "$SERVICE_KEY", "model": "m"}
    config = {
        "BACKENDS": [far, {"id": "near", "type": "mock", "echo": True}],
        "MEDIATOR": {"backends": ["near"]},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    with Mediator.from_config(tmp_path / "config.json") as made:
        yield made


class Kept(Executor):
    """Pickles what it is given, as every executor that crosses processes does, and keeps that."""

    def __init__(self) -> None:
        self.pickles: list[bytes] = []
        self.inner = ThreadPoolExecutor(1)

    def submit(self, call, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        self.pickles.append(pickle.dumps((call, args)))
        call, args = pickle.loads(self.pickles[-1])
        return self.inner.submit(call, *args)


def test_a_pool_of_processes_asks_over_mediators_of_its_own(mediator: Mediator) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        results = list(mediator.batch(["a", "b", "c"], 2, executor=pool, ordered=True, max_tokens=5))
    assert [(result.output and result.output.content, result.error) for result in results] == [
        ("a", None),
        ("b", None),
        ("c", None),
    ]


def test_what_travels_holds_the_reference_and_not_the_key(mediator: Mediator) -> None:
    executor = Kept()
    (result,) = mediator.batch(["a"], executor=executor)
    executor.inner.shutdown()
    assert result.error is None
    assert b"$SERVICE_KEY" in executor.pickles[0]
    assert KEY.encode() not in executor.pickles[0]


def test_a_worker_s_ask_closes_the_mediator_that_it_opened(mediator: Mediator) -> None:
    """So nothing of a batch stays open on a cluster that goes on."""
    assert mediator.config is not None
    ask: Any = open_worker_ask(Mediator.from_config, ConfigText.read(mediator.config.path))
    assert ask("a", {}).content == "a"
    ask.close()
    with pytest.raises(BackendError, match="is closed"):
        ask("a", {})


def test_threads_ask_over_the_mediator_itself() -> None:
    mock = MockBackend(id="m", echo=True)
    with ThreadPoolExecutor(2) as pool, Mediator([mock]) as mediator:
        results = list(mediator.batch(["a", "b"], executor=pool, ordered=True))
    assert [result.output.content for result in results if result.output] == ["a", "b"]
    assert mock.call_count() == 2


def test_a_mediator_that_was_made_in_code_says_why_it_cannot_travel() -> None:
    with ProcessPoolExecutor(1) as pool, Mediator([MockBackend(id="m", echo=True)]) as mediator:
        (result,) = mediator.batch(["a"], executor=pool)
    assert isinstance(result.error, BatchError)
    assert "make it with Mediator.from_config" in str(result.error)


@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dask_client_s_own_executor_does_too(mediator: Mediator) -> None:
    need_peer("distributed")
    import distributed

    place = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "worker_dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=1, processes=True, **place) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        results = list(mediator.batch(["a", "b"], executor=client.get_executor(), ordered=True))
    assert [result.output.content for result in results if result.output] == ["a", "b"]


def test_a_host_whose_name_begins_like_local_is_not_this_machine(tmp_path: Path) -> None:
    from complaint_llm.cli.app import App

    config = {"BACKENDS": [{"id": "m", "type": "mock", "echo": True}], "MEDIATOR": {"privacy": "local"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    app = App(tmp_path / "config.json", debug=False)
    assert app.batch_executors("dask://local/2") == {}
    for url in ("dask://local.example.com:8786", "dask://localhost:8786"):
        with pytest.raises(ConfigError, match="may be another machine"):
            app.batch_executors(url)


def test_a_config_that_is_gone_is_missed_only_by_who_needs_it(mediator: Mediator) -> None:
    """Threads of this process go on; what has to travel says which file it was."""
    assert mediator.config is not None
    mediator.config.path.unlink()
    with ThreadPoolExecutor(1) as pool:
        (result,) = mediator.batch(["a"], executor=pool)
    assert result.error is None
    elsewhere = Kept()
    with pytest.raises(BatchError, match=r"config\.json cannot be read for another process"):
        list(mediator.batch(["a"], executor=elsewhere))
    elsewhere.inner.shutdown()
