"""A call costs the same however many backends could answer: counted in calls of functions, not timed."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import pytest
from complaint_llm_plugins.backends.load_balanced.backend import LoadBalancedBackend

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.guards.guard import Guard, GuardRequest, TargetKind
from complaint_llm.messages import EmbeddingOutput, InferenceOutput
from complaint_llm.request import EmbeddingRequest, Request
from complaint_llm.routing.strategies import STRATEGIES

if TYPE_CHECKING:
    from tests.routing.redis_peer import RedisPeer

TOOL = {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}
MOST = 1.3
"""Times the calls over one backend."""
FEW = 15
"""Functions that an order which is taken as far as it is needed calls, and one that is there does not."""
ASIDE = 5
"""Functions by which a call may differ that goes to one of many, such as the tidying of a heap."""


def functions_called(work: Callable[[], object]) -> int:
    """How many functions of this library are called."""
    count = 0

    def note(frame: FrameType, event: str, _: Any) -> None:
        nonlocal count
        count += event == "call" and "complaint_llm" in frame.f_code.co_filename

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def config_file(
    folder: Path, backends: list[Mapping[str, Any]], strategy: str = "fallback", **more: Any
) -> Path:
    path = folder / f"{strategy}-{len(backends)}.json"
    mediator = {"backends": [each["id"] for each in backends], "strategy": strategy, **more}
    path.write_text(json.dumps({"BACKENDS": backends, "MEDIATOR": mediator}), encoding="utf-8")
    return path


def mocks(number: int) -> list[Mapping[str, Any]]:
    return [{"id": f"b{n}", "type": "mock", "echo": True, "weight": 1 + n % 3} for n in range(number)]


def calls_of_ten(config: Path) -> int:
    with Mediator.from_config(config) as mediator:
        mediator.load()  # each backend is made when it is first asked
        for _ in range(40):
            mediator.infer("hello")
        return functions_called(lambda: [mediator.infer("hello") for _ in range(10)])


@pytest.mark.rows(4)
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_call_over_hundreds_of_mocks_calls_as_many_functions_as_one_over_one(tmp_path: Path, strategy: str) -> None:
    one = calls_of_ten(config_file(tmp_path, mocks(1), strategy))
    many = calls_of_ten(config_file(tmp_path, mocks(400), strategy))
    assert many <= one * MOST + 10 * ASIDE


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
@pytest.mark.parametrize("place", [0, 3])
def test_mocks_beside_a_model_are_never_asked_and_take_no_turns(strategy: str, place: int) -> None:
    class Model(Backend):
        def answer(self, request: Any) -> InferenceOutput:
            return InferenceOutput(self.id)

    class Pretender(Backend):
        demo = True

        def answer(self, request: Any) -> InferenceOutput:
            raise AssertionError("a mock must not stand in")

    backends: list[Backend] = [Pretender(id=f"p{n}", model="m") for n in range(20)]
    backends[place:place] = [Model(id="a", model="m"), Model(id="b", model="m")]
    with Mediator(backends, strategy=strategy) as mediator:
        answered = {mediator.infer("hello").backend for _ in range(30)}
    assert answered <= {"a", "b"}
    if strategy in ("round_robin", "weighted"):
        assert answered == {"a", "b"}


PLENTY = 1000
Call = Callable[[Mediator, int], object]


class Plain(Backend):
    """A model that needs no server and serves whatever it is asked."""

    capabilities = frozenset({"tools", "images", "embeddings"})

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput("{}", finish_reason="stop")

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return EmbeddingOutput(tuple((1.0, 2.0) for _ in request.texts))


def plain(number: int, **keys: Any) -> list[Plain]:
    return [Plain(id=f"b{n}", model="m", location="local", **keys) for n in range(number)]


def elsewhere(number: int, **keys: Any) -> list[Plain]:
    return [Plain(id=f"b{n}", model="m", **keys) for n in range(number)]


def here_and_elsewhere(number: int, **keys: Any) -> list[Plain]:
    """Every second here, at least one of both: of a call over them there are two forms."""
    places = ("remote", "local")
    return [Plain(id=f"b{n}", model="m", location=places[n % 2], **keys) for n in range(max(2, number))]


class FileReader(Plain):
    """One that takes text files as they are."""

    document_types = frozenset({"text/plain"})


def readers(number: int, **keys: Any) -> list[Plain]:
    """Every second takes files, the others are shown the text; at least one of both."""
    kinds = (FileReader, Plain)
    return [kinds[n % 2](id=f"b{n}", model="m", location="local", **keys) for n in range(max(2, number))]


class Swap(Guard):
    """Takes a name away from what leaves this machine."""

    def before(self, request: GuardRequest, target_kind: TargetKind) -> GuardRequest:
        turns = [
            turn._replace(content=turn.content.replace("hello", "bye")) if isinstance(turn.content, str) else turn
            for turn in request.messages
        ]
        return request._replace(messages=turns)


class DocumentSwap(Swap):
    """The same, also before what is read of documents."""

    accepts = frozenset({"file"})


def nested(width: int, backends: list[Any]) -> list[Any]:
    """Groups of groups, ``width`` in each."""
    groups, depth = backends, 0
    while len(groups) > width:
        depth += 1
        starts = range(0, len(groups), width)
        groups = [LoadBalancedBackend(id=f"g{depth}-{n}", backends=groups[n : n + width]) for n in starts]
    return groups


def ask_plainly(mediator: Mediator, number: int) -> object:
    return mediator.infer(f"hello {number}")


def ask_the_same(mediator: Mediator, number: int) -> object:
    return mediator.infer("hello")


def with_document(number: int) -> list[Mapping[str, Any]]:
    part = {"type": "document", "data": f"The rent of {number} is late.".encode(), "name": "note.txt"}
    return [{"role": "user", "content": [{"type": "text", "text": "What is late?"}, part]}]


def ask_of_document(mediator: Mediator, number: int) -> object:
    return mediator.infer(with_document(number))


def ask_of_the_same_document(mediator: Mediator, number: int) -> object:
    return mediator.infer(with_document(0))


GUARDED: Mapping[str, Any] = {"guards": [Swap()]}
TURNS: Mapping[str, Any] = {"strategy": "round_robin"}


KINDS: Mapping[str, tuple[Callable[[int], list[Any]], Mapping[str, Any], Call]] = {
    "plain": (plain, {}, ask_plainly),
    "named by its id": (plain, {}, lambda m, n: m.infer(f"hello {n}", backend="b0")),
    "private call": (plain, {}, lambda m, n: m.infer(f"hello {n}", privacy="local")),
    "private Mediator": (plain, {"privacy": "local"}, ask_plainly),
    "requirements of the call": (plain, {}, lambda m, n: m.infer(f"hello {n}", requires={"trains": False})),
    "requirements of the Mediator": (plain, {"requires": {"trains": False}}, ask_plainly),
    "a shape": (plain, {}, lambda m, n: m.infer(f"hello {n}", response_format={"type": "json_object"})),
    "tools": (plain, {}, lambda m, n: m.infer(f"hello {n}", tools=[TOOL])),
    "parts": (plain, {}, lambda m, n: m.infer([{"role": "user", "content": [{"type": "text", "text": f"x{n}"}]}])),
    "a budget": (partial(plain, pricing={"input": 1.0, "output": 1.0}, max_tokens=9), {"budget": 100}, ask_plainly),
    "streamed": (plain, {}, lambda m, n: [*m.stream_generate(f"hello {n}")]),
    "vectors": (partial(plain, embedding_model="e"), {}, lambda m, n: m.embed(f"hello {n}")),
    "vectors of a named model": (
        partial(plain, embedding_model="e"),
        {},
        lambda m, n: m.embed(f"hello {n}", model="e"),
    ),
    "vectors in turns": (
        partial(plain, embedding_model="e"),
        {"strategy": "round_robin"},
        lambda m, n: m.embed(f"hello {n}"),
    ),
    "vectors of a model that nobody has": (plain, {}, lambda m, n: m.embed(f"hello {n}", model="other")),
    "not yet in the cache": (partial(plain, cache_enabled=True), {}, ask_plainly),
    "from the cache": (partial(plain, cache_enabled=True), {}, ask_the_same),
    "in turns, not yet in the cache": (
        partial(plain, cache_enabled=True),
        {"strategy": "round_robin"},
        ask_plainly,
    ),
    "in turns, from the cache": (
        partial(plain, cache_enabled=True),
        {"strategy": "round_robin"},
        ask_the_same,
    ),
    "guarded": (elsewhere, GUARDED, ask_plainly),
    "guarded, not yet in the cache": (partial(elsewhere, cache_enabled=True), GUARDED, ask_plainly),
    "guarded, from the cache": (partial(elsewhere, cache_enabled=True), GUARDED, ask_the_same),
    "guarded, here and elsewhere": (here_and_elsewhere, GUARDED, ask_plainly),
    "guarded, in turns": (here_and_elsewhere, {**GUARDED, **TURNS}, ask_plainly),
    "guarded tools": (here_and_elsewhere, GUARDED, lambda m, n: m.infer(f"hello {n}", tools=[TOOL])),
    "guarded private call": (plain, GUARDED, lambda m, n: m.infer(f"hello {n}", privacy="local")),
    "guarded stream": (here_and_elsewhere, GUARDED, lambda m, n: [*m.stream_generate(f"hello {n}")]),
    "guarded vectors": (
        partial(here_and_elsewhere, embedding_model="e"),
        GUARDED,
        lambda m, n: m.embed(f"hello {n}"),
    ),
    "guarded, with provenance": (here_and_elsewhere, {**GUARDED, "provenance": "digests"}, ask_plainly),
    "guarded, here and elsewhere, not yet in the cache": (
        partial(here_and_elsewhere, cache_enabled=True),
        GUARDED,
        ask_plainly,
    ),
    "guarded, here and elsewhere, from the cache": (
        partial(here_and_elsewhere, cache_enabled=True),
        GUARDED,
        ask_the_same,
    ),
    "guarded, in turns, from the cache": (
        partial(here_and_elsewhere, cache_enabled=True),
        {**GUARDED, **TURNS},
        ask_the_same,
    ),
    "a document": (readers, {}, ask_of_document),
    "a document, in turns": (readers, TURNS, ask_of_document),
    "a document as text": (plain, {}, ask_of_document),
    "a document, streamed": (
        readers,
        {},
        lambda m, n: [*m.stream_generate(with_document(n))],
    ),
    "a document, not yet in the cache": (partial(readers, cache_enabled=True), {}, ask_of_document),
    "a document, from the cache": (partial(readers, cache_enabled=True), {}, ask_of_the_same_document),
    "a document, guarded": (here_and_elsewhere, {"guards": [DocumentSwap()]}, ask_of_document),
    "private, from the cache": (
        partial(plain, cache_enabled=True),
        {"privacy": "local"},
        ask_the_same,
    ),
}
SHARED: Mapping[str, tuple[Callable[[int], list[Any]], Mapping[str, Any], Call]] = {
    "limits": (partial(plain, rate_limit=1_000_000, tokens_per_minute=10**12, max_concurrency=9), {}, ask_plainly),
    "budgets": (
        partial(plain, pricing={"input": 1.0, "output": 1.0}, max_tokens=9, budget=10**6),
        {"budget": 10**6},
        ask_plainly,
    ),
    "not yet in the cache": (partial(plain, cache_enabled=True), {}, ask_plainly),
    "from the cache": (partial(plain, cache_enabled=True), {}, ask_the_same),
    "in turns, from the cache": (partial(plain, cache_enabled=True), TURNS, ask_the_same),
    "guarded, here and elsewhere, not yet in the cache": (
        partial(here_and_elsewhere, cache_enabled=True),
        GUARDED,
        ask_plainly,
    ),
}
"""Kinds of calls whose limits and answers are shared through Redis."""


def calls_of(backends: list[Any], settings: Mapping[str, Any], call: Call) -> int:
    """Functions of ten calls, after enough of them that every order that is kept is there."""
    with Mediator(backends, **settings) as mediator:
        for number in range(120):
            call(mediator, number)
        return functions_called(lambda: [call(mediator, 200 + number) for number in range(10)])


@pytest.mark.rows(10)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_whatever_is_asked_a_thousand_backends_cost_what_one_costs(kind: str) -> None:
    """Requests with needs, paths with terms, cached look-ups, vectors: nobody is looked at who is not asked."""
    make, settings, call = KINDS[kind]
    one = calls_of(make(1), settings, call)
    many = calls_of(make(PLENTY), settings, call)
    assert many <= one * MOST + 10 * FEW


@pytest.mark.rows(3)
@pytest.mark.parametrize("kind", sorted(SHARED))
def test_so_it_is_where_processes_share_through_redis(redis_server: RedisPeer, kind: str) -> None:
    """Neither more functions nor more commands to Redis; what its own threads do meanwhile is not counted."""
    make, settings, call = SHARED[kind]
    settings = {**settings, "shared": {"redis": redis_server.url.reveal()}}
    counts = []
    for number in (1, PLENTY):
        redis_server.ask("FLUSHALL")
        with Mediator(make(number), **settings) as mediator:
            for each in range(120):
                call(mediator, each)
            redis_server.ask("CONFIG", "RESETSTAT")
            functions = functions_called(lambda: [call(mediator, 200 + each) for each in range(10)])
            scripts = redis_server.ask("INFO", "commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
            counts.append((functions, scripts))
    (one, few), (many, more) = counts
    assert many <= one * MOST + 10 * FEW
    assert more <= few + 5  # what lingers may go along or alone


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "kind",
    [
        *("plain", "private call", "a shape", "from the cache", "named by its id", "vectors"),
        *("guarded, here and elsewhere", "a document", "a document, not yet in the cache"),
    ],
)
@pytest.mark.parametrize("strategy", ["fallback", "round_robin", "least_loaded"])
def test_groups_in_groups_cost_what_their_depth_costs(kind: str, strategy: str) -> None:
    make, settings, call = KINDS[kind]
    settings = {**settings, "strategy": strategy}
    few = calls_of(nested(4, make(64)), settings, call)  # three groups deep, as the others
    many = calls_of(nested(10, make(PLENTY)), settings, call)
    assert many <= few * MOST + 10 * FEW


def test_the_identical_requests_of_a_round_robin_are_one() -> None:
    """The same backends in whichever order: whoever comes second waits for the first one's answer."""
    entered, go = threading.Event(), threading.Event()

    class Slow(Plain):
        def answer(self, request: Request) -> InferenceOutput:
            entered.set()
            assert go.wait(30)
            return InferenceOutput(self.id, finish_reason="stop")

    backends = [Slow(id=f"b{n}", model="m", cache_enabled=True) for n in range(3)]
    with Mediator(backends, strategy="round_robin") as mediator, ThreadPoolExecutor(2) as pool:
        first = pool.submit(mediator.infer, "hello")
        assert entered.wait(30)
        second = pool.submit(mediator.infer, "hello")
        assert not wait([second], timeout=0.2).done
        go.set()
        assert first.result(30).content == second.result(30).content
        assert second.result().metadata["cached"]
