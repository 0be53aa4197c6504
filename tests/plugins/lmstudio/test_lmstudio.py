"""LM Studio: its address, its token, and when it counts as local."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from complaint_llm.backends import LMStudioBackend
from complaint_llm.request import as_response_format
from tests.wire_messages import ask

if TYPE_CHECKING:
    from tests.peers import AIMock


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, "http://localhost:1234/v1"),
        ("http://localhost:1234", "http://localhost:1234/v1"),
        ("http://localhost:1234/", "http://localhost:1234/v1"),
        ("http://localhost:1234/v1", "http://localhost:1234/v1"),
        ("https://gateway.example.org/lm/v1/", "https://gateway.example.org/lm/v1"),
    ],
)
def test_a_bare_host_gets_v1(given: str | None, address: str) -> None:
    """As its own documentation and the guides both write it."""
    assert LMStudioBackend(base_url=given).base_url == address


@pytest.mark.parametrize(
    ("keys", "local"),
    [
        ({}, True),
        ({"base_url": "http://127.0.0.1:99"}, True),
        ({"base_url": "http://[::1]:99/v1"}, True),
        ({"base_url": "http://192.168.1.7:1234"}, False),
        ({"base_url": "http://192.168.1.7:1234", "location": "local"}, True),
        ({"location": "remote"}, False),
    ],
)
def test_it_is_local_on_a_loopback_address(keys: dict[str, str], local: bool) -> None:
    """Elsewhere only by an explicit location."""
    assert LMStudioBackend(**keys).local is local


def test_it_needs_no_key_and_sends_one_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers with authentication take a token."""
    monkeypatch.delenv("LM_API_TOKEN", raising=False)
    assert LMStudioBackend().auth_headers() == {}
    monkeypatch.setenv("LM_API_TOKEN", "lm-token")
    assert "Authorization" in LMStudioBackend().auth_headers()


def test_json_mode_is_a_schema_of_any_object() -> None:
    """It knows json_schema and text only."""
    wire = LMStudioBackend().encode(ask(response_format=as_response_format({"type": "json_object"})))
    assert (wire.body or {})["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_it_answers_without_a_key(aimock: AIMock) -> None:
    """Whole and streamed, with the bare host."""
    aimock.says("Yes.")
    with LMStudioBackend(base_url=aimock.url, model="local-model") as studio:
        assert studio.generate("Hm?", privacy="local") == "Yes."
        assert "".join(studio.stream_generate("Hm?")) == "Yes."
