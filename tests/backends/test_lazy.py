"""Declared backends are made when they are needed, once."""

from __future__ import annotations

import threading
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
    assert FallbackBackend(first, [second]).generate("x") == "a"  # type: ignore[arg-type, list-item]
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
