"""The calls of MassGen's backends guide, with the package's name changed and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import (
    AnthropicBackend,
    Backend,
    CerebrasBackend,
    FallbackBackend,
    GoogleBackend,
    HTTPBackend,
    LMStudioBackend,
    LoadBalancedBackend,
    OpenAIBackend,
    XAIBackend,
)
from complaint_llm.exceptions import RateLimitError, ServerError
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import AnswerContent

SHOWN: dict[str, tuple[Callable[[], Backend], str, str, str]] = {
    "openai": (
        lambda: OpenAIBackend(
            model="gpt-4",
            api_key="sk-given",
            temperature=0.7,
            max_tokens=2000,
            top_p=1.0,
            frequency_penalty=0.0,
            presence_penalty=0.0,
            stream=False,
        ),
        "/v1/chat/completions",
        "authorization",
        "Bearer sk-given",
    ),
    "anthropic": (
        lambda: AnthropicBackend(
            model="claude-3-opus-20240229",
            api_key="sk-ant-given",
            max_tokens=4096,
            temperature=0.7,
            top_p=1.0,
            top_k=40,
        ),
        "/v1/messages",
        "x-api-key",
        "sk-ant-given",
    ),
    "google": (
        lambda: GoogleBackend(
            model="gemini-pro", api_key="given", temperature=0.8, top_p=0.95, top_k=40, max_output_tokens=2048
        ),
        "/v1beta/models/gemini-pro:generateContent",
        "x-goog-api-key",
        "given",
    ),
    "xai": (
        lambda: XAIBackend(model="grok-beta", api_key="given", temperature=0.7, max_tokens=2000),
        "/v1/responses",
        "authorization",
        "Bearer given",
    ),
    "cerebras": (
        lambda: CerebrasBackend(model="cerebras-gpt", api_key="given", temperature=0.7, max_tokens=2000),
        "/v1/chat/completions",
        "authorization",
        "Bearer given",
    ),
}


def numbers(body: Any) -> set[float]:
    """Every number in a request body, however its wire names it."""
    if isinstance(body, dict):
        return set().union(*map(numbers, body.values()))
    if isinstance(body, list):
        return set().union(*map(numbers, body))
    return {float(body)} if isinstance(body, (int, float)) and not isinstance(body, bool) else set()


@pytest.mark.parametrize("name", SHOWN)
def test_each_constructor_makes_a_backend_that_answers_with_what_it_was_given(name: str, server: FaultyServer) -> None:
    """Model, key and sampling arguments reach the provider's own wire."""
    make, path, header, value = SHOWN[name]
    with make() as backend:
        assert backend.generate("Which clause is void?") == "Which clause is void?"
        wanted = {
            number
            for key, number in backend.options.params.items()
            if key in ("temperature", "max_tokens", "top_p", "top_k")
        }
    (received,) = server.requests
    assert received.path == path
    assert received.headers[header] == value
    assert wanted <= numbers(received.body)


def test_lm_studio_needs_the_bare_host_and_no_key(server: FaultyServer) -> None:
    """``base_url`` as the guide writes it, without ``/v1``."""
    with LMStudioBackend(base_url=server.url, model="local-model-name", temperature=0.7, max_tokens=2000) as backend:
        assert backend.generate("hello") == "hello"
        assert backend.local
    (received,) = server.requests
    assert received.path == "/v1/chat/completions"
    assert "authorization" not in received.headers
    assert received.body["model"] == "local-model-name"


def test_without_a_key_argument_the_environments_is_used(server: FaultyServer) -> None:
    """«Optional, uses env var if not provided»."""
    with OpenAIBackend(model="gpt-4") as backend:
        backend.generate("hello")
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-openai"


def test_a_rate_limit_is_waited_for_and_retried(server: FaultyServer) -> None:
    """rate_limit, retry_on_rate_limit, max_retries."""
    server.script(*[Reply.error(429, retry_after=0.01)] * 3)
    with OpenAIBackend(model="gpt-4", rate_limit=60, retry_on_rate_limit=True, max_retries=3) as backend:
        output = backend.infer("hello")
    assert output.content == "hello"
    assert len(output.attempts) == 4


def test_no_retry_on_a_rate_limit_where_it_is_switched_off(server: FaultyServer) -> None:
    """The other value of the switch."""
    server.script(Reply.error(429, retry_after=0.01))
    with (
        OpenAIBackend(model="gpt-4", rate_limit=60, retry_on_rate_limit=False, max_retries=3) as backend,
        pytest.raises(RateLimitError),
    ):
        backend.generate("hello")
    assert len(server.requests) == 1


