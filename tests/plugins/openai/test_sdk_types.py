"""Requests and answers against the types of OpenAI's own SDK, which no one here wrote."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

import pytest

from complaint_llm.backends import EmbeddingRequest, OpenAIBackend
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import ImagePart, Message, TextPart, Tool, ToolCall
from complaint_llm.request import Request, as_response_format
from tests.peers import need_peer
from tests.pydantic_models import MODELS, DescribedReference, Free, Party, Quoted, Tuple
from tests.wire_messages import ask, done, read, sse

SCHEMA = {"type": "object", "properties": {"claims": {"type": "array", "items": {"type": "string"}}}}
CONVERSATION = [
    Message("system", "Be brief."),
    Message("user", (TextPart("Look"), ImagePart(url="https://example.org/a.png"))),
    Message("assistant", "", (ToolCall("c1", "find", {"x": 1}, '{"x": 1}'),)),
    Message("tool", "3 cases", tool_call_id="c1"),
    Message("user", "And now?"),
]
FULL = ask(
    CONVERSATION,
    model="gpt-4o",
    params={"max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "logprobs": True},
    tools=(Tool("find", "Find", {"type": "object", "properties": {"x": {"type": "integer"}}}),),
    response_format=as_response_format(SCHEMA),
)
THINKING = ask(model="gpt-5.4", params={"reasoning_effort": "low", "max_tokens": 5})
CHAT_ONLY = ask(model="gpt-4o", params={"stop": ["x"], "seed": 1, "frequency_penalty": 0.1, "presence_penalty": 0.1})


@pytest.fixture(autouse=True)
def sdk() -> Iterator[None]:
    need_peer("openai")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the SDK's own modules warn of is not ours
        yield


def backend(api: str) -> OpenAIBackend:
    return OpenAIBackend(api_key="sk-secret-1", api=api)


def exhaust(value: Any) -> None:
    """Nested iterators of pydantic validate only what is taken out of them."""
    if isinstance(value, Mapping):
        for inner in value.values():
            exhaust(inner)
    elif hasattr(value, "__iter__") and not isinstance(value, str):
        for inner in value:
            exhaust(inner)


def check(body: Mapping[str, Any] | None, params: type) -> None:
    """The body is valid for the SDK's parameters and has no key that they do not know."""
    from pydantic import TypeAdapter

    assert body is not None
    adapter: TypeAdapter[Any] = TypeAdapter(params)  # the lazy iterators inside need it alive
    exhaust(adapter.validate_python(dict(body), strict=True))
    assert body.keys() <= get_type_hints(params).keys()


@pytest.mark.parametrize(
    "request_", [ask("Hi", model="gpt-4o"), FULL, THINKING, CHAT_ONLY], ids=["plain", "full", "thinking", "chat"]
)
@pytest.mark.parametrize("stream", [False, True])
def test_chat_requests_fit_the_sdks_parameters(request_: Request, stream: bool) -> None:
    """Strictly, streams too."""
    from openai.types.chat.completion_create_params import (
        CompletionCreateParamsNonStreaming,
        CompletionCreateParamsStreaming,
    )

    wire = backend("chat").encode(request_._replace(stream=stream))
    check(wire.body, CompletionCreateParamsStreaming if stream else CompletionCreateParamsNonStreaming)


@pytest.mark.parametrize("request_", [ask("Hi", model="gpt-4o"), FULL, THINKING], ids=["plain", "full", "thinking"])
@pytest.mark.parametrize("stream", [False, True])
def test_responses_requests_fit_the_sdks_parameters(request_: Request, stream: bool) -> None:
    """Strictly, streams too."""
    from openai.types.responses.response_create_params import (
        ResponseCreateParamsNonStreaming,
        ResponseCreateParamsStreaming,
    )

    wire = backend("responses").encode(request_._replace(stream=stream))
    check(wire.body, ResponseCreateParamsStreaming if stream else ResponseCreateParamsNonStreaming)


def test_a_wrong_body_does_not_pass_the_check() -> None:
    """The check itself can fail: on a wrong role deep inside, and on an unknown key."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from pydantic import ValidationError

    with pytest.raises(ValidationError):
        check({"model": "m", "messages": [{"role": "nobody", "content": "x"}]}, CompletionCreateParamsNonStreaming)
    with pytest.raises(AssertionError):
        check({"model": "m", "messages": [], "max_output_tokens": 3}, CompletionCreateParamsNonStreaming)


def faults(schema: Any, place: str = "") -> list[str]:
    """What OpenAI's strict mode refuses, by its guide "Structured model outputs" (Supported schemas)."""
    known = {
        *("type", "enum", "const", "anyOf", "$ref", "$defs", "title", "description", "properties", "required"),
        *("additionalProperties", "items", "pattern", "format", "multipleOf", "minimum", "maximum"),
        *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"),
    }
    found = [f"{place}/{word}: unknown" for word in schema.keys() - known]
    if "$ref" in schema and len(schema) > 1:
        found.append(f"{place}: a reference with neighbours")
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            found.append(f"{place}: open")
        if list(schema.get("required", ())) != list(schema.get("properties", ())):
            found.append(f"{place}: not all are required")
    for word in ("properties", "$defs"):
        for name, part in schema.get(word, {}).items():
            found += faults(part, f"{place}/{word}/{name}")
    for number, part in enumerate(schema.get("anyOf", ())):
        found += faults(part, f"{place}/anyOf/{number}")
    return found + (faults(schema["items"], f"{place}/items") if "items" in schema else [])


