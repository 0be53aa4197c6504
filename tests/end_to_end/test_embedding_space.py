"""Vectors are of one model: no error, left-out backend, strategy, cache or hedge gives another one's without a word."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import (
    Backend,
    FallbackBackend,
    GoogleBackend,
    LLMRouterBackend,
    LoadBalancedBackend,
    OpenAIBackend,
    WorkstationBackend,
)
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    InvalidRequestError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import EmbeddingOutput, TokenUsage
from complaint_llm.request import EmbeddingRequest
from complaint_llm.routing.strategies import STRATEGIES
from complaint_llm.testing.server import FaultyServer, Reply
from tests.end_to_end.everything import write_config

FAILURES: dict[str, Callable[[], BackendError]] = {
    "500": lambda: ServerError("HTTP 500", status=500),
    "503": lambda: ServerError("HTTP 503", status=503),
    "401": lambda: AuthenticationError("HTTP 401", status=401),
    "403": lambda: PermissionDeniedError("HTTP 403", status=403),
    "404": lambda: ModelNotFoundError("HTTP 404", status=404),
    "400": lambda: InvalidRequestError("HTTP 400", status=400),
    "429": lambda: RateLimitError("HTTP 429", status=429),
    "429, Retry-After": lambda: RateLimitError("HTTP 429", status=429, retry_after=1000.0),
    "quota": lambda: QuotaExceededError("HTTP 429", status=429),
    "refused": lambda: BackendConnectionError("connection refused", sent=False),
    "timeout": lambda: BackendTimeoutError("no answer in time", maybe_received=True),
    "malformed": lambda: ResponseFormatError("not JSON"),
    "bug": lambda: BackendError("failed inside the plugin"),
}


class Embedder(Backend):
    """Gives vectors that only its model gives, or fails."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("embeddings",))

    def __init__(self, id: str, embedding_model: str | None = None, fails: str | None = None, **keys: Any) -> None:
        super().__init__(**{"id": id, "embedding_model": embedding_model, "retry_delay": 0.0, **keys})
        self.fails = fails
        self.asked: list[str | None] = []

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self.asked.append(request.model)
        if self.fails is not None:
            error = FAILURES[self.fails]()
            raise error
        return EmbeddingOutput(tuple((float(len(text)), 1.0) for text in request.texts), TokenUsage(3, 0, 3))


COMPOSED: dict[str, Callable[[Sequence[Backend]], Backend]] = {
    "fallback": lambda parts: FallbackBackend(parts[0], parts[1:]),
    "llm_router": lambda parts: LLMRouterBackend(provider=parts[0], fallback_providers=parts[1:]),
    "nested": lambda parts: Mediator([LoadBalancedBackend([FallbackBackend(parts[0], parts[1:])], "lowest_cost")]),
    "hedged": lambda parts: Mediator(parts, hedge_after=0.001),
    "cached": lambda parts: Mediator(parts, cache={"size": 5}),
    **{f"mediator {name}": lambda parts, name=name: Mediator(parts, strategy=name) for name in STRATEGIES},
    **{f"balanced {name}": lambda parts, name=name: LoadBalancedBackend(parts, name) for name in STRATEGIES},
}


@pytest.mark.rows(20)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("composed", COMPOSED)
def test_an_error_of_the_first_is_the_calls_and_no_other_model_is_asked(composed: str, failure: str) -> None:
    first, other = Embedder("a", "e1", failure), Embedder("b", "e2")
    with COMPOSED[composed]([first, other]) as client:
        for _ in range(3):
            with pytest.raises(BackendError):
                client.embed("text", timeout=5)  # shorter than the wait that a provider asks for
    assert first.asked
    assert not other.asked


@pytest.mark.parametrize("composed", COMPOSED)
def test_all_calls_are_of_the_model_that_is_declared_first_and_those_that_have_it_stand_in(composed: str) -> None:
    """In every order of turns."""
    for order in itertools.permutations(range(3)):
        parts = [Embedder("a", "e1"), Embedder("b", "e2"), Embedder("c", "e1", "500")]
        arranged = [parts[place] for place in order]
        space = arranged[0].embedding_model
        with COMPOSED[composed](arranged) as client:
            models = {client.embeddings(["x"]).model for _ in range(4)}
        assert models == {space}
        assert {model for part in parts for model in part.asked} == {space}


def test_a_backend_that_was_refused_before_sending_gives_way_to_no_other_model() -> None:
    """Its circuit is open, its budget spent, its limit full: still its error."""
    first, other = Embedder("a", "e1", "500", max_retries=0), Embedder("b", "e2")
    with Mediator([first, other], circuit_breaker={"failures": 1, "cooldown": 60}) as client:
        for _ in range(3):
            with pytest.raises(BackendError):
                client.embed("x")
    full, other = Embedder("a", "e1", rate_limit=1, retry_on_rate_limit=False), Embedder("b", "e2")
    with Mediator([full, other]) as client:
        assert client.embed("x")
        with pytest.raises(RateLimitError):
            client.embed("x")
    assert not other.asked


