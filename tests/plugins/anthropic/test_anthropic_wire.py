"""The Messages API's bodies and event streams, without a network."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterable
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import AnthropicBackend
from complaint_llm.backends.wire.finish_reasons import FINISH_REASONS
from complaint_llm.backends.wire.parameters import UNSUPPORTED
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ConfigError,
    ContentFilterError,
    InvalidRequestError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import (
    Done,
    ImagePart,
    InferenceOutput,
    Message,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TextPart,
    TokenUsage,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.request import Request, as_messages, as_response_format
from complaint_llm.transport import ServerSentEvent, SSEParser
from tests.arbitrary_values import JSON, MESSAGES, PNG, places, replaced
from tests.peers import need_peer

TOOL = Tool("search", "Search the law.", {"type": "object", "properties": {"q": {"type": "string"}}})
ANSWER = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [
        {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
        {"type": "text", "text": "I will look."},
        {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "rent"}},
        {"type": "tool_use", "id": "toolu_2", "name": "search", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 1000,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    },
}
STREAM: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            **ANSWER,
            "content": [],
            "stop_reason": None,
            "usage": {"input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 1},
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I will "}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "löök. \u2028"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ""}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"q": "r'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": 'ent"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "some_event_of_the_future", "delta": 7},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"cache_creation_input_tokens": 1000, "output_tokens": 7, "input_tokens": None},
    },
    {"type": "message_stop"},
]


def claude(**keys: Any) -> AnthropicBackend:
    return AnthropicBackend(**{"api_key": "sk-ant-test-key", "base_url": "http://127.0.0.1:1", **keys})


def request(prompt: Any = "Hello", model: str = "claude-sonnet-4-5", **fields: Any) -> Request:
    return Request(as_messages(prompt), Deadline(5), CancelToken(), model, **fields)


def encoded(asked: Request, **keys: Any) -> Any:
    return claude(**keys).encode(asked).body


def decoded(payload: Any, asked: Request | None = None) -> InferenceOutput:
    output: InferenceOutput = claude().decode(payload, asked or request())
    return output


def sse(events: Iterable[Any]) -> bytes:
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events
    )


def events_of(chunks: Iterable[bytes]) -> list[StreamEvent]:
    decoder, parser = claude().decoder(request(stream=True)), SSEParser()
    found: list[StreamEvent] = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            found.extend(decoder.feed(event))
    for event in parser.finish():
        found.extend(decoder.feed(event))
    found.extend(decoder.end())
    return found


# -- requests ----------------------------------------------------------------------------------------------------------

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


# -- answers -----------------------------------------------------------------------------------------------------------


def test_an_answer_gives_text_reasoning_calls_usage_and_reason_apart() -> None:
    output = decoded(ANSWER)
    assert output.content == "I will look."
    assert output.reasoning == "Let me see."
    assert output.tool_calls == (
        ToolCall("toolu_1", "search", {"q": "rent"}, '{"q": "rent"}'),
        ToolCall("toolu_2", "search", {}, "{}"),
    )
    assert output.finish_reason == "tool_calls"
    assert output.model == "claude-sonnet-4-5-20250929"
    assert output.token_usage == TokenUsage(1110, 7, 1117, 100, 3, cache_write_tokens=1000)
    assert pickle.loads(pickle.dumps(output)) == output


def test_without_a_cache_count_nothing_is_said_of_it() -> None:
    output = decoded({**ANSWER, "usage": {"input_tokens": 3, "output_tokens": 2}})
    assert output.token_usage == TokenUsage(3, 2, 5, None, None)


def test_the_official_sdks_answer_model_decodes() -> None:
    need_peer("anthropic")
    from anthropic.types import Message as OfficialMessage

    payload = json.loads(OfficialMessage.model_validate(ANSWER).model_dump_json())
    assert decoded(payload).tool_calls == decoded(ANSWER).tool_calls


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "paused"),
        ("a_reason_of_the_future", None),
    ],
)
def test_stop_reasons_are_the_neutral_ones(reason: str, expected: str | None) -> None:
    payload = {**ANSWER, "content": [{"type": "text", "text": "a"}], "stop_reason": reason}
    assert decoded(payload).finish_reason == expected


def test_every_stop_reason_of_the_official_sdk_is_known() -> None:
    need_peer("anthropic")
    from typing import get_args

    from anthropic.types import StopReason

    assert set(get_args(StopReason)) <= FINISH_REASONS.keys()


def test_a_refusal_without_an_answer_is_a_content_filter_error() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    with pytest.raises(ContentFilterError, match="Not this"):
        decoded({**ANSWER, "content": [], "stop_reason": "refusal", "stop_details": details})


def test_signed_thinking_goes_back_unchanged_with_the_next_turn() -> None:
    said = decoded(ANSWER).message()
    turns = encoded(request([Message("user", "Find it."), said]))["messages"]
    assert turns[1]["content"] == ANSWER["content"]
    json.dumps(said.extra)


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_typed_events_and_the_whole_answer_at_its_end() -> None:
    events = events_of([sse(STREAM)])
    assert events[:-1] == [
        ReasoningDelta("Let me "),
        ReasoningDelta("see."),
        TextDelta("I will "),
        TextDelta("löök. \u2028"),
        ToolCallStart("toolu_1", "search"),
        ToolCallDelta("toolu_1", '{"q": "r'),
        ToolCallDelta("toolu_1", 'ent"}'),
        ToolCallEnd("toolu_1"),
    ]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.token_usage == TokenUsage(1110, 7, 1117, 100, None, cache_write_tokens=1000)
    assert done.output.content == "I will löök. \u2028"
    assert done.output.reasoning == "Let me see."
    assert done.output.finish_reason == "tool_calls"
    assert done.output.tool_calls[0].arguments == {"q": "rent"}
    assert done.output.extra == {
        "anthropic": [
            {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"},
            {"type": "text", "text": "I will löök. \u2028"},
            {"type": "tool_use", "id": "toolu_1", "name": "search", "input": {"q": "rent"}},
        ]
    }


@given(st.lists(st.integers(0, len(sse(STREAM))), max_size=40))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    data = sse(STREAM)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    assert events_of(chunks) == events_of([data])


def test_a_stream_without_its_last_event_is_not_finished() -> None:
    for length in range(len(STREAM)):
        assert not any(isinstance(event, Done) for event in events_of([sse(STREAM[:length])]))


def test_broken_argument_json_is_reported_as_such_and_can_go_back() -> None:
    broken = [
        {"type": "message_start", "message": {"model": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a": '}},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}},
        {"type": "message_stop"},
    ]
    done = events_of([sse(broken)])[-1]
    assert isinstance(done, Done)
    assert done.output.tool_calls == (ToolCall("t", "f", None, '{"a": '),)
    turn = encoded(request([Message("user", "x"), done.output.message()]))["messages"][1]["content"]
    assert turn[1]["input"] == {"INVALID_JSON": '{"a": '}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("overloaded_error", ServerError), ("rate_limit_error", RateLimitError), ("new", ServerError)],
)
def test_an_error_event_is_raised_as_what_it_says_with_the_secret_cut_out(kind: str, expected: type[Exception]) -> None:
    event: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": "busy, sk-ant-test-key"}}
    with pytest.raises(expected, match="busy") as caught:
        events_of([sse([*STREAM[:3], event])])
    assert "sk-ant-test-key" not in str(caught.value)


def test_a_refusal_in_a_stream_without_text_is_a_content_filter_error() -> None:
    delta = {"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 1}}
    with pytest.raises(ContentFilterError):
        events_of([sse([STREAM[0], delta, {"type": "message_stop"}])])


# -- wrong shapes ------------------------------------------------------------------------------------------------------


@given(st.sampled_from(list(places(ANSWER))), JSON)
def test_an_answer_with_anything_anywhere_decodes_or_is_a_format_error(path: tuple[Any, ...], new: Any) -> None:
    try:
        output = decoded(replaced(ANSWER, path, new))
    except (ResponseFormatError, ContentFilterError):
        return
    except ServerError as error:
        assert error.status is None  # noqa: PT017 - the body itself became an error
        return
    assert isinstance(output, InferenceOutput)
    pickle.dumps(output)


@given(st.integers(0, len(STREAM) - 1), st.data())
def test_a_stream_with_anything_anywhere_gives_events_or_a_format_error(place: int, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(places(STREAM[place]))))
    changed = replaced(STREAM[place], path, data.draw(JSON))
    decoder = claude().decoder(request(stream=True))
    try:
        for event in [*STREAM[:place], changed, *STREAM[place + 1 :]]:
            list(decoder.feed(ServerSentEvent("message", json.dumps(event))))
    except (ResponseFormatError, ContentFilterError, ServerError):
        return


@given(st.text(max_size=30))
def test_an_event_that_is_no_json_is_a_format_error(text: str) -> None:
    try:
        claude().decoder(request()).feed(ServerSentEvent("message", text))
    except (ResponseFormatError, ServerError):
        return


@given(JSON, st.sampled_from([400, 401, 429, 500, 529]))
def test_any_error_body_gives_an_error_of_its_status(payload: Any, status: int) -> None:
    assert isinstance(claude().error_inside(payload, status), BackendError)
    assert isinstance(claude().error_inside({"type": "error", "error": payload}, status), BackendError)


@pytest.mark.parametrize(
    "code", ["enforced_spend_limit_reached", "contract_spend_limit_reached", "linked_organization_spend_limit_reached"]
)
def test_a_spend_limit_is_no_rate_limit_and_is_not_retried(code: str) -> None:
    payload = {"type": "error", "error": {"type": "rate_limit_error", "message": "m", "details": {"error_code": code}}}
    error = claude().error_inside(payload, 429)
    assert type(error) is QuotaExceededError
    assert not error.retryable
    assert error.code == code


def test_a_ramp_limit_is_a_rate_limit() -> None:
    details = {"error_code": "ramp_limit_exceeded"}
    error = claude().error_inside({"error": {"type": "rate_limit_error", "message": "m", "details": details}}, 429)
    assert type(error) is RateLimitError
    assert error.retryable


# -- keys --------------------------------------------------------------------------------------------------------------


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


# -- any conversation ------------------------------------------------------------------------------------------------


@given(MESSAGES, st.booleans())
def test_any_conversation_becomes_json_or_is_refused_before_sending(messages: list[Message], stream: bool) -> None:
    try:
        body = encoded(request(messages, stream=stream, tools=(TOOL,)))
    except InvalidRequestError as error:
        assert error.sent is False  # noqa: PT017
    else:
        assert json.loads(json.dumps(body)) is not None
