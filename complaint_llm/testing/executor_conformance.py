"""What every executor of batches must do, as a pytest class: subclass it, name the plugin and give a URL.

>>> class TestMine(ExecutorConformance):
...     plugin = "my_package.plugin"
...     url = "mine://local/4"
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from complaint_llm.batch import Ask, BatchExecutor, ExecutorFactory, Work
from complaint_llm.messages import InferenceOutput
from complaint_llm.testing.expectations import error_of, wait_until
from complaint_llm.testing.offer_conformance import OfferConformance

BAD = "fail"
"""The prompt that is answered with an error."""


class AskingError(ValueError):
    """What such a prompt raises."""


def answer_prompt(prompt: Any, params: Mapping[str, Any]) -> InferenceOutput:
    """The prompt, in capitals; an error for one."""
    if prompt == BAD:
        raise AskingError("it fails")
    return InferenceOutput(str(prompt).upper())


def open_prompt_answers() -> Ask:
    """What an executor opens where the work is done. Picklable."""
    return answer_prompt


class Results:
    """What an executor said of each piece of work."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: Counter[int] = Counter()
        self.ends: dict[int, tuple[InferenceOutput | None, Exception | None]] = {}

    def record_end(self, work: Work, output: InferenceOutput | None, error: Exception | None) -> None:
        """Called by the executor."""
        with self.lock:
            self.counts[work.position] += 1
            self.ends[work.position] = (output, error)


class ExecutorConformance(OfferConformance):
    """The suite. ``name`` is the scheme of ``url``, which names an executor that needs nothing to be started first."""

    hook = "complaint_llm_batch_executors"
    url: ClassVar[str]
    open_ask: ClassVar[Callable[[], Ask]] = staticmethod(open_prompt_answers)

    @contextmanager
    def running(self) -> Iterator[tuple[BatchExecutor, Results]]:
        """An executor that was started."""
        factory: ExecutorFactory = self.offer()
        executor, results = factory(self.url, type(self).open_ask, 4), Results()
        executor.start(results.record_end)
        try:
            yield executor, results
        finally:
            executor.close(30)

    def test_it_has_room(self) -> None:
        """At least for one piece of work."""
        with self.running() as (executor, _):
            assert executor.capacity >= 1
            assert executor.reruns == 0

    def test_each_item_is_finished_once(self) -> None:
        """With its own answer."""
        with self.running() as (executor, results):
            for number in range(50):
                executor.submit(_work(number, f"prompt {number}"))
            wait_until(lambda: len(results.ends) == 50)
        assert set(results.counts.values()) == {1}, "an item was finished twice"
        contents = {number: output.content for number, (output, _) in results.ends.items() if output is not None}
        assert contents == {number: f"PROMPT {number}" for number in range(50)}

    def test_an_error_is_the_items_own(self) -> None:
        """Handed out under its class; what comes after is answered."""
        with self.running() as (executor, results):
            for number, prompt in enumerate((BAD, "after")):
                executor.submit(_work(number, prompt))
            wait_until(lambda: len(results.ends) == 2)
        output, error = results.ends[0]
        assert output is None, "an item that failed has an answer"
        assert type(error).__name__ == AskingError.__name__, f"{type(error).__name__} where the item's error belongs"
        assert results.ends[1][1] is None, "the item after it failed, too"

    def test_what_was_withdrawn_is_not_finished(self) -> None:
        """Each item is either given back or finished, never both and never neither."""
        with self.running() as (executor, results):
            for number in range(200):
                executor.submit(_work(number, f"prompt {number}"))
            back = {work.position for work in executor.withdraw()}
            wait_until(lambda: len(results.ends) + len(back) >= 200)
        assert not back & set(results.ends), "an item was given back and finished"

    def test_after_closing_nothing_is_taken(self) -> None:
        """That ends a batch; silence would hang it."""
        with self.running() as (executor, results):
            executor.close(30)
            error_of(lambda: executor.submit(_work(0, "late")))
        assert not results.ends

    def test_closing_ends_its_threads(self) -> None:
        """It owns what it started."""
        before = set(threading.enumerate())
        with self.running() as (executor, results):
            executor.submit(_work(0, "prompt"))
            wait_until(lambda: bool(results.ends))
        wait_until(lambda: not [each for each in threading.enumerate() if each not in before and each.is_alive()])

    def test_closing_twice_is_closing_once(self) -> None:
        """A batch that fails closes it, too."""
        with self.running() as (executor, _):
            executor.close()
            executor.close()


def _work(position: int, prompt: str) -> Work:
    return Work(position, str(position), prompt, {}, str(position), False)