def test_privacy_local_passes_over_to_no_other_model() -> None:
    first, local = Embedder("a", "e1"), Embedder("b", "e2", location="local")
    with Mediator([first, local]) as client:
        with pytest.raises(InvalidRequestError, match="not local"):
            client.embed("x", privacy="local")
        assert client.embed("x", privacy="local", backend="b")
    assert (first.asked, local.asked) == ([], ["e2"])


def test_another_space_is_chosen_by_backend_or_model() -> None:
    first, other, third = Embedder("a", "e1"), Embedder("b", "e2"), Embedder("c", "e2")
    with Mediator([first, other, third]) as client:
        assert client.embeddings("x", backend="c").backend == "c"
        assert client.embeddings("x", model="e2").backend == "b"
        assert client.embeddings("x", model="e3").model == "e3"
    assert (first.asked, other.asked, third.asked) == (["e3"], ["e2"], ["e2"])


def test_embeddings_says_whose_vectors_they_are() -> None:
    with Mediator([Embedder("a", "e1", "500"), Embedder("b", "e1")]) as client:
        output = client.embeddings(["one", "three"])
        assert output.vectors == ((3.0, 1.0), (5.0, 1.0))
        assert (output.model, output.backend, output.token_usage.total_tokens) == ("e1", "b", 3)
        assert [attempt.error is None for attempt in output.attempts][-1]
        assert client.embed("one") == [3.0, 1.0]
        assert client.embed(["one", "three"]) == [[3.0, 1.0], [5.0, 1.0]]
        assert client.embeddings([]) == EmbeddingOutput(())
        with pytest.raises(TypeError, match="temperature"):
            client.embeddings("x", temperature=1)


def test_with_no_embedding_model_anywhere_the_error_says_what_to_set() -> None:
    with (
        Mediator([Embedder("a"), Embedder("b")]) as client,
        pytest.raises(InvalidRequestError, match="embedding_model"),
    ):
        client.embed("x")


@pytest.mark.parametrize(
    "name",
    [
        "text-embedding-3-small",
        "text-embedding-3-large",
        "text-embedding-ada-002",
        "gemini-embedding-001",
        "models/gemini-embedding-2",
        "nomic-embed-text",
        "nomic-embed-text:latest",
        "mxbai-embed-large:335m",
        "all-minilm:33m",
        "BAAI/bge-m3",
        "intfloat/multilingual-e5-large",
        "sentence-transformers/all-MiniLM-L6-v2",
        "mistral-embed",
        "voyage-law-2",
        "Qwen/Qwen3-Embedding-8B",
        "snowflake-arctic-embed2",
    ],
)
def test_a_model_that_is_known_to_embed_needs_no_second_key(name: str) -> None:
    backend = Embedder("b", model=name)
    with Mediator([Embedder("a", model="gpt-5.6-terra"), backend]) as client:
        assert client.embeddings("x").model == name
    assert backend.asked == [name]


@pytest.mark.parametrize(
    "name",
    [
        "gpt-5.6-terra",
        "claude-sonnet-5-5",
        "gemini-3-pro",
        "llama3.2",
        "qwen3:8b",
        "bge-reranker-v2-m3",
        "mistral-large-latest",
        "local-model",
        "grok-4",
        "embedded-llama",
        "BAAI/AltCLIP",
    ],
)
def test_a_model_that_is_not_known_to_embed_is_not_asked_for_vectors(name: str) -> None:
    chat, other = Embedder("a", model=name), Embedder("b", "e2")
    with Mediator([chat, other]) as client:
        assert client.embeddings("x").backend == "b"
    assert not chat.asked


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as found:
        yield found


