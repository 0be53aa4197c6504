"""The calls of HyperAgent's backends guide in Python spelling; docs/guides.md has the table from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from complaint_llm import (
    Done,
    InferenceOutput,
    Mediator,
    Message,
    MessageMatcher,
    MockResponse,
    ModelInfo,
    StreamError,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.backends import AnthropicBackend, Backend, MockBackend, OpenAIBackend, OpenRouterBackend
from complaint_llm.exceptions import BackendError, ConfigError, RateLimitError, StreamInterruptedError
from complaint_llm.testing import FaultyServer, Reply

MESSAGES = (Message("user", "Find the clause."),)
TOOLS = (Tool("search", "Search.", {"type": "object", "properties": {"q": {"type": "string"}}}),)


def test_an_anthropic_provider_is_a_model_name_and_its_limits(server: FaultyServer) -> None:
    """``AnthropicProvider::new(api_key, model).with_max_tokens(4096)``; presets are plain model names."""
    with AnthropicBackend(api_key="sk-ant-given", model="claude-3-5-sonnet-latest", max_tokens=4096) as claude:
        assert claude.generate("hello") == "hello"
    (received,) = server.requests
    assert received.body["model"] == "claude-3-5-sonnet-latest"
    assert received.body["max_tokens"] == 4096
    assert received.headers["x-api-key"] == "sk-ant-given"


@pytest.mark.parametrize("model", ["gpt-4-turbo", "gpt-4o", "gpt-3.5-turbo"])
def test_an_openai_provider_with_rate_limits(model: str, server: FaultyServer) -> None:
    """``OpenAIProvider::new(api_key, model).with_rate_limits(500, 150_000)``."""
    with OpenAIBackend(api_key="sk-given", model=model, rate_limit=500, tokens_per_minute=150_000) as provider:
        assert provider.generate("hello") == "hello"
    assert server.requests[0].body["model"] == model


@pytest.mark.parametrize(
    "model", ["anthropic/claude-3.5-sonnet", "meta-llama/llama-3.1-70b-instruct", "mistralai/mistral-large"]
)
def test_an_openrouter_provider_takes_any_model(model: str, server: FaultyServer) -> None:
    """``OpenRouterProvider::new(api_key, model)``."""
    with OpenRouterBackend(api_key="sk-or-given", model=model) as provider:
        assert provider.generate("hello") == "hello"
    (received,) = server.requests
    assert received.body["model"] == model
    assert received.path == "/api/v1/chat/completions"


def test_keys_come_from_the_environment(server: FaultyServer) -> None:
    """ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY, without reading them oneself."""
    for kind in (AnthropicBackend, OpenAIBackend, OpenRouterBackend):
        with kind(model="m") as backend:
            backend.generate("hello")
    sent = [each.headers.get("x-api-key") or each.headers["authorization"] for each in server.requests]
    assert sent == ["sk-of-anthropic", "Bearer sk-of-openai", "Bearer sk-or-key"]


# -- the mock ----------------------------------------------------------------------------------------------------


def test_mock_text_and_tool_call() -> None:
    """``MockResponse::text``, ``MockResponse::tool_call(name, json!({...}))``."""
    assert MockBackend().with_response(MockResponse.text("Hello, world!")).generate("any") == "Hello, world!"
    backend = MockBackend().with_response(MockResponse.tool_call("search", {"query": "rust"}))
    (call,) = backend.infer("any", TOOLS).tool_calls
    assert (call.name, call.arguments) == ("search", {"query": "rust"})


def test_mock_sequence_goes_on_to_its_end_and_then_raises() -> None:
    """Chained ``with_response``."""
    backend = (
        MockBackend()
        .with_response(MockResponse.text("Let me search for that"))
        .with_response(MockResponse.tool_call("search", {"q": "test"}))
        .with_response(MockResponse.text("Here are the results"))
    )
    outputs = [backend.infer("any", TOOLS) for _ in range(3)]
    assert [(output.content, len(output.tool_calls)) for output in outputs] == [
        ("Let me search for that", 0),
        ("", 1),
        ("Here are the results", 0),
    ]
    with pytest.raises(BackendError, match="exhausted"):
        backend.generate("any")


def test_mock_patterns_errors_latency_and_echo() -> None:
    """``MessageMatcher::Contains``, ``MockResponse::error``, ``with_latency(ms)``, ``MockBackend::echo()``."""
    sunny = MockBackend().with_pattern_response(
        MessageMatcher.contains("weather"), MockResponse.text("It's sunny today!")
    )
    assert sunny.generate("How is the weather?") == "It's sunny today!"
    broken = MockBackend().with_response(MockResponse.error("API rate limit exceeded"))
    with pytest.raises(BackendError, match="API rate limit exceeded"):
        broken.generate("any")
    slow = MockBackend().with_response(MockResponse.text("Slow response").with_latency(1000))
    with pytest.raises(TimeoutError):
        slow.generate("any", timeout=0.01)
    assert MockBackend.echo().generate("say this") == "say this"


def test_mock_remembers_what_a_loop_of_tools_did() -> None:
    """The guide's testing example, a loop in the place of its Agent: ``call_count()``, ``was_tool_called(name)``."""
    backend = (
        MockBackend()
        .with_response(MockResponse.tool_call("calculator", {"expr": "2+2"}))
        .with_response(MockResponse.text("The answer is 4"))
    )

    def calculator(expr: str) -> int:
        """Add two numbers."""
        left, right = expr.split("+")
        return int(left) + int(right)

    turns: list[Any] = [Message("user", "What is 2+2?")]
    output = backend.infer(turns, [calculator])
    while output.tool_calls:
        turns.append(output.message())
        for call in output.tool_calls:
            result = calculator(**(call.arguments or {}))
            turns.append({"role": "tool", "tool_call_id": call.id, "content": str(result)})
        output = backend.infer(turns, [calculator])
    assert output.content == "The answer is 4"
    assert backend.call_count() == 2
    assert backend.was_tool_called("calculator")
    assert not backend.was_tool_called("search")
    assert backend.last_request is not None
    assert backend.last_request.messages[-1].text == "4"


