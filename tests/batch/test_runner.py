"""What a batch promises without a journal."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from complaint_llm.batch import BatchItem, batch_generate, run_batch
from complaint_llm.call import CancelToken
from complaint_llm.exceptions import BatchError, RateLimitError
from complaint_llm.messages import InferenceOutput


def echo(prompt, params):
    if prompt.startswith("bad"):
        raise RateLimitError("too fast", backend="b")
    return InferenceOutput(f"<{prompt}>", backend="b", cost=0.5)


def test_every_item_has_exactly_one_result():
    results = list(run_batch(echo, [f"p{i}" for i in range(200)], max_workers=7))
    assert sorted(r.index for r in results) == list(range(200))
    assert all(r.output.content == f"<p{r.index}>" and r.error is None and r.prompt == f"p{r.index}" for r in results)


def test_ordered_results_come_in_the_order_of_the_input():
    def slow_first(prompt, params):
        time.sleep(0.02 if prompt.endswith("0") else 0)
        return echo(prompt, params)

    results = list(run_batch(slow_first, (f"p{i}" for i in range(50)), max_workers=4, ordered=True))
    assert [r.index for r in results] == list(range(50))


def test_an_error_belongs_to_its_item_and_stops_nothing():
    run = run_batch(echo, ["a", "bad", "c", ValueError("line 4"), 5, BatchItem("d", 5)], ordered=True)
    results = list(run)
    assert [type(r.error).__name__ for r in results] == [
        "NoneType",
        "RateLimitError",
        "NoneType",
        "ValueError",
        "InvalidRequestError",
        "InvalidRequestError",
    ]
    assert (run.summary.answered, run.summary.failed, run.summary.cost) == (2, 4, 1.0)


def test_at_most_twice_max_workers_are_read_and_not_handed_out():
    read = []

    def endless():
        for i in count():
            read.append(i)
            yield str(i)

    with run_batch(echo, endless(), max_workers=3) as run:
        for taken in range(1, 30):
            next(run)
            time.sleep(0.002)
            assert len(read) <= taken + 2 * 3


def test_at_most_max_workers_are_asked_at_once():
    lock, now, most = threading.Lock(), 0, 0

    def ask(prompt, params):
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.002)
        with lock:
            now -= 1
        return echo(prompt, params)

    assert len(list(run_batch(ask, map(str, range(60)), max_workers=5))) == 60
    assert 2 <= most <= 5


def test_an_error_of_the_input_is_raised_after_the_results_of_what_was_read():
    def broken():
        yield from "abc"
        raise OSError("the file is gone")

    run = run_batch(echo, broken(), max_workers=2)
    with pytest.raises(OSError, match="the file is gone"):
        list(run)
    assert run.summary.answered == 3
    assert list(run) == []


def test_stop_lets_what_is_under_way_finish():
    gate, begun = threading.Event(), threading.Barrier(4, timeout=30)

    def ask(prompt, params):
        begun.wait()
        gate.wait(30)
        return echo(prompt, params)

    run = run_batch(ask, map(str, count()), max_workers=3)
    begun.wait()
    run.stop()
    gate.set()
    assert sorted(r.index for r in run) == [0, 1, 2]


def test_a_stop_event_ends_the_batch():
    stop = threading.Event()
    run = run_batch(echo, map(str, count()), max_workers=2, stop=stop)
    for result in run:
        if result.index > 20:
            stop.set()
    assert run.summary.total < 200


def test_close_cancels_what_is_under_way_and_ends_the_threads(steady_clock):
    token, begun = CancelToken(), threading.Event()

    def ask(prompt, params):
        woken = threading.Event()
        token.attach(woken.set)
        begun.set()
        woken.wait(30)
        return echo(prompt, params)

    before = threading.active_count()
    run = run_batch(ask, map(str, count()), max_workers=3, cancel=token)
    begun.wait(30)
    start = steady_clock()
    run.close()
    assert steady_clock() - start < 1
    while threading.active_count() > before and steady_clock() - start < 2:
        time.sleep(0.005)
    assert threading.active_count() == before
    assert list(run) == []


def test_a_batch_that_is_dropped_ends_its_threads():
    before = threading.active_count()
    run = run_batch(echo, map(str, count()), max_workers=3)
    next(run)
    del run
    deadline = time.monotonic() + 30
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.005)
    assert threading.active_count() == before


class Interrupted(threading.Event):
    """Whoever looks at it the first time is interrupted, as by Ctrl-C; it is never set."""

    def __init__(self, on_interrupt):
        super().__init__()
        self.interrupt = iter([on_interrupt])

    def is_set(self):
        for on_interrupt in self.interrupt:
            on_interrupt()
            raise KeyboardInterrupt
        return False


def test_ctrl_c_hands_out_what_is_under_way_then_says_how_to_go_on():
    gate = threading.Event()

    def ask(prompt, params):
        gate.wait(5)
        return echo(prompt, params)

    run = run_batch(ask, map(str, count()), max_workers=3, stop=Interrupted(gate.set))
    got = []
    with pytest.raises(KeyboardInterrupt, match="stopped after"):
        got.extend(result.index for result in run)
    assert sorted(got) == list(range(len(got)))
    assert len(got) <= 6


def test_a_worker_that_raises_something_that_is_no_exception_does_not_hang_the_batch():
    def ask(prompt, params):
        raise SystemExit(3)

    (result,) = run_batch(ask, ["a"])
    assert isinstance(result.error, BatchError)
    assert isinstance(result.error.__cause__, SystemExit)


def test_keys_are_ids_or_digests_of_what_shapes_the_answer():
    items = [
        BatchItem("a", "mine"),
        "a",
        [{"role": "user", "content": "a"}],
        BatchItem("a", None, {"timeout": 3, "backend": "x"}),
        BatchItem("a", None, {"temperature": 0.5}),
        "b",
    ]
    keys = [r.key for r in run_batch(lambda p, q: InferenceOutput("x"), items, ordered=True)]
    assert keys[0] == "mine"
    assert keys[1] == keys[2] == keys[3]
    assert len(set(keys)) == 4


def test_any_executor_of_concurrent_futures_does_the_work():
    with ThreadPoolExecutor(3) as pool:
        results = list(run_batch(echo, map(str, range(40)), max_workers=3, executor=pool, ordered=True))
    assert [r.output.content for r in results] == [f"<{i}>" for i in range(40)]


def test_an_executor_that_takes_no_more_work_ends_the_batch_with_an_error():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    run = run_batch(echo, map(str, count()), executor=pool)
    with pytest.raises(BatchError, match="takes no more work"):
        list(run)


@pytest.mark.parametrize(
    "wrong", [{"max_workers": 0}, {"in_doubt": "maybe"}, {"fresh": True}, {"only_failed": True}, {"in_doubt": "skip"}]
)
def test_options_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError):
        run_batch(echo, [], **wrong)


def test_batch_generate_returns_texts_in_order():
    assert batch_generate(echo, ["a", "b", "c"], max_workers=2) == ["<a>", "<b>", "<c>"]


def test_batch_generate_runs_everything_before_it_raises():
    with pytest.raises(BatchError, match="1 of 3 prompts failed; the first is number 1") as caught:
        batch_generate(echo, ["a", "bad", "c"], max_workers=2)
    assert caught.value.results == ["<a>", None, "<c>"]
    assert isinstance(caught.value.errors[1], RateLimitError)
    assert caught.value.__cause__ is caught.value.errors[1]


def test_batch_generate_can_put_the_exception_in_the_failed_place():
    texts = batch_generate(echo, ["a", "bad"], on_error="return")
    assert texts[0] == "<a>"
    assert isinstance(texts[1], RateLimitError)
