"""The Gemini API's bodies and event streams, without a network."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterable
from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import GoogleBackend
from complaint_llm.backends.wire.finish_reasons import FINISH_REASONS
from complaint_llm.backends.wire.parameters import UNSUPPORTED
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContentFilterError,
    InvalidRequestError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import (
    Done,
    EmbeddingOutput,
    InferenceOutput,
    Message,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCall,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from complaint_llm.request import EmbeddingRequest, Request, as_messages, as_response_format
from complaint_llm.transport import ServerSentEvent, SSEParser
from tests.arbitrary_values import JSON, MESSAGES, PNG, places, replaced
from tests.peers import need_peer

TOOL = Tool("search", "Search the law.", {"type": "object", "properties": {"q": {"type": "string"}}})
SCHEMA = {"type": "object", "properties": {"kind": {"enum": ["wage", "rent"]}}, "required": ["kind"]}
ANSWER: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "Let me see.", "thought": True},
                    {"text": "I will look."},
                    {"functionCall": {"name": "search", "args": {"q": "rent"}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "own-2", "name": "search"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 3,
        "toolUsePromptTokenCount": 5,
        "totalTokenCount": 115,
    },
    "modelVersion": "gemini-3.8-flash-001",
    "responseId": "r1",
}


def piece(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    reason = {"finishReason": more.pop("finishReason")} if "finishReason" in more else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **reason}], **more}


STREAM: list[dict[str, Any]] = [
    piece({"text": "Let me see.", "thought": True}, usageMetadata={"promptTokenCount": 100}),
    piece({"text": "I will "}, modelVersion="gemini-3.8-flash-001"),
    piece({"text": "löök. \u2028"}),
    piece({"functionCall": {"name": "search", "args": {"q": "rent"}}, "thoughtSignature": "c2ln"}),
    piece({"text": ""}, finishReason="STOP", usageMetadata=ANSWER["usageMetadata"]),
]


def gemini(**keys: Any) -> GoogleBackend:
    return GoogleBackend(**{"api_key": "test-google-key", "base_url": "http://127.0.0.1:1", **keys})


def request(prompt: Any = "Hello", model: str = "gemini-3.8-flash", **fields: Any) -> Request:
    return Request(as_messages(prompt), Deadline(5), CancelToken(), model, **fields)


def encoded(asked: Request, **keys: Any) -> Any:
    return gemini(**keys).encode(asked).body


def decoded(payload: Any, asked: Request | None = None) -> InferenceOutput:
    output: InferenceOutput = gemini().decode(payload, asked or request())
    return output


def sse(events: Iterable[Any]) -> bytes:
    return b"".join(f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n".encode() for event in events)


def events_of(chunks: Iterable[bytes], asked: Request | None = None) -> list[StreamEvent]:
    decoder, parser = gemini().decoder(asked or request(stream=True)), SSEParser()
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
            {"id": "call_0", "name": "search", "arguments": {"q": "rent"}},
            {"id": "own-2", "name": "other", "arguments": "{broken"},
        ],
    },
    {"role": "tool", "tool_call_id": "call_0", "content": "found"},
    {"role": "tool", "tool_call_id": "own-2", "content": "none"},
    {"role": "user", "content": "And now?"},
]


def test_a_conversation_becomes_contents_and_one_turn_of_function_responses() -> None:
    body = encoded(request(CONVERSATION, tools=(TOOL,)))
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user", "user"]
    asked, said, results, _ = body["contents"]
    assert asked["parts"][1]["inlineData"]["mimeType"] == "image/png"
    assert asked["parts"][2] == {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.png"}}
    assert said["parts"][1]["functionCall"] == {"name": "search", "args": {"q": "rent"}}
    assert said["parts"][2]["functionCall"] == {"name": "other", "args": {"invalid_json": "{broken"}}
    assert results["parts"] == [
        {"functionResponse": {"name": "search", "response": {"output": "found"}}},
        {"functionResponse": {"name": "other", "response": {"output": "none"}}},
    ]
    [declared] = body["tools"][0]["functionDeclarations"]
    assert declared == {"name": "search", "description": "Search the law.", "parametersJsonSchema": TOOL.parameters}


def test_a_tool_result_without_its_call_is_refused_before_sending() -> None:
    with pytest.raises(InvalidRequestError, match="answers no tool call") as caught:
        encoded(request([{"role": "tool", "tool_call_id": "x", "content": "found"}]))
    assert caught.value.sent is False


def test_an_image_url_of_unknown_kind_asks_for_its_media_type() -> None:
    image = {"type": "image", "url": "https://example.org/a"}
    with pytest.raises(InvalidRequestError, match="media_type"):
        encoded(request([{"role": "user", "content": [image]}]))
    body = encoded(request([{"role": "user", "content": [{**image, "media_type": "image/webp"}]}]))
    assert body["contents"][0]["parts"][0]["fileData"]["mimeType"] == "image/webp"


def test_parameters_go_into_the_generation_config_under_their_names() -> None:
    params = {
        "max_tokens": 9,
        "temperature": 0.1,
        "top_p": 0.5,
        "top_k": 3,
        "stop": "END",
        "seed": 7,
        "frequency_penalty": 0.2,
        "presence_penalty": 0.3,
        "logprobs": True,
        "reasoning_effort": "low",
    }
    assert encoded(request(params=params))["generationConfig"] == {
        "maxOutputTokens": 9,
        "temperature": 0.1,
        "topP": 0.5,
        "topK": 3,
        "stopSequences": ["END"],
        "seed": 7,
        "frequencyPenalty": 0.2,
        "presencePenalty": 0.3,
        "responseLogprobs": True,
        "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": True},
    }


@pytest.mark.parametrize(
    ("model", "params", "refused"),
    [
        ("gemini-2.5-flash", {"thinking_budget": 100}, []),
        ("gemini-2.5-flash", {"reasoning_effort": "low"}, ["reasoning_effort"]),
        ("gemini-2.0-flash", {"thinking_budget": 100}, ["thinking_budget"]),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, ["reasoning_effort"]),
        ("gemini-3.8-flash", {"reasoning_effort": "low", "thinking_budget": 100}, ["reasoning_effort"]),
        ("gemini-9", {"reasoning_effort": "xhigh"}, []),
    ],
)
def test_what_a_model_refuses_is_left_out_and_named_in_the_metadata(
    model: str, params: Any, refused: list[str]
) -> None:
    backend = gemini(unsupported_parameters="drop")
    asked = request(model=model, params=params)
    config = (backend.encode(asked).body or {}).get("generationConfig", {}).get("thinkingConfig", {})
    assert ("thinkingLevel" in config) == ("reasoning_effort" in params and "reasoning_effort" not in refused)
    left_out = {UNSUPPORTED: refused} if refused else {}
    assert backend.decode(ANSWER, asked).metadata == {"finish_reason": "STOP", **left_out}


def test_a_shape_is_held_by_the_provider() -> None:
    config = encoded(request(response_format=as_response_format(SCHEMA)))["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    config = encoded(request(response_format=as_response_format({"type": "json_object"})))["generationConfig"]
    assert config == {"responseMimeType": "application/json"}


def test_extra_body_is_merged_into_objects() -> None:
    extra = {"generationConfig": {"candidateCount": 1}, "safetySettings": []}
    body = encoded(request(params={"max_tokens": 3}, extra_body=extra))
    assert body["generationConfig"] == {"maxOutputTokens": 3, "candidateCount": 1}
    assert body["safetySettings"] == []


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3.8-flash", "/v1beta/models/gemini-3.8-flash:generateContent"),
        ("models/gemini-3.8-flash", "/v1beta/models/gemini-3.8-flash:generateContent"),
        ("tunedModels/mine", "/v1beta/tunedModels/mine:generateContent"),
        ("../../x?key=1#", "/v1beta/models/..%2F..%2Fx%3Fkey%3D1%23:generateContent"),
    ],
)
def test_a_model_name_cannot_leave_its_place_in_the_path(model: str, path: str) -> None:
    assert gemini().encode(request(model=model)).path == path


def test_a_stream_has_its_own_path() -> None:
    assert gemini().encode(request(stream=True)).path.endswith(":streamGenerateContent?alt=sse")


def test_what_is_sent_fits_the_official_sdks_types() -> None:
    need_peer("google-genai")
    from google.genai import types as official

    params = {"stop": ["a"], "max_tokens": 30, "seed": 1, "reasoning_effort": "low"}
    wanted = as_response_format(SCHEMA)
    body = encoded(request(CONVERSATION, params=params, tools=(TOOL, Tool("bare")), response_format=wanted))
    assert body.keys() == {"contents", "systemInstruction", "tools", "generationConfig"}
    # The SDK's models forbid keys that they do not know.
    for content in [*body["contents"], body["systemInstruction"]]:
        made = official.Content.model_validate(content)
        assert len(made.parts or ()) == len(content["parts"])
    for tool in body["tools"]:
        official.Tool.model_validate(tool)
    official.GenerateContentConfig.model_validate(body["generationConfig"])


# -- answers -----------------------------------------------------------------------------------------------------------


def test_an_answer_gives_text_reasoning_calls_usage_and_reason_apart() -> None:
    output = decoded(ANSWER)
    assert output.content == "I will look."
    assert output.reasoning == "Let me see."
    assert output.tool_calls == (
        ToolCall("call_0", "search", {"q": "rent"}, '{"q": "rent"}'),
        ToolCall("own-2", "search", {}, "{}"),
    )
    assert output.finish_reason == "tool_calls"
    assert output.model == "gemini-3.8-flash-001"
    assert output.token_usage == TokenUsage(105, 10, 115, 40, 3)
    assert output.confidence is None
    assert pickle.loads(pickle.dumps(output)) == output


def test_the_official_sdks_answer_model_decodes() -> None:
    need_peer("google-genai")
    from google.genai import types as official

    made = official.GenerateContentResponse.model_validate(ANSWER)
    payload = json.loads(made.model_dump_json(by_alias=True, exclude_none=True))
    assert decoded(payload).tool_calls == decoded(ANSWER).tool_calls


def test_confidence_comes_from_log_probabilities_only_where_they_were_asked_for() -> None:
    asked = request(params={"logprobs": True})
    assert decoded(ANSWER, asked).confidence == pytest.approx(exp(-0.5))
    chosen = {"chosenCandidates": [{"token": "a", "logProbability": -1.0}, {"token": "b", "logProbability": -2.0}]}
    payload = {"candidates": [{**ANSWER["candidates"][0], "logprobsResult": chosen}]}
    assert decoded(payload, asked).confidence == pytest.approx(exp(-1.5))
    done = events_of([sse([payload])], asked)[-1]
    assert isinstance(done, Done)
    assert done.output.confidence == pytest.approx(exp(-1.5))


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("OTHER", None), ("NEW_ONE", None)],
)
def test_finish_reasons_are_the_neutral_ones(reason: str, expected: str | None) -> None:
    """The provider's own word stands beside it."""
    output = decoded(piece({"text": "a"}, finishReason=reason))
    assert (output.finish_reason, output.metadata["finish_reason"]) == (expected, reason)


