"""Backends made of backends give targets to the one attempt loop."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from complaint_llm.backends import (
    Backend,
    ComposedBackend,
    FallbackBackend,
    LoadBalancedBackend,
    Request,
    make_strategy,
)
from complaint_llm.exceptions import AllBackendsFailedError, BackendError, ConfigError, ServerError
from complaint_llm.messages import InferenceOutput


class Fixed(Backend):
    """Answers with its id, or fails."""

    interruptible: ClassVar[bool] = True

    def __init__(self, id: str, *, fails: bool = False, **keys: Any) -> None:
        super().__init__(id=id, max_retries=0, **keys)
        self.fails = fails
        self.calls = 0

    def answer(self, request: Request) -> InferenceOutput:
        self.calls += 1
        if self.fails:
            raise ServerError("HTTP 500", status=500)
        return InferenceOutput(self.id)


def test_fallback_answers_from_the_second() -> None:
    """The attempts say why it was not the first."""
    output = FallbackBackend(Fixed("a", fails=True), [Fixed("b")]).infer("x")
    assert output.content == "b"
    assert [(a.backend, a.error is None) for a in output.attempts] == [("a", False), ("b", True)]


def test_all_failed_lists_each() -> None:
    """Nothing is swallowed."""
    with pytest.raises(AllBackendsFailedError) as caught:
        FallbackBackend(Fixed("a", fails=True), [Fixed("b", fails=True)]).infer("x")
    assert [attempt.backend for attempt in caught.value.attempts] == ["a", "b"]
    assert set(caught.value.errors) == {"a", "b"}


def test_load_balancing_takes_turns() -> None:
    """Round robin is exact."""
    parts = [Fixed("a"), Fixed("b"), Fixed("c")]
    balanced = LoadBalancedBackend(parts)
    assert [balanced.generate("x") for _ in range(6)] == ["a", "b", "c"] * 2


def test_composed_backends_nest_and_their_attempts_are_flat() -> None:
    """A chain of chains is one list of targets, each tried once."""
    shared = Fixed("s", fails=True)
    inner = FallbackBackend(shared, [Fixed("b", fails=True)], id="inner")
    outer = FallbackBackend(inner, [shared, Fixed("c")], id="outer")
    output = outer.infer("x")
    assert [attempt.backend for attempt in output.attempts] == ["s", "b", "c"]
    assert shared.calls == 1


def test_a_part_that_cannot_close_does_not_keep_the_others_open() -> None:
    """Every part is closed; the first failure is told."""

    class Stuck(Fixed):
        def close_resources(self) -> None:
            raise OSError("stuck")

    good = Fixed("b")
    with pytest.raises(BackendError, match="stuck"):
        FallbackBackend(Stuck("a"), [good]).close()
    with pytest.raises(BackendError, match="is closed"):
        good.generate("x")


def test_a_composed_backend_needs_parts() -> None:
    """An empty list is a mistake in the config."""
    with pytest.raises(ConfigError, match="no backends to choose from"):
        ComposedBackend([], make_strategy("fallback"), id="empty")


def test_generation_keys_on_a_composed_backend_are_refused() -> None:
    """They would be ignored: its parts have their own."""
    with pytest.raises(TypeError):
        FallbackBackend(Fixed("a"), [Fixed("b")], temperature=1)
