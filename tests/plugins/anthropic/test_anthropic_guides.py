"""The calls that older guides show for Claude run with our package's name."""

from __future__ import annotations

import pytest

from complaint_llm.backends import AnthropicBackend, FallbackBackend, GoogleBackend
from complaint_llm.messages import Done, TextDelta, ToolCallEnd, ToolCallStart
from complaint_llm.testing import FaultyServer, Reply

CLAUDE = {"model": "claude-3-opus-20240229", "api_key": "sk-ant-test"}
GEMINI = {"model": "gemini-pro", "api_key": "test-key"}
MARKS = [ToolCallStart, ToolCallEnd, Done]


def test_the_constructor_with_every_sampling_key() -> None:
    """model, api_key, max_tokens, temperature, top_p, top_k."""
    with FaultyServer(Reply("Yes.")) as server:
        backend = AnthropicBackend(**CLAUDE, base_url=server.url, max_tokens=4096, temperature=0.7, top_p=1.0, top_k=40)
        with backend:
            assert backend.generate("Is the clause valid?") == "Yes."
        sent = server.requests[0].body
    shown = {key: sent[key] for key in ("model", "max_tokens", "temperature", "top_p", "top_k")}
    assert shown == {
        "model": "claude-3-opus-20240229",
        "max_tokens": 4096,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": 40,
    }


def test_the_timeouts_and_headers() -> None:
    """timeout, connection_timeout, custom_headers."""
    with FaultyServer(Reply("Yes.")) as server:
        backend = AnthropicBackend(
            **CLAUDE,
            base_url=server.url,
            timeout=30,
            connection_timeout=10,
            custom_headers={"X-Custom-Header": "value"},
        )
        with backend:
            assert backend("Is it?") == "Yes."
        assert server.requests[0].headers["x-custom-header"] == "value"


def test_rate_limits_and_retries_are_keys() -> None:
    """with_rate_limits(rpm, tpm) and RetryConfig in Python spelling."""
    with FaultyServer(Reply("Yes.")) as server:
        server.script(Reply.error(529), Reply.error(500))
        backend = AnthropicBackend(
            **CLAUDE,
            base_url=server.url,
            rate_limit=50,
            tokens_per_minute=40_000,
            max_retries=3,
            retry_delay=0.01,
            max_retry_delay=0.02,
            exponential_backoff=True,
        )
        with backend:
            output = backend.infer("Is it?")
    assert output.content == "Yes."
    assert len(output.attempts) == 3


def test_a_loop_over_stream_events_and_the_cost_of_an_output() -> None:
    """infer_stream with tools; token_usage; model_info().calculate_cost."""
    with FaultyServer() as server:
        server.script(Reply("Let me see.", calls=[("search", {"q": "rent"})]), Reply("Yes."))
        backend = AnthropicBackend(**CLAUDE, base_url=server.url, pricing={"input": 3.0, "output": 15.0})
        tools = [{"name": "search", "description": "Search.", "parameters": {"type": "object", "properties": {}}}]
        shown = ""
        kinds = []
        with backend:
            for event in backend.infer_stream("Find it.", tools, 0.7):
                if isinstance(event, TextDelta):
                    shown += event.text
                kinds.append(type(event))
            output = backend.infer("Is it?", (), 0.7)
        assert shown == "Let me see."
        assert [kind for kind in kinds if kind in MARKS] == MARKS
        assert output.token_usage.total_tokens == 18
        cost = backend.model_info().calculate_cost(output.token_usage)
    assert cost == pytest.approx((11 * 3 + 7 * 15) / 1e6)


def test_a_primary_with_fallbacks() -> None:
    """FallbackBackend(primary=..., fallbacks=[...])."""
    with FaultyServer() as server:
        server.script(Reply.error(401), Reply("From Gemini."))
        backend = FallbackBackend(
            primary=AnthropicBackend(**CLAUDE, base_url=server.url),
            fallbacks=[
                GoogleBackend(model="gemini-pro", api_key="test-key", base_url=server.url, max_output_tokens=2048)
            ],
        )
        with backend:
            output = backend.infer("Is it?")
    assert output.content == "From Gemini."
    assert [attempt.backend for attempt in output.attempts] == ["anthropic", "google"]
