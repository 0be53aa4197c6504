"""Declared backends are made when they are needed, once."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from complaint_llm.backends import Backend, FallbackBackend, Request
from complaint_llm.backends.options import read_options
from complaint_llm.client.requests import RequestReader
from complaint_llm.client.route import Route
from complaint_llm.client.target import BackendTarget
from complaint_llm.exceptions import BackendError, PluginError
from complaint_llm.messages import InferenceOutput


class Plain(Backend):
    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput(self.id)


def target(id: str, make: Callable[[], Backend], **keys: Any) -> BackendTarget:
    """The target of an entry with these keys."""
    return BackendTarget(id, make, read_options({"id": id, **keys}, id))


def request() -> Request:
    return RequestReader().request("x", (), None, {})


def test_a_fallback_that_is_not_needed_is_not_made() -> None:
    """The first answers, so the second's code is never imported."""
    first = target("a", lambda: Plain(id="a"))
    second = target("b", lambda: Plain(id="b"))
    assert FallbackBackend(Route(first), [Route(second)]).generate("x") == "a"
    assert first.existing is not None
    assert second.existing is None


def test_many_threads_make_it_once() -> None:
    """One lock guards the making."""
    made: list[Plain] = []
    start = threading.Barrier(8)

    def make() -> Backend:
        made.append(Plain(id="a"))
        return made[-1]

    late = target("a", make)

    def touch() -> None:
        start.wait()
        assert late.backend.id == "a"

    threads = [threading.Thread(target=touch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_one_that_cannot_be_made_says_so_and_the_next_answers() -> None:
    """A plugin that breaks at import is an attempt that failed, not a crash."""

    def broken() -> Backend:
        raise PluginError("cannot import it")

    late = target("a", broken)
    output = FallbackBackend(Route(late), [Plain(id="b")]).infer("x")
    assert output.content == "b"
    assert "could not be made: cannot import it" in (output.attempts[0].error or "")
    with pytest.raises(BackendError, match="could not be made") as caught:
        Route(late).attempt(request())
    assert isinstance(caught.value.__cause__, PluginError)


def test_closing_one_that_was_never_made_makes_nothing() -> None:
    """``close`` does not import a provider only to close it."""
    late = target("a", lambda: pytest.fail("made"))
    late.close()


def test_whatever_a_plugins_class_raises_the_next_answers() -> None:
    """A mistake of its author is a reason in the attempts, not the end of the call."""

    def broken() -> Backend:
        raise ValueError("cannot read '5 GB'")

    late = target("a", broken)
    output = FallbackBackend(Route(late), [Route(target("b", lambda: Plain(id="b")))]).infer("x")
    assert output.content == "b"
    assert "could not be made: ValueError: cannot read '5 GB'" in str(output.attempts[0].error)


def test_one_that_cannot_be_made_is_neither_loaded_nor_well() -> None:
    """Loading and checking raise the reason rather than pass over it."""

    def broken() -> Backend:
        raise PluginError("cannot import it")

    late = target("a", broken)
    for ask in (Route(late).load, Route(late).check):
        with pytest.raises(BackendError, match="cannot import it"):
            ask()
    assert not Route(late).is_loaded()


def test_closed_while_it_is_being_made_it_is_closed_all_the_same() -> None:
    """Nobody else would free what it holds."""
    late: BackendTarget

    def make() -> Backend:
        late.close()
        return Plain(id="a")

    late = target("a", make)
    with pytest.raises(BackendError, match="is closed"):
        late.backend.generate("x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_make_what_a_thread_of_its_parent_was_making() -> None:
    """The thread, and with it whoever would give the lock back, is not in the child."""
    making, go_on = threading.Event(), threading.Event()

    def make() -> Backend:
        making.set()
        go_on.wait(10)
        return Plain(id="a")

    late = target("a", make)
    thread = threading.Thread(target=lambda: late.backend)
    thread.start()
    assert making.wait(10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            threading.Timer(5.0, os._exit, [2]).start()
            go_on.set()
            status = 0 if late.backend.id == "a" else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    thread.join()


def test_nothing_is_made_to_learn_that_nothing_is_cached() -> None:
    """Only those that cache have a say in what a cached answer depends on."""
    late = target("a", lambda: Plain(id="a"))
    assert Route(late).cache_identity(request()) is None
    assert late.existing is None
    caching = target("a", lambda: Plain(id="a", cache_enabled=True), cache_enabled=True)
    assert Route(caching).cache_identity(request()) is not None