def test_timeouts_are_in_seconds(server: FaultyServer) -> None:
    """timeout and connection_timeout, as constructor arguments; the first ends a call."""
    with AnthropicBackend(model="claude-3-opus", timeout=30, connection_timeout=10) as backend:
        assert backend.generate("hello") == "hello"
        assert backend.timeout == 30
        assert backend.options.connection_timeout == 10
    server.script(Reply.hang())
    with AnthropicBackend(model="claude-3-opus", timeout=0.2, max_retries=0) as backend, pytest.raises(TimeoutError):
        backend.generate("hello")


def test_custom_headers_are_sent(server: FaultyServer) -> None:
    """custom_headers beside the backend's own."""
    with OpenAIBackend(model="gpt-4", custom_headers={"X-Custom-Header": "value"}) as backend:
        backend.generate("hello")
    assert server.requests[0].headers["x-custom-header"] == "value"
    assert server.requests[0].headers["authorization"] == "Bearer sk-of-openai"


def test_different_backends_for_different_tasks(server: FaultyServer) -> None:
    """The selection by task, without the Agent that held it: model and key are all that each needs."""
    chosen = (
        OpenAIBackend(model="gpt-4"),
        AnthropicBackend(model="claude-3-haiku"),
        GoogleBackend(model="gemini-pro-vision"),
    )
    for backend in chosen:
        with backend:
            assert backend.generate(f"for {backend.id}") == f"for {backend.id}"
    assert len(server.requests) == 3


class Service:
    """What a custom backend's author would bring: a client of some other service."""

    def complete(self, prompt: str, **kwargs: Any) -> Any:
        class Response:
            text = f"{prompt} {sorted(kwargs)}"

        return Response()

    def stream(self, prompt: str, **kwargs: Any) -> Iterator[str]:
        yield from prompt.split()


class CustomBackend(Backend):
    """As the guide has it: both methods overridden, everything in keywords."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client = self._initialize_client()

    def _initialize_client(self) -> Service:
        return Service()

    def generate(self, prompt: Any, **kwargs: Any) -> str:
        response = self.client.complete(prompt, **kwargs)
        return str(response.text)

    def stream_generate(self, prompt: Any, **kwargs: Any) -> Any:
        yield from self.client.stream(prompt, **kwargs)


def test_a_custom_backend_runs_alone_and_behind_a_mediator() -> None:
    """Called directly it is what its author wrote; behind a Mediator it gets its parameters and its attempts."""
    backend = CustomBackend(model="own", temperature=0.5)
    assert backend.generate("hello", top_p=1) == "hello ['top_p']"
    assert list(backend.stream_generate("two words")) == ["two", "words"]
    with Mediator([backend]) as mediator:
        output = mediator.infer("hello")
        assert output.content == "hello ['temperature']"
        assert [attempt.error for attempt in output.attempts] == [None]
        assert list(mediator.stream_generate("two words")) == ["two", "words"]


class CustomAPIBackend(HTTPBackend):
    """As the guide has it: an address, a payload, a field of the answer."""

    def __init__(self, api_url: str, **kwargs: Any) -> None:
        super().__init__(base_url=api_url, **kwargs)

    def prepare_request(self, prompt: str, **kwargs: Any) -> dict[str, Any]:
        return {"endpoint": "/generate", "payload": {"text": prompt, "parameters": kwargs}}

    def parse_response(self, response: Any) -> str:
        return str(response.json()["generated_text"])


class Wire:
    """The API that the guide's adapter is written for."""

    base_path = ""

    def speaks(self, path: str) -> bool:
        return path == "/generate"

    def streams(self, path: str, body: Any) -> bool:
        return False

    def prompt(self, body: Any) -> str:
        return str(body["text"])

    def answer(self, path: str, body: Any, content: AnswerContent) -> Any:
        return {"generated_text": content.text}

    def events(self, content: AnswerContent) -> list[bytes]:
        return []

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": message}


def test_an_adapter_of_an_existing_api_asks_it_and_reads_it() -> None:
    """Only the parameters that were set go out; a failure of the API is an error of ours, and is retried."""
    with FaultyServer(wires=[Wire()]) as server, CustomAPIBackend(server.url, max_tokens=5, retry_delay=0.0) as backend:
        server.script(Reply.error(500))
        assert backend.generate("hello", temperature=0.5) == "hello"
        failed, received = server.requests
    assert failed.body == received.body == {"text": "hello", "parameters": {"max_tokens": 5, "temperature": 0.5}}
    assert (received.method, received.path) == ("POST", "/generate")


