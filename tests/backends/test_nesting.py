"""Composed backends inside composed ones and Mediators: turns, names, limits of every level, what a strategy sees."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, FallbackBackend, LoadBalancedBackend, Request
from complaint_llm.backends.base import Capability
from complaint_llm.exceptions import BackendError, BudgetExceededError, ConfigError, InvalidRequestError, ServerError
from complaint_llm.handling import Requirements
from complaint_llm.messages import InferenceOutput, TokenUsage
from complaint_llm.testing import MockBackend, MockResponse
from tests.end_to_end.everything import write_config

DOLLAR_A_TOKEN = {"pricing": {"input": 1e6, "output": 1e6}, "max_tokens": 10, "model": "m"}


class Fixed(Backend):
    """Answers with its id, or does what it is told."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("tools",))

    def __init__(self, id: str, does: Callable[[Request], InferenceOutput] | None = None, **keys: Any) -> None:
        super().__init__(**{"id": id, "max_retries": 0, **keys})
        self._does = does
        self.calls = 0
        self.loaded = False

    def answer(self, request: Request) -> InferenceOutput:
        self.calls += 1
        return InferenceOutput(self.id) if self._does is None else self._does(request)

    def load(self) -> None:
        self.loaded = True

    def is_loaded(self) -> bool:
        return self.loaded

    def unload(self) -> None:
        self.loaded = False


def down(request: Request) -> InferenceOutput:
    raise ServerError("HTTP 500", status=500)


def costly(request: Request) -> InferenceOutput:
    return InferenceOutput("answer", token_usage=TokenUsage(10, 10, 20))


def pool(*ids: str, id: str = "pool") -> LoadBalancedBackend:
    return LoadBalancedBackend([Fixed(each) for each in ids], id=id)


def test_asking_for_a_pool_by_its_id_takes_one_turn_of_it() -> None:
    with Mediator([pool("a", "b"), Fixed("c")]) as mediator:
        assert [mediator.generate("x", backend="pool") for _ in range(4)] == ["a", "b", "a", "b"]


def test_asking_for_one_by_its_id_takes_nobodys_turn() -> None:
    with Mediator([Fixed("a"), Fixed("b")], strategy="round_robin") as mediator:
        answers = [mediator.generate("x", backend=wanted) for wanted in (None, "a") * 4]
    assert answers[::2] == ["a", "b", "a", "b"]


def test_explaining_takes_no_turn_of_a_pool_inside() -> None:
    with Mediator([pool("a", "b"), Fixed("c")]) as mediator:
        asked = []
        for wanted in (None, "pool", "b", None):
            mediator.explain("x", backend=wanted)
            asked.append(mediator.generate("x"))
    assert asked == ["a", "b", "a", "b"]


def test_explaining_tells_the_order_where_it_depends_on_the_request_alone() -> None:
    dear, cheap = (Fixed(id, pricing={"input": price, "output": price}, max_tokens=5, model="m")
                   for id, price in (("dear", 9), ("cheap", 1)))  # fmt: skip
    with Mediator([dear, cheap], strategy="lowest_cost") as mediator:
        assert [each.backend for each in mediator.explain("x").candidates] == ["cheap", "dear"]


def test_parts_with_the_same_made_up_id_are_each_asked() -> None:
    first, second = Fixed("openai", down), Fixed("openai")
    with Mediator([FallbackBackend(first, [second], id="pool"), Fixed("c")]) as mediator:
        assert mediator.generate("x", backend="pool") == "openai"
    assert (first.calls, second.calls) == (1, 1)


def test_every_level_is_found_by_its_id() -> None:
    inner = FallbackBackend(Fixed("a", model="deep"), [Fixed("b")], id="inner")
    with Mediator([FallbackBackend(inner, [Fixed("c")], id="outer")]) as mediator:
        assert [mediator.generate("x", backend=id) for id in ("inner", "outer", "b")] == ["a", "a", "b"]
        assert mediator.model_info("a").name == "deep"
        assert mediator.backend("b").id == "b"
        with pytest.raises(InvalidRequestError, match="no backend 'd' here; there are: a, b, c"):
            mediator.generate("x", backend="d")


def test_a_strategy_of_a_plugin_that_leaves_one_out_is_not_got_round_by_its_id() -> None:
    class OnlyFirst:
        def order(self, targets: Any, request: Any) -> Any:
            return targets[:1]

    mediator = Mediator([Fixed("a"), Fixed("b")], strategy=OnlyFirst())
    with mediator, pytest.raises(InvalidRequestError, match="no backend 'b'"):
        mediator.generate("x", backend="b")


def test_models_inside_are_loaded_and_unloaded_with_the_whole() -> None:
    inner = Fixed("a")
    with Mediator([FallbackBackend(inner, [Fixed("b")], id="pool")]) as mediator:
        assert not mediator.is_loaded()
        mediator.load("a")
        assert (inner.loaded, mediator.is_loaded("pool")) == (True, False)
        mediator.load()
        assert mediator.is_loaded()
        mediator.unload("pool")
        assert not inner.loaded


def test_a_composed_backend_works_if_one_of_its_parts_does() -> None:
    class Broken(Fixed):
        def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
            raise BackendError("no key", backend=self.id)

    FallbackBackend(Broken("a"), [Fixed("b")]).check()
    with pytest.raises(BackendError, match="no part can work: a: no key; b: no key"):
        FallbackBackend(Broken("a"), [Broken("b")]).check()


