"""Every provider gets a schema in its own words, whatever class it was made from; the answer is checked here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import (
    AnthropicBackend,
    Backend,
    GoogleBackend,
    LMStudioBackend,
    OpenAIBackend,
    OpenRouterBackend,
    XAIBackend,
)
from complaint_llm.backends.wire.schema_walk import schemas_in
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.request import as_response_format
from complaint_llm.testing import FaultyServer, Reply
from tests.pydantic_models import MODELS, Bounds, Comment, Quoted
from tests.wire_messages import ask

if TYPE_CHECKING:
    from pydantic import BaseModel

STRUCTURE = {
    *("type", "enum", "const", "title", "description", "properties", "required", "additionalProperties", "items"),
    *("anyOf", "$ref", "$defs"),
}
RANGES = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
LENGTHS = {"minLength", "maxLength", "minItems", "maxItems"}
# Which keywords beyond the structure each published subset has; see the sources in each type's data.
KNOWN: dict[str, set[str]] = {
    "openai": {*RANGES, "pattern", "format", "multipleOf", "minItems", "maxItems"},
    "anthropic": {"allOf", "format", "minItems"},
    "google": {"format", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "oneOf"},
    "lmstudio": LENGTHS,
    "openrouter": set(),
    "xai": set(),
}


def made(type: str, url: str = "http://127.0.0.1:1") -> Backend:
    keys: dict[str, Any] = {"id": "b", "api_key": "sk-secret-1", "max_retries": 0}
    kinds: dict[str, Callable[[], Backend]] = {
        "openai": lambda: OpenAIBackend(base_url=f"{url}/v1", model="m", **keys),
        "anthropic": lambda: AnthropicBackend(base_url=url, model="claude-sonnet-5-5", **keys),
        "google": lambda: GoogleBackend(base_url=url, model="m", **keys),
        "lmstudio": lambda: LMStudioBackend(base_url=f"{url}/v1", model="m", **keys),
        "openrouter": lambda: OpenRouterBackend(base_url=f"{url}/v1", model="m", **keys),
        "xai": lambda: XAIBackend(base_url=f"{url}/v1", model="m", **keys),
    }
    return kinds[type]()


def sent(body: Any) -> Any:
    """The schema in a request's body, on any wire."""
    if "response_format" in body:
        return body["response_format"]["json_schema"]["schema"]
    if "text" in body:
        return body["text"]["format"]["schema"]
    if "output_config" in body:
        return body["output_config"]["format"]["schema"]
    return body["generationConfig"]["responseJsonSchema"]


@pytest.mark.parametrize("type", KNOWN)
@pytest.mark.parametrize("shape", MODELS, ids=lambda shape: shape.__name__)
def test_only_known_keywords_leave(type: str, shape: type[BaseModel]) -> None:
    """None with x-, and nothing beside a reference; what has no words there is asked for in words."""
    backend: Any = made(type)
    request = ask(model=backend.options.model, response_format=as_response_format(shape))
    if backend.structured_output(request) in ("json", "none"):
        return
    schema = sent(backend.encode(request).body)
    for part in schemas_in(schema):
        assert part.keys() <= STRUCTURE | KNOWN[type]
        assert "$ref" not in part or part.keys() <= {"$ref", "$defs"}


@pytest.mark.parametrize("type", KNOWN)
def test_most_shapes_are_held_to_by_the_provider(type: str) -> None:
    """Else the test above would say nothing."""
    backend: Any = made(type)
    means = [
        backend.structured_output(ask(model=backend.options.model, response_format=as_response_format(shape)))
        for shape in MODELS
    ]
    assert sum(each in ("native", "partly") for each in means) >= 9


@pytest.mark.parametrize(
    ("type", "known"),
    [
        ("ollama", set()),
        ("vllm", set()),
        ("groq", set()),
        ("mistral", set()),
        ("fireworks", set()),
        ("azure_openai", set()),
        ("llama_cpp_server", {"minLength", "maxLength", "minItems", "maxItems", "minimum", "maximum", "format"}),
    ],
)
def test_declared_services_know_the_structure_and_what_their_data_says(
    type: str, known: set[str], tmp_path: Any
) -> None:
    """A service that nobody has read the documentation of gets nothing that it could refuse."""
    with FaultyServer(Reply('{"text": "a", "party": {"name": "A", "role": "tenant"}, "quote": "q"}')) as server:
        entry = {"id": type, "type": type, "model": "m", "api_key": "sk-secret-1", "base_url": f"{server.url}/v1"}
        (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [entry]}), encoding="utf-8")
        with Mediator.from_config(tmp_path / "config.json") as mediator:
            mediator.infer("x", response_format=Quoted)
        schema = sent(server.requests[0].body)
    used = {word for part in schemas_in(schema) for word in part}
    assert used - STRUCTURE == known & {"minLength", "maxLength"}


@pytest.mark.parametrize("type", [name for name in KNOWN if name != "lmstudio"])
def test_the_answer_is_checked_against_all_that_the_class_says(type: str) -> None:
    """A pattern that the provider was not told of, or did not keep, is told to the model once; then it is an error."""
    good = {
        "amount": 1.25,
        "docket": "AB-1",
        "filed": "2026-01-02",
        "at": None,
        "pages": [1],
        "tags": ["a"],
    }
    bad = {**good, "tags": ["a", "a"]}
    with FaultyServer() as server, made(type, server.url) as backend:
        server.script(Reply(json.dumps(bad)), Reply(json.dumps(good)))
        parsed = backend.infer("x", response_format=Bounds).parsed
        assert isinstance(parsed, Bounds)
        assert "uniqueItems" in json.dumps(server.requests[1].body)
        server.script(Reply(json.dumps(bad)), Reply(json.dumps(bad)))
        with pytest.raises(ResponseFormatError, match="uniqueItems"):
            backend.infer("x", response_format=Bounds)


@pytest.mark.parametrize("type", KNOWN)
def test_the_callers_own_keywords_leave_neither_as_schema_nor_as_words(type: str) -> None:
    """The marks of quotes are ours."""
    answer = json.dumps({"quote": "q", "party": {"name": "A", "role": "tenant"}})
    for shape in (Quoted, {**Quoted.model_json_schema(), "not": {"type": "string"}}):
        with FaultyServer(Reply(answer)) as server, made(type, server.url) as backend:
            assert backend.infer("x", response_format=shape).parsed
            assert "x-quote" not in json.dumps(server.requests[0].body)


@pytest.mark.rows(2)
@pytest.mark.parametrize("type", KNOWN)
def test_a_class_that_holds_itself_is_answered(type: str) -> None:
    """By every provider, with its own means or in words."""
    answer = json.dumps({"text": "a", "replies": [{"text": "b", "replies": []}]})
    with FaultyServer(Reply(answer)) as server, made(type, server.url) as backend:
        assert backend.infer("x", response_format=Comment).parsed == Comment(text="a", replies=[Comment(text="b")])