def test_the_finish_reasons_of_the_official_sdk_are_known() -> None:
    need_peer("google-genai")
    from google.genai.types import FinishReason

    failures = {"OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
    failures |= {"MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "PUP_LIMITED_DISABLED"}
    images_only = {"FINISH_REASON_UNSPECIFIED", "IMAGE_OTHER", "NO_IMAGE"}
    known = {reason.value for reason in FinishReason} - failures - images_only
    assert {reason.lower() for reason in known} <= FINISH_REASONS.keys()


@pytest.mark.parametrize(
    ("payload", "kind", "said"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, ContentFilterError, "PROHIBITED_CONTENT"),
        ({"candidates": [{"finishReason": "SAFETY"}]}, ContentFilterError, "SAFETY"),
        ({"candidates": [{"finishReason": "RECITATION", "finishMessage": "a book"}]}, ContentFilterError, "a book"),
        ({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]}, ResponseFormatError, "MALFORMED_FUNCTION"),
        ({"candidates": [{"finishReason": "MISSING_THOUGHT_SIGNATURE"}]}, InvalidRequestError, "MISSING_THOUGHT"),
        ({"candidates": [{"finishReason": "PUP_LIMITED_DISABLED"}]}, PermissionDeniedError, "PUP"),
        ({"candidates": []}, ResponseFormatError, "no candidate"),
        ({}, ResponseFormatError, "no candidate"),
    ],
)
def test_a_200_without_an_answer_is_the_error_that_it_tells_of(payload: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        decoded(payload)
    assert type(caught.value) is kind


def test_an_answer_cut_before_its_first_word_is_left_to_the_caller() -> None:
    output = decoded({"candidates": [{"finishReason": "MAX_TOKENS"}]})
    assert (output.content, output.finish_reason) == ("", "length")


def test_signed_parts_go_back_unchanged_with_the_next_turn() -> None:
    said = decoded(ANSWER).message()
    turns = encoded(request([Message("user", "Find it."), said]))["contents"]
    assert turns[1]["parts"] == ANSWER["candidates"][0]["content"]["parts"]
    json.dumps(said.extra)


@pytest.mark.parametrize(("model", "signed"), [("gemini-3.8-flash", True), ("gemini-2.5-flash", False)])
def test_a_call_that_another_provider_made_gets_the_stand_in_signature_where_one_is_demanded(
    model: str, signed: bool
) -> None:
    calls = (ToolCall("toolu_1", "search", {}, "{}"), ToolCall("toolu_2", "search", {}, "{}"))
    parts = encoded(request([Message("user", "x"), Message("assistant", "", calls)], model))["contents"][1]["parts"]
    assert ["thoughtSignature" in part for part in parts] == [signed, False]


# -- streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_gives_typed_events_and_the_whole_answer_at_its_end() -> None:
    events = events_of([sse(STREAM)])
    assert events[:-1] == [
        ReasoningDelta("Let me see."),
        TextDelta("I will "),
        TextDelta("löök. \u2028"),
        ToolCallStart("call_0", "search"),
        ToolCallDelta("call_0", '{"q": "rent"}'),
        ToolCallEnd("call_0"),
    ]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.token_usage == TokenUsage(105, 10, 115, 40, 3)
    assert done.output.content == "I will löök. \u2028"
    assert done.output.reasoning == "Let me see."
    assert done.output.finish_reason == "tool_calls"
    assert done.output.extra is not None


@given(st.lists(st.integers(0, len(sse(STREAM))), max_size=40))
def test_however_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    data = sse(STREAM)
    places = [0, *sorted(cuts), len(data)]
    chunks = [data[a:b] for a, b in itertools.pairwise(places)]
    assert events_of(chunks) == events_of([data])


def test_a_stream_without_a_finish_reason_is_not_finished() -> None:
    for length in range(len(STREAM)):
        assert not any(isinstance(event, Done) for event in events_of([sse(STREAM[:length])]))


def test_an_error_event_is_raised_as_what_it_says_with_the_secret_cut_out() -> None:
    event = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy, test-google-key"}}
    with pytest.raises(ServerError, match="busy") as caught:
        events_of([sse([STREAM[0], event])])
    assert caught.value.status == 503
    assert "test-google-key" not in str(caught.value)


def test_a_block_in_the_middle_of_a_stream_is_an_error_only_without_text() -> None:
    done = events_of([sse([STREAM[1], {"candidates": [{"finishReason": "SAFETY"}]}])])[-1]
    assert isinstance(done, Done)
    assert done.output.finish_reason == "content_filter"
    with pytest.raises(ContentFilterError):
        events_of([sse([{"candidates": [{"finishReason": "SAFETY"}]}])])


# -- errors ------------------------------------------------------------------------------------------------------------


def error_body(status: str, *details: Any, code: int = 429, message: str = "m") -> dict[str, Any]:
    return {"error": {"code": code, "status": status, "message": message, "details": list(details)}}


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}


