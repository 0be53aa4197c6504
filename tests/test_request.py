"""What users may pass in, and how mistakes are named."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import ImagePart, Message, TextPart, Tool, ToolCall
from complaint_llm.request import as_generation, as_messages, as_response_format, as_tools, parse_arguments


def test_a_text_is_one_user_message() -> None:
    """The shortest way in."""
    assert as_messages("hi") == (Message("user", "hi"),)


def test_system_goes_first() -> None:
    """``system=`` is the first message."""
    assert as_messages("hi", "be brief") == (Message("system", "be brief"), Message("user", "hi"))


def test_dicts_and_messages_may_be_mixed() -> None:
    """Parts, tool calls and tool results as dicts become values."""
    made = as_messages(
        [
            Message("system", "s"),
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image", "path": "/x.png"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "2"},
        ]
    )
    assert made[1].content == (TextPart("a"), ImagePart(path="/x.png"))
    assert made[2].tool_calls == (ToolCall("1", "f", {"a": 1}, '{"a": 1}'),)
    assert made[3] == Message("tool", "2", tool_call_id="1")


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (5, "a prompt is a text or a list of messages, not int"),
        ([], "no messages"),
        ([5], "message 0 is a int"),
        ([{"role": "user"}], "message 0 has no content"),
        ([{"role": "boss", "content": "x"}], "message 0 has role 'boss'"),
        ([{"role": "user", "content": "x"}, {"role": "user", "txt": 1}], "message 1 has an unknown key"),
        ([{"role": "tool", "content": "x"}], "message 0 is a tool result without tool_call_id"),
        ([{"role": "user", "content": 5}], "content of type int"),
        ([{"role": "user", "content": [{"type": "image"}]}], "exactly one of url, path and data"),
        ([{"role": "user", "content": [{"type": "video"}]}], "a part is"),
        ([{"role": "assistant", "content": "x", "tool_calls": [{"name": "f"}]}], "a tool call has id, name"),
    ],
)
def test_a_wrong_prompt_is_named_with_its_place(prompt: object, says: str) -> None:
    """The error says which message is wrong and how; nothing was sent."""
    with pytest.raises(InvalidRequestError) as caught:
        as_messages(prompt)  # type: ignore[arg-type]
    assert says in str(caught.value)
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"max_tokens": "5"}, "max_tokens is a whole number, not '5'"),
        ({"max_tokens": 1.5}, "max_tokens is a whole number, not 1.5"),
        ({"max_tokens": True}, "max_tokens is a whole number, not True"),
        ({"max_tokens": 0}, "max_tokens is at least 1, not 0"),
        ({"seed": "x"}, "seed is a whole number"),
        ({"top_p": "much"}, "top_p is a number, not 'much'"),
        ({"stop": 5}, "stop is a text or a list of texts"),
        ({"stop": ["a", 5]}, "stop is a text or a list of texts"),
    ],
)
def test_a_parameter_of_the_wrong_kind_is_named_before_anything_is_sent(params: dict[str, object], says: str) -> None:
    """It would be a TypeError of somebody's insides else, or a bill that no budget could foresee."""
    with pytest.raises(InvalidRequestError, match=re.escape(says)) as caught:
        as_generation(params)
    assert not caught.value.sent


def test_parameters_that_are_none_are_not_there() -> None:
    """And numbers are numbers by whatever library."""
    given = as_generation({"top_p": None, "seed": 3, "top_k": None, "stop": ["a"], "timeout": 5}, Fraction(1, 2))
    assert given == {"seed": 3, "stop": ["a"], "temperature": Fraction(1, 2)}
    assert as_generation({"top_p": Decimal("0.5")}) == {"top_p": Decimal("0.5")}
    assert as_generation({"model": "m"}) == {}
    with pytest.raises(TypeError, match="unexpected parameter 'max_token'; known are backend, cite"):
        as_generation({"max_token": 5})


def test_tools_in_three_spellings() -> None:
    """A Tool, its fields as a dict, and OpenAI's wrapper are the same."""
    tool = Tool("find", "Finds.", {"type": "object", "properties": {"q": {"type": "string"}}})
    fields = tool._asdict()
    assert as_tools([tool]) == as_tools([fields]) == as_tools([{"type": "function", "function": fields}]) == (tool,)


@pytest.mark.parametrize(
    ("tools", "says"), [([5], "tool 0 is a int"), ([{}], "no name"), ([Tool("a"), Tool("a")], "'a'")]
)
def test_wrong_tools_are_named(tools: list[object], says: str) -> None:
    """Nameless, foreign and doubled tools are refused before sending."""
    with pytest.raises(InvalidRequestError, match=says):
        as_tools(tools)  # type: ignore[arg-type]


def test_response_formats() -> None:
    """A bare schema, OpenAI's wrapper, JSON mode and a class with a schema."""

    class Claims:
        @staticmethod
        def model_json_schema() -> dict[str, str]:
            return {"type": "object"}

    schema = {"type": "object", "title": "claims"}
    assert as_response_format(schema).schema == schema
    inner = {"name": "n", "schema": schema, "strict": False}
    wrapped = as_response_format({"type": "json_schema", "json_schema": inner})
    assert (wrapped.name, wrapped.schema, wrapped.strict) == ("n", schema, False)
    assert as_response_format({"type": "json_object"}).kind == "json_object"
    assert as_response_format(Claims).model is Claims
    for wrong in (5, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}):
        with pytest.raises(InvalidRequestError):
            as_response_format(wrong)


@given(st.text())
def test_any_argument_text_is_an_object_or_none(raw: str) -> None:
    """A model's argument text never raises."""
    found = parse_arguments(raw)
    assert found is None or isinstance(found, dict)
