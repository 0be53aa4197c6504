"""Places where the asking is done: whatever keeps the protocol gets journal, order and errors for nothing."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count

import pytest

from complaint_llm.batch import BatchItem, Journal, Work, open_executor, run_batch
from complaint_llm.batch.executors import ThreadExecutor
from complaint_llm.exceptions import BatchError, ConfigError, InvalidRequestError, ServerError
from complaint_llm.messages import InferenceOutput
from tests.batch.dask_asks import OpenAsk


@pytest.mark.parametrize("journaled", [False, True])
def test_a_machine_that_gives_no_more_threads_has_fewer_workers(tmp_path, monkeypatch, caplog, journaled):
    """A night's batch goes on with the workers that there are, and says so."""
    start = threading.Thread.start
    workers = []

    def starts_two(thread):
        if thread.name.startswith("batch-") and thread.name[6:].isdigit():
            if len(workers) == 2:
                raise RuntimeError("can't start new thread")
            workers.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", starts_two)
    journal = tmp_path / "j" if journaled else None
    with run_batch(
        lambda prompt, params: InferenceOutput(prompt), map(str, range(50)), max_workers=8, journal=journal
    ) as run:
        assert sorted(int(result.output.content) for result in run) == list(range(50))
    assert "goes on with 2 of 8 workers: can't start new thread" in caplog.text
    assert not any(thread.is_alive() for thread in workers)


@pytest.mark.parametrize("journaled", [False, True])
def test_without_a_single_thread_a_batch_ends_with_an_error_and_loses_nothing(tmp_path, monkeypatch, journaled):
    """Nothing was asked; with a journal the same call asks all of it later."""
    start = threading.Thread.start

    def starts_none(thread):
        if thread.name.startswith("batch-") and thread.name[6:].isdigit():
            raise RuntimeError("can't start new thread")
        start(thread)

    asked = []

    def ask(prompt, params):
        asked.append(prompt)
        return InferenceOutput(prompt)

    journal = tmp_path / "j" if journaled else None
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", starts_none)
        with (
            run_batch(ask, map(str, range(20)), max_workers=8, journal=journal) as run,
            pytest.raises(BatchError, match="no thread could be started"),
        ):
            list(run)
    assert asked == []
    if journaled:
        with run_batch(ask, map(str, range(20)), max_workers=8, journal=journal) as run:
            assert sorted(int(result.output.content) for result in run) == list(range(20))
        assert sorted(map(int, asked)) == list(range(20))


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


def test_a_killed_worker_breaks_a_pool_and_the_next_run_goes_on_in_another(tmp_path):
    """Each item that was taken has one result or one error; what the pool had is in doubt, and is asked again."""
    spawn, prompts = multiprocessing.get_context("spawn"), [str(i) for i in range(60)]
    prompts[20] = "die once"
    ask = OpenAsk(tmp_path, 0.01)()
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        run = run_batch(ask, prompts, max_workers=4, executor=pool, journal=tmp_path / "j")
        results = []
        with pytest.raises(BatchError, match="takes no more work: A child process terminated abruptly"):
            results += run
    answered = [result for result in results if result.error is None]
    with Journal(tmp_path / "j") as journal:
        counts = journal.counts()
    assert len({result.index for result in results}) == len(results) == counts.answered + counts.failed
    assert counts.answered == len(answered) >= 10
    assert 1 <= counts.in_doubt == run.summary.in_doubt <= 8
    assert any("the worker process was lost" in str(result.error) for result in results)
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        again = run_batch(ask, prompts, max_workers=4, executor=pool, journal=tmp_path / "j", ordered=True)
        assert [result.output.content for result in again] == [f"<{prompt}>" for prompt in prompts]
    assert (again.summary.recorded, again.summary.resent) == (len(answered), counts.in_doubt)


def test_what_its_owner_cancels_was_not_asked(tmp_path):
    """A pool that is shut down in mid-run gives each item back with an error that says so, in no doubt."""
    begun, gate = threading.Event(), threading.Event()

    def ask(prompt, params):
        begun.set()
        gate.wait(5)
        return InferenceOutput(prompt)

    pool = Pool(1)
    run = run_batch(ask, ["a", "b", "c"], max_workers=4, executor=pool, ordered=True)
    assert begun.wait(5)
    while pool.submitted < 3:  # all are in the pool's hands
        threading.Event().wait(0.01)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    first, *others = run
    assert first.output.content == "a"
    assert [str(other.error) for other in others] == [
        "not asked: the executor was shut down or cancelled this item"
    ] * 2
    assert run.summary.in_doubt == 0


class Pool(ThreadPoolExecutor):
    """Counts what was submitted to it."""

    submitted = 0

    def submit(self, call, /, *args, **kwargs):
        future = super().submit(call, *args, **kwargs)
        self.submitted += 1
        return future


class Unknown(Executor):
    """Stands for an executor of which nobody knows where it works."""

    def __init__(self, workers):
        self.inner = ThreadPoolExecutor(workers)

    def submit(self, call, /, *args, **kwargs):
        return self.inner.submit(call, *args, **kwargs)

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.inner.shutdown(wait, cancel_futures=cancel_futures)


def test_what_must_stay_on_this_machine_is_not_given_to_an_executor_that_may_be_elsewhere():
    items = [BatchItem("a", None, {"privacy": "local"}), BatchItem("b")]
    for kind, content in ((ThreadPoolExecutor, "a"), (Unknown, None)):
        with kind(1) as pool:
            run = run_batch(lambda prompt, params: InferenceOutput(prompt), items, executor=pool, ordered=True)
            private, other = run
        assert (private.output and private.output.content, other.output.content) == (content, "b")
    assert isinstance(private.error, InvalidRequestError)
    assert "may run on another machine" in str(private.error)


def test_threads_that_have_ended_take_no_work():
    """Nothing is queued behind what ends them: the item would have neither a result nor an error."""
    executor = ThreadExecutor(lambda prompt, params: InferenceOutput(prompt), 1)
    executor.start(lambda work, output, error: None)
    executor.close(1.0)
    with pytest.raises(BatchError, match="have ended"):
        executor.submit(Work(position=0, key="k", prompt="p", params={}, digest="d", named=False))


def test_in_doubt_policies_need_threads_of_our_own(tmp_path):
    with ThreadPoolExecutor(1) as pool, pytest.raises(ValueError, match="may rerun work"):
        run_batch(None, [], executor=pool, journal=tmp_path / "j", in_doubt="skip")


def test_an_unknown_executor_is_refused():
    with pytest.raises(ConfigError, match="known are: dask, service, threads"):
        open_executor("nothing", lambda: None, 1, {"service": None})
