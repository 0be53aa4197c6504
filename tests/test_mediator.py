"""The Mediator: what it assembles from a config or from objects, what it adds to each answer, and what it closes."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BackendError,
    BatchError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    InvalidRequestError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import Done, InferenceOutput, TokenUsage
from complaint_llm.testing.steady_clock import SteadyClock
from tests.end_to_end.everything import write_config
from tests.scripted_backends import Fixed, mocks, waiting


def down(request: Request) -> InferenceOutput:
    raise ServerError("HTTP 500", status=500)


# -- assembling ------------------------------------------------------------------------------------------------------


def test_backends_of_a_config_are_asked_in_the_order_that_it_says(tmp_path: Path) -> None:
    """MEDIATOR.backends, else the order of the file; others only by their id."""
    with Mediator.from_config(write_config(tmp_path, mocks("a", "b", "c"))) as mediator:
        assert mediator.generate("x") == "a"
    config = write_config(tmp_path, mocks("a", "b", "c"), MEDIATOR={"backends": ["c", "a"]})
    with Mediator.from_config(config) as mediator:
        assert mediator.generate("x") == "c"
        assert mediator.generate("x", backend="a") == "a"
        assert mediator.generate("x", backend="b") == "b"
        with pytest.raises(InvalidRequestError, match="no backend 'd' here"):
            mediator.generate("x", backend="d")
        with pytest.raises(ConfigError, match="no backend 'd' here; there are: c, a, b"):
            mediator.backend("d")


def test_a_backend_of_a_config_is_made_once_and_when_it_is_first_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen threads that ask at the same moment share one; what nobody asks is never made."""
    made: list[str] = []
    from complaint_llm.config import Config

    original = Config.make_backend

    def counted(self: Config, id: str, parts: Any = None) -> Backend:
        made.append(id)
        time.sleep(0.02)
        return original(self, id, parts)

    monkeypatch.setattr(Config, "make_backend", counted)
    with Mediator.from_config(write_config(tmp_path, mocks("a", "b"))) as mediator:
        assert made == []
        start = threading.Barrier(16)

        def ask(_: int) -> str:
            start.wait(10)
            return mediator.generate("x")

        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(ask, range(16))) == ["a"] * 16
    assert made == ["a"]


def test_a_backend_that_cannot_be_made_is_passed_over_with_the_reason(tmp_path: Path) -> None:
    """As one that fails when asked: the attempts say why."""
    # A header value that cannot be sent shows only when the backend is made.
    broken = {"id": "broken", "type": "openai", "api_key": "sk-\u20ac", "model": "m", "base_url": "http://127.0.0.1:9"}
    studio = {"id": "studio", "type": "lmstudio", "base_url": "http://127.0.0.1:9", "model": "m", "max_retries": 0}
    with Mediator.from_config(write_config(tmp_path, [broken, studio])) as mediator:
        with pytest.raises(BackendError) as caught:
            mediator.generate("x")
        assert "sk-" not in str(caught.value)
    first, second = caught.value.attempts
    assert (first.backend, first.sent) == ("broken", False)
    assert "could not be made" in str(first.error)
    assert second.backend == "studio"


def test_callables_with_an_id_are_backends() -> None:
    """A domain script's own function, behind a backend that fails."""

    def local_rules(prompt: str) -> str:
        return f"by rules: {prompt}"

    local_rules.id = "rules"  # type: ignore[attr-defined]
    with Mediator([Fixed("a", down), local_rules]) as mediator:
        output = mediator.infer("x")
    assert (output.content, output.backend) == ("by rules: x", "rules")


def test_no_backends_is_a_mistake() -> None:
    """There would be nobody to ask."""
    with pytest.raises(ConfigError, match="no backends"):
        Mediator([])


def test_it_is_a_backend_among_backends() -> None:
    """A Mediator inside another: its parts are targets of the outer one, and the attempts are flat."""
    inner = Mediator([Fixed("a", down), Fixed("b", down)], id="inner")
    with Mediator([inner, Fixed("c")]) as outer:
        output = outer.infer("x")
    assert [attempt.backend for attempt in output.attempts] == ["a", "b", "c"]


