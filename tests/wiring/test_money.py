"""Money over a real connection: what a budget sends, what each kind of end settles at, what a cost is made of."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, MockBackend, OpenAIBackend, WorkstationBackend
from complaint_llm.exceptions import BackendError, BudgetExceededError
from complaint_llm.routing.policies.bound import NANO
from complaint_llm.routing.policies.budget_book import BudgetBook
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_messages import ask

PRICING = {"input": 1.0, "output": 10.0, "cache_write": 1.0}


class Listed(OpenAIBackend):
    """OpenAI's prices at a loopback address."""

    def price_provider(self) -> str:
        return "openai"


def gpt(server: FaultyServer, **keys: Any) -> OpenAIBackend:
    given = {"id": "gpt", "api_key": "k", "model": "m", "base_url": f"{server.url}/v1", "max_retries": 0, **keys}
    return OpenAIBackend(**given)


def listed(server: FaultyServer, **keys: Any) -> OpenAIBackend:
    return Listed(id="gpt", api_key="k", model="gpt-5.6-terra", base_url=f"{server.url}/v1", max_retries=0, **keys)


def chat(usage: dict[str, Any], **more: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
    return Reply(body=json.dumps({"id": "c", "model": "m", "choices": [choice], "usage": usage, **more}).encode())


USAGE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def spent(folder: Path, scope: str = "mediator") -> float:
    book = BudgetBook(folder / ".complaint_llm" / "state.db")
    found = book.spent(scope).total / NANO
    book.close()
    return found


def test_a_budget_sends_the_longest_answer_that_is_paid_for(tmp_path: Path) -> None:
    """Without max_tokens: a worker's share, and never more than the model gives."""
    with FaultyServer(chat(USAGE)) as server:
        for budget in (1.0, 1000.0):
            with Mediator([listed(server)], budget=budget, folder=tmp_path / str(budget)) as mediator:
                mediator.generate("x")
        first, second = (each.body["max_completion_tokens"] for each in server.requests)
    assert 1024 < first < 1.0 / 8 / 24e-6
    assert second == 128_000


def test_without_a_budget_nothing_is_said_of_a_maximum() -> None:
    """As before."""
    with FaultyServer(chat(USAGE)) as server, listed(server) as backend:
        backend.generate("x")
        assert not {"max_tokens", "max_completion_tokens"} & set(server.requests[0].body)


def test_a_budget_over_anthropic_sends_less_than_the_usual_maximum_where_less_is_left(tmp_path: Path) -> None:
    """The wire always says one."""
    with FaultyServer(Reply("fine")) as server:
        backend = AnthropicBackend(api_key="k", model="m", base_url=server.url, pricing={"input": 1, "output": 100})
        with Mediator([backend], budget=1.6, max_workers=1, folder=tmp_path) as mediator:
            mediator.generate("x")
            for _ in range(2):
                mediator.generate("x")
        sent = [each.body["max_tokens"] for each in server.requests]
    assert sent[0] == 4096
    assert all(1024 <= each <= 4096 for each in sent)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"pricing": PRICING}, "set max_tokens"),
        ({"max_tokens": 10}, "set pricing"),
        ({"pricing": {"input": 1.0}, "max_tokens": 10}, r"set pricing\.output"),
        ({"pricing": PRICING, "max_tokens": 10, "extra_body": {"n": 2}}, "'n' in extra_body"),
        ({"pricing": PRICING, "max_tokens": 10, "extra_body": {"plugins": [{"id": "web"}]}}, "plugins"),
    ],
)
def test_what_cannot_be_held_is_refused_with_what_to_set(tmp_path: Path, keys: dict[str, Any], says: str) -> None:
    """Before anything is sent."""
    with FaultyServer(chat(USAGE)) as server:
        with (
            Mediator([gpt(server, **keys)], budget=5, folder=tmp_path) as mediator,
            pytest.raises(BudgetExceededError, match=says),
        ):
            mediator.generate("x")
        assert not server.requests


def ended(mediator: Mediator, *, streamed: bool) -> None:
    """Ask once, to the end."""
    if streamed:
        list(mediator.infer_stream("x"))
    else:
        mediator.generate("x")


