"""Backends that get no more than a text read it as all others do: thinking in tags, announcements, reasons."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
from complaint_llm_plugins.backends.claude_cli import wire as claude
from complaint_llm_plugins.backends.codex import wire as codex
from complaint_llm_plugins.backends.copilot_cli import wire as copilot
from complaint_llm_plugins.backends.http.backend import TemplateBackend
from complaint_llm_plugins.backends.huggingface.local import TransformersBackend

from complaint_llm import Mediator
from complaint_llm.backends import HTTPBackend, WorkstationBackend
from complaint_llm.messages import InferenceOutput, ReasoningDelta, StreamEvent, TextDelta
from complaint_llm.testing import FaultyServer, Reply

PIECES = ["<thi", "nk>\nhm \ud83d", "\ude00\n</thi", 'nk>\n\n{"who"', ': "Ann"}']
SAID = "".join(PIECES)
SCHEMA = {"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]}


def is_apart(output: InferenceOutput) -> None:
    """The answer without its thinking."""
    assert (output.content, output.reasoning) == ('{"who": "Ann"}', "hm 😀")


def are_apart(events: list[StreamEvent]) -> None:
    """The same in pieces."""
    assert "".join(each.text for each in events if isinstance(each, TextDelta)) == '{"who": "Ann"}'
    assert "".join(each.text for each in events if isinstance(each, ReasoningDelta)) == "hm 😀"


class ScriptedLlama:
    """Says the pieces, as llama.cpp's object does."""

    prompt_tokens, completion_tokens = 3, 5

    def create_chat_completion(self, messages: Any, *, stream: bool, **keys: Any) -> Any:
        if stream:
            chunks = [{"choices": [{"delta": {"content": piece}, "finish_reason": None}]} for piece in PIECES]
            return iter([*chunks, {"choices": [{"delta": {}, "finish_reason": "length"}]}])
        usage = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
        return {"choices": [{"message": {"content": SAID}, "finish_reason": "length"}], "usage": usage}


class ScriptedModel:
    """A loaded model of either engine."""

    was_cut, prompt_tokens, completion_tokens, opens_thought = True, 3, 5, False

    @contextmanager
    def hold(self, deadline: Any, cancel: Any) -> Iterator[ScriptedLlama]:
        yield ScriptedLlama()

    @contextmanager
    def generate(self, request: Any) -> Iterator[ScriptedModel]:
        yield self

    def __iter__(self) -> Iterator[str]:
        return iter(PIECES)

    def close(self) -> None:
        """Nothing is held."""


class Workstation(WorkstationBackend):
    def make_model(self, *, embedding: bool, offline: bool) -> Any:
        return ScriptedModel()


class Transformers(TransformersBackend):
    def make_model(self, *, embedding: bool, offline: bool) -> Any:
        return ScriptedModel()


@pytest.mark.parametrize(
    "make",
    [lambda: Workstation(id="w", model_path="reasoner.gguf"), lambda: Transformers(id="t", model="reasoner")],
    ids=["llama.cpp", "transformers"],
)
def test_local_models_think_apart(make: Callable[[], Any]) -> None:
    """Whole, streamed and structured; why it ended is told twice, and the tokens are counted."""
    with make() as backend:
        output = backend.infer("q")
        is_apart(output)
        assert (output.finish_reason, output.metadata["finish_reason"]) == ("length", "length")
        assert output.token_usage[:3] == (3, 5, 8)
        events = list(backend.infer_stream("q"))
        are_apart(events)
        assert events[-1].output._replace(attempts=()) == output._replace(attempts=())
        assert backend.infer("q", response_format=SCHEMA).parsed == {"who": "Ann"}


def test_a_described_api_thinks_apart() -> None:
    """The http type: the text at the pointer."""
    with (
        FaultyServer(Reply(body=json.dumps({"answer": SAID}).encode())) as server,
        TemplateBackend(
            id="h", base_url=server.url, endpoint="/v1/messages", body={"q": "{prompt}"}, text="/answer"
        ) as backend,
    ):
        is_apart(backend.infer("q"))
        assert backend.infer("q", response_format=SCHEMA).parsed == {"who": "Ann"}


class Simple(HTTPBackend):
    """An author's, the simple way."""

    type: ClassVar[str] = "simple"

    def prepare_request(self, prompt: str, **params: Any) -> dict[str, Any]:
        return {"endpoint": "/v1/messages", "payload": {"prompt": prompt}}

    def parse_response(self, response: Any) -> str:
        answer: str = response.json()["answer"]
        return answer


def test_an_authors_simple_backend_thinks_apart() -> None:
    """What ``parse_response`` gives as a text."""
    with (
        FaultyServer(Reply(body=json.dumps({"answer": SAID}).encode())) as server,
        Simple(base_url=server.url) as backend,
    ):
        is_apart(backend.infer("q"))


class Foreign:
    """A class of another tool."""

    id = "foreign"

    def generate(self, prompt: str) -> str:
        return SAID

    def stream_generate(self, prompt: str) -> Iterator[str]:
        return iter(PIECES)


def test_a_foreign_object_thinks_apart() -> None:
    """Behind a Mediator, whole and streamed."""
    with Mediator([Foreign()]) as mediator:
        is_apart(mediator.infer("q"))
        are_apart(list(mediator.infer_stream("q")))


def lines(*events: Any) -> bytes:
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def of_codex(*said: str) -> Any:
    items = [{"type": "item.completed", "item": {"type": "agent_message", "text": text}} for text in said]
    return codex.decode(lines(*items, {"type": "turn.completed", "usage": {"input_tokens": 1, "output_tokens": 1}}))


def of_copilot(*said: str) -> Any:
    messages = [{"type": "assistant.message", "data": {"model": "m", "content": text}} for text in said]
    return copilot.decode(lines(*messages, {"type": "result", "exitCode": 0}), b"")


@pytest.mark.parametrize("program", [of_codex, of_copilot])
def test_what_a_program_announces_is_commentary(program: Callable[..., Any]) -> None:
    """The last message is the answer; those before stand beside it, and the same is read out of tags."""
    output = program("I shall look.", "Still looking.", SAID)
    is_apart(output)
    assert output.metadata["commentary"] == "I shall look.\n\nStill looking."
    assert "commentary" not in program("Void.").metadata


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "paused"),
        ("something_new", None),
        (None, None),
        (7, None),
    ],
)
def test_claudes_program_tells_why_it_ended(word: Any, reason: str | None) -> None:
    """In the words of its API."""
    result = {"type": "result", "subtype": "success", "is_error": False, "result": SAID, "stop_reason": word}
    output = claude.decode({**result, "usage": {}, "modelUsage": {}})
    assert isinstance(output, InferenceOutput)
    is_apart(output)
    assert output.finish_reason == reason
    assert output.metadata.get("finish_reason") == (word if isinstance(word, str) else None)
