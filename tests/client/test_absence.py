"""Why a backend that a call names is not asked: the error says exactly that, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import ComplaintLLMError, ConfigError, InvalidRequestError
from tests.end_to_end.everything import write_config
from tests.peers import free_port

MODEL: dict[str, Any] = {
    "id": "studio",
    "type": "openai",
    "base_url": "http://127.0.0.1:9/v1",
    "api_key": "sk-x",
    "model": "m",
    "max_retries": 0,
}
FAR = {**MODEL, "id": "far", "base_url": "http://192.0.2.7/v1"}
MOCK = {"id": "offline", "type": "mock", "echo": True}

ABSENT: dict[str, tuple[list[dict[str, Any]], dict[str, Any], str, str]] = {
    "its variable is unset": (
        [MODEL, {**FAR, "api_key": "${NO_SUCH_KEY_HERE}", "optional": True}],
        {},
        "far",
        r"'far' was left out: \$NO_SUCH_KEY_HERE is not set: set it",
    ),
    "two variables are unset": (
        [MODEL, {**FAR, "api_key": "$NO_SUCH_KEY_HERE", "model": "$NO_SUCH_MODEL_HERE", "optional": True}],
        {},
        "far",
        r"left out: \$NO_SUCH_KEY_HERE and \$NO_SUCH_MODEL_HERE are not set: set them",
    ),
    "its usual key is unset": (
        [MODEL, {"id": "claude", "type": "anthropic", "model": "m", "optional": True}],
        {},
        "claude",
        r"'claude' was left out: there is no key: set \$ANTHROPIC_API_KEY",
    ),
    "a declared service's key is unset": (
        [MODEL, {"id": "fast", "type": "groq", "model": "m", "optional": True}],
        {},
        "fast",
        r"'fast' was left out: there is no key: set \$GROQ_API_KEY",
    ),
    "a composed one lost all its parts": (
        [
            MODEL,
            {"id": "claude", "type": "anthropic", "model": "m", "optional": True},
            {"id": "both", "type": "load_balanced", "backends": ["claude"], "optional": True},
        ],
        {},
        "both",
        r"'both' was left out: .*claude",
    ),
    "a mock beside models": ([MODEL, MOCK], {}, "offline", r"'offline' is a mock.* models \(studio\)"),
    "a mock beside a model and one that was left out": (
        [MODEL, {**FAR, "api_key": "$NO_SUCH_KEY_HERE", "optional": True}, MOCK],
        {},
        "offline",
        r"'offline' is a mock.* models \(studio\)",
    ),
    "a typing mistake": ([MODEL, FAR], {}, "stduio", r"no backend 'stduio' here; .*did you mean 'studio'\?"),
    "another case": ([MODEL, FAR], {}, "Studio", r"did you mean 'studio'\?"),
    "a typing mistake in one that was left out": (
        [MODEL, {"id": "claude", "type": "anthropic", "model": "m", "optional": True}],
        {},
        "cluade",
        r"no backend 'cluade' here; there are: studio; left out: claude; did you mean 'claude'\?",
    ),
    "nothing like it": ([MODEL, FAR], {}, "zzz", r"no backend 'zzz' here; there are: studio, far$"),
    "it is not local": ([{**MODEL, "location": "local"}, FAR], {"privacy": "local"}, "far", r"far.*local"),
    "its provider does not keep to what is required": (
        [MODEL, FAR],
        {"requires": {"zero_retention": True}},
        "far",
        r"zero_retention",
    ),
}

BARRED = frozenset(("mock", "local", "required"))
"""Of those that are there and may not be asked: they may be looked at."""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Mediator]:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GROQ_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def open_config(entries: list[dict[str, Any]], mediator: dict[str, Any]) -> Mediator:
        write_config(tmp_path, entries, MEDIATOR=mediator)
        return Mediator.from_config(tmp_path / "config.json")

    return open_config


@pytest.mark.parametrize("name", ABSENT)
def test_a_call_that_names_it_says_why(opened: Callable[..., Mediator], name: str) -> None:
    entries, settings, id, words = ABSENT[name]
    with opened(entries, settings) as mediator, pytest.raises(InvalidRequestError, match=words) as caught:
        mediator.generate("q", backend=id)
    assert not caught.value.sent
    assert "\n" not in str(caught.value)


@pytest.mark.rows(20)
@pytest.mark.parametrize("method", ["backend", "model_info", "load", "is_loaded", "unload"])
@pytest.mark.parametrize("name", [name for name in ABSENT if not BARRED.intersection(name.split())])
def test_whatever_asks_for_it_by_its_id_says_why(opened: Callable[..., Mediator], name: str, method: str) -> None:
    """The methods for single backends know the same reasons."""
    entries, settings, id, words = ABSENT[name]
    with opened(entries, settings) as mediator, pytest.raises(ConfigError, match=words):
        getattr(mediator, method)(id)


def test_an_optional_one_where_nothing_listens_says_where(opened: Callable[..., Mediator]) -> None:
    port = free_port()
    silent = {**MODEL, "id": "local", "base_url": f"http://127.0.0.1:{port}/v1", "optional": True}
    with opened([FAR, silent], {}) as mediator:
        for ask in (mediator.generate, mediator.embed, mediator.infer):
            with pytest.raises(ComplaintLLMError, match=f"nothing listens at 127.0.0.1:{port}: start the server"):
                ask("q", backend="local")