def test_a_probe_of_a_composed_backend_leaves_out_parts_that_may_not_be_asked() -> None:
    """The first part is not known to keep nothing: it is not contacted, although the second may be."""
    contacted: list[str] = []

    class Probed(Fixed):
        def check(self, timeout: float = 10.0, *, connect: bool = True) -> None:
            contacted.append(self.id)

    nothing_kept = Requirements(retention_days=0)
    handling = {"retention_days": 0, "source": "a contract", "as_of": "2026-11-01"}
    parts = [Probed("a"), Probed("b", handling=handling)]
    with Mediator([FallbackBackend(parts[0], parts[1:], id="chain")]) as mediator:
        mediator.as_member().member("chain").check(requires=nothing_kept)
    assert contacted == ["b"]
    with Mediator([FallbackBackend(Probed("a"), [Probed("c")], id="chain")]) as mediator:  # noqa: SIM117
        with pytest.raises(BackendError, match="retention_days is unknown"):
            mediator.as_member().member("chain").check(requires=nothing_kept)
    assert contacted == ["b"]


def test_answers_of_parts_are_cached_without_a_mediator_too() -> None:
    part = Fixed("a", cache_enabled=True)
    whole = FallbackBackend(part, [Fixed("b")])
    assert whole.infer("x").metadata.get("cached") is None
    assert whole.infer("x").metadata["cached"] is True
    assert part.calls == 1


def test_parts_are_backends_or_can_be_adapted() -> None:
    """A name is looked up in a config only; a function with an id is one, behind a Mediator and elsewhere."""

    def rules(prompt: str) -> str:
        return "by rules"

    rules.id = "rules"  # type: ignore[attr-defined]
    assert FallbackBackend(Fixed("a", down), [rules]).generate("x") == "by rules"
    with pytest.raises(ConfigError, match="'gpt' is a name, not a backend"):
        FallbackBackend("gpt", ["claude"])


# -- what an outer strategy sees of a composed part ------------------------------------------------------------------


def test_a_composed_part_can_do_what_its_parts_can() -> None:
    tool = {"name": "search", "parameters": {"type": "object"}}
    with Mediator([FallbackBackend(Fixed("a"), [Fixed("b")]), Fixed("c")], strategy="round_robin") as mediator:
        assert [mediator.infer("x", [tool]).content for _ in range(4)] == ["a", "c", "a", "c"]


def test_a_composed_part_is_as_busy_as_its_parts() -> None:
    gate = threading.Event()

    def held(request: Request) -> InferenceOutput:
        gate.wait(10)
        return InferenceOutput("held")

    inside, beside = Fixed("a", held), Fixed("c", held)
    with Mediator([FallbackBackend(inside, [Fixed("b")]), beside], strategy="least_loaded") as mediator:
        threads = [threading.Thread(target=mediator.generate, args=("x",)) for _ in range(4)]
        for number, thread in enumerate(threads, 1):
            thread.start()
            while inside.calls + beside.calls < number:
                time.sleep(0.001)
        gate.set()
        for thread in threads:
            thread.join()
    assert (inside.calls, beside.calls) == (2, 2)


def test_a_composed_part_is_as_quick_and_as_dear_as_its_parts() -> None:
    def slow(request: Request) -> InferenceOutput:
        time.sleep(0.09)
        return InferenceOutput("slow")

    with Mediator([FallbackBackend(Fixed("a", slow), [Fixed("b")]), Fixed("c")], strategy="lowest_latency") as mediator:
        assert [mediator.generate("x") for _ in range(6)] == ["slow", *["c"] * 5]
    dear = Fixed("dear", pricing={"input": 9, "output": 9}, max_tokens=5, model="m")
    cheap = Fixed("cheap", pricing={"input": 1, "output": 1}, max_tokens=5, model="m")
    with Mediator([dear, FallbackBackend(cheap, [Fixed("b")])], strategy="lowest_cost") as mediator:
        assert mediator.generate("x") == "cheap"


# -- what a Mediator inside another keeps ----------------------------------------------------------------------------


def test_a_private_mediator_stays_private_inside_another() -> None:
    remote, here = Fixed("remote"), Fixed("here", location="local")
    with Mediator([Mediator([remote, here], privacy="local", id="inner")]) as outer:
        assert outer.generate("secret") == outer.generate("secret", backend="inner") == "here"
        assert [each.backend for each in outer.explain("secret").candidates] == ["here"]
        with pytest.raises(InvalidRequestError):
            outer.generate("secret", backend="remote")
    assert remote.calls == 0


def test_the_budgets_of_all_mediators_over_a_backend_are_kept(tmp_path: Path) -> None:
    inner = Mediator([Fixed("a", costly, **DOLLAR_A_TOKEN)], budget=370, folder=tmp_path, id="inner")
    with Mediator([inner], budget=1000, folder=tmp_path) as outer:
        assert outer.infer("x").cost == 20
        with pytest.raises(BudgetExceededError, match="of 370 dollars"):
            outer.infer("x")


def test_the_budget_of_an_outer_mediator_holds_for_backends_that_are_made_later(tmp_path: Path) -> None:
    mock = {"id": "a", "type": "mock", "echo": True, **DOLLAR_A_TOKEN}
    inner = Mediator.from_config(write_config(tmp_path, [mock]))
    with Mediator([inner], budget=370, folder=tmp_path) as outer:
        assert outer.infer("one two three").cost == 6
        with pytest.raises(BudgetExceededError, match="of 370 dollars"):
            outer.infer("one two three")


# -- mocks -----------------------------------------------------------------------------------------------------------


def test_mocks_in_a_pool_among_themselves_are_ordinary() -> None:
    """No demo mark, and two of the same name are two."""
    failing = MockBackend(responses=[MockResponse.error("no")], max_retries=0)
    with Mediator([FallbackBackend(failing, [MockBackend(echo=True)])]) as mediator:
        output = mediator.infer("x")
    assert (output.content, dict(output.metadata)) == ("x", {})