RESERVED = "reserved"
ERROR_EVENT = b'data: {"error": {"message": "overloaded", "code": 529, "type": "overloaded_error"}}\n\n'
PIECE = (
    b'data: {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "do"}, "finish_reason": null}]}\n\n'
)
THOUGHT = PIECE.replace(b"content", b"reasoning_content")
CALL = PIECE.replace(
    b'"content": "do"', b'"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}]'
)
STREAM = {"Content-Type": "text/event-stream"}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize(
    ("reply", "settled"),
    [
        (Reply.error(400), 0.0),
        (Reply.error(401), 0.0),
        (Reply.error(404), 0.0),
        (Reply.error(413), 0.0),
        (Reply.error(429), 0.0),
        (Reply.error(500), 0.0),
        (Reply.error(503), 0.0),
        (Reply.error(529), 0.0),
        (Reply(silent=True), RESERVED),
        (Reply("hello", cut_after=1), RESERVED),
        (Reply(body=b"no JSON at all"), RESERVED),
        (Reply(body=b'{"choices": []}'), RESERVED),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_an_attempt_settles_at(tmp_path: Path, reply: Reply, settled: Any, streamed: bool) -> None:
    """An answered 4xx or 5xx at nothing; what was cut, late or unreadable at its reservation."""
    with FaultyServer(reply) as server:
        backend = gpt(server, pricing=PRICING, max_tokens=100, timeout=0.5)
        with Mediator([backend], budget=5, folder=tmp_path) as mediator, pytest.raises(BackendError):
            ended(mediator, streamed=streamed)
        assert len(server.requests) == 1
    found = spent(tmp_path)
    assert found > 100 * 10e-6 if settled == RESERVED else found == settled


@pytest.mark.parametrize(
    ("events", "settled"),
    [
        (PIECE + ERROR_EVENT, RESERVED),
        (PIECE * 3 + ERROR_EVENT, RESERVED),
        (PIECE, RESERVED),
        (THOUGHT + ERROR_EVENT, RESERVED),
        (CALL + ERROR_EVENT, RESERVED),
    ],
    ids=["an error after a piece", "after three", "a quiet end", "after a thought", "after a call"],
)
@pytest.mark.parametrize("collected", [False, True], ids=["streamed", "collected"])
def test_an_error_told_inside_a_stream_is_no_refusal(
    tmp_path: Path, events: bytes, settled: Any, collected: bool
) -> None:
    """What came before it is billed, although the event tells a status of its own."""
    with FaultyServer(Reply(body=events, headers=STREAM)) as server:
        backend = gpt(server, pricing=PRICING, max_tokens=100, stream=collected)
        with Mediator([backend], budget=5, folder=tmp_path) as mediator, pytest.raises(BackendError):
            ended(mediator, streamed=not collected)
    assert spent(tmp_path) > 100 * 10e-6


def test_a_refused_connection_costs_nothing(tmp_path: Path) -> None:
    """Nothing was sent."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        backend = OpenAIBackend(
            id="gpt", api_key="k", model="m", base_url=url, pricing=PRICING, max_tokens=9, max_retries=0
        )
        with Mediator([backend], budget=5, folder=tmp_path) as mediator, pytest.raises(BackendError):
            mediator.generate("x")
    assert spent(tmp_path) == 0


def test_an_attempt_that_may_have_been_received_is_in_the_budget_and_not_in_the_cost(tmp_path: Path) -> None:
    """A first one that was cut, a second one that answered."""
    with (
        FaultyServer(
            Reply("x", cut_after=1),
        ) as first,
        FaultyServer(chat(USAGE)) as second,
    ):
        backends = [gpt(server, id=id, pricing=PRICING, max_tokens=100) for id, server in (("a", first), ("b", second))]
        with Mediator(backends, budget=5, folder=tmp_path) as mediator:
            output = mediator.infer("x")
    assert output.cost == pytest.approx(100e-6 + 200e-6)
    assert spent(tmp_path) > output.cost + 100 * 10e-6


@pytest.mark.parametrize(
    ("keys", "extra_body", "more", "usage", "dollars"),
    [
        ({"pricing": PRICING}, {}, {}, USAGE, 300e-6),
        ({"pricing": PRICING}, {}, {"service_tier": "default"}, USAGE, 300e-6),
        ({"pricing": PRICING}, {}, {"service_tier": "flex"}, USAGE, None),
        ({"pricing": PRICING}, {"service_tier": "flex"}, {}, USAGE, None),
        ({"pricing": PRICING}, {"service_tier": "flex"}, {"service_tier": "default"}, USAGE, None),
        ({"pricing": PRICING}, {"service_tier": "auto"}, {}, USAGE, 300e-6),
        ({"pricing": PRICING}, {"web_search_options": {"a": 1}}, {}, USAGE, None),
        ({"pricing": PRICING}, {"modalities": ["audio"]}, {}, USAGE, None),
        ({}, {}, {}, USAGE, None),
        (
            {"pricing": PRICING},
            {},
            {},
            {**USAGE, "prompt_tokens_details": {"cache_write_tokens": 100, "cached_tokens": 0}},
            300e-6,
        ),
        (
            {"pricing": {"input": 1.0, "output": 10.0}},
            {},
            {},
            {**USAGE, "prompt_tokens_details": {"cache_write_tokens": 100, "cached_tokens": 0}},
            None,
        ),
    ],
)
def test_a_cost_is_known_only_where_all_of_it_is(
    keys: dict[str, Any], extra_body: dict[str, Any], more: dict[str, Any], usage: Any, dollars: float | None
) -> None:
    """A tier or a fee that was asked for and not told leaves it unknown."""
    with FaultyServer(chat(usage, **more)) as server, gpt(server, **keys) as backend:
        cost = backend.infer("x", extra_body=extra_body).cost
    assert cost == (None if dollars is None else pytest.approx(dollars))


@pytest.mark.parametrize(
    ("tier", "dollars"),
    [(None, 440e-6), ("default", 440e-6), ("flex", 220e-6), ("priority", 880e-6), ("scale", None)],
)
def test_the_tier_that_answered_decides_the_price(tier: str | None, dollars: float | None) -> None:
    """By the list's prices for it."""
    with FaultyServer(chat(USAGE, service_tier=tier)) as server, listed(server) as backend:
        cost = backend.infer("x").cost
    assert cost == (None if dollars is None else pytest.approx(dollars))


def test_what_nobody_bills_is_in_every_budget(tmp_path: Path) -> None:
    """A mock costs nothing unless its pricing says so, and a model in this process never does."""
    with Mediator([MockBackend(echo=True)], budget=0.01, folder=tmp_path) as mediator:
        assert mediator.generate("x") == "x"
    priced = MockBackend(echo=True, pricing={"input": 1e6, "output": 1e6}, max_tokens=10)
    with Mediator([priced], budget=0.01, folder=tmp_path) as mediator, pytest.raises(BudgetExceededError):
        mediator.generate("x")
    assert WorkstationBackend(model_path="/nowhere.gguf").cost_bound(ask()).smallest == 0


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_parts_of_an_embedding_that_came_are_billed_if_a_later_one_fails(tmp_path: Path, failing: int) -> None:
    """Many texts are several requests of one attempt; a first one that is refused costs nothing."""

    class Two(OpenAIBackend):
        embedding_batch = 2

    good = {"data": [{"index": n, "embedding": [0.5]} for n in range(2)], "usage": {"prompt_tokens": 3}}
    with FaultyServer() as server:
        server.script(*[Reply(body=json.dumps(good).encode())] * (failing - 1), Reply.error(500))
        backend = Two(
            id="gpt", api_key="k", base_url=f"{server.url}/v1", embedding_model="e", pricing=PRICING, max_retries=0
        )
        with Mediator([backend], budget=5, folder=tmp_path) as mediator, pytest.raises(BackendError):
            mediator.embed(["a", "b", "c", "d", "e", "f"])
        assert len(server.requests) == failing
    assert (spent(tmp_path) > 0) is (failing > 1)
