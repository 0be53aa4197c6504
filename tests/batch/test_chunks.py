"""Prompts that take little time go to other processes together, and keep what a prompt that goes alone has."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.batch import BatchItem, Journal, Work, open_executor, run_batch
from complaint_llm.batch.ask_chunk import AskChunk
from complaint_llm.batch.chunks import CHUNK_SECONDS, MOST, ChunkReport, Chunks, Parcel, ask_in_time
from complaint_llm.exceptions import BatchError, ServerError
from complaint_llm.messages import InferenceOutput
from tests.batch.chunk_asks import NotingAsk, answer
from tests.peers import need_peer

PROMPTS = 600


def parcels(number: int) -> list[Parcel]:
    return [Parcel(Work(i, f"k{i}", f"p{i}", {}, "", named=True), f"p{i}") for i in range(number)]


@given(
    seconds=st.lists(st.floats(0, 0.1), min_size=1, max_size=40),
    processes=st.integers(1, 5),
    burst=st.integers(1, 50),
    unasked=st.integers(0, 3),
)
def test_everything_is_sent_once_whatever_the_others_took(seconds, processes, burst, unasked):
    """Nothing is sent twice or left behind; a chunk is never longer than planned, nor more than a process' share."""
    chunks, sent, waiting = Chunks(), [], parcels(300)
    everything = list(waiting)
    under_way: list = []
    times = 0
    while waiting or under_way:
        for _ in range(min(burst, len(waiting))):
            under_way += chunks.add(waiting.pop())
        if not under_way:
            break
        chunk = under_way.pop(0)
        assert 1 <= len(chunk) <= MOST
        again = chunk[len(chunk) - min(unasked, len(chunk) - 1) :] if len(chunk) > 1 else ()
        done = chunk[: len(chunk) - len(again)]
        sent += done
        each = seconds[times % len(seconds)]
        times += 1
        under_way += chunks.end(ChunkReport(len(done), each * len(done), f"process {times % processes}"), again)
    assert sorted(parcel.work.position for parcel in sent) == [parcel.work.position for parcel in everything]
    assert chunks.take_back() == []


