"""What a batch gives to every prompt is looked at before the first one."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import FallbackBackend, LLMRouterBackend, LoadBalancedBackend, MockBackend
from complaint_llm.exceptions import InvalidRequestError

UNKNOWN = (
    "temperatur",
    "max_token",
    "maxtokens",
    "Temperature",
    "top-p",
    "stop_sequences",
    "response_formats",
    "system_prompt",
    "n",
    "stream",
    "api_key",
    "retries",
)
WRONG: tuple[dict[str, Any], ...] = (
    {"temperature": "hot"},
    {"max_tokens": 0},
    {"max_tokens": True},
    {"stop": [1]},
    {"timeout": 0},
    {"timeout": "soon"},
    {"privacy": "locally"},
    {"extra_body": ["x"]},
    {"model": 5},
    {"system": 5},
    {"tools": "search"},
    {"response_format": "json"},
)


def calls(mock: MockBackend, folder: Path) -> dict[str, Callable[..., Any]]:
    """Each way to ask many prompts."""
    mediator = Mediator([mock], folder=folder)
    second = MockBackend(id="second", echo=True)

    def elsewhere(**params: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            return list(mediator.batch(["a", "b"], executor=pool, **params))

    return {
        "mediator.batch_generate": lambda **params: mediator.batch_generate(["a", "b"], **params),
        "returning errors": lambda **params: mediator.batch_generate(["a"], on_error="return", **params),
        "mediator.batch": lambda **params: list(mediator.batch(["a", "b"], **params)),
        "with a journal": lambda **params: list(mediator.batch(["a"], journal=folder / "j", **params)),
        "not even iterated": lambda **params: mediator.batch(["a"], journal=folder / "j", **params),
        "elsewhere": elsewhere,
        "a backend": lambda **params: mock.batch_generate(["a", "b"], **params),
        "a fallback": lambda **params: FallbackBackend(mock, [second]).batch_generate(["a"], **params),
        "load balanced": lambda **params: LoadBalancedBackend([mock, second]).batch_generate(["a"], **params),
        "a router": lambda **params: LLMRouterBackend("r", mock, "m").batch_generate(["a"], **params),
    }


WAYS = tuple(calls(MockBackend(), Path()))


@pytest.mark.rows(20)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_parameter_is_a_type_error_before_anything_is_asked(name: str, way: str, tmp_path: Path) -> None:
    """Not one failed item for each of ten thousand prompts: one error that names it, and no journal."""
    mock = MockBackend(id="mock", echo=True)
    with pytest.raises(TypeError, match=name):
        calls(mock, tmp_path)[way](**{name: 1})
    assert mock.call_count() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.rows(20)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("params", WRONG, ids=str)
def test_a_wrong_value_that_all_prompts_share_is_an_error_before_anything_is_asked(
    params: dict[str, Any], way: str, tmp_path: Path
) -> None:
    """It would fail each of them."""
    mock = MockBackend(id="mock", echo=True)
    with pytest.raises(InvalidRequestError, match=next(iter(params))):
        calls(mock, tmp_path)[way](**params)
    assert mock.call_count() == 0
    assert list(tmp_path.iterdir()) == []


def test_parameters_that_are_known_reach_every_prompt(tmp_path: Path) -> None:
    """The look before the first prompt takes nothing away."""
    for way, call in calls(MockBackend(id="mock", echo=True), tmp_path).items():
        assert call(temperature=0.5, max_tokens=9), way
