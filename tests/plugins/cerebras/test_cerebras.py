"""Cerebras: its address, key and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from complaint_llm.backends import CerebrasBackend
from complaint_llm.exceptions import AuthenticationError
from tests.wire_messages import ask

if TYPE_CHECKING:
    from tests.peers import AIMock


def test_its_parameters_have_its_names() -> None:
    """max_completion_tokens; penalties are unknown to it."""
    backend = CerebrasBackend(api_key="csk-secret", unsupported_parameters="drop")
    params = {"max_tokens": 9, "frequency_penalty": 0.5, "reasoning_effort": "low"}
    body = dict(backend.encode(ask(model="gpt-oss-120b", params=params)).body or {})
    assert (body["max_completion_tokens"], body["reasoning_effort"]) == (9, "low")
    assert not {"max_tokens", "frequency_penalty"} & body.keys()


def test_without_a_key_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable to set."""
    monkeypatch.delenv("CEREBRAS_API_KEY", raising=False)
    with CerebrasBackend(model="m") as backend, pytest.raises(AuthenticationError, match="CEREBRAS_API_KEY") as caught:
        backend.generate("x")
    assert caught.value.sent is False


def test_it_answers(aimock: AIMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key of its variable, whole and streamed."""
    monkeypatch.setenv("CEREBRAS_API_KEY", "csk-secret")
    aimock.says("Yes.")
    with CerebrasBackend(base_url=f"{aimock.url}/v1", model="gpt-oss-120b") as backend:
        assert backend.generate("Hm?") == "Yes."
        assert "".join(backend.stream_generate("Hm?")) == "Yes."