# -- the trait ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [OpenAIBackend, AnthropicBackend, OpenRouterBackend])
def test_every_method_of_the_trait_is_there(kind: Any, server: FaultyServer) -> None:
    """infer, infer_stream, model_info, supports_function_calling, supports_streaming, with their arguments in order."""
    server.reply = Reply("Clause 4.", calls=[("search", {"q": "clause"})])
    with kind(model="m") as backend:
        output = backend.infer(MESSAGES, TOOLS, 0.7)
        events = list(backend.infer_stream(MESSAGES, TOOLS, 0.7))
        assert isinstance(backend.model_info(), ModelInfo)
        assert backend.supports_function_calling()
        assert backend.supports_streaming()
    assert isinstance(output, InferenceOutput)
    assert (output.content, output.tool_calls[0].arguments) == ("Clause 4.", {"q": "clause"})
    assert isinstance(events[-1], Done)
    assert events[-1].output.content == "Clause 4."
    assert [received.body["temperature"] for received in server.requests] == [0.7, 0.7]


def test_a_text_is_embedded(server: FaultyServer) -> None:
    """``embed(text)`` gives a vector of floats."""
    with OpenAIBackend(embedding_model="text-embedding-3-small") as backend:
        vector = backend.embed("hello")
    assert vector
    assert all(isinstance(value, float) for value in vector)
    assert server.requests[0].body["model"] == "text-embedding-3-small"


def test_the_output_has_the_guides_fields(server: FaultyServer) -> None:
    """confidence is None unless it was asked for: it is never made up."""
    with OpenAIBackend(model="m") as backend:
        output = backend.infer(MESSAGES)
    assert (output.content, output.tool_calls, output.reasoning, output.confidence) == (
        "Find the clause.",
        (),
        None,
        None,
    )
    usage = output.token_usage
    assert isinstance(usage, TokenUsage)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens) == (11, 7, 18, None)
    assert output.metadata["response_id"] == "1"


def shown(events: Sequence[Any]) -> list[str]:
    """The guide's match over the events of a stream, arm by arm."""
    lines: list[str] = []
    for event in events:
        match event:
            case TextDelta(text):
                lines.append(text)
            case ToolCallStart(id=_, name=name):
                lines.append(f"Calling {name}...")
            case ToolCallDelta(id=_, arguments_delta=piece):
                lines.append(piece)
            case ToolCallEnd(_):
                lines.append("Tool call complete")
            case Done(token_usage):
                lines.append(f"Done! Tokens: {token_usage.total_tokens}")
            case StreamError(error):
                lines.append(f"Error: {error}")
    return lines


def test_events_of_a_stream_are_told_apart_by_pattern(server: FaultyServer) -> None:
    """Text, then the call's start, pieces and end, then the usage."""
    server.script(Reply("Let me see", calls=[("search", {"q": "rent"})]))
    with OpenAIBackend(model="m") as backend:
        lines = shown(list(backend.infer_stream(MESSAGES, TOOLS, 0.7)))
    start = lines.index("Calling search...")
    assert "".join(lines[:start]) == "Let me see"
    assert "".join(lines[start + 1 : -2]) == '{"q": "rent"}'
    assert lines[-2:] == ["Tool call complete", "Done! Tokens: 18"]


