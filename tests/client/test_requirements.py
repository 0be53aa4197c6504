"""Nothing reaches a backend that is not known to keep to what is required, by whatever path."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.exceptions import BackendError, ConfigError, InvalidRequestError, ServerError
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta

REQUIRED = {"trains": False, "retention_days": 30}
KEEPS = {"trains": False, "retention_days": 7, "source": "a contract"}


class Asked(Backend):
    """A backend beyond this machine of which its type knows nothing; it keeps what it was asked."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("stream", "embeddings"))

    def __init__(self, **keys: Any) -> None:
        super().__init__(**keys)
        self.seen: list[Any] = []

    def answer(self, request: Request) -> InferenceOutput:
        self.seen.append(request)
        return InferenceOutput(f"answer of {self.id}")

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        output = self.answer(request)
        yield TextDelta(output.content)
        yield Done(output.token_usage, output)

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        self.seen.append(request)
        return EmbeddingOutput(tuple((0.5,) for _ in request.texts))


class Down(Asked):
    """Never answers."""

    def answer(self, request: Request) -> InferenceOutput:
        super().answer(request)
        raise ServerError("down", status=500)


class Slow(Asked):
    """Answers after the next one would be asked too."""

    def answer(self, request: Request) -> InferenceOutput:
        threading.Event().wait(0.05)
        return super().answer(request)


def stream(mediator: Mediator, **params: Any) -> str:
    with mediator.stream_generate("hello", **params) as pieces:
        return "".join(pieces)


def batch(mediator: Mediator, **params: Any) -> str:
    (result,) = mediator.batch(["hello"], **params)
    if result.error is not None:
        raise result.error
    assert result.output is not None
    return result.output.content


