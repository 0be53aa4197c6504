"""A prompt longer than a known window goes to those with room first, and to the largest window last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from complaint_llm.exceptions import (
    ContextLengthError,
)
from complaint_llm.messages import Done
from complaint_llm.routing.router import Router
from complaint_llm.routing.target import Estimate
from tests.routing.failures import FAILURES, router
from tests.routing.routing_model import ModelTime, Scripted, ask, events

if TYPE_CHECKING:
    from collections.abc import Sequence


class TestContextWindow:
    """A prompt longer than a known window goes to those with room first; to the largest window last."""

    @pytest.mark.parametrize(
        ("windows", "asked"),
        [
            ((50, 200), ["b"]),
            ((200, 50), ["a"]),
            ((None, 50), ["a"]),
            ((50, None), ["b"]),
            ((100, 50), ["a"]),
            ((99, 100), ["b"]),
            ((50, 60, 200), ["c"]),
            ((50, 60), ["b"]),
            ((60, 50), ["a"]),
            ((10, 90, 50), ["b"]),
            ((50, 50), ["a"]),
        ],
    )
    def test_it_is_routed_past_those_that_are_too_small(
        self, windows: Sequence[int | None], asked: Sequence[str]
    ) -> None:
        time = ModelTime()
        backends = [
            Scripted(name, window=window, guess=Estimate(100, 5, 0.0))
            for name, window in zip("abc", windows, strict=False)
        ]
        output = router(time).answer(ask(time=time), backends)
        assert [attempt.backend for attempt in output.attempts if attempt.sent] == asked
        assert [backend.id for backend in backends if backend.seen] == asked
        skipped = [attempt.error for attempt in output.attempts if not attempt.sent]
        assert all((error or "").startswith("ContextLengthError: the prompt has about 100 tokens") for error in skipped)
        first = next(each for each in Router().explain(ask(), backends) if each.skip is None)
        assert first.backend == asked[0]

    def test_where_those_with_room_fail_the_largest_of_the_others_is_asked(self) -> None:
        """The estimate is rough: the last healthy backend is reached."""
        time = ModelTime()
        guess = Estimate(100, 5, 0.0)
        small, large = Scripted("a", window=50, guess=guess), Scripted("b", window=90, guess=guess)
        output = router(time).answer(ask(time=time), [small, large, Scripted("c", [FAILURES["401"]()], guess=guess)])
        assert output.attempts[-1].backend == "b"

    def test_what_the_largest_refuses_as_too_long_is_not_sent_to_smaller_ones(self) -> None:
        time = ModelTime()
        guess = Estimate(100, 5, 0.0)
        small = Scripted("a", window=50, guess=guess)
        large = Scripted("b", [ContextLengthError("HTTP 400", status=400)], window=90, guess=guess)
        with pytest.raises(ContextLengthError, match="HTTP 400"):
            router(time).answer(ask(time=time), [small, large])
        assert not small.seen

    def test_a_stream_is_routed_past_too(self) -> None:
        guess = Estimate(100, 5, 0.0)
        small, large = Scripted("a", [events("a")], window=50, guess=guess), Scripted("b", [events("b")], guess=guess)
        *_, last = Router().stream(ask(), [small, large])
        assert isinstance(last, Done)
        assert not small.seen