def quota(id: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id}]}


def test_a_minute_quota_is_a_rate_limit_with_its_delay() -> None:
    payload = error_body("RESOURCE_EXHAUSTED", quota("GenerateRequestsPerMinutePerProjectPerModel"), RETRY)
    error = gemini().error_inside(payload, 429)
    assert type(error) is RateLimitError
    assert error.retry_after == 34.07
    assert error.retryable


def test_a_daily_quota_is_spent_whatever_delay_it_names() -> None:
    payload = error_body("RESOURCE_EXHAUSTED", quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), RETRY)
    error = gemini().error_inside(payload, 429)
    assert type(error) is QuotaExceededError
    assert error.retry_after is None
    assert not error.retryable


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: [body]])
def test_a_wrong_key_comes_as_a_400_and_is_an_authentication_error(wrap: Any) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
    error = gemini().error_inside(wrap(error_body("INVALID_ARGUMENT", info, code=400)), 400)
    assert type(error) is AuthenticationError
    assert error.code == "API_KEY_INVALID"


def test_402_is_about_money() -> None:
    assert type(gemini().error_inside(error_body("FAILED_PRECONDITION", code=402), 402)) is QuotaExceededError


# -- embeddings --------------------------------------------------------------------------------------------------------


def embedding(*texts: str, **extra: Any) -> EmbeddingRequest:
    return EmbeddingRequest(texts, Deadline(5), CancelToken(), "gemini-embedding-001", extra)


