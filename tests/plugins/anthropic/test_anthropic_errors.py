"""Errors of the Messages API, and answers with anything in any place."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import (
    BackendError,
    ContentFilterError,
    QuotaExceededError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
)
from complaint_llm.messages import (
    InferenceOutput,
)
from complaint_llm.transport.sse import ServerSentEvent
from tests.arbitrary_values import JSON, places, replaced
from tests.plugins.anthropic.claude import ANSWER, STREAM, claude, decoded, request


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
