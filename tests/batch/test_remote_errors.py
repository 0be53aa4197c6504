"""Errors of workers arrive as they were raised, by way of text: nothing that arrives is unpickled or executed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from complaint_llm import exceptions
from complaint_llm.batch.remote_errors import decode_raised, encode_raised
from complaint_llm.checks.check import Finding
from complaint_llm.exceptions import (
    AllBackendsFailedError,
    BackendError,
    BatchError,
    CheckFailedError,
    ConfigError,
    EvidenceError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage

KINDS = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and issubclass(kind, Exception)]
BACKEND_KINDS = [kind for kind in KINDS if issubclass(kind, BackendError)]

texts = st.text(st.characters(exclude_categories=()), max_size=20)
facts = st.fixed_dictionaries(
    {},
    optional={
        "backend": texts,
        "model": texts,
        "status": st.integers(100, 599),
        "code": texts,
        "param": texts,
        "request_id": texts,
        "retryable": st.booleans(),
        "retry_after": st.floats(0, 1e6),
        "maybe_received": st.booleans(),
        "sent": st.booleans(),
        "attempts": st.lists(
            st.builds(Attempt, texts, st.none() | texts, st.floats(0, 600), st.booleans(), st.booleans()), max_size=3
        ),
    },
)
NAMES = ["message", "backend", "model", "status", "code", "param", "request_id", "retryable", "retry_after"]
NAMES += ["maybe_received", "sent", "attempts", "partial", "findings", "token_usage", "output", "problems", "errors"]


def carried(error: BaseException) -> Exception:
    text = encode_raised(error)
    assert text.isascii()
    return decode_raised(text)


def assert_same(copy: Exception, error: BaseException) -> None:
    assert type(copy) is type(error)
    assert (str(copy), copy.args) == (str(error), error.args)
    for name in NAMES:
        if name != "errors":
            assert getattr(copy, name, None) == getattr(error, name, None), name
    for key, inner in getattr(error, "errors", {}).items():
        assert_same(copy.errors[key], inner)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
def test_every_class_of_the_tree_arrives_as_itself(kind):
    error = kind("what happened")
    assert_same(carried(error), error)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(BACKEND_KINDS), texts, facts)
def test_every_fact_of_a_backends_error_arrives(kind, message, given_facts):
    error = kind(message, **given_facts)
    assert_same(carried(error), error)


USAGE = TokenUsage(3, 4, 7, 1, None)


def empty_answer() -> ResponseFormatError:
    error = ResponseFormatError("empty", backend="b")
    error.token_usage = USAGE
    return error


def unwritten_evidence() -> EvidenceError:
    error = EvidenceError("the disk is full")
    error.output = InferenceOutput("the answer", token_usage=USAGE, metadata={"t": (1, b"x")})
    return error


@pytest.mark.parametrize(
    "error",
    [
        StreamInterruptedError("broke off", partial="half an ans", backend="b"),
        CheckFailedError("no quote", findings=[Finding("quotes", "/claims/0", "not in the text")], status=200),
        empty_answer(),
        unwritten_evidence(),
        ConfigError("two faults", ["x: a", "y: b"]),
        AllBackendsFailedError(
            "none of 2",
            errors={"a": RateLimitError("slow", backend="a", retry_after=2.0), "b": ServerError("down", status=503)},
            attempts=[Attempt("a", "slow", 0.1), Attempt("b", "down", 2)],
        ),
        AllBackendsFailedError("none", errors={"a": AllBackendsFailedError("inner", errors={"c": ServerError("x")})}),
        RateLimitError("never again", retryable=False),
        ServerError("nothing left", sent=False, maybe_received=True),
        BatchError("some failed", errors={1: ServerError("x", status=500)}, results=[InferenceOutput("a"), None]),
        ServerError(""),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_only_some_errors_hold_arrives(error):
    copy = carried(error)
    assert_same(copy, error)
    assert getattr(copy, "results", None) == getattr(error, "results", None)


def test_a_plugins_own_error_arrives_as_the_nearest_that_is_known_here():
    class TiredError(RateLimitError):
        """A plugin's, which the process that reads it need not have."""

    copy = carried(TiredError("tired", backend="p", retry_after=9.0))
    assert_same(copy, RateLimitError("tired", backend="p", retry_after=9.0))


def test_a_class_that_only_has_the_name_of_ours_is_foreign():
    server_error = type("ServerError", (Exception,), {})
    copy = carried(server_error("mine"))
    assert type(copy) is BatchError
    assert str(copy) == "the call ended with ServerError: mine"


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Odd:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not to be compared")

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "error",
    [
        LookupError(lambda: None),
        KeyError("k"),
        OSError(28, "No space left on device"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ExceptionGroup("several", [ValueError("a")]),
        StopIteration(3),
        MemoryError(),
        AssertionError(),
        Mute(),
        ServerError("odd inside", code=Odd()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_foreign_errors_arrive_in_words(error):
    copy = carried(error)
    assert type(copy) is BatchError
    assert str(copy).startswith(f"the call ended with {type(error).__name__}: ")
    assert (copy.results, copy.errors) == ([], {})


def test_a_time_that_is_no_number_arrives():
    assert math.isnan(carried(RateLimitError("x", retry_after=math.nan)).retry_after)  # type: ignore[attr-defined]


GOOD = {"type": "ServerError", "args": ["x"], "fields": {"message": "x"}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({**GOOD, "type": "SystemExit"}),
        json.dumps({**GOOD, "type": "os.system"}),
        json.dumps({**GOOD, "type": ["ServerError"]}),
        json.dumps({**GOOD, "fields": {"__class__": "x"}}),
        json.dumps({**GOOD, "fields": {"__cause__": "x"}}),
        json.dumps({**GOOD, "fields": {"with_traceback": "x"}}),
        json.dumps({**GOOD, "fields": {"attempts": [["a"]]}}),
        json.dumps({**GOOD, "fields": {"token_usage": {"dollars": 1}}}),
        json.dumps({**GOOD, "fields": {"errors": [["a", {"type": "int"}]]}}),
        json.dumps({**GOOD, "args": 3}),
        json.dumps({"type": "ServerError"}),
        "cos\nsystem\n(S'true'\ntR.",
    ],
    ids=range(17),
)
def test_what_is_no_error_of_ours_is_refused_and_makes_nothing(text):
    with pytest.raises(ValueError, match="not an error of a worker"):
        decode_raised(text)
