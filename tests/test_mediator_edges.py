"""What a Mediator keeps where things go wrong around it: plugins that break, stores that cannot be used, closing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, Request
from complaint_llm.exceptions import BackendError, BackendTimeoutError, EvidenceError, ServerError
from complaint_llm.messages import InferenceOutput, TokenUsage
from complaint_llm.testing.steady_clock import SteadyClock
from tests.end_to_end.everything import write_config


class Fixed(Backend):
    """Answers with its id, or does what it is told."""

    interruptible: ClassVar[bool] = True

    def __init__(self, id: str, does: Callable[[Request], InferenceOutput] | None = None, **keys: Any) -> None:
        super().__init__(**{"id": id, "max_retries": 0, **keys})
        self._does = does
        self.calls = 0
        self.closed = False

    def answer(self, request: Request) -> InferenceOutput:
        self.calls += 1
        return InferenceOutput(self.id) if self._does is None else self._does(request)

    def close_resources(self) -> None:
        self.closed = True


class CannotClose(Fixed):
    def close_resources(self) -> None:
        raise OSError("stuck")


def mock(id: str, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": "mock", "echo": True, **keys}


# -- from a config ---------------------------------------------------------------------------------------------------

_PLUGIN = """
from complaint_llm.backends import Backend, register_backend
from complaint_llm.messages import InferenceOutput

class Breaks(Backend):
    def __init__(self, **keys):
        raise ValueError("cannot read '5 GB'")

class Renames(Backend):
    def __init__(self):
        super().__init__(id="a name of its own")

    def answer(self, request):
        return InferenceOutput("renamed")

class Forgets(Backend):
    def __init__(self):
        pass

    def answer(self, request):
        return InferenceOutput("forgot")

register_backend("breaks", Breaks)
register_backend("renames", Renames)
register_backend("forgets", Forgets)
"""


@pytest.fixture
def of_a_plugin(tmp_path: Path) -> Callable[..., Mediator]:
    """Makes a Mediator of these backends, whose types a dropped-in plugin may offer."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "authors_mistakes.py").write_text(_PLUGIN, encoding="utf-8")

    def make(*backends: dict[str, Any], **sections: Any) -> Mediator:
        path = write_config(tmp_path, list(backends), PLUGINS={"paths": ["plugins"]}, **sections)
        return Mediator.from_config(path)

    return make


def test_a_class_that_breaks_when_it_is_made_does_not_end_the_call(of_a_plugin: Callable[..., Mediator]) -> None:
    with of_a_plugin({"id": "a", "type": "breaks"}, {"id": "b", "type": "renames"}) as mediator:
        output = mediator.infer("x")
        assert output.backend == "b"
        assert "ValueError: cannot read '5 GB'" in str(output.attempts[0].error)
        with pytest.raises(BackendError, match="could not be made"):
            mediator.load("a")


def test_the_configs_name_counts_where_a_class_gives_itself_another(of_a_plugin: Callable[..., Mediator]) -> None:
    """Else its answers could not be recorded, nor its refusals be told from those of others."""
    backend = {"id": "mine", "type": "renames"}
    with of_a_plugin(backend, MEDIATOR={"provenance": "digests"}) as mediator:
        output = mediator.infer("x")
    assert output.backend == output.attempts[0].backend == "mine"
    assert output.provenance is not None


def test_a_class_that_forgot_its_bases_init_is_told_so(of_a_plugin: Callable[..., Mediator]) -> None:
    with (
        of_a_plugin({"id": "a", "type": "forgets"}) as mediator,
        pytest.raises(BackendError, match=r"must call super\(\).__init__"),
    ):
        mediator.generate("x")


def test_what_is_cached_inside_a_pool_is_cached(tmp_path: Path) -> None:
    pool = {"id": "pool", "type": "fallback", "primary": "a", "fallbacks": ["b"]}
    backends = [mock("a", cache_enabled=True), mock("b"), pool]
    for named in (["pool"], ["b"]):
        with Mediator.from_config(write_config(tmp_path, backends, MEDIATOR={"backends": named})) as mediator:
            first, second = (mediator.infer("x", backend="a").metadata for _ in range(2))
            assert (first.get("cached"), second.get("cached")) == (None, True)


def test_a_cache_makes_no_backend_that_nobody_asks(tmp_path: Path) -> None:
    with Mediator.from_config(write_config(tmp_path, [mock("a", cache_enabled=True), mock("b")])) as mediator:
        mediator.generate("x")
        assert [route.target.existing is not None for route in mediator.as_member().leaves()] == [True, False]


# -- paid answers ----------------------------------------------------------------------------------------------------


