"""What is sent to the Messages API: turns, parameters, schemas and keys."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import AnthropicBackend
from complaint_llm.backends.wire.parameters import UNSUPPORTED
from complaint_llm.exceptions import (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
)
from complaint_llm.messages import (
    ImagePart,
    Message,
    TextPart,
    Tool,
)
from complaint_llm.request import as_response_format
from tests.arbitrary_values import MESSAGES, PNG
from tests.peers import need_peer
from tests.plugins.anthropic.claude import ANSWER, TOOL, claude, encoded, request

# -- requests ---------------------------------------------------------------------------------------------------------


CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "data": PNG},
            {"type": "image", "url": "https://example.org/a.png"},
        ],
    },
    {
        "role": "assistant",
        "content": "I will look.",
        "tool_calls": [
            {"id": "t1", "name": "search", "arguments": {"q": "rent"}},
            {"id": "t2", "name": "search", "arguments": "{broken"},
        ],
    },
    {"role": "tool", "tool_call_id": "t1", "content": "found"},
    {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "no"}, {"type": "image", "data": PNG}]},
    {"role": "user", "content": "And now?"},
]


def test_a_conversation_becomes_system_text_turns_blocks_and_one_turn_of_tool_results() -> None:
    body = encoded(request(CONVERSATION, tools=(TOOL,)))
    assert body["system"] == "Be brief."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "user"]
    asked, said, results, _ = body["messages"]
    assert asked["content"][1]["source"]["media_type"] == "image/png"
    assert asked["content"][2]["source"] == {"type": "url", "url": "https://example.org/a.png"}
    assert [block["type"] for block in said["content"]] == ["text", "tool_use", "tool_use"]
    assert said["content"][1]["input"] == {"q": "rent"}
    assert said["content"][2]["input"] == {"INVALID_JSON": "{broken"}
    assert [block["tool_use_id"] for block in results["content"]] == ["t1", "t2"]
    assert body["tools"] == [
        {"name": "search", "description": "Search the law.", "input_schema": TOOL.parameters},
    ]


@pytest.mark.parametrize(
    ("model", "params", "max_tokens"),
    [
        ("claude-sonnet-4-5", {}, 64000),
        ("claude-opus-5-5", {}, 128000),
        ("claude-3-haiku-20240307", {}, 4096),
        ("some-model", {}, 4096),
        ("claude-sonnet-4-5", {"max_tokens": 9}, 9),
    ],
)
def test_max_tokens_is_the_given_one_else_the_models_maximum_else_4096(
    model: str, params: Any, max_tokens: int
) -> None:
    assert encoded(request(model=model, params=params))["max_tokens"] == max_tokens


SAMPLING = {"temperature": 0.2, "top_k": 3}


@pytest.mark.parametrize(
    ("model", "version", "params", "refused"),
    [
        ("claude-sonnet-4-5", "2023-06-01", SAMPLING, []),
        ("claude-sonnet-4-5", "2026-10-21", SAMPLING, ["temperature", "top_k"]),
        ("claude-opus-4-7", "2023-06-01", SAMPLING, ["temperature", "top_k"]),
        ("claude-sonnet-5-5", "2023-06-01", {"thinking_budget": 2000}, ["thinking_budget"]),
        ("claude-haiku-4-5", "2023-06-01", {"reasoning_effort": "low"}, ["reasoning_effort"]),
        ("claude-opus-5", "2023-06-01", {"reasoning_effort": "none"}, ["reasoning_effort"]),
        ("claude-sonnet-4-5", "2023-06-01", {"thinking_budget": 2000, "temperature": 0.1}, ["temperature"]),
        (
            "claude-sonnet-4-5",
            "2023-06-01",
            {"seed": 1, "frequency_penalty": 0.1, "logprobs": True},
            ["seed", "frequency_penalty", "logprobs"],
        ),
    ],
)
def test_what_a_model_or_version_refuses_is_left_out_and_named_in_the_metadata(
    model: str, version: str, params: Any, refused: list[str]
) -> None:
    backend = claude(version=version, unsupported_parameters="drop")
    asked = request(model=model, params=params)
    body: Any = backend.encode(asked).body
    assert not body.keys() & set(refused)
    output = backend.decode(ANSWER, asked)
    assert output.metadata == {"finish_reason": "tool_use", **({UNSUPPORTED: refused} if refused else {})}
    if refused:
        with pytest.raises(InvalidRequestError, match=refused[0]):
            claude(version=version, unsupported_parameters="error").encode(asked)


def test_thinking_is_asked_for_in_the_way_that_the_model_takes() -> None:
    old = encoded(request(model="claude-sonnet-4-5", params={"thinking_budget": 2000}))
    assert old["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    new = encoded(request(model="claude-opus-5", params={"reasoning_effort": "high"}))
    assert new["thinking"]["type"] == "adaptive"
    assert new["output_config"] == {"effort": "high"}


def test_a_stop_text_becomes_a_list_and_extra_body_is_merged_into_objects() -> None:
    body = encoded(
        request(
            model="claude-opus-5",
            params={"stop": "END", "reasoning_effort": "low"},
            extra_body={"output_config": {"new": 1}, "service_tier": "auto"},
        )
    )
    assert body["stop_sequences"] == ["END"]
    assert body["output_config"] == {"effort": "low", "new": 1}
    assert body["service_tier"] == "auto"


SCHEMA = {
    "type": "object",
    "title": "Claim",
    "properties": {
        "kind": {"enum": ["wage", "rent"]},
        "amount": {"type": "integer", "minimum": 1},
        "dates": {"type": "array", "items": {"type": "string", "format": "date"}, "minItems": 3},
        "note": {"type": ["string", "null"], "maxLength": 20},
        "party": {"$ref": "#/$defs/Party"},
    },
    "required": ["kind"],
    "$defs": {"Party": {"type": "object", "properties": {"name": {"type": "string"}}}},
}


def test_a_schema_is_sent_natively_without_what_the_api_refuses() -> None:
    """What it refuses is said in the descriptions."""
    asked = request(response_format=as_response_format(SCHEMA))
    sent = encoded(asked)["output_config"]["format"]
    assert claude().structured_output(asked) == "partly"
    assert sent["type"] == "json_schema"
    assert sent["schema"] == {
        "type": "object",
        "title": "Claim",
        "properties": {
            "kind": {"enum": ["wage", "rent"]},
            "amount": {"type": "integer", "description": "minimum: 1"},
            "dates": {
                "type": "array",
                "items": {"type": "string", "format": "date"},
                "description": "minItems: 3",
            },
            "note": {"description": "maxLength: 20", "anyOf": [{"type": "string"}, {"type": "null"}]},
            "party": {"$ref": "#/$defs/Party"},
        },
        "required": ["kind"],
        "additionalProperties": False,
        "$defs": {
            "Party": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": [],
                "additionalProperties": False,
            }
        },
    }


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("claude-3-haiku-20240307", SCHEMA),
        ("claude-sonnet-4-5", {"type": "json_object"}),
        ("claude-sonnet-4-5", {"type": "object", "additionalProperties": {"type": "string"}}),
        ("claude-sonnet-4-5", {"type": "object"}),
        ("claude-sonnet-4-5", {"type": "array"}),
        ("claude-sonnet-4-5", {"properties": {}}),
    ],
)
def test_what_the_api_cannot_hold_an_answer_to_is_asked_for_in_words(model: str, wanted: Any) -> None:
    asked = request(model=model, response_format=as_response_format(wanted))
    assert claude().structured_output(asked) == "none"
    assert "output_config" not in encoded(asked._replace(response_format=None))


def check_blocks(content: Any) -> str:
    """Check lists of blocks one by one, inner ones first (pydantic crashes on lazy lists in lazy lists)."""
    from anthropic.types import ContentBlockParam
    from pydantic import TypeAdapter

    for block in () if isinstance(content, str) else content:
        whole = {**block, "content": check_blocks(block["content"])} if "content" in block else block
        TypeAdapter(ContentBlockParam).validate_python(whole, strict=True)
    return "checked"


@pytest.mark.rows(2)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("claude-sonnet-4-5", {"stop": ["a"], "max_tokens": 3000, "thinking_budget": 2000}),
        ("claude-opus-5", {"reasoning_effort": "max", "stop": "a"}),
    ],
)
def test_what_is_sent_fits_the_official_sdks_request_types(model: str, params: Any, stream: bool) -> None:
    need_peer("anthropic")
    from anthropic.types import message_create_params as official
    from pydantic import TypeAdapter

    kind: Any = official.MessageCreateParamsStreaming if stream else official.MessageCreateParamsNonStreaming
    asked = request(
        CONVERSATION,
        model,
        params=params,
        tools=(TOOL, Tool("bare")),
        response_format=as_response_format(SCHEMA),
        stream=stream,
    )
    body = encoded(asked)
    assert body.keys() <= get_type_hints(kind).keys()
    turns = [{**turn, "content": check_blocks(turn["content"])} for turn in body["messages"]]
    checked = TypeAdapter(kind).validate_python({**body, "messages": turns}, strict=True)
    assert len(list(checked["messages"])) == 4
    assert len(list(checked.get("tools", ()))) == 2


# -- any conversation -------------------------------------------------------------------------------------------------


@given(MESSAGES, st.booleans())
def test_any_conversation_becomes_json_or_is_refused_before_sending(messages: list[Message], stream: bool) -> None:
    try:
        body = encoded(request(messages, stream=stream, tools=(TOOL,)))
    except InvalidRequestError as error:
        assert error.sent is False  # noqa: PT017
    else:
        assert json.loads(json.dumps(body)) is not None


# -- keys -------------------------------------------------------------------------------------------------------------


def test_the_bearer_token_is_used_only_where_there_is_no_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-1")
    bearer = AnthropicBackend().auth_headers()
    assert "x-api-key" not in bearer
    assert bearer["Authorization"].reveal() == "Bearer token-1"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-1")
    for backend in (AnthropicBackend(), claude(api_key="key-2")):
        headers = backend.auth_headers()
        assert "Authorization" not in headers
        assert headers["x-api-key"] is backend.api_key


def test_without_any_key_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    with pytest.raises(AuthenticationError, match="ANTHROPIC_API_KEY") as caught:
        AnthropicBackend(model="claude-opus-5", base_url="http://127.0.0.1:1").generate("Hello")
    assert caught.value.sent is False


@pytest.mark.parametrize("version", ["latest", "2023-06-01\r\nX: y", ""])
def test_a_version_that_is_no_date_is_a_config_error(version: str) -> None:
    with pytest.raises(ConfigError, match="version"):
        claude(version=version)


def test_parts_of_text_and_images_keep_their_order() -> None:
    message = Message("user", (TextPart("a"), ImagePart(data=PNG), TextPart("b")))
    kinds = [block["type"] for block in encoded(request([message]))["messages"][0]["content"]]
    assert kinds == ["text", "image", "text"]
