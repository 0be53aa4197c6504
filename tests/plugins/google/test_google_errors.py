"""Errors of the Gemini API, and answers with anything in any place."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ContentFilterError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
)
from complaint_llm.transport.sse import ServerSentEvent
from tests.arbitrary_values import JSON, places, replaced
from tests.plugins.google.gemini import (
    ANSWER,
    STREAM,
    decoded,
    embedding,
    events_of,
    gemini,
    request,
    sse,
)

# -- errors -----------------------------------------------------------------------------------------------------------


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


# -- wrong shapes -----------------------------------------------------------------------------------------------------


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
