"""What belongs to a backend is shared by all who ask it; what belongs to a path is that path's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator, TokenUsage
from complaint_llm.backends import Backend, FallbackBackend, Request
from complaint_llm.client.client import Client
from complaint_llm.exceptions import BudgetExceededError, CircuitOpenError, RateLimitError, ServerError
from complaint_llm.messages import InferenceOutput

PRICED: dict[str, Any] = {"pricing": {"input": 1e6, "output": 1e6}, "max_tokens": 10, "model": "m"}
"""A dollar a token: an answer of ten and ten tokens costs twenty, and at most 352 are reserved for it."""


class Costly(Backend):
    """Answers with ten tokens to ten."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput("answer", token_usage=TokenUsage(10, 10, 20))


def ask_often(client: Client) -> None:
    """More often than any budget here pays for."""
    for _ in range(20):
        client.generate("x")


def test_each_of_two_mediators_over_one_backend_pays_for_its_own_calls(tmp_path: Path) -> None:
    """Neither a call through the other nor one of the backend itself is charged to its budget."""
    backend = Costly(id="a", **PRICED)
    first = Mediator([backend], budget=400, folder=tmp_path, id="first")
    second = Mediator([backend], budget=400, folder=tmp_path, id="second")
    with first, second:
        assert first.generate("x") == "answer"
        ask_often(backend)
        assert second.generate("x") == "answer"
        with pytest.raises(BudgetExceededError):
            ask_often(first)
        assert second.generate("x") == "answer"
        assert backend.generate("x") == "answer"


def test_two_mediators_over_one_backend_share_its_limit(tmp_path: Path) -> None:
    """The limit is the key's, whoever asks."""
    backend = Costly(id="a", rate_limit=3, rate_limit_window=3600, retry_on_rate_limit=False)
    first, second = (Mediator([backend], folder=tmp_path, id=id) for id in ("first", "second"))
    with first, second:
        assert [each.generate("x") for each in (first, second, backend)] == ["answer"] * 3
        for each in (first, second, backend):
            with pytest.raises(RateLimitError):
                each.generate("x")


@pytest.mark.parametrize("wrapped", [False, True], ids=["itself", "inside a fallback"])
def test_a_mediator_inside_another_charges_both_budgets(wrapped: bool, tmp_path: Path) -> None:
    """The inner one's budget is spent by calls of the outer one, too; calls of its own leave the outer's alone."""
    inner = Mediator([Costly(id="a", **PRICED)], budget=400, folder=tmp_path, id="inner")
    member: Client = FallbackBackend(inner, []) if wrapped else inner
    with Mediator([member], budget=100_000, folder=tmp_path, id="outer") as outer:
        assert outer.generate("x") == "answer"
        assert inner.generate("x") == "answer"
        with pytest.raises(BudgetExceededError):
            ask_often(outer)


def test_one_backend_has_one_breaker(tmp_path: Path) -> None:
    """Failures that one Mediator saw keep the other from asking."""

    class Down(Costly):
        asked = 0

        def answer(self, request: Request) -> InferenceOutput:
            type(self).asked += 1
            raise ServerError("HTTP 500", status=500)

    backend = Down(id="a", max_retries=0)
    keys: dict[str, Any] = {"circuit_breaker": {"failures": 2, "cooldown": 3600}, "folder": tmp_path}
    first, second = (Mediator([backend], id=id, **keys) for id in ("first", "second"))
    with first, second:
        for _ in range(2):
            with pytest.raises(ServerError):
                first.generate("x")
        for each in (first, second, backend):
            with pytest.raises(CircuitOpenError):
                each.generate("x")
    assert Down.asked == 2