def entry(id: str, server: FaultyServer, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": "openai", "base_url": f"{server.url}/v1", "api_key": "k", **keys}


LEFT_OUT: dict[str, dict[str, Any]] = {
    "its key is not set": {"api_key": "${NO_SUCH_KEY_HERE}", "embedding_model": "e1"},
    "its model is known to embed": {"api_key": "${NO_SUCH_KEY_HERE}", "model": "text-embedding-3-small"},
    "by an alias": {"api_key": "${NO_SUCH_KEY_HERE}", "engine": "text-embedding-3-small"},
    "by a variable": {"api_key": "${NO_SUCH_KEY_HERE}", "embedding_model": "${NO_EMBEDDER_HERE:-e1}"},
    "the variable of its model is not set": {"embedding_model": "${NO_EMBEDDER_HERE}"},
    "nobody listens": {"base_url": "http://127.0.0.1:9/v1", "embedding_model": "e1"},
    "in nested parameters": {"api_key": "${NO_SUCH_KEY_HERE}", "parameters": {"embedding_model": "e1"}},
    "another wire": {"type": "google", "api_key": "${NO_SUCH_KEY_HERE}", "embedding_model": "gemini-embedding-001"},
    "another provider": {"type": "mistral", "api_key": "${NO_SUCH_KEY_HERE}", "model": "mistral-embed"},
    "both keys": {"api_key": "${NO_SUCH_KEY_HERE}", "embedding_model": "e1", "model": "text-embedding-3-small"},
}


@pytest.mark.parametrize("why", LEFT_OUT)
@pytest.mark.parametrize("strategy", ["fallback", "round_robin"])
def test_a_backend_that_was_left_out_keeps_its_space(
    why: str, strategy: str, server: FaultyServer, tmp_path: Path
) -> None:
    left_out = {**entry("first", server), "optional": True, **LEFT_OUT[why]}
    if left_out["type"] != "openai":
        del left_out["base_url"]
    backends = [left_out, entry("second", server, embedding_model="e2")]
    path = write_config(tmp_path, backends, MEDIATOR={"strategy": strategy})
    with Mediator.from_config(path) as client:
        with pytest.raises(InvalidRequestError, match="left out") as caught:
            client.embed("x")
        assert caught.value.backend == "first"
        assert not server.requests
        assert client.embeddings("x", backend="second").backend == "second"
        assert client.embeddings("x", model="e2").backend == "second"
    assert {request.body["model"] for request in server.requests} == {"e2"}


def test_another_with_the_model_of_one_that_was_left_out_stands_in(server: FaultyServer, tmp_path: Path) -> None:
    backends = [
        {**entry("a", server, embedding_model="e1"), "api_key": "${NO_SUCH_KEY_HERE}", "optional": True},
        entry("b", server, embedding_model="e2"),
        entry("c", server, embedding_model="e1"),
    ]
    with Mediator.from_config(write_config(tmp_path, backends)) as client:
        assert client.embeddings("x").backend == "c"


@pytest.mark.parametrize(
    "composed",
    [
        {"type": "fallback", "primary": "a", "fallbacks": ["b"]},
        {"type": "load_balanced", "backends": ["a", "b"]},
        {"type": "llm_router", "provider": "a", "fallback_providers": ["b"]},
    ],
)
def test_one_that_was_left_out_of_a_composed_backend_keeps_its_space(
    composed: dict[str, Any], server: FaultyServer, tmp_path: Path
) -> None:
    backends = [
        {"id": "all", **composed},
        {**entry("a", server, embedding_model="e1"), "api_key": "${NO_SUCH_KEY_HERE}", "optional": True},
        entry("b", server, embedding_model="e2"),
    ]
    path = write_config(tmp_path, backends, MEDIATOR={"backends": ["all"]})
    with Mediator.from_config(path) as client, pytest.raises(InvalidRequestError, match="left out"):
        client.embed("x")
    assert not server.requests


def test_a_mock_gives_no_vectors_for_a_model_that_was_left_out(server: FaultyServer, tmp_path: Path) -> None:
    backends = [
        {**entry("a", server, embedding_model="e1"), "api_key": "${NO_SUCH_KEY_HERE}", "optional": True},
        {"id": "m", "type": "mock", "echo": True},
    ]
    with Mediator.from_config(write_config(tmp_path, backends)) as client, pytest.raises(InvalidRequestError):
        client.embed("x")


@pytest.mark.parametrize(
    "reply", [Reply.error(500), Reply.error(401), Reply.error(429, retry_after=600), Reply.raw(b"x")]
)
def test_over_http_the_second_is_asked_only_for_the_same_model(reply: Reply, server: FaultyServer) -> None:
    with ExitStack() as stack:
        bad = stack.enter_context(FaultyServer(reply))
        other = stack.enter_context(FaultyServer())
        keys: dict[str, Any] = {"api_key": "k", "retry_delay": 0.001}
        parts = [
            OpenAIBackend(id="a", base_url=f"{bad.url}/v1", embedding_model="e1", **keys),
            GoogleBackend(id="b", base_url=other.url, embedding_model="e2", **keys),
            OpenAIBackend(id="c", base_url=f"{server.url}/v1", embedding_model="e1", **keys),
        ]
        client = stack.enter_context(Mediator(parts))
        assert client.embeddings(["a", "bb"]).backend == "c"
        assert not other.requests
        assert server.requests[0].body["model"] == "e1"


def test_a_model_in_this_process_is_asked_for_no_other_model(tmp_path: Path) -> None:
    """It has one: another's name on its vectors would be a lie."""
    with (
        WorkstationBackend(model_path=str(tmp_path / "chat.gguf")) as backend,
        pytest.raises(ModelNotFoundError, match="not text-embedding-3-small"),
    ):
        backend.embed("x", model="text-embedding-3-small")