def test_a_stream_that_breaks_off_hands_out_its_error_and_then_raises_it(server: FaultyServer) -> None:
    """``StreamEvent::Error`` is StreamError; a loop that overlooks it does not take the end for a good one."""
    server.script(Reply("one two three four", cut_after=4, gap=0.01))
    lines: list[str] = []
    with OpenAIBackend(model="m", max_retries=0) as backend:
        stream = iter(backend.infer_stream(MESSAGES))
        while not lines or not lines[-1].startswith("Error: "):
            lines += shown([next(stream)])
        with pytest.raises(StreamInterruptedError) as raised:
            next(stream)
    assert lines[0].startswith("one")
    assert raised.value.partial == "".join(lines[:-1])


def test_a_stream_that_never_began_raises_its_error(server: FaultyServer) -> None:
    """As ``infer_stream(...).await?`` does: there is no piece yet that the error could follow."""
    server.script(Reply.error(429))
    with OpenAIBackend(model="m", max_retries=0) as backend, pytest.raises(RateLimitError):
        next(iter(backend.infer_stream(MESSAGES)))


def test_rate_limits_hold_a_request_back(server: FaultyServer) -> None:
    """``RateLimitConfig``: requests and tokens a minute. A full limit is an error where waiting was switched off."""
    keys: dict[str, Any] = {"model": "m", "retry_on_rate_limit": False}
    for limit in ({"rate_limit": 1}, {"tokens_per_minute": 60, "max_tokens": 40}):
        with AnthropicBackend(**keys, **limit) as backend:
            assert backend.generate("hello") == "hello"
            with pytest.raises(RateLimitError) as raised:
                backend.generate("hello")
            assert raised.value.sent is False
    assert len(server.requests) == 2


def test_the_retry_configuration_is_keys_of_the_backend(server: FaultyServer) -> None:
    """``RetryConfig``: max_retries(3), initial_delay_ms, max_delay_ms, exponential_backoff; here in seconds."""
    server.script(Reply.error(500), Reply.error(529), Reply.error(429))
    with AnthropicBackend(
        model="m", max_retries=3, retry_delay=0.01, max_retry_delay=0.03, exponential_backoff=True
    ) as backend:
        output = backend.infer(MESSAGES)
    assert output.content == "Find the clause."
    assert len(output.attempts) == 4


def test_the_price_of_an_output(server: FaultyServer) -> None:
    """``model_info().calculate_cost(&output.token_usage)``: by ``pricing``; of an unknown price None, never 0."""
    with AnthropicBackend(model="m", pricing={"input": 3.0, "output": 15.0}) as priced:
        output = priced.infer(MESSAGES)
        cost = priced.model_info().calculate_cost(output.token_usage)
    assert cost == pytest.approx((11 * 3.0 + 7 * 15.0) / 1e6)
    assert output.cost == cost
    with AnthropicBackend(model="m") as unknown:
        output = unknown.infer(MESSAGES)
        assert unknown.model_info().calculate_cost(output.token_usage) is None
        assert output.cost is None


def test_a_composed_backend_tells_the_model_of_its_first_or_of_the_one_that_is_named(server: FaultyServer) -> None:
    """``model_info(backend=...)``; a mock beside models is no target, wherever it stands."""
    parts = [
        MockBackend.echo(id="demo"),
        OpenAIBackend(id="gpt", model="m", pricing={"input": 1.0, "output": 2.0}),
        AnthropicBackend(id="claude", model="m", pricing={"input": 3.0, "output": 15.0}),
    ]
    with Mediator(parts) as mediator:
        usage = mediator.infer(MESSAGES).token_usage
        assert mediator.model_info().calculate_cost(usage) == pytest.approx((11 * 1.0 + 7 * 2.0) / 1e6)
        named = mediator.model_info(backend="claude")
        assert (named.provider, named.calculate_cost(usage)) == ("anthropic", pytest.approx((11 * 3 + 7 * 15) / 1e6))
        with pytest.raises(ConfigError, match="there are: demo, gpt, claude"):
            mediator.model_info(backend="nobody")


def test_the_price_list_knows_models_at_their_providers_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, context window and prices of a listed model, and what a usage costs by them."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with OpenAIBackend(model="gpt-4o-mini", api_key="sk-given") as backend:
        info = backend.model_info()
    assert (info.name, info.provider, info.context_window) == ("gpt-4o-mini", "openai", 128_000)
    assert (info.input_price, info.output_price) == (0.15, 0.6)
    assert info.calculate_cost(TokenUsage(1_000_000, 1_000_000, 2_000_000)) == pytest.approx(0.75)


def test_every_provider_is_a_backend() -> None:
    """One interface for all, the mock too."""
    assert all(issubclass(kind, Backend) for kind in (OpenAIBackend, AnthropicBackend, OpenRouterBackend, MockBackend))
