"""The mock as a config names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import BackendError


def config(folder: Path, **keys: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": [{"id": "offline", "type": "mock", **keys}]}))
    return path


def test_a_configured_script_is_given_in_order_and_then_exhausted(tmp_path: Path) -> None:
    """responses, each once."""
    script = ["one", {"text": "two"}, {"tool_call": {"name": "search", "arguments": {"q": "rent"}}}]
    with Mediator.from_config(config(tmp_path, responses=script)) as mediator:
        assert [mediator.generate("a"), mediator.generate("a")] == ["one", "two"]
        assert mediator.infer("a", [{"name": "search"}]).tool_calls[0].name == "search"
        with pytest.raises(BackendError, match="exhausted"):
            mediator.generate("a")


def test_a_configured_echo_answers_with_the_last_user_message(tmp_path: Path) -> None:
    """echo, with latency."""
    with Mediator.from_config(config(tmp_path, echo=True, latency=0.01)) as mediator:
        assert mediator.generate("hello") == "hello"