def test_one_text_and_several_go_to_their_own_methods() -> None:
    backend = gemini()
    one = backend.encode_embedding(embedding("a", outputDimensionality=8))
    assert one.path == "/v1beta/models/gemini-embedding-001:embedContent"
    assert one.body == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "a"}]},
        "outputDimensionality": 8,
    }
    several = backend.encode_embedding(embedding("a", "b"))
    assert several.path.endswith(":batchEmbedContents")
    assert several.body is not None
    assert [part["content"]["parts"][0]["text"] for part in several.body["requests"]] == ["a", "b"]
    assert backend.embedding_batch == 100


def test_vectors_are_read_in_order() -> None:
    backend = gemini()
    assert backend.decode_embedding({"embedding": {"values": [1, 2.5]}}, embedding("a")).vectors == ((1.0, 2.5),)
    several = {"embeddings": [{"values": [1]}, {"values": [2]}], "usageMetadata": {"promptTokenCount": 4}}
    output = backend.decode_embedding(several, embedding("a", "b"))
    assert output == EmbeddingOutput(((1.0,), (2.0,)), TokenUsage(4, 0, 4))


# -- wrong shapes ------------------------------------------------------------------------------------------------------

TOLD = (ResponseFormatError, ContentFilterError)


@given(st.sampled_from(list(places(ANSWER))), JSON, st.booleans())
def test_an_answer_with_anything_anywhere_decodes_or_is_a_format_error(
    path: tuple[Any, ...], new: Any, logprobs: bool
) -> None:
    try:
        output = decoded(replaced(ANSWER, path, new), request(params={"logprobs": logprobs}))
    except TOLD:
        return
    pickle.dumps(output)


