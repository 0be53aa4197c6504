"""A mediator that is closed: once, whatever is under way, and nothing is made for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import FallbackBackend, Request
from complaint_llm.exceptions import (
    BackendError,
    CancelledError,
)
from complaint_llm.messages import StreamEvent, TextDelta
from tests.end_to_end.everything import write_config
from tests.scripted_backends import Fixed, asked, mocks, waiting

# -- closing ---------------------------------------------------------------------------------------------------------


def test_close_closes_every_backend_once_and_may_be_repeated() -> None:
    """Also inside composed ones; afterwards every call says that it is closed."""
    parts = [Fixed("a"), Fixed("b"), Fixed("c")]
    mediator = Mediator([FallbackBackend(parts[0], [parts[1]]), parts[2]])
    mediator.generate("x")
    mediator.close()
    mediator.close()
    assert [part.closed for part in parts] == [1, 1, 1]
    for ask in (mediator.generate, mediator.infer, mediator.infer_stream, mediator.embed):
        with pytest.raises(BackendError, match="is closed"):
            ask("x")  # type: ignore[operator]


def _keep_error(ask: Callable[[Mediator], None], mediator: Mediator, errors: list[BaseException]) -> None:
    try:
        ask(mediator)
    except BaseException as error:
        errors.append(error)


def test_close_cancels_what_is_in_flight() -> None:
    """Calls and streams of other threads end at once, with an error that says why."""

    class Streaming(Fixed):
        capabilities = frozenset(("stream",))

        def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
            yield TextDelta("first ")
            waiting(request)

    def call(mediator: Mediator) -> None:
        mediator.generate("x")

    def stream(mediator: Mediator) -> None:
        list(mediator.infer_stream("x"))

    for backend, ask in ((Fixed("a", waiting), call), (Streaming("a"), stream)):
        mediator = Mediator([backend], timeout=60)
        errors: list[BaseException] = []
        asked.clear()
        thread = threading.Thread(target=_keep_error, args=(ask, mediator, errors), daemon=True)
        thread.start()
        assert asked.wait(30)
        mediator.close()
        thread.join(30)
        assert not thread.is_alive()
        (ended,) = errors
        assert isinstance(ended, CancelledError), ended
        assert "was closed" in str(ended)


def test_a_mediator_that_was_never_used_makes_nothing_to_be_closed(tmp_path: Path) -> None:
    """Neither threads nor files."""
    before = threading.active_count()
    config = write_config(tmp_path, mocks("a", "b"), MEDIATOR={"budget": 5, "provenance": "full"})
    Mediator.from_config(config).close()
    assert threading.active_count() == before
    assert not (tmp_path / ".complaint_llm").exists()
