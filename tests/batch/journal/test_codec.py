"""Answers and errors come back from the journal as they went in."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from complaint_llm.batch.journal.codec import (
    decode_output,
    describe_error,
    encode_error,
    encode_output,
    in_doubt,
    pack,
    unpack,
)
from complaint_llm.exceptions import AllBackendsFailedError, BackendTimeoutError, BatchError, RateLimitError
from complaint_llm.messages import Attempt, Citation, InferenceOutput, Shown, TokenUsage, ToolCall

texts = st.text(st.characters(exclude_categories=()))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(texts | st.sampled_from(["$tuple", "$bytes", "$dict"]) | st.integers(), inner)
    ),
    max_leaves=12,
)
mappings = st.dictionaries(texts, values, max_size=3)
counts = st.integers(0, 10**9)
numbers = st.lists(st.integers(1, 9999), max_size=3).map(tuple)
outputs = st.builds(
    InferenceOutput,
    content=texts,
    tool_calls=st.lists(
        st.builds(ToolCall, id=texts, name=texts, arguments=st.none() | mappings, arguments_raw=texts), max_size=2
    ).map(tuple),
    reasoning=st.none() | texts,
    confidence=st.none() | st.floats(0, 1),
    token_usage=st.builds(TokenUsage, counts, counts, counts, st.none() | counts, st.none() | counts),
    finish_reason=st.none() | st.sampled_from(["stop", "length", "tool_calls", "content_filter", "error"]),
    parsed=values,
    cost=st.none() | st.floats(0, 100),
    backend=texts,
    model=texts,
    attempts=st.lists(
        st.builds(Attempt, texts, st.none() | texts, st.floats(0, 600), st.booleans(), st.booleans()), max_size=3
    ).map(tuple),
    provenance=st.none() | texts,
    metadata=mappings,
    extra=st.none() | mappings,
    citations=st.lists(st.builds(Citation, *[st.none() | texts] * 4, *[st.none() | counts] * 3), max_size=2).map(tuple),
    shown=st.lists(
        st.builds(
            Shown,
            texts,
            st.sampled_from(["text", "document", "image", "no"]),
            texts,
            texts,
            texts,
            numbers,
            numbers,
            st.none() | texts,
            st.none() | texts,
            st.booleans(),
        ),
        max_size=2,
    ).map(tuple),
)


def same(left, right):
    """Equal in value and in type, all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(outputs)
def test_an_answer_comes_back_equal(output):
    text = encode_output(output)
    assert text.isascii()
    assert same(decode_output(text), output)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_packed_values_are_json_and_come_back_with_their_types(value):
    assert same(unpack(json.loads(json.dumps(pack(value)))), value)


def test_nan_comes_back():
    assert math.isnan(decode_output(encode_output(InferenceOutput("", confidence=math.nan))).confidence)


def test_strange_values_do_not_cost_the_answer():
    class Odd:
        def __repr__(self):
            return "<odd>"

    output = InferenceOutput("kept", metadata={"odd": Odd(), "set": {1}})
    assert decode_output(encode_output(output)) == InferenceOutput("kept", metadata={"odd": "<odd>", "set": "{1}"})


def test_a_parsed_model_comes_back_as_plain_json():
    class Claim:
        def model_dump(self, mode):
            assert mode == "json"
            return {"kind": "fraud"}

    assert decode_output(encode_output(InferenceOutput("x", parsed=Claim()))).parsed == {"kind": "fraud"}


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "{}", '"x"', '{"content": "x", "unknown": 1}', '{"content": "x", "token_usage": 5}'],
)
def test_what_is_no_recorded_answer_is_refused(text):
    with pytest.raises(ValueError):
        decode_output(text)


def test_an_error_is_described_by_plain_values():
    error = RateLimitError("too fast\nsecond line", backend="gpt", status=429, retry_after=1.5)
    assert describe_error(error) == {
        "type": "RateLimitError",
        "message": "too fast",
        "backend": "gpt",
        "status": 429,
        "retry_after": 1.5,
        "retryable": True,
        "maybe_received": False,
    }
    assert describe_error(BatchError("line 3: no")) == {"type": "BatchError", "message": "line 3: no"}


def test_an_error_keeps_its_attempts():
    error = AllBackendsFailedError("2 failed", attempts=[Attempt("a", "no", 1.0), Attempt("b", "late", 2.0, True)])
    assert json.loads(encode_error(error))["attempts"] == [
        ["a", "no", 1.0, False, True],
        ["b", "late", 2.0, True, True],
    ]


def test_doubt_shows_in_the_error_or_in_one_of_its_attempts():
    assert in_doubt(BackendTimeoutError("late", maybe_received=True))
    assert in_doubt(AllBackendsFailedError("all", attempts=[Attempt("a", "late", 1.0, maybe_received=True)]))
    assert not in_doubt(RateLimitError("no", attempts=[Attempt("a", "no", 1.0)]))
    assert not in_doubt(ValueError("no"))