def test_nothing_is_sent_where_it_could_not_be_recorded(tmp_path: Path) -> None:
    """A store that cannot be opened is found out before an answer is paid for, not after."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    backend = Fixed("a")
    with Mediator([backend], provenance="digests", evidence={"path": tmp_path / "file"}) as mediator:
        for ask in (mediator.generate, mediator.infer_stream):
            with pytest.raises(EvidenceError):
                ask("x")
    assert backend.calls == 0


def test_a_first_answer_is_paid_for_even_if_the_second_try_fails(tmp_path: Path) -> None:
    """One that does not fit its format is asked for again; the budget counts what each used, an HTTP 500 nothing."""
    answers = iter((InferenceOutput("no JSON", token_usage=TokenUsage(5, 5, 10)), ServerError("HTTP 500", status=500)))

    def script(request: Request) -> InferenceOutput:
        step = next(answers)
        if isinstance(step, Exception):
            raise step
        return step

    keys: dict[str, Any] = {"pricing": {"input": 1e6, "output": 1e6}, "max_tokens": 10, "model": "m", "budget": 2000}
    backend = Fixed("a", script, **keys)
    with Mediator([backend], folder=tmp_path) as mediator:
        with pytest.raises(ServerError) as caught:
            mediator.infer("x", response_format={"type": "object"})
        assert [attempt.error for attempt in caught.value.attempts] == [
            "ResponseFormatError: the answer is no JSON: Expecting value: line 1 column 1 (char 0)",
            "ServerError: HTTP 500",
        ]
        states = [policy.state() for policy in backend.backend_target.policies]
        (spent,) = (state.line for state in states if state.name == "budget")
        assert spent.startswith("10.0000 of 2000 dollars")


# -- batches ---------------------------------------------------------------------------------------------------------


def test_in_a_batch_a_prompts_clock_starts_after_our_own_limits_let_it_through() -> None:
    """Six prompts at two in 0.8 s take 1.6 s at least; each has 1.4 s for its answer, more than any machine needs."""
    with Mediator([Fixed("a", rate_limit=2, rate_limit_window=0.8)]) as mediator:
        started = time.monotonic()
        assert mediator.batch_generate(["x"] * 6, timeout=1.4) == ["a"] * 6
        assert time.monotonic() - started >= 1.6


def test_in_a_batch_a_slow_answer_still_has_its_deadline(steady_clock: SteadyClock) -> None:
    def slow(request: Request) -> InferenceOutput:
        time.sleep(max(0.0, request.deadline.remaining()))
        raise BackendTimeoutError("no answer in time", maybe_received=True)

    with Mediator([Fixed("a", slow)]) as mediator:
        started = steady_clock()
        (error,) = mediator.batch_generate(["x"], timeout=0.1, on_error="return")
        assert isinstance(error, BackendTimeoutError)
        assert steady_clock() - started < 0.1 * 1.1 + 0.3


def test_a_text_is_no_list_of_prompts_and_a_width_is_given_once() -> None:
    """A text would be asked letter by letter; a width that is none, or given twice, is not taken for the usual one."""
    backend = Fixed("a")
    with Mediator([backend]) as mediator:
        for ask in (mediator.batch_generate, mediator.batch):
            with pytest.raises(TypeError, match="one text"):
                ask("hello")
            with pytest.raises(ValueError, match="max_workers is 0"):
                ask(["x"], max_workers=0)
        with pytest.raises(TypeError, match="mean the same"):
            mediator.batch_generate(["x"], max_workers=2, batch_size=4)
        assert mediator.batch_generate(["x"], batch_size=2) == ["a"]
    assert backend.calls == 1


# -- closing ---------------------------------------------------------------------------------------------------------


def test_whatever_cannot_be_closed_the_rest_is(tmp_path: Path) -> None:
    """Backends that are only asked by their id, and the records of what was answered."""
    other = Fixed("other")
    mediator = Mediator([CannotClose("a")], others=[other], provenance="digests", folder=tmp_path)
    assert mediator.infer("x").provenance is not None
    assert mediator.generate("x", backend="other") == "other"
    with pytest.raises(BackendError, match="stuck"):
        mediator.close()
    assert other.closed
    with (
        Mediator([Fixed("b")], folder=tmp_path) as later,
        later.evidence.database.transaction("read") as connection,
    ):
        assert connection.execute("SELECT count(*) FROM provenance").fetchone() == (2,)


def test_the_budget_of_a_backend_that_cannot_be_closed_is_written_down(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def costly(request: Request) -> InferenceOutput:
        return InferenceOutput("answer", token_usage=TokenUsage(10, 10, 20))

    keys: dict[str, Any] = {"pricing": {"input": 1e6, "output": 1e6}, "max_tokens": 10, "model": "m", "budget": 2000}
    backend = CannotClose("a", costly, **keys)
    backend.generate("x")
    with pytest.raises(OSError, match="stuck"):
        backend.close()
    again = Fixed("a", costly, **keys)
    states = [policy.state() for policy in again.backend_target.policies]
    (spent,) = (state.line for state in states if state.name == "budget")
    assert spent == "20.0000 of 2000 dollars"
    again.close()
