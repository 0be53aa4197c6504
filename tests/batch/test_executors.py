"""Places where the asking is done: whatever keeps the protocol gets journal, order and errors for nothing."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from complaint_llm.batch import Journal, Work, open_executor, run_batch
from complaint_llm.exceptions import BatchError, ServerError
from complaint_llm.messages import InferenceOutput

sys.path.insert(0, str(Path(__file__).parent))
from dask_asks import OpenAsk  # a worker process imports it by this name


class BatchService:
    """Stands for a provider's batch service: takes up to 100 prompts at a time and answers all of them at once."""

    capacity = 100
    reruns = 0

    def __init__(self):
        self.lock, self.sizes = threading.Lock(), []
        self.waiting: list[Work] = []
        self.some, self.over = threading.Event(), threading.Event()

    def start(self, finished):
        self.finished = finished
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def submit(self, work):
        with self.lock:
            self.waiting.append(work)
        self.some.set()

    def withdraw(self):
        with self.lock:
            given_back, self.waiting = self.waiting, []
        return given_back

    def close(self, wait=0.0):
        self.over.set()
        self.some.set()
        self.thread.join(wait)

    def _serve(self):
        while not self.over.is_set():
            self.some.wait()
            self.over.wait(0.02)  # others may still come
            with self.lock:
                self.some.clear()
                file, self.waiting = self.waiting[:100], self.waiting[100:]
                if self.waiting:
                    self.some.set()
            if file:
                self.sizes.append(len(file))
            for work in file:
                if work.prompt == "7":
                    self.finished(work, None, ServerError("no"))
                else:
                    self.finished(work, InferenceOutput(f"<{work.prompt}>"), None)


def test_a_batch_service_can_be_an_executor(tmp_path):
    service = BatchService()
    results = list(
        run_batch(None, map(str, range(450)), executor=service, journal=tmp_path / "run.journal", ordered=True)
    )
    assert [r.output and r.output.content for r in results] == [f"<{i}>" if i != 7 else None for i in range(450)]
    assert max(service.sizes) > 50
    assert not service.thread.is_alive()
    with Journal(tmp_path / "run.journal") as journal:
        assert journal.counts() == (449, 1, 0)


def test_a_batch_that_cannot_begin_closes_its_executor(tmp_path):
    service = BatchService()
    service.start(None)
    with Journal(tmp_path / "run.journal"), pytest.raises(BatchError, match="another process uses it"):
        run_batch(None, [], executor=service, journal=tmp_path / "run.journal")
    assert service.over.is_set()


def test_a_plugin_offers_executors_by_scheme():
    made = []

    def factory(url, open_ask, max_workers):
        made.append((url, max_workers))
        return BatchService()

    assert isinstance(open_executor("service://x", lambda: None, 3, {"service": factory}), BatchService)
    assert made == [("service://x", 3)]


def test_threads_can_be_named_like_any_other():
    executor = open_executor("threads", lambda: lambda prompt, params: InferenceOutput(prompt), 2, {})
    assert [r.output.content for r in run_batch(None, "abc", executor=executor, ordered=True)] == ["a", "b", "c"]


def test_a_pool_of_processes_does_the_work(tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        ask = OpenAsk(tmp_path, 0.0)()
        run = run_batch(ask, ["a", "fail"], max_workers=1, executor=pool, journal=tmp_path / "j", ordered=True)
        good, failed = run
    assert good.output.content == "<a>"
    assert isinstance(failed.error, ServerError)


def test_what_a_pool_has_not_begun_is_taken_back_on_stop(tmp_path):
    gate = threading.Event()

    def ask(prompt, params):
        gate.wait(5)
        return InferenceOutput(prompt)

    with ThreadPoolExecutor(1) as pool:
        run = run_batch(ask, map(str, count()), max_workers=4, executor=pool, journal=tmp_path / "j")
        threading.Event().wait(0.1)
        run.stop()
        gate.set()
        assert len(list(run)) == 1
    with Journal(tmp_path / "j") as journal:
        assert journal.counts() == (1, 0, 0)


def test_in_doubt_policies_need_threads_of_our_own(tmp_path):
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="may rerun work"):
        run_batch(None, [], executor=pool, journal=tmp_path / "j", in_doubt="skip")


def test_an_unknown_executor_is_refused():
    with pytest.raises(BatchError, match="known are: dask, service, threads"):
        open_executor("nothing", lambda: None, 1, {"service": None})
