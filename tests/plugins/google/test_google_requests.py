"""What is sent to the Gemini API: contents, parameters, paths and keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.backends import GoogleBackend
from complaint_llm.backends.wire.parameters import UNSUPPORTED
from complaint_llm.exceptions import (
    InvalidRequestError,
)
from complaint_llm.messages import (
    Message,
    Tool,
)
from complaint_llm.request import as_response_format
from tests.arbitrary_values import MESSAGES, PNG
from tests.peers import need_peer
from tests.plugins.google.gemini import (
    ANSWER,
    SCHEMA,
    TOOL,
    encoded,
    gemini,
    request,
)

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


def test_google_api_key_wins_over_gemini_api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "first")
    monkeypatch.setenv("GEMINI_API_KEY", "second")
    backend = GoogleBackend()
    assert backend.api_key is not None
    assert backend.api_key.reveal() == "first"
    monkeypatch.delenv("GOOGLE_API_KEY")
    headers = GoogleBackend().auth_headers()
    assert headers["x-goog-api-key"].reveal() == "second"
