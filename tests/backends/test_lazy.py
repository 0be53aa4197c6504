"""Declared backends are made when they are needed, once."""

from __future__ import annotations

import os
import threading
import warnings
from typing import ClassVar

import pytest

from complaint_llm.backends import Backend, FallbackBackend, Request
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.exceptions import BackendError, PluginError
from complaint_llm.messages import InferenceOutput


class Plain(Backend):
    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput(self.id)


def test_a_fallback_that_is_not_needed_is_not_made() -> None:
    """The first answers, so the second's code is never imported."""
    first = LazyBackend("a", lambda: Plain(id="a"))
    second = LazyBackend("b", lambda: Plain(id="b"))
    assert FallbackBackend(first, [second]).generate("x") == "a"
    assert first.is_made
    assert not second.is_made


def test_many_threads_make_it_once() -> None:
    """One lock guards the making."""
    made: list[Plain] = []
    start = threading.Barrier(8)

    def make() -> Backend:
        made.append(Plain(id="a"))
        return made[-1]

    lazy = LazyBackend("a", make)

    def touch() -> None:
        start.wait()
        assert lazy.backend.id == "a"

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

    lazy = LazyBackend("a", broken)
    output = FallbackBackend(lazy, [Plain(id="b")]).infer("x")  # type: ignore[arg-type]
    assert output.content == "b"
    assert "could not be made: cannot import it" in (output.attempts[0].error or "")
    with pytest.raises(BackendError, match="could not be made") as caught:
        lazy.attempt(Plain()._request("x", (), None, {}))
    assert isinstance(caught.value.__cause__, PluginError)


def test_closing_one_that_was_never_made_makes_nothing() -> None:
    """``close`` does not import a provider only to close it."""
    lazy = LazyBackend("a", lambda: pytest.fail("made"))
    lazy.close()


def test_whatever_a_plugins_class_raises_the_next_answers() -> None:
    """A mistake of its author is a reason in the attempts, not the end of the call."""

    def broken() -> Backend:
        raise ValueError("cannot read '5 GB'")

    lazy = LazyBackend("a", broken)
    output = FallbackBackend(lazy, [LazyBackend("b", lambda: Plain(id="b"))]).infer("x")
    assert output.content == "b"
    assert "could not be made: ValueError: cannot read '5 GB'" in str(output.attempts[0].error)


def test_one_that_cannot_be_made_is_neither_loaded_nor_well() -> None:
    """Loading and checking raise the reason rather than pass over it."""

    def broken() -> Backend:
        raise PluginError("cannot import it")

    lazy = LazyBackend("a", broken)
    for ask in (lazy.load, lazy.check):
        with pytest.raises(BackendError, match="cannot import it"):
            ask()
    assert not lazy.is_loaded()


def test_closed_while_it_is_being_made_it_is_closed_all_the_same() -> None:
    """Nobody else would free what it holds."""
    lazy: LazyBackend

    def make() -> Backend:
        lazy.close()
        return Plain(id="a")

    lazy = LazyBackend("a", make)
    with pytest.raises(BackendError, match="is closed"):
        lazy.backend.generate("x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_can_make_what_a_thread_of_its_parent_was_making() -> None:
    """The thread, and with it whoever would give the lock back, is not in the child."""
    making, go_on = threading.Event(), threading.Event()

    def make() -> Backend:
        making.set()
        go_on.wait(10)
        return Plain(id="a")

    lazy = LazyBackend("a", make)
    thread = threading.Thread(target=lambda: lazy.backend)
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
            status = 0 if lazy.backend.id == "a" else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    go_on.set()
    thread.join()


def test_nothing_is_made_to_learn_that_nothing_is_cached() -> None:
    """Only those that cache have a say in what a cached answer depends on."""
    lazy = LazyBackend("a", lambda: Plain(id="a"))
    assert lazy.cache_identity(Plain(id="b")._request("x", (), None, {})) is None
    assert not lazy.is_made
    caching = LazyBackend("a", lambda: Plain(id="a", cache_enabled=True), caches=True)
    assert caching.cache_identity(Plain(id="b")._request("x", (), None, {})) is not None
