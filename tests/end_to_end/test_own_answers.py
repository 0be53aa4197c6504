"""An answer belongs to its caller: what is written on one is on no other, nor in another's provenance record.

``scribble`` writes on everything that it can reach of an answer; ``marks`` finds what it wrote.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, MutableSequence, MutableSet
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import complaint_llm_plugins
import pydantic
import pytest

import complaint_llm
from complaint_llm import Mediator, Message, MessageMatcher, MockResponse, Tool
from complaint_llm.backends import AnthropicBackend, Backend, GoogleBackend, HTTPBackend, MockBackend, OpenAIBackend
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.messages import Done, InferenceOutput, TextDelta, ToolCall
from complaint_llm.request import as_tools, parse_arguments
from complaint_llm.testing import FaultyServer, Reply

MARK = "Smith v. Jones"


def scribble(value: Any) -> None:
    """Write on a value and on all that it holds."""
    for inner in list(_inside(value)):
        scribble(inner)
    if isinstance(value, MutableMapping):
        value[MARK] = MARK
        value["demo"] = value["cached"] = True  # what a provenance record tells of an answer
    elif isinstance(value, MutableSequence):
        value.append(0 if isinstance(value, bytearray) else MARK)
    elif isinstance(value, MutableSet):
        value.add(MARK)
    elif isinstance(value, pydantic.BaseModel):
        for name, field in vars(value).items():
            if isinstance(field, str):
                setattr(value, name, MARK)


def marks(value: Any) -> bool:
    """Whether somebody scribbled on a value or on what it holds."""
    if isinstance(value, (str, bytes)):
        return value == MARK
    if isinstance(value, Mapping) and MARK in value:
        return True
    return any(marks(inner) for inner in _inside(value))


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, pydantic.BaseModel):
        yield from vars(value).values()


class Claims(pydantic.BaseModel):
    """What an answer is parsed into."""

    who: str
    claims: list[str]


JSON_ANSWER = '{"who": "the tenant", "claims": ["rent"]}'
SHARED = InferenceOutput(
    JSON_ANSWER,
    (ToolCall("c1", "find", {"in": {"statutes": ["BGB"]}}, '{"in": {"statutes": ["BGB"]}}'),),
    parsed={"claims": ["rent"]},
    finish_reason="stop",
    metadata={"notes": {"of": ["the office"]}, "ids": {1, 2}, "pair": ([1], 2)},
    extra={"office": {"kept": ["a"]}},
)


class Constant(Backend):
    """Gives one and the same object each time."""

    def answer(self, request: Any) -> InferenceOutput:
        return SHARED


class Plain(Backend):
    """Written as the README shows it."""

    capabilities = frozenset(("stream", "tools", "structured"))

    def answer(self, request: Any) -> InferenceOutput:
        return InferenceOutput(content=JSON_ANSWER)


class Streaming(Backend):
    """Gives one and the same object at the end of each stream."""

    capabilities = frozenset(("stream", "tools"))

    def answer_stream(self, request: Any) -> Iterator[Any]:
        yield TextDelta(SHARED.content)
        yield Done(SHARED.token_usage, SHARED)


class Gateway(HTTPBackend):
    """The simple way of HTTPBackend."""

    def prepare_request(self, prompt: str, **params: Any) -> Mapping[str, Any]:
        return {"endpoint": "/v1/chat/completions", "payload": {"messages": [{"role": "user", "content": prompt}]}}

    def parse_response(self, response: Any) -> str:
        return str(response.json()["choices"][0]["message"]["content"])


class Legacy(Backend):
    """Overrides ``generate`` alone."""

    def generate(self, prompt: Any, **params: Any) -> str:
        return JSON_ANSWER


CALLING = MockResponse.tool_call("find", {"in": {"statutes": ["BGB"]}})
MOCKS: dict[str, Callable[[], MockBackend]] = {
    "one response thrice": lambda: MockBackend(responses=[CALLING] * 3),
    "three responses": lambda: MockBackend(responses=["a", "b", "c"]),
    "a pattern": lambda: MockBackend().with_pattern_response(MessageMatcher.contains(""), CALLING),
    "as a config writes it": lambda: MockBackend(
        responses=[{"tool_call": {"name": "f", "arguments": {"a": {"b": [1]}}}}] * 3
    ),
    "an echo": lambda: MockBackend.echo(),
}
WIRES: dict[str, Callable[[str], Backend]] = {
    "chat": lambda url: OpenAIBackend(api_key="k", base_url=f"{url}/v1", model="m"),
    "responses": lambda url: OpenAIBackend(api_key="k", base_url=f"{url}/v1", model="m", api="responses"),
    "anthropic": lambda url: AnthropicBackend(api_key="k", base_url=url, model="claude-sonnet-5-5"),
    "gemini": lambda url: GoogleBackend(api_key="k", base_url=url, model="gemini-3.8-flash"),
    "a gateway": lambda url: Gateway(id="g", base_url=url),
}
PLUGINS: dict[str, Callable[[], Backend]] = {
    "a constant": lambda: Constant(id="c"),
    "plain": lambda: Plain(id="p"),
    "a stream": lambda: Streaming(id="s"),
    "an older interface": lambda: Legacy(id="l"),
}


def three(ask: Callable[[], InferenceOutput]) -> None:
    """Three answers; each is scribbled on before the next comes."""
    given: list[InferenceOutput] = []
    for _ in range(3):
        output = ask()
        assert not marks(output)
        scribble(output)
        assert marks(output), "whoever has it can write on it"
        given.append(output)
    assert not marks(InferenceOutput("x"))


def streamed(backend: Any, **params: Any) -> InferenceOutput:
    with backend.infer_stream("q", **params) as events:
        last = list(events)[-1]
    assert isinstance(last, Done)
    return last.output


@pytest.mark.parametrize("through", ["alone", "a mediator", "a stream"])
@pytest.mark.parametrize("name", [*PLUGINS, *MOCKS, *WIRES])
def test_what_is_written_on_an_answer_is_on_no_other(name: str, through: str) -> None:
    """Whoever gave it, and whichever way it was asked for."""
    with ExitStack() as stack:
        if name in WIRES:
            server = stack.enter_context(FaultyServer(Reply("x", calls=(("find", {"in": {"a": ["b"]}}),))))
            backend = stack.enter_context(WIRES[name](server.url))
        else:
            backend = stack.enter_context({**PLUGINS, **MOCKS}[name]())
        asked = stack.enter_context(Mediator([backend])) if through == "a mediator" else backend
        three(lambda: streamed(asked) if through == "a stream" else asked.infer("q"))


@pytest.mark.parametrize("kept", ["in memory", "on disk"])
@pytest.mark.parametrize("shape", [None, {"type": "object"}, Claims], ids=["plain", "a schema", "a class"])
@pytest.mark.parametrize("make", [Constant, Plain])
def test_what_is_written_on_a_cached_answer_is_on_no_other(make: Any, shape: Any, kept: str, tmp_path: Path) -> None:
    """The first too, whose answer is the one that was kept."""
    cache = {} if kept == "in memory" else {"path": str(tmp_path / "answers.db")}
    params = {} if shape is None else {"response_format": shape}
    with Mediator([make(id="c", cache_enabled=True)], cache=cache, folder=tmp_path) as mediator:
        answers: list[InferenceOutput] = []

        def ask() -> InferenceOutput:
            answers.append(mediator.infer("q", **params))
            return answers[-1]

        output = mediator.infer("other", **params)
        assert not output.metadata.get("cached")
        three(ask)
        assert answers[1].cost == answers[2].cost == 0.0, "these came from the cache"
        assert shape is not Claims or isinstance(answers[2].parsed, Claims)


def test_each_of_those_who_waited_for_one_answer_has_its_own() -> None:
    """Also when the first writes on it before the others have had theirs."""
    go, asked = threading.Event(), threading.Semaphore(0)

    class Slow(Backend):
        interruptible = True

        def answer(self, request: Any) -> InferenceOutput:
            asked.release()
            assert go.wait(60)
            return SHARED

    answers: list[InferenceOutput] = []
    clean: list[bool] = []
    lock = threading.Lock()

    with Slow(id="s", cache_enabled=True) as backend, Mediator([backend], cache={}) as mediator:

        def ask() -> None:
            output = mediator.infer("q")
            with lock:
                clean.append(not marks(output))
                scribble(output)
                answers.append(output)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        threads[0].start()
        assert asked.acquire(timeout=60)
        for thread in threads[1:]:
            thread.start()
        go.set()
        for thread in threads:
            thread.join(60)
    assert clean == [True] * 8
    assert not marks(SHARED)


def test_what_is_written_on_an_answer_is_in_no_later_provenance_record(tmp_path: Path) -> None:
    """A record tells of its own answer."""
    with Mediator([Plain(id="p")], provenance="full", folder=tmp_path) as mediator:
        three(lambda: mediator.infer("q"))
        three(lambda: streamed(mediator))
    with (
        Mediator([Plain(id="p")], folder=tmp_path) as mediator,
        mediator.evidence.database.transaction("read") as connection,
    ):
        rows = connection.execute("SELECT cid, data FROM provenance ORDER BY seq").fetchall()
    records = [decode_provenance(name, data) for name, data in rows]
    assert len(records) == 6
    assert MARK not in str(records)
    assert not any(record["demo"] or record["cached"] for record in records)


def test_answers_of_a_batch_are_each_their_items_own(tmp_path: Path) -> None:
    """Equal items too."""
    with Mediator([Constant(id="c")]) as mediator:
        outputs = [result.output for result in mediator.batch(["q"] * 3)]
    for output in outputs:
        assert output is not None
        assert not marks(output)
        scribble(output)


@pytest.mark.parametrize(
    "make",
    [
        lambda: InferenceOutput("x"),
        lambda: InferenceOutput("x", metadata=None),
        lambda: InferenceOutput("x").message(),
        lambda: InferenceOutput("x")._replace(content="y"),
        lambda: Tool("a"),
        lambda: Tool("a", "b", None),
        lambda: Message("user", "x"),
        lambda: Message("assistant", "", (ToolCall("1", "f", parse_arguments("")),)),
        lambda: Message.from_dict({"role": "assistant", "tool_calls": [{"id": "1", "name": "f", "arguments": ""}]}),
        lambda: as_tools([{"name": "a"}]),
    ],
)
def test_what_is_written_on_a_value_is_on_no_other_of_its_kind(make: Callable[[], Any]) -> None:
    """Its defaults are its own."""
    first = make()
    scribble(first)
    assert not marks(make())


def test_facts_of_models_and_tools_are_each_their_callers_own() -> None:
    """Tools without parameters, what is known of a model, vectors."""
    scribble(Tool("a").parameters)
    assert not marks(Tool("b"))
    with MockBackend(id="m", echo=True) as backend:
        scribble(backend.model_info())
        assert not marks(backend.model_info())
        scribble(backend.embed(["a"]))
        assert not marks(backend.embed(["a"]))


def _values() -> Iterator[tuple[str, Any]]:
    """Defaults of fields and public attributes of classes, everywhere in the package and the built-in plugins."""
    for package in (complaint_llm, complaint_llm_plugins):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if found.name.endswith("__main__"):
                continue
            try:
                module = importlib.import_module(found.name)
            except ImportError:  # an extra that is not installed
                continue
            for _, kind in inspect.getmembers(module, inspect.isclass):
                if kind.__module__ != module.__name__:
                    continue
                for name, value in getattr(kind, "_field_defaults", {}).items():
                    yield f"{kind.__qualname__}.{name}", value
                for name, value in vars(kind).items():
                    if not name.startswith("_"):
                        yield f"{kind.__qualname__}.{name}", value


def test_no_class_has_a_mutable_default() -> None:
    """What all its values would share."""
    mutable = (MutableMapping, MutableSequence, MutableSet)
    assert sorted({name for name, value in _values() if isinstance(value, mutable)}) == []


def test_the_test_can_see_what_is_shared() -> None:
    """A class-wide default is found by it."""
    shared: dict[str, Any] = {"notes": json.loads("{}")}
    first, second = InferenceOutput("a", metadata=shared), InferenceOutput("b", metadata=shared)
    scribble(first)
    assert marks(second)