@pytest.mark.parametrize("each", [0.0, 1e-6, 1e-4, CHUNK_SECONDS / 64, CHUNK_SECONDS / 10, CHUNK_SECONDS / 2])
@pytest.mark.parametrize("processes", [1, 2, 7])
def test_a_chunk_grows_with_what_waits_and_leaves_one_for_each_process(each, processes):
    """So many are ready at once that every process has two to do; the rest waits here, and can be taken back."""
    chunks = Chunks()
    first = [chunk for parcel in parcels(processes) for chunk in chunks.add(parcel)]
    assert [len(chunk) for chunk in first] == [1] * processes
    for number in range(processes):
        chunks.end(ChunkReport(1, each, f"process {number}"))
    ready = [chunk for parcel in parcels(100) for chunk in chunks.add(parcel)]
    assert len(ready) == 2 * processes  # each went as soon as it came: nothing waited
    more = chunks.end(ChunkReport(1, each, "process 0"))
    waited = 100 - 2 * processes
    assert [len(chunk) for chunk in more] == [
        max(1, min(waited // processes, MOST, int(CHUNK_SECONDS / each) if each else MOST))
    ]
    assert len(chunks.take_back()) == waited - len(more[0])


@pytest.mark.parametrize("each", [CHUNK_SECONDS, CHUNK_SECONDS * 0.6, 0.1, 1.0, 30.0])
def test_what_a_model_answers_goes_alone_and_at_once(each):
    """One long answer is enough: what waits then goes one by one."""
    chunks = Chunks()
    for parcel in parcels(2):
        chunks.add(parcel)
    chunks.end(ChunkReport(1, 0.0001, "a"))
    ready = [chunk for parcel in parcels(50) for chunk in chunks.add(parcel)]
    assert len(ready) < 50
    let_go = chunks.end(ChunkReport(1, each, "a"))
    assert [len(chunk) for chunk in let_go] == [1] * (50 - len(ready))
    assert [len(chunk) for parcel in parcels(50) for chunk in chunks.add(parcel)] == [1] * 50


def test_what_this_process_does_itself_is_never_chunked():
    """Threads of a pool need no way there and back."""
    chunks = Chunks(here="me")
    chunks.add(parcels(1)[0])
    chunks.end(ChunkReport(1, 0.0, "me"))
    assert [len(chunk) for parcel in parcels(200) for chunk in chunks.add(parcel)] == [1] * 200


@pytest.mark.parametrize(("slow", "asked"), [(0, 1), (3, 4), (9, 10), (None, 10)])
def test_a_chunk_ends_after_an_answer_that_takes_long(slow, asked):
    """What comes after it is given back, not begun."""
    begun = []

    def ask(number):
        begun.append(number)
        if number == slow:
            threading.Event().wait(2 * CHUNK_SECONDS)
        return number

    outcomes, seconds = ask_in_time(ask, range(10))
    assert outcomes == begun
    assert len(begun) <= asked  # fewer where the machine stood still for so long
    assert slow is None or len(begun) < asked or seconds > CHUNK_SECONDS


@pytest.mark.parametrize(
    ("word", "text"),
    [("fail", "overloaded"), ("odd", "Odd: cannot travel"), ("exit", "SystemExit"), ("unpicklable", "has no pickle")],
)
@pytest.mark.parametrize("place", [0, 1, 4])
def test_whatever_one_of_a_chunk_ends_with_the_chunk_can_travel(word, text, place):
    """What it was is said in words where it cannot be brought."""
    prompts = [(f"{word} {i}" if i == place else f"p{i}", {}) for i in range(5)]
    outcomes, report = pickle.loads(pickle.dumps(AskChunk(answer)(prompts)))
    assert report.asked == len(outcomes)
    for number, (output, error) in enumerate(outcomes):
        assert (output is None) == (number == place)
        assert error is None or text in str(error)


class CountingPool(ProcessPoolExecutor):
    """Counts what it is given."""

    submitted = 0

    def submit(self, *args, **keys):
        self.submitted += 1
        return super().submit(*args, **keys)


@pytest.fixture
def pool():
    with CountingPool(2, mp_context=multiprocessing.get_context("forkserver")) as opened:
        yield opened


def test_a_pool_is_given_far_fewer_tasks_than_prompts(pool):
    """Where answers come at once; every prompt has its own answer, in order."""
    prompts = [f"p{i}" for i in range(PROMPTS)]
    run = run_batch(answer, prompts, max_workers=64, executor=pool, ordered=True)
    assert [result.output.content for result in run] == [f"<{prompt}>" for prompt in prompts]
    assert pool.submitted < PROMPTS / 2


def test_prompts_that_take_as_long_as_a_models_are_tasks_of_their_own(pool):
    """As many as before: none waits for another."""
    results = list(run_batch(answer, [f"slow {i}" for i in range(40)], max_workers=16, executor=pool))
    assert len(results) == pool.submitted == 40


@pytest.mark.parametrize(
    ("word", "kind", "text"),
    [
        ("fail", ServerError, "overloaded"),
        ("exit", BatchError, "SystemExit"),
        ("unpicklable", Exception, "pickle"),
    ],
)
def test_an_error_costs_its_own_prompt_alone(pool, word, kind, text):
    """In a chunk as without: every other prompt of the chunk has its answer."""
    prompts = [f"{word} {i}" if i > 200 and i % 50 == 0 else f"p{i}" for i in range(PROMPTS)]
    results = list(run_batch(answer, prompts, max_workers=64, executor=pool, ordered=True))
    assert pool.submitted < PROMPTS
    for prompt, result in zip(prompts, results, strict=True):
        if prompt.startswith("p"):
            assert result.output.content == f"<{prompt}>"
        else:
            assert isinstance(result.error, kind)
            assert text in str(result.error)


def test_a_prompt_that_cannot_travel_costs_itself_alone(pool):
    """The others of its chunk go without it."""
    items = [
        BatchItem("u", None, {"extra_body": threading.Lock()}) if i in (300, 301, 470) else BatchItem(f"p{i}")
        for i in range(PROMPTS)
    ]
    results = list(run_batch(answer, items, max_workers=64, executor=pool, ordered=True, digest=repr))
    assert [result.index for result in results if result.error is not None] == [300, 301, 470]


@pytest.mark.parametrize("place", [0, 250, 599])
def test_a_killed_process_leaves_each_prompt_in_doubt_by_itself(tmp_path, place):
    """Nothing that was recorded is asked again, and the next run asks all the rest."""
    prompts = [f"die {tmp_path / 'died'}" if i == place else f"p{i}" for i in range(PROMPTS)]
    ask = NotingAsk(tmp_path)
    with CountingPool(2, mp_context=multiprocessing.get_context("forkserver")) as first:
        run = run_batch(ask, prompts, max_workers=64, executor=first, journal=tmp_path / "j")
        with suppress(BatchError):  # none where the other process was done before the pool saw that this one died
            list(run)
    with Journal(tmp_path / "j") as journal:
        answered = journal.counts().answered
    assert answered < PROMPTS
    asked = ask.asked()
    with CountingPool(2, mp_context=multiprocessing.get_context("forkserver")) as second:
        results = list(run_batch(ask, prompts, max_workers=64, executor=second, journal=tmp_path / "j", ordered=True))
    assert [result.output.content for result in results] == [f"<{prompt}>" for prompt in prompts]
    assert len(ask.asked()) - len(asked) == PROMPTS - answered


def test_what_was_begun_and_what_was_taken_back_are_all_there_is(pool, tmp_path):
    """A stop in the middle of chunks: each prompt that was begun has its answer recorded, and no other is in doubt."""
    ask = NotingAsk(tmp_path)
    with run_batch(ask, map(str, range(5000)), max_workers=64, executor=pool, journal=tmp_path / "j") as run:
        got = []
        for result in run:
            got.append(result)
            if len(got) == 300:
                run.stop()
    assert sorted(ask.asked()) == sorted(result.prompt for result in got)
    with Journal(tmp_path / "j") as journal:
        assert journal.counts() == (len(got), 0, 0)


def test_a_pool_that_is_shut_down_in_the_middle_loses_no_prompt_unsaid(tmp_path):
    """Each prompt that was read has an answer or an error, and the batch ends."""
    with CountingPool(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
        run = run_batch(answer, [f"p{i}" for i in range(PROMPTS)], max_workers=64, executor=pool)
        results = []

        def read_all():
            for result in run:
                results.append(result)
                if len(results) == 200:
                    pool.shutdown(wait=False)

        with pytest.raises(BatchError, match="takes no more work"):
            read_all()
    assert len({result.index for result in results}) == len(results)
    assert {result.index for result in results} == set(range(len(results)))


def test_threads_of_a_pool_get_prompts_one_by_one():
    """As ever: what is made in this process is handed on as it is."""
    mine = threading.Lock()

    def ask(prompt, params):
        return InferenceOutput(prompt, metadata={"lock": mine})

    with ThreadPoolExecutor(4) as threads:
        results = list(run_batch(ask, map(str, range(200)), max_workers=4, executor=threads))
    assert all(result.output.metadata["lock"] is mine for result in results)


class OpenAnswer:
    """Opens ``answer`` in a worker."""

    def __call__(self):
        return answer


@pytest.mark.peer("distributed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_dask_is_given_far_fewer_tasks_than_prompts(monkeypatch):
    """Where answers come at once; errors are those of their prompts, and what cannot travel goes alone."""
    need_peer("distributed")
    import distributed

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    given, submit = [], distributed.Client.submit

    def counted(client, *args, **keys):
        given.append(args)
        return submit(client, *args, **keys)

    monkeypatch.setattr(distributed.Client, "submit", counted)
    prompts = [f"fail {i}" if i % 100 == 99 else f"p{i}" for i in range(PROMPTS)]
    prompts[400] = BatchItem("u", None, {"extra_body": threading.Lock()})
    executor = open_executor("dask://local/1", OpenAnswer(), 64, {})
    results = list(run_batch(None, prompts, executor=executor, ordered=True, digest=repr))
    assert [result.index for result in results if isinstance(result.error, ServerError)] == list(range(99, 600, 100))
    assert "brought to" in str(results[400].error)
    assert sum(result.output is not None for result in results) == PROMPTS - 7
    assert len(given) < PROMPTS / 2


class WithoutText(Exception):
    """What some library raises whose text cannot be made, and of which there is no pickle."""

    def __str__(self):
        raise ValueError("no text")

    def __reduce__(self):
        raise TypeError("no pickle")


class WithoutTextOrEnd(BaseException):
    """The same of what is no Exception."""

    __str__ = WithoutText.__str__


@pytest.mark.parametrize("kind", [WithoutText, WithoutTextOrEnd])
def test_an_error_of_which_nothing_can_be_said_costs_its_own_prompt_alone(kind):
    """Its class is told, and the others of the chunk have their answers."""

    def ask(prompt, params):
        if prompt == "bad":
            raise kind
        return InferenceOutput(prompt)

    outcomes, _ = AskChunk(ask)([("a", {}), ("bad", {}), ("b", {})])
    assert [output and output.content for output, _ in outcomes] == ["a", None, "b"]
    assert str(outcomes[1][1]) == f"the call ended with {kind.__name__}: it has no text"
