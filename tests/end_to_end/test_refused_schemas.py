"""A provider that refuses the schema itself is asked once more without it; checked here, and remembered per model."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import AnthropicBackend, Backend, GoogleBackend, OpenAIBackend, OpenRouterBackend
from complaint_llm.exceptions import BackendError, InvalidRequestError, ResponseFormatError
from complaint_llm.testing import FaultyServer, Reply

SCHEMA = {
    "type": "object",
    "properties": {"who": {"type": "string"}},
    "required": ["who"],
    "additionalProperties": False,
}
GOOD = '{"who": "Ann"}'


def openai(url: str, **keys: Any) -> Backend:
    return OpenAIBackend(id="b", base_url=f"{url}/v1", api_key="sk-secret-1", model="m", max_retries=0, **keys)


def responses(url: str, **keys: Any) -> Backend:
    return openai(url, api="responses", **keys)


def openrouter(url: str, **keys: Any) -> Backend:
    return OpenRouterBackend(id="b", base_url=f"{url}/v1", api_key="sk-secret-1", model="m", max_retries=0, **keys)


def claude(url: str, **keys: Any) -> Backend:
    model = "claude-sonnet-5-5"
    return AnthropicBackend(id="b", base_url=url, api_key="sk-secret-1", model=model, max_retries=0, **keys)


def gemini(url: str, **keys: Any) -> Backend:
    return GoogleBackend(id="b", base_url=url, api_key="sk-secret-1", model="m", max_retries=0, **keys)


def schema_sent(body: Any) -> bool:
    """Whether a request asks the provider to hold the answer to a schema, on any of the wires."""
    text = json.dumps({key: value for key, value in body.items() if key not in ("messages", "input", "contents")})
    return '"properties"' in text


def error(**fields: Any) -> bytes:
    return json.dumps({"error": {"message": "no", "type": "invalid_request_error", "param": None, **fields}}).encode()


Make = Callable[..., Backend]
REFUSALS: dict[str, tuple[Make, int, bytes]] = {
    "OpenAI chat, by place": (openai, 400, error(param="response_format", code=None)),
    "OpenAI chat, inner place": (openai, 400, error(param="response_format.json_schema.schema", code=None)),
    "OpenAI chat, by code": (openai, 400, error(code="invalid_json_schema")),
    "OpenAI Responses, by code and place": (
        responses,
        400,
        error(code="invalid_json_schema", param="text.format.schema"),
    ),
    "OpenAI Responses, by place": (responses, 400, error(param="text.format", code="unsupported_value")),
    "no code at all": (openai, 400, error(type=None)),
    "vLLM's bare bad request": (openai, 400, b'{"object":"error","message":"x","type":"BadRequestError","code":400}'),
    "xAI's": (openai, 400, b'{"code":"invalid-argument","error":"schema too complex"}'),
    "FastAPI's": (openai, 422, b'{"detail":"unsupported schema"}'),
    "a text": (openai, 400, b"bad schema"),
    "too large": (openai, 413, error(type=None)),
    "OpenRouter, inside a 200": (openrouter, 200, b'{"error":{"code":400,"message":"provider refused"}}'),
    "Anthropic, a grammar too large": (
        claude,
        400,
        b'{"type":"error","error":{"type":"invalid_request_error","message":"The compiled grammar is too large"}}',
    ),
    "Gemini, bare": (gemini, 400, b'{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}'),
    "Gemini, by place": (
        gemini,
        400,
        json.dumps(
            {
                "error": {
                    "code": 400,
                    "message": "x",
                    "status": "INVALID_ARGUMENT",
                    "details": [
                        {
                            "@type": "type.googleapis.com/google.rpc.BadRequest",
                            "fieldViolations": [
                                {"field": "generation_config.response_json_schema", "description": "x"}
                            ],
                        }
                    ],
                }
            }
        ).encode(),
    ),
}


@pytest.mark.rows(20)
@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_refused_schema_is_asked_for_in_words_and_remembered(name: str, stream: bool) -> None:
    """Three calls are four requests, and the schema was in the first of them alone."""
    make, status, body = REFUSALS[name]

    def parsed(backend: Backend) -> Any:
        if not stream:
            return backend.infer("Who?", response_format=SCHEMA).parsed
        return list(backend.infer_stream("Who?", response_format=SCHEMA))[-1].output.parsed  # type: ignore[union-attr]

    with FaultyServer(Reply(GOOD)) as server, make(server.url) as backend:
        server.script(Reply.raw(body, status))
        assert [parsed(backend) for _ in range(3)] == [{"who": "Ann"}] * 3
        asked = [request.body for request in server.requests]
    assert [schema_sent(body) for body in asked] == [True, False, False, False]
    assert all("JSON Schema" in json.dumps(body) for body in asked[1:])


OTHER_ERRORS: dict[str, tuple[Make, int, bytes]] = {
    "another parameter": (openai, 400, error(param="temperature", code="unsupported_value")),
    "a message's place": (openai, 400, error(param="messages[0].content", code=None)),
    "too long a prompt": (openai, 400, error(param="messages", code="context_length_exceeded")),
    "a code of its own": (openai, 400, error(code="invalid_image_url")),
    "content filter": (openai, 400, error(code="content_filter")),
    "no such model": (openai, 404, error(code="model_not_found")),
    "a wrong key": (openai, 401, error(code="invalid_api_key")),
    "spent": (openai, 429, error(code="insufficient_quota")),
    "too fast": (openai, 429, error(code="rate_limit_exceeded")),
    "its own fault": (openai, 500, error(type="server_error")),
    "overloaded": (claude, 529, b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'),
    "Anthropic, not allowed": (claude, 403, b'{"type":"error","error":{"type":"permission_error","message":"x"}}'),
    "Gemini, another place": (
        gemini,
        400,
        (
            b'{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT",'
            b'"details":[{"fieldViolations":[{"field":"generation_config.temperature"}]}]}}'
        ),
    ),
    "Gemini, a wrong key": (
        gemini,
        400,
        b'{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}',
    ),
}


@pytest.mark.parametrize("name", OTHER_ERRORS)
def test_another_error_is_not_taken_for_a_refused_schema(name: str) -> None:
    """One request, and the schema is sent with the next one as before."""
    make, status, body = OTHER_ERRORS[name]
    with FaultyServer(Reply(GOOD)) as server, make(server.url) as backend:
        server.script(Reply.raw(body, status))
        with pytest.raises(BackendError):
            backend.infer("Who?", response_format=SCHEMA)
        assert len(server.requests) == 1
    with FaultyServer(Reply(GOOD)) as server, make(server.url) as backend:
        assert backend.infer("Who?", response_format=SCHEMA).parsed == {"who": "Ann"}
        assert schema_sent(server.requests[0].body)


def test_a_request_that_is_bad_without_its_schema_too_is_refused_and_nothing_is_remembered() -> None:
    """It was not the schema."""
    with FaultyServer(Reply(GOOD)) as server, openai(server.url) as backend:
        server.script(*[Reply.raw(error(type=None), 400)] * 2)
        with pytest.raises(InvalidRequestError):
            backend.infer("Who?", response_format=SCHEMA)
        assert len(server.requests) == 2
        backend.infer("Who?", response_format=SCHEMA)
        assert schema_sent(server.requests[2].body)


def test_a_request_without_a_schema_is_not_asked_again() -> None:
    """There is nothing to leave out."""
    with FaultyServer(Reply("x")) as server, openai(server.url) as backend:
        server.script(Reply.raw(error(type=None), 400))
        with pytest.raises(InvalidRequestError):
            backend.generate("Who?")
        assert len(server.requests) == 1


def test_what_one_model_refuses_another_is_still_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    """Remembered per model, and told in the log once, by name."""
    with FaultyServer(Reply(GOOD)) as server, openai(server.url) as backend, caplog.at_level(logging.WARNING):
        server.script(Reply.raw(error(code="invalid_json_schema"), 400))
        for model in ("small", "small", "large"):
            backend.infer("Who?", response_format=SCHEMA, model=model)
        asked = [(request.body["model"], schema_sent(request.body)) for request in server.requests]
    assert asked == [("small", True), ("small", False), ("small", False), ("large", True)]
    assert [record.getMessage() for record in caplog.records if "refuses the schema" in record.getMessage()] == [
        "small refuses the schema: from now on it is asked for in words, and checked here"
    ]


def test_an_answer_without_enforcement_is_checked_and_asked_for_once_more() -> None:
    """As any other answer in words; then it is a misfit. The refusal is remembered all the same."""
    with FaultyServer(Reply("not JSON")) as server, openai(server.url) as backend:
        server.script(Reply.raw(error(code="invalid_json_schema"), 400))
        with pytest.raises(ResponseFormatError):
            backend.infer("Who?", response_format=SCHEMA)
        with pytest.raises(ResponseFormatError):
            backend.infer("Who?", response_format=SCHEMA)
        assert [schema_sent(request.body) for request in server.requests] == [True, *[False] * 4]


def test_the_refused_attempt_stands_in_the_list_and_an_explicit_cap_counts_it() -> None:
    """It is an attempt like any other."""
    with FaultyServer(Reply(GOOD)) as server, openai(server.url) as backend:
        server.script(Reply.raw(error(code="invalid_json_schema"), 400))
        attempts = backend.infer("Who?", response_format=SCHEMA).attempts
        assert [bool(attempt.error) for attempt in attempts] == [True, False]
    with FaultyServer(Reply(GOOD)) as server, Mediator([openai(server.url)], max_attempts=1) as mediator:
        server.script(Reply.raw(error(code="invalid_json_schema"), 400))
        with pytest.raises(InvalidRequestError):
            mediator.infer("Who?", response_format=SCHEMA)
        assert len(server.requests) == 1


def test_behind_a_mediator_the_same_backend_answers() -> None:
    """A refused schema is no reason to go elsewhere."""
    with FaultyServer(Reply(GOOD)) as server, FaultyServer(Reply(GOOD)) as other:
        first, second = (
            openai(server.url),
            OpenAIBackend(id="second", base_url=f"{other.url}/v1", api_key="k", model="m"),
        )
        server.script(Reply.raw(error(code="invalid_json_schema"), 400))
        with Mediator([first, second]) as mediator:
            assert mediator.infer("Who?", response_format=SCHEMA).backend == "b"
        assert not other.requests