def test_a_strategy_object_decides_the_order() -> None:
    """Whatever has ``order`` is a strategy."""

    class Backwards:
        def order(self, targets: Sequence[Any], request: Any) -> Sequence[Any]:
            return list(reversed(targets))

    with Mediator([Fixed("a"), Fixed("b")], strategy=Backwards()) as mediator:
        assert mediator.generate("x") == "b"
        assert mediator.explain("x").strategy == "Backwards"


@pytest.mark.parametrize("keys", [{"strategy": "fastest"}, {"circuit_breaker": {"fails": 1}}, {"budget": {"year": 1}}])
def test_a_key_or_strategy_that_there_is_not_is_refused(keys: dict[str, Any]) -> None:
    """Never taken for a default."""
    with pytest.raises((ConfigError, TypeError)):
        Mediator([Fixed("a")], **keys).generate("x")


# -- asking ----------------------------------------------------------------------------------------------------------


def test_every_way_to_ask_gives_the_same_answer() -> None:
    """generate, query_backend, the call itself, infer, streams, batches."""
    with Mediator([Fixed("a")]) as mediator:
        assert mediator.generate("x") == mediator.query_backend("x") == mediator("x") == "a"
        assert mediator.infer([{"role": "user", "content": "x"}]).content == "a"
        assert "".join(mediator.stream_generate("x")) == "".join(mediator.generate_stream("x")) == "a"
        assert mediator.batch_generate(["x", "y"]) == ["a", "a"]
        assert [result.output.content for result in mediator.batch(["x", "y"], ordered=True) if result.output] == [
            "a"
        ] * 2


def test_an_unknown_parameter_is_a_type_error_and_nothing_is_asked() -> None:
    """A misspelt one must not be ignored."""
    backend = Fixed("a")
    with Mediator([backend]) as mediator:
        for ask in (mediator.generate, mediator.infer, mediator.stream_generate):
            with pytest.raises(TypeError, match="temprature"):
                ask("x", temprature=1)  # type: ignore[operator]
    assert backend.asked == []


def test_one_deadline_covers_all_backends(steady_clock: SteadyClock) -> None:
    """Each gets its share, the last all that is left, and the whole ends in time."""
    with Mediator([Fixed("a", waiting), Fixed("b", waiting), Fixed("c", waiting)], timeout=0.3) as mediator:
        started = steady_clock()
        with pytest.raises(AllBackendsFailedError, match="before the deadline"):
            mediator.generate("x")
        assert steady_clock() - started < 0.3 * 1.1 + 0.3
        started = steady_clock()
        with pytest.raises(AllBackendsFailedError):
            mediator.generate("x", timeout=0.15)
        assert steady_clock() - started < 0.15 * 1.1 + 0.3


def test_max_attempts_caps_the_sum_of_all() -> None:
    """Retries and fallbacks together."""
    parts = [Fixed(id, down, max_retries=5, retry_delay=0.001) for id in "abc"]
    with Mediator(parts, max_attempts=4) as mediator, pytest.raises(BackendError) as caught:
        mediator.generate("x")
    assert len([attempt for attempt in caught.value.attempts if attempt.sent]) == 4
    with Mediator(parts) as mediator, pytest.raises(BackendError) as caught:
        mediator.generate("x")
    assert len([attempt for attempt in caught.value.attempts if attempt.sent]) == len(parts) + 5


def test_its_circuit_breaker_leaves_a_dead_backend_alone() -> None:
    """After so many failures it is not touched, and the attempts say so."""
    dead = Fixed("a", down)
    with Mediator([dead, Fixed("b")], circuit_breaker={"failures": 2, "cooldown": 60}) as mediator:
        outputs = [mediator.infer("x") for _ in range(10)]
    assert len(dead.asked) == 2
    assert str(outputs[-1].attempts[0].error).startswith(CircuitOpenError.__name__)


def test_a_slow_first_backend_is_hedged() -> None:
    """The second's answer wins, the first is cancelled, both are on the output."""
    slow = Fixed("a", waiting)
    with Mediator([slow, Fixed("b")], hedge_after=0.05, timeout=30) as mediator:
        output = mediator.infer("x")
    assert output.content == "b"
    assert {attempt.backend for attempt in output.attempts} == {"a", "b"}
    assert slow.asked[0].cancel.cancelled


