"""Answers of a given shape: checked always, asked for in words and once more where the provider has no means."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from complaint_llm.backends import Backend, Request
from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError, StreamInterruptedError
from complaint_llm.messages import Done, InferenceOutput, TokenUsage, ToolCall

SCHEMA = {
    "type": "object",
    "properties": {"claim": {"type": "string"}, "amount": {"type": "integer", "minimum": 1}},
    "required": ["claim"],
    "additionalProperties": False,
}
GOOD = '{"claim": "unpaid wages", "amount": 3}'
USAGE = TokenUsage(10, 5, 15, 2, None)


class Scripted(Backend):
    """Gives the answers of a list, and remembers what it was asked."""

    capabilities: ClassVar[Any] = frozenset(("stream", "tools"))
    interruptible = True
    means: ClassVar[Any] = "none"

    def __init__(self, *answers: str | InferenceOutput, **keys: Any) -> None:
        super().__init__(**keys)
        self.answers = list(answers)
        self.asked: list[Request] = []

    def structured_output(self, request: Request) -> Any:
        return self.means

    def answer(self, request: Request) -> InferenceOutput:
        self.asked.append(request)
        given = self.answers.pop(0)
        return given if isinstance(given, InferenceOutput) else InferenceOutput(given, token_usage=USAGE)


class Native(Scripted):
    means = "native"


class JSONMode(Scripted):
    means = "json"


def test_without_means_the_schema_goes_with_the_prompt_and_the_format_stays_here() -> None:
    backend = Scripted(GOOD)
    output = backend.infer("Extract.", response_format=SCHEMA, system="Be brief.")
    assert output.parsed == {"claim": "unpaid wages", "amount": 3}
    [request] = backend.asked
    assert request.response_format is None
    assert [message.role for message in request.messages] == ["system", "system", "user"]
    assert json.dumps(SCHEMA) in request.messages[0].text


def test_a_json_mode_is_used_where_there_is_one() -> None:
    backend = JSONMode(GOOD)
    backend.infer("Extract.", response_format=SCHEMA)
    wanted = backend.asked[0].response_format
    assert wanted is not None
    assert (wanted.kind, wanted.schema) == ("json_object", None)


def test_native_means_get_the_schema_and_an_untouched_prompt() -> None:
    backend = Native(GOOD)
    backend.infer("Extract.", response_format=SCHEMA)
    [request] = backend.asked
    assert request.response_format is not None
    assert request.response_format.schema == SCHEMA
    assert len(request.messages) == 1


def test_a_code_fence_around_the_json_is_taken_off() -> None:
    assert Scripted(f"```json\n{GOOD}\n```").infer("x", response_format=SCHEMA).parsed["amount"] == 3


def test_an_answer_that_does_not_fit_is_asked_for_once_more_with_what_is_wrong_and_both_are_counted() -> None:
    backend = Scripted('{"claim": 7}', GOOD)
    output = backend.infer("Extract.", response_format=SCHEMA)
    assert output.parsed["claim"] == "unpaid wages"
    assert output.token_usage == TokenUsage(20, 10, 30, 4, None)
    said, again = backend.asked[1].messages[-2:]
    assert (said.role, said.text) == ("assistant", '{"claim": 7}')
    assert "$.claim" in again.text


def test_a_second_misfit_is_an_error_and_there_is_no_third_request() -> None:
    backend = Scripted("no", "still no", GOOD, max_retries=0)
    with pytest.raises(ResponseFormatError, match="no JSON"):
        backend.infer("Extract.", response_format=SCHEMA)
    assert len(backend.asked) == 2


@pytest.mark.parametrize(
    "make",
    [
        lambda: Native('{"claim": 7}', GOOD, max_retries=0),
        lambda: Scripted(InferenceOutput('{"claim": "unpa', finish_reason="length"), GOOD, max_retries=0),
    ],
    ids=["native", "cut by length"],
)
def test_a_guaranteed_answer_and_one_that_was_cut_are_not_asked_for_again(make: Callable[[], Scripted]) -> None:
    backend = make()
    with pytest.raises(ResponseFormatError):
        backend.infer("Extract.", response_format=SCHEMA)
    assert len(backend.asked) == 1


def test_the_error_of_an_answer_that_was_cut_says_so() -> None:
    backend = Scripted(InferenceOutput('{"claim": "unpa', finish_reason="length"), max_retries=0)
    with pytest.raises(ResponseFormatError, match="cut by max_tokens"):
        backend.infer("Extract.", response_format=SCHEMA)


def test_a_pydantic_class_gives_an_instance_of_it() -> None:
    pydantic = pytest.importorskip("pydantic")
    claim = pydantic.create_model("Claim", claim=(str, ...), amount=(int, 0))
    parsed = Scripted(GOOD).infer("x", response_format=claim).parsed
    assert isinstance(parsed, claim)
    assert parsed.amount == 3


def test_a_pydantic_check_beyond_the_schema_counts_too() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Even(pydantic.BaseModel):  # type: ignore[misc, name-defined]
        number: int

        @pydantic.field_validator("number")  # type: ignore[untyped-decorator]
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("must be even")
            return value

    for kind in (Scripted, Native):
        backend = kind('{"number": 3}', '{"number": 4}')
        assert backend.infer("x", response_format=Even).parsed.number == 4
        assert "must be even" in backend.asked[1].messages[-1].text


def test_a_provider_that_knows_a_part_of_the_schema_is_told_of_what_it_breaks() -> None:
    """It gets the schema as its own, and the answer is checked against all of it."""

    class Partly(Scripted):
        means = "partly"

    backend = Partly('{"claim": "a", "amount": 0}', GOOD)
    assert backend.infer("x", response_format=SCHEMA).parsed["amount"] == 3
    assert all(request.response_format is not None for request in backend.asked)
    assert "minimum: 1" in backend.asked[1].messages[-1].text


def test_a_json_object_may_have_any_keys_but_is_an_object() -> None:
    assert Native('{"a": [1]}').infer("x", response_format={"type": "json_object"}).parsed == {"a": [1]}
    with pytest.raises(ResponseFormatError, match="no object"):
        Native("[1]", "[1]", max_retries=0).infer("x", response_format={"type": "json_object"})


def test_nan_is_no_json() -> None:
    with pytest.raises(ResponseFormatError, match="NaN"):
        Native('{"claim": NaN}', '{"claim": NaN}', max_retries=0).infer("x", response_format=SCHEMA)


def test_deeply_nested_json_is_a_misfit_and_no_crash() -> None:
    with pytest.raises(ResponseFormatError):
        Native("[" * 200_000, "[" * 200_000, max_retries=0).infer("x", response_format=SCHEMA)


def test_an_answer_that_calls_a_tool_has_nothing_to_parse() -> None:
    call = ToolCall("1", "search", {}, "{}")
    output = Native(InferenceOutput("", (call,))).infer("x", [{"name": "search"}], response_format=SCHEMA)
    assert output.parsed is None


@pytest.mark.parametrize(
    "schema",
    [{"type": "objekt"}, {"properties": 3}, {"$ref": "http://localhost:1/schema.json"}, {"$ref": "#/nowhere"}],
)
def test_a_schema_that_is_none_or_leads_elsewhere_is_refused_and_nothing_is_fetched(schema: Any) -> None:
    with pytest.raises(InvalidRequestError, match="response_format"):
        Native(GOOD).infer("x", response_format=schema)


def test_a_stream_is_checked_at_its_end_and_hands_out_parsed() -> None:
    backend = Scripted(GOOD)
    done = list(backend.infer_stream("x", response_format=SCHEMA))[-1]
    assert isinstance(done, Done)
    assert done.output.parsed["claim"] == "unpaid wages"
    assert backend.asked[0].response_format is None


def test_a_stream_that_does_not_fit_fails_after_its_pieces_and_is_not_asked_for_again() -> None:
    backend = Scripted("no JSON", GOOD, max_retries=0)
    pieces = backend.stream_generate("x", response_format=SCHEMA)
    assert next(pieces) == "no JSON"
    with pytest.raises((ResponseFormatError, StreamInterruptedError)):
        next(pieces)
    assert len(backend.asked) == 1


@pytest.mark.parametrize(
    "answer", ['{"claim": ["Jane Roe"]}', '{"Jane Roe": 1}', "Jane Roe", '{"claim": "a", "amount": "Jane Roe"}']
)
def test_an_error_says_what_is_demanded_but_not_what_the_answer_says(answer: str) -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Claim", claim=(str, ...), amount=(int, 0))
    loose = type("Loose", (model,), {"model_json_schema": classmethod(lambda cls: {"type": "object"})})
    for wanted in (SCHEMA, model, loose):
        with pytest.raises(ResponseFormatError) as caught:
            Native(answer, answer, max_retries=0).infer("x", response_format=wanted)
        assert "Jane" not in str(caught.value)