@given(st.integers(0, len(STREAM) - 1), st.data())
def test_a_stream_with_anything_anywhere_gives_events_or_a_format_error(place: int, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(places(STREAM[place]))))
    changed = replaced(STREAM[place], path, data.draw(JSON))
    try:
        events_of([sse([*STREAM[:place], changed, *STREAM[place + 1 :]])])
    except TOLD:
        return


@given(st.text(max_size=30))
def test_an_event_that_is_no_json_is_a_format_error(text: str) -> None:
    try:
        gemini().decoder(request()).feed(ServerSentEvent("message", text))
    except TOLD:
        return


@given(JSON, st.sampled_from([400, 401, 429, 500, 503]))
def test_any_error_body_gives_an_error_of_its_status(payload: Any, status: int) -> None:
    assert isinstance(gemini().error_inside(payload, status), BackendError)
    assert isinstance(gemini().error_inside({"error": payload}, status), BackendError)
    assert isinstance(gemini().error_inside({"error": {"details": payload}}, status), BackendError)


@given(JSON)
def test_any_embedding_answer_is_vectors_or_a_format_error(payload: Any) -> None:
    for body in (payload, {"embedding": payload}, {"embeddings": [{"values": payload}]}):
        try:
            output = gemini().decode_embedding(body, embedding("a"))
        except ResponseFormatError:
            continue
        assert all(isinstance(value, float) for vector in output.vectors for value in vector)


# -- keys --------------------------------------------------------------------------------------------------------------


def test_google_api_key_wins_over_gemini_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "first")
    monkeypatch.setenv("GEMINI_API_KEY", "second")
    backend = GoogleBackend()
    assert backend.api_key is not None
    assert backend.api_key.reveal() == "first"
    monkeypatch.delenv("GOOGLE_API_KEY")
    headers = GoogleBackend().auth_headers()
    assert headers["x-goog-api-key"].reveal() == "second"


# -- any conversation ------------------------------------------------------------------------------------------------


@given(MESSAGES, st.booleans())
def test_any_conversation_becomes_json_or_is_refused_before_sending(messages: list[Message], stream: bool) -> None:
    try:
        body = encoded(request(messages, stream=stream, tools=(TOOL,)))
    except InvalidRequestError as error:
        assert error.sent is False  # noqa: PT017
    else:
        assert json.loads(json.dumps(body)) is not None
