"""A call costs the same however many backends could answer: counted in calls of functions, not timed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.messages import InferenceOutput
from complaint_llm.routing.strategies import STRATEGIES

MOST = 1.3
"""Times the calls over one backend."""
ASIDE = 5
"""Functions by which a call may differ that goes to one of many, such as the tidying of a heap."""


def functions_called(work: Callable[[], object]) -> int:
    """How many functions of this library are called."""
    count = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and "complaint_llm" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def config_file(folder: Path, backends: list[Mapping[str, Any]], strategy: str = "fallback") -> Path:
    path = folder / f"{strategy}-{len(backends)}.json"
    mediator = {"backends": [each["id"] for each in backends], "strategy": strategy}
    path.write_text(json.dumps({"BACKENDS": backends, "MEDIATOR": mediator}), encoding="utf-8")
    return path


def mocks(number: int) -> list[Mapping[str, Any]]:
    return [{"id": f"b{n}", "type": "mock", "echo": True, "weight": 1 + n % 3} for n in range(number)]


def calls_of_ten(config: Path) -> int:
    with Mediator.from_config(config) as mediator:
        mediator.load()  # each backend is made when it is first asked
        for _ in range(40):
            mediator.infer("hello")
        return functions_called(lambda: [mediator.infer("hello") for _ in range(10)])


@pytest.mark.rows(4)
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_call_over_hundreds_of_mocks_calls_as_many_functions_as_one_over_one(tmp_path: Path, strategy: str) -> None:
    one = calls_of_ten(config_file(tmp_path, mocks(1), strategy))
    many = calls_of_ten(config_file(tmp_path, mocks(400), strategy))
    assert many <= one * MOST + 10 * ASIDE


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("place", [0, 3])
def test_mocks_beside_a_model_are_never_asked_and_take_no_turns(strategy: str, place: int) -> None:
    class Model(Backend):
        def answer(self, request: Any) -> InferenceOutput:
            return InferenceOutput(self.id)

    class Pretender(Backend):
        demo = True

        def answer(self, request: Any) -> InferenceOutput:
            raise AssertionError("a mock must not stand in")

    backends: list[Backend] = [Pretender(id=f"p{n}", model="m") for n in range(20)]
    backends[place:place] = [Model(id="a", model="m"), Model(id="b", model="m")]
    with Mediator(backends, strategy=strategy) as mediator:
        answered = {mediator.infer("hello").backend for _ in range(30)}
    assert answered <= {"a", "b"}
    if strategy in ("round_robin", "weighted"):
        assert answered == {"a", "b"}