def test_a_cached_answer_is_not_asked_for_again(server: FaultyServer) -> None:
    """cache_enabled, cache_ttl, cache_size."""
    with OpenAIBackend(model="gpt-4", cache_enabled=True, cache_ttl=3600, cache_size=1000) as backend:
        assert [backend.generate("hello"), backend.generate("hello"), backend.generate("other")] == [
            "hello",
            "hello",
            "other",
        ]
        assert backend.infer("hello").metadata["cached"]
    assert len(server.requests) == 2


def test_a_batch_comes_back_in_order(server: FaultyServer) -> None:
    """batch_generate(prompts, batch_size=...)."""
    prompts = ["Prompt 1", "Prompt 2", "Prompt 3"]
    with OpenAIBackend(model="gpt-4") as backend:
        assert backend.batch_generate(prompts, batch_size=10) == prompts


@pytest.mark.parametrize("strategy", ["round_robin", "random", "least_loaded"])
def test_load_is_balanced_over_keys(strategy: str, server: FaultyServer) -> None:
    """Three keys of one provider, which nobody gave ids; every strategy of the guide. The call names the model."""
    backend = LoadBalancedBackend(
        backends=[
            OpenAIBackend(api_key="key1"),
            OpenAIBackend(api_key="key2"),
            OpenAIBackend(api_key="key3"),
        ],
        strategy=strategy,
    )
    with backend:
        for number in range(6):
            assert backend.generate(f"prompt {number}", model="gpt-4") == f"prompt {number}"
    used = [received.headers["authorization"].removeprefix("Bearer ") for received in server.requests]
    assert len(used) == 6
    assert set(used) <= {"key1", "key2", "key3"}
    if strategy == "round_robin":
        assert sorted(used) == ["key1", "key1", "key2", "key2", "key3", "key3"]


def test_a_broken_key_is_passed_over_in_a_balanced_set(server: FaultyServer) -> None:
    """The others follow, although all three have the same made-up id."""
    server.script(Reply.error(401))
    with LoadBalancedBackend(
        backends=[OpenAIBackend(api_key="key1"), OpenAIBackend(api_key="key2")], strategy="round_robin"
    ) as backend:
        assert backend.generate("hello", model="gpt-4") == "hello"
    assert len({received.headers["authorization"] for received in server.requests}) == 2


def test_retries_are_configured_by_arguments(server: FaultyServer) -> None:
    """max_retries, retry_delay, exponential_backoff, retry_on_errors: a listed status is retried, another is not."""
    keys: dict[str, Any] = {
        "model": "gpt-4",
        "max_retries": 3,
        "retry_delay": 0.01,
        "exponential_backoff": True,
        "retry_on_errors": [429, 500, 502, 503],
    }
    server.script(Reply.error(500), Reply.error(502), Reply.error(503))
    with OpenAIBackend(**keys) as backend:
        assert backend.generate("hello") == "hello"
    assert len(server.requests) == 4
    server.script(Reply.error(504))
    with OpenAIBackend(**keys) as backend, pytest.raises(ServerError):
        backend.generate("hello")
    assert len(server.requests) == 5


def test_behind_a_mediator_max_attempts_caps_the_retries_of_all(server: FaultyServer) -> None:
    """Without it ``max_retries`` is what it says."""
    keys: dict[str, Any] = {"model": "gpt-4", "max_retries": 4, "retry_delay": 0.01}
    server.script(*[Reply.error(500)] * 4)
    with Mediator([OpenAIBackend(**keys)]) as mediator:
        assert len(mediator.infer("hello").attempts) == 5
    server.script(*[Reply.error(500)] * 4)
    with Mediator([OpenAIBackend(**keys)], max_attempts=3) as mediator, pytest.raises(ServerError) as raised:
        mediator.generate("hello")
    assert len(raised.value.attempts) == 3


def test_fallbacks_answer_in_their_order(server: FaultyServer) -> None:
    """FallbackBackend(primary=..., fallbacks=[...]): the third answers, and the output has all three."""
    server.script(Reply.error(401), Reply.error(403))
    backend = FallbackBackend(
        primary=OpenAIBackend(model="gpt-4"),
        fallbacks=[AnthropicBackend(model="claude-3-opus"), GoogleBackend(model="gemini-pro")],
    )
    with backend:
        output = backend.infer("hello")
    assert output.content == "hello"
    assert [attempt.backend for attempt in output.attempts] == ["openai", "anthropic", "google"]
