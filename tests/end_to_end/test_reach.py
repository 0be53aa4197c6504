"""The only healthy backend answers, wherever it stands: composed in every way, over real HTTP, in batches, by README's
config."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import (
    Backend,
    FallbackBackend,
    LLMRouterBackend,
    LoadBalancedBackend,
    OpenAIBackend,
    Request,
)
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendError,
    BackendTimeoutError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import Done, InferenceOutput
from complaint_llm.routing.strategies import STRATEGIES
from complaint_llm.testing.server import FaultyServer, Reply

README = Path(__file__).resolve().parents[2] / "README.md"
FAILURES: dict[str, Callable[[], BackendError]] = {
    "500": lambda: ServerError("HTTP 500", status=500),
    "429": lambda: RateLimitError("HTTP 429", status=429),
    "429, Retry-After": lambda: RateLimitError("HTTP 429", status=429, retry_after=30.0),
    "503": lambda: ServerError("HTTP 503", status=503),
    "refused": lambda: BackendConnectionError("connection refused", sent=False),
    "timeout": lambda: BackendTimeoutError("no answer in time", maybe_received=True),
    "cut": lambda: BackendConnectionError("the connection broke", maybe_received=True),
    "malformed": lambda: ResponseFormatError("not JSON"),
}


class Dead(Backend):
    """Fails in one way."""

    interruptible: ClassVar[bool] = True

    def __init__(self, id: str, failure: str) -> None:
        super().__init__(id=id, retry_delay=0.0)
        self._failure = failure

    def answer(self, request: Request) -> InferenceOutput:
        error = FAILURES[self._failure]()
        raise error


class Healthy(Backend):
    """Answers with its id."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput(self.id)


def mediator(parts: Sequence[Backend]) -> Backend:
    return Mediator(parts)


def fallback(parts: Sequence[Backend]) -> Backend:
    return FallbackBackend(parts[0], parts[1:])


def router(parts: Sequence[Backend]) -> Backend:
    return LLMRouterBackend(provider=parts[0], fallback_providers=parts[1:])


def nested(parts: Sequence[Backend]) -> Backend:
    """A chain in a balancer in a mediator, with one beside it."""
    inner = [FallbackBackend(parts[0], parts[1:-1])] if len(parts) > 1 else []
    return Mediator([LoadBalancedBackend([*inner, parts[-1]])])


def balanced(strategy: str) -> Callable[[Sequence[Backend]], Backend]:
    return lambda parts: LoadBalancedBackend(parts, strategy)


COMPOSED: dict[str, Callable[[Sequence[Backend]], Backend]] = {
    "mediator": mediator,
    "fallback": fallback,
    "llm_router": router,
    "nested": nested,
    **{f"load_balanced {name}": balanced(name) for name in STRATEGIES},
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("composed", COMPOSED)
def test_composed_backends_reach_the_only_healthy_one_of_2_to_8_at_every_place(composed: str, failure: str) -> None:
    """Whole and streamed."""
    for number in range(2, 9):
        for place in range(number):
            parts: list[Backend] = [Dead(f"b{n}", failure) for n in range(number)]
            parts[place] = Healthy(id="good")
            with COMPOSED[composed](parts) as client:
                assert client.generate("x") == "good", (number, place)
                assert "".join(client.stream_generate("x")) == "good", (number, place)


@pytest.mark.parametrize("failure", FAILURES)
def test_every_line_of_a_batch_is_answered(failure: str) -> None:
    for place in range(3):
        parts: list[Backend] = [Dead(f"b{n}", failure) for n in range(3)]
        parts[place] = Healthy(id="good")
        with Mediator(parts, circuit_breaker={"failures": 10_000}) as client:
            assert client.batch_generate(["x"] * 5, max_workers=2) == ["good"] * 5
            assert [result.error for result in client.batch(["x"] * 5, max_workers=2)] == [None] * 5


class Closed:
    """An address of this machine where nobody listens."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))  # bound, and not listening: refused, and nobody else gets the port
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Closed:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()


@pytest.fixture
def closed() -> Iterator[Closed]:
    with Closed() as found:
        yield found


REPLIES: dict[str, Reply | None] = {
    "500": Reply.error(500),
    "429": Reply.error(429),
    "429, Retry-After": Reply.error(429, retry_after=30),
    "503": Reply.error(503),
    "503, Retry-After": Reply.error(503, retry_after=30),
    "refused": None,
    "hangs up": Reply.hang_up(),
    "cut": Reply("half an answer", cut_after=1),
    "malformed": Reply.raw(b"<html>proxy</html>"),
    "timeout": Reply.hang(),
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("failure", REPLIES)
@pytest.mark.parametrize("place", range(3))
def test_over_http_the_healthy_one_answers_whole_streamed_and_in_a_batch(
    failure: str, place: int, closed: Closed
) -> None:
    with ExitStack() as stack:
        parts = []
        for number in range(3):
            reply = Reply("good") if number == place else REPLIES[failure]
            url = closed.url if reply is None else stack.enter_context(FaultyServer(reply)).url
            # The time that an answer may take is that of the healthy one on a busy machine, where it is not awaited.
            keys = {"timeout": 0.3} if number != place and failure == "timeout" else {}
            made = OpenAIBackend(
                id=f"b{number}", base_url=f"{url}/v1", api_key="k", model="m", retry_delay=0.001, **keys
            )
            parts.append(made)
        client = stack.enter_context(Mediator(parts, circuit_breaker={"failures": 10_000}))
        output = client.infer("x")
        assert (output.content, output.backend) == ("good", f"b{place}")
        *_, last = client.infer_stream("x")
        assert isinstance(last, Done)
        assert last.output.content == "good"
        assert client.batch_generate(["x"] * 2, max_workers=2) == ["good"] * 2


def test_readmes_config_answers_with_the_network_down_and_the_local_model_healthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: Closed
) -> None:
    """The keys are there, nobody can be reached but Ollama."""
    found = re.search(r"```json\n(\{.*?\n\})\n```", README.read_text(encoding="utf-8"), re.S)
    assert found is not None
    config = json.loads(found.group(1))
    entries: list[dict[str, Any]] = config["BACKENDS"]
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "k")
    with FaultyServer(Reply("from the local model")) as server:
        for entry in entries:
            if entry["type"] in ("openai", "anthropic"):
                entry["base_url"] = closed.url
                # A loopback address where nobody listens would be left out; the real ones are looked at when asked.
                del entry["optional"]
            elif entry["type"] == "ollama":
                entry["base_url"] = f"{server.url}/v1"
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        with Mediator.from_config(path) as client:
            output = client.infer("Extract the legal claims.")
        assert output.content == "from the local model"
        assert [(attempt.backend, attempt.error is None) for attempt in output.attempts] == [
            ("gpt", False),
            ("claude", False),
            ("local", True),
        ]
