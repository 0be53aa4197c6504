"""The task claims over six wires: what leaves fits the official SDKs' types and each provider's published subset."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

import pytest

from complaint_llm.backends import (
    AnthropicBackend,
    Backend,
    GoogleBackend,
    LMStudioBackend,
    OpenAIBackend,
    OpenRouterBackend,
)
from complaint_llm.backends.wire.schema_walk import schemas_in
from complaint_llm.tasks.demonstration import demonstrate
from complaint_llm.tasks.load import built_in
from complaint_llm.testing import FaultyServer, Reply
from tests.peers import need_peer

TEXT = "My boss, Mr. Lee, owes me $400 for two weeks in May 2025. He said I could leave."
STRUCTURE = {
    *("type", "enum", "const", "title", "description", "properties", "required", "additionalProperties", "items"),
    *("anyOf", "$ref", "$defs"),
}
# What each published subset knows beyond the structure, as far as the task could use it.
KNOWN: Mapping[str, set[str]] = {
    "openai chat": set(),
    "openai responses": set(),
    "anthropic": {"allOf"},
    "google": {"oneOf"},
    "lmstudio": set(),
    "openrouter": set(),
}
TASKS = ("claims", "summary", "chronology")


def made(wire: str, url: str) -> Backend:
    keys: dict[str, Any] = {"id": "b", "api_key": "sk-secret-1", "max_retries": 0}
    kinds: dict[str, Callable[[], Backend]] = {
        "openai chat": lambda: OpenAIBackend(base_url=f"{url}/v1", model="gpt-4o", api="chat", **keys),
        "openai responses": lambda: OpenAIBackend(base_url=f"{url}/v1", model="gpt-4o", api="responses", **keys),
        "anthropic": lambda: AnthropicBackend(base_url=url, model="claude-sonnet-5-5", **keys),
        "google": lambda: GoogleBackend(base_url=url, model="gemini-3.8-flash", **keys),
        "lmstudio": lambda: LMStudioBackend(base_url=f"{url}/v1", model="m", **keys),
        "openrouter": lambda: OpenRouterBackend(base_url=f"{url}/v1", model="m", **keys),
    }
    return kinds[wire]()


def answer(task: str) -> str:
    schema = built_in(task).schema
    assert schema is not None
    return json.dumps(demonstrate(schema, TEXT))


def sent(body: Any) -> Any:
    """The schema in a request's body, on any wire; None where it went in words."""
    if "response_format" in body:
        return body["response_format"].get("json_schema", {}).get("schema")
    if "text" in body:
        return body["text"]["format"].get("schema")
    if "output_config" in body:
        return body["output_config"]["format"]["schema"]
    return body.get("generationConfig", {}).get("responseJsonSchema")


@pytest.fixture(params=[(wire, task) for wire in KNOWN for task in TASKS], ids=lambda each: " ".join(each))
def asked(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, Any]]:
    """The wire, the task, and the body that left for it."""
    wire, task = request.param
    with FaultyServer(Reply(answer(task))) as server, made(wire, server.url) as backend:
        output = backend.infer(TEXT, task=task)
        assert output.findings == ()
        assert output.quotes
        yield wire, task, server.requests[0].body


def test_only_known_keywords_leave(asked: tuple[str, str, Any]) -> None:
    """No mark of ours, nothing beside a reference, nothing that the provider's subset lacks."""
    wire, _, body = asked
    assert '"x-' not in json.dumps(body)
    schema = sent(body)
    if schema is None:
        assert "JSON Schema" in json.dumps(body)
        return
    for part in schemas_in(schema):
        assert part.keys() <= STRUCTURE | KNOWN[wire]
        assert "$ref" not in part or part.keys() <= {"$ref", "$defs"}


@pytest.mark.rows(4)
def test_what_leaves_fits_the_official_sdks_types(asked: tuple[str, str, Any]) -> None:
    """OpenAI's, Anthropic's and Google's own request types take it."""
    wire, _, body = asked
    if wire == "google":
        need_peer("google-genai")
        from google.genai import types

        config = body["generationConfig"]
        types.GenerateContentConfig.model_validate(config)
        return
    from pydantic import TypeAdapter

    if wire == "anthropic":
        need_peer("anthropic")
        from anthropic.types import message_create_params as anthropic_params

        kind: Any = anthropic_params.MessageCreateParamsNonStreaming
    elif wire == "openai responses":
        need_peer("openai")
        from openai.types.responses import response_create_params

        kind = response_create_params.ResponseCreateParamsNonStreaming
    else:
        need_peer("openai")
        from openai.types.chat import completion_create_params

        kind = completion_create_params.CompletionCreateParamsNonStreaming
    TypeAdapter(kind).validate_python(body)
    own = {"provider", "plugins", "usage", "reasoning"} if wire == "openrouter" else set()
    assert body.keys() <= get_type_hints(kind).keys() | own


def refusal(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "no", "type": "invalid_request_error", "param": None, **fields}}).encode()


REFUSALS: Mapping[str, bytes] = {
    "openai chat": refusal(param="response_format", code=None),
    "openai responses": refusal(code="invalid_json_schema", param="text.format.schema"),
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"Schema is too complex"}}',
    "google": b'{"error":{"code":400,"message":"Invalid JSON schema","status":"INVALID_ARGUMENT"}}',
    "lmstudio": refusal(param="response_format", code=None),
    "openrouter": refusal(param="response_format", code=None),
}


@pytest.mark.parametrize("wire", KNOWN)
def test_a_refused_schema_falls_back_to_words(wire: str) -> None:
    """The provider is asked once more without it, and the answer is checked here all the same."""
    with FaultyServer(Reply(answer("claims"))) as server, made(wire, server.url) as backend:
        server.script(Reply.raw(REFUSALS[wire], 400))
        output = backend.infer(TEXT, task="claims")
        assert [sent(each.body) is None for each in server.requests] == [False, True]
        assert output.findings == ()
        assert output.quotes
        assert '"x-' not in json.dumps(server.requests[1].body)