WAYS: dict[str, Callable[..., Any]] = {
    "plain": lambda mediator, **params: mediator.generate("hello", **params),
    "stream": stream,
    "batch": batch,
    "embedding": lambda mediator, **params: mediator.embed(["hello"], **params),
    "by its id": lambda mediator, **params: mediator.generate("hello", backend="unknown", **params),
    "embedding by its id": lambda mediator, **params: mediator.embed(["hello"], backend="unknown", **params),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", ["mediator", "call", "nested"])
def test_one_of_which_nothing_is_known_is_never_asked(way: str, level: str) -> None:
    """Plain, streamed, in a batch, embedded or by its id; whoever requires it."""
    unknown = Asked(id="unknown", model="m", embedding_model="e")
    inner = Mediator([unknown], requires=REQUIRED if level in ("mediator", "nested") else None)
    mediator = Mediator([inner], id="outer") if level == "nested" else inner
    params = {"requires": REQUIRED} if level == "call" else {}
    with pytest.raises(BackendError, match="requires: trains is unknown, false is required"):
        WAYS[way](mediator, **params)
    assert unknown.seen == []
    mediator.close()


@pytest.mark.parametrize("way", ["plain", "stream", "batch"])
@pytest.mark.parametrize("first", [Asked, Down])
def test_fallback_passes_over_it_to_one_that_keeps_to_it(way: str, first: type[Asked]) -> None:
    """In front, or behind one that failed."""
    unknown = Asked(id="unknown")
    if first is Down:
        backends = [Down(id="down", max_retries=0, handling=KEEPS), unknown, Asked(id="keeps", handling=KEEPS)]
    else:
        backends = [unknown, Asked(id="keeps", handling=KEEPS)]
    with Mediator(backends, requires=REQUIRED) as mediator:
        assert WAYS[way](mediator) == "answer of keeps"
    assert unknown.seen == []


def test_a_hedge_goes_to_nobody_else() -> None:
    """The second that is asked is the next that may be."""
    unknown, slow = Asked(id="unknown"), Slow(id="slow", handling=KEEPS)
    with Mediator([slow, unknown], requires=REQUIRED, hedge_after=0.01) as mediator:
        assert mediator.generate("hello") == "answer of slow"
    assert unknown.seen == []


def test_the_strictest_of_mediator_task_and_call_holds() -> None:
    """A call may ask for more than the config does, never for less."""
    with Mediator([Asked(id="keeps", handling=KEEPS)], requires={"retention_days": 30}) as mediator:
        assert mediator.generate("hello", requires={"retention_days": 7}) == "answer of keeps"
        with pytest.raises(BackendError, match="retention_days is 7, at most 6 is required"):
            mediator.generate("hello", requires={"retention_days": 6})
    strict = Mediator([Asked(id="keeps", handling=KEEPS)], requires={"retention_days": 6})
    with strict, pytest.raises(BackendError, match="retention_days is 7, at most 6 is required"):
        strict.generate("hello", requires={"retention_days": 30})


def test_what_is_sent_says_what_is_required_for_switches_and_nothing_of_the_matter() -> None:
    """The backend gets the requirements of all levels; the matter is for records alone."""
    keeps = Asked(id="keeps", handling={**KEEPS, "region": "us"})
    inner = Mediator([keeps], requires={"region": "us"})
    with Mediator([inner], requires={"retention_days": 9}) as mediator:
        mediator.generate("hello", requires={"trains": False}, matter="2026-0417")
    (request,) = keeps.seen
    assert request.requires.fields == {"region", "retention_days", "trains"}
    assert "2026-0417" not in repr(request.messages) + repr(request.params) + repr(request.extra_body)


def test_explain_says_why_with_the_source() -> None:
    """Before anything is sent."""
    known = Asked(id="known", handling={**KEEPS, "retention_days": 90, "source": "the contract of May"})
    with Mediator([known, Asked(id="unknown")], requires=REQUIRED) as mediator:
        first, second = mediator.explain("hello").candidates
    assert first.skip is not None
    assert "retention_days is 90, at most 30 is required (said in config: the contract of May)" in first.skip
    assert second.skip is not None
    assert "no source" in second.skip


@pytest.mark.parametrize("value", ["us", {"trains": True}, {"regions": "us"}, {"retention_days": "x"}, 3])
def test_a_wrong_requirement_is_an_error_before_anything_is_sent(value: Any) -> None:
    """In a call InvalidRequestError, in a Mediator's settings ConfigError."""
    asked = Asked(id="a", handling=KEEPS)
    with Mediator([asked]) as mediator, pytest.raises(InvalidRequestError, match="requires"):
        mediator.generate("hello", requires=value)
    with pytest.raises(ConfigError, match="requires"):
        Mediator([asked], requires=value)
    assert asked.seen == []


def config(folder: Path, backends: list[dict[str, Any]], **more: Any) -> Path:
    """A config file with these entries."""
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": backends, **more}))
    return path


REMOTE = {"type": "openai", "base_url": "https://gateway.example/v1", "api_key": "k", "model": "m", "max_retries": 0}


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "x", **REMOTE},
        {"id": "x", **REMOTE, "handling": {"trains": True, "retention_days": 0}},
        {"id": "x", **REMOTE, "type": "anthropic", "max_tokens": 9},
        {"id": "x", **REMOTE, "type": "google"},
        {"id": "x", **REMOTE, "type": "groq"},
        {"id": "x", **REMOTE, "type": "perplexity"},
        {"id": "x", **REMOTE, "type": "vllm"},
        {"id": "x", **REMOTE, "type": "lmstudio"},
        {"id": "x", "type": "llm_router", "provider": REMOTE, "fallback_providers": [{**REMOTE, "type": "xai"}]},
        {"id": "x", "type": "llm_router", "provider": REMOTE, "fallback_providers": [], "handling": KEEPS},
    ],
)
def test_data_of_a_type_says_nothing_of_another_address(tmp_path: Path, entry: dict[str, Any]) -> None:
    """Whoever is asked in a provider's place is not that provider; parts of composed backends are looked at by
    themselves, and what a composed one says is no statement of theirs."""
    path = config(tmp_path, [entry], MEDIATOR={"requires": REQUIRED})
    with Mediator.from_config(path) as mediator:
        assert all(each.skip is not None and "requires:" in each.skip for each in mediator.explain("hi").candidates)
        with pytest.raises(BackendError, match="requires:"):
            mediator.generate("hi")


def test_a_task_requires_more(tmp_path: Path) -> None:
    """``requires`` of TASKS holds for its calls alone."""
    task = {"id": "t", "prompt": "{input}", "requires": {"zero_retention": True}}
    echo = {"id": "x", **REMOTE, "handling": KEEPS}
    with Mediator.from_config(config(tmp_path, [echo], TASKS=[task])) as mediator:
        assert mediator.explain("hi").candidates[0].skip is None
        skip = mediator.explain("hi", task="t").candidates[0].skip
    assert skip is not None
    assert "zero_retention is false" in skip


@pytest.mark.parametrize("way", ["plain", "stream", "embedding", "batch"])
def test_a_call_without_its_matter_is_refused_where_it_is_required(way: str) -> None:
    """Before anything is sent; a batch when it begins."""
    asked = Asked(id="unknown", embedding_model="e")
    with Mediator([asked], matter_required=True) as mediator:
        with pytest.raises(InvalidRequestError, match="no matter"):
            WAYS[way](mediator)
        assert asked.seen == []
        WAYS[way](mediator, matter="2026-0417")
        assert mediator.explain("hello").candidates[0].skip is None
    assert len(asked.seen) == 1