def test_a_whole_budget_stops_every_backend(tmp_path: Path) -> None:
    """Spent on one, refused to all; kept over a restart."""

    def costly(request: Request) -> InferenceOutput:
        return InferenceOutput("answer", token_usage=TokenUsage(10, 10, 20))

    pricing = {"input": 1e6, "output": 1e6}  # a dollar a token

    def mediator() -> Mediator:
        parts = [Fixed(id, costly, pricing=pricing, max_tokens=10, model="m") for id in "ab"]
        return Mediator(parts, budget=370, folder=tmp_path)

    with mediator() as first:
        assert first.infer("x").cost == 20
        with pytest.raises(BudgetExceededError):
            first.infer("x")
    with mediator() as second, pytest.raises(BudgetExceededError):
        second.infer("x")


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_a_cut_answer_warns_fails_or_passes(streamed: bool, caplog: pytest.LogCaptureFixture) -> None:
    """on_truncation says which; the warning is on the output, too."""

    def cut(request: Request) -> InferenceOutput:
        return InferenceOutput("half an ans", finish_reason="length")

    def ask(what: Any) -> InferenceOutput:
        with Mediator([Fixed("a", cut)], on_truncation=what) as mediator:
            if not streamed:
                return mediator.infer("x")
            (done,) = (event for event in mediator.infer_stream("x") if isinstance(event, Done))
            return done.output

    assert "truncated" not in ask("ignore").metadata
    assert caplog.text == ""
    assert ask("warn").metadata["truncated"] is True
    assert "max_tokens" in caplog.text
    with pytest.raises(ResponseFormatError, match="max_tokens"):
        ask("error")


def test_privacy_of_the_mediator_holds_for_every_call() -> None:
    """A remote backend is skipped with the reason; nothing local left is an error that says so."""
    remote, local = Fixed("remote"), Fixed("here", location="local")
    with Mediator([remote, local], privacy="local") as mediator:
        output = mediator.infer("x")
        assert output.backend == "here"
        assert "not local" in str(output.attempts[0].error)
    with Mediator([remote], privacy="local") as mediator, pytest.raises(InvalidRequestError, match="not local"):
        mediator.generate("x")
    assert remote.asked == []


def test_batch_generate_runs_everything_and_then_tells() -> None:
    """Results in order, None where one failed; or the exceptions in their places."""

    def picky(request: Request) -> InferenceOutput:
        if request.messages[-1].text == "bad":
            raise InvalidRequestError("no", status=400)
        return InferenceOutput(request.messages[-1].text)

    with Mediator([Fixed("a", picky)]) as mediator:
        with pytest.raises(BatchError) as caught:
            mediator.batch_generate(["one", "bad", "two"])
        assert caught.value.results == ["one", None, "two"]
        assert list(caught.value.errors) == [1]
        one, error, two = mediator.batch_generate(["one", "bad", "two"], on_error="return")
    assert (one, two) == ("one", "two")
    assert isinstance(error, InvalidRequestError)


def test_a_batch_of_any_iterable_is_lazy() -> None:
    """An endless one too: at most two prompts for each worker are read ahead."""
    read: list[int] = []

    def prompts() -> Iterator[str]:
        for number in itertools.count():
            read.append(number)
            yield str(number)

    with Mediator([Fixed("a")]) as mediator:
        results: Iterable[Any] = mediator.batch(prompts(), max_workers=4)
        taken = list(itertools.islice(results, 10))
        results.close()  # type: ignore[attr-defined]
    assert len(taken) == 10
    assert len(read) <= 10 + 2 * 4 + 1


def test_explain_sends_nothing_and_takes_no_turn() -> None:
    """Round robin goes on where it was."""
    parts = [Fixed("a"), Fixed("b")]
    with Mediator(parts, strategy="round_robin") as mediator:
        assert mediator.generate("x") == "a"
        explanation = mediator.explain("x", max_tokens=50)
        assert [each.backend for each in explanation.candidates] == ["a", "b"]
        assert mediator.generate("x") == "b"
    assert sum(len(part.asked) for part in parts) == 2