@pytest.mark.rows(4)
@pytest.mark.parametrize("shape", MODELS, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_schema_made_by_pydantic_leaves_as_strict_mode_takes_it(shape: Any, api: str) -> None:
    """Descriptions beside references, options, defaults, recursion, bounds, x- keywords. What strict mode has no words
    for (free keys, tuples) goes without the flag, and is asked for in words."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    request = ask("Hi", model="gpt-5.4", response_format=as_response_format(shape))
    asked = backend(api)
    body = asked.encode(request).body
    check(body, CompletionCreateParamsNonStreaming if api == "chat" else ResponseCreateParamsNonStreaming)
    assert body is not None
    sent = body["response_format"]["json_schema"] if api == "chat" else body["text"]["format"]
    assert "x-" not in str(sent["schema"])
    if shape in (Free, Tuple):
        assert sent["strict"] is False
        assert asked.structured_output(request) == "json"
    else:
        assert sent["strict"] is True
        assert sent["schema"]["type"] == "object"
        assert faults(sent["schema"]) == []


@pytest.mark.parametrize(
    "shape", [shape for shape in MODELS if shape not in (Free, Tuple)], ids=lambda shape: shape.__name__
)
def test_strict_mode_holds_answers_to_what_the_sdk_would_hold_them_to(shape: Any) -> None:
    """Names and order of all properties, at each level, are those of the SDK's own strict schema."""
    from openai.lib._pydantic import to_strict_json_schema

    def names(schema: Any) -> list[str]:
        own = list(schema.get("properties", ()))
        return own + [name for part in schema.get("$defs", {}).values() for name in part.get("properties", ())]

    body = backend("chat").encode(ask(model="gpt-5.4", response_format=as_response_format(shape))).body
    assert body is not None
    theirs = to_strict_json_schema(shape)
    root = theirs["$defs"][theirs["$ref"].rpartition("/")[2]] if "$ref" in theirs else {}
    assert names(body["response_format"]["json_schema"]["schema"]) == names({**root, **theirs})


def test_the_check_of_strict_schemas_can_fail() -> None:
    """On what pydantic writes by itself."""
    assert any("neighbours" in fault for fault in faults(DescribedReference.model_json_schema()))
    assert any("x-quote" in fault for fault in faults(Quoted.model_json_schema()))
    assert any("open" in fault for fault in faults(Party.model_json_schema()))


def test_embedding_requests_fit_the_sdks_parameters() -> None:
    """Many texts in one call."""
    from openai.types.embedding_create_params import EmbeddingCreateParams

    request = EmbeddingRequest(("a", "b"), Deadline(60), CancelToken(), "text-embedding-3-small")
    check(backend("chat").encode_embedding(request).body, EmbeddingCreateParams)


def test_a_chat_completion_made_by_the_sdk_is_decoded() -> None:
    """Every field of the SDK's model is there, most of them null."""
    from openai.types.chat import ChatCompletion

    made = ChatCompletion.model_validate(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "tool_calls",
                    "logprobs": {"content": [{"token": "a", "logprob": -0.1, "top_logprobs": []}], "refusal": None},
                    "message": {
                        "role": "assistant",
                        "content": "Yes",
                        "refusal": None,
                        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    },
                }
            ],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 1},
            },
        }
    )  # fmt: skip
    output = backend("chat").decode(made.model_dump(mode="json"), FULL)
    assert (output.content, output.tool_calls[0].name, output.token_usage.cached_tokens) == ("Yes", "f", 1)
    assert output.confidence == pytest.approx(0.9048, abs=1e-3)


def test_chunks_made_by_the_sdk_are_read() -> None:
    """Null fields of a chunk mean nothing."""
    from openai.types.chat import ChatCompletionChunk

    def made(delta: dict[str, Any], reason: str | None = None) -> Any:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        values = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o", "choices": choices}
        return ChatCompletionChunk.model_validate(values).model_dump(mode="json")

    chunks = [
        made({"role": "assistant", "content": ""}),
        made({"content": "Yes"}),
        made({"content": "."}),
        made({}, "stop"),
    ]
    output = done(read(backend("chat").decoder(ask(stream=True)), [sse(*chunks, "[DONE]")]))
    assert (output.content, output.finish_reason, output.model) == ("Yes.", "stop", "gpt-4o")


def test_a_response_made_by_the_sdk_is_decoded() -> None:
    """Items as the SDK writes them."""
    from openai.types.responses import Response

    made = Response.model_validate(
        {
            "id": "r",
            "object": "response",
            "created_at": 1,
            "model": "gpt-5.4",
            "status": "completed",
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "output": [
                {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]},
                {
                    "type": "message",
                    "id": "msg",
                    "role": "assistant",
                    "status": "completed",
                    "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
                },
                {"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "arguments": "{}"},
            ],
        }
    )  # fmt: skip
    output = backend("responses").decode(made.model_dump(mode="json"), THINKING)
    assert (output.content, output.reasoning, output.tool_calls[0].id) == ("Yes.", "Hm.", "c1")


def test_reasoning_that_goes_back_fits_the_sdks_parameters() -> None:
    """A second turn with the first one's encrypted reasoning."""
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    kept = {
        "responses https://api.openai.com/v1": [
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "e"}
        ]
    }
    request = ask([Message("user", "a"), Message("assistant", "b", extra=kept), Message("user", "c")], model="gpt-5.4")
    check(backend("responses").encode(request).body, ResponseCreateParamsNonStreaming)
