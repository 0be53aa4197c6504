"""Messages as other tools keep them, and ours through JSON and back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import ImagePart, Message, TextPart, ToolCall
from complaint_llm.request import as_messages

U = {"role": "user", "content": "go on"}
IMAGE = ImagePart(url="https://example.org/a.png")
CALL = ToolCall("c1", "find", {"n": 1}, '{"n": 1}')
SAVED_CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"n": 1}'}}
CALLED = Message("assistant", "", (CALL,))
SEALED = CALLED._replace(
    extra={"chat": {"message": {"reasoning_content": "Hm."}}, "seal": {"service": "a", "says": "b"}}
)
FILE = {"type": "file", "file": {"file_id": "f"}}


@pytest.mark.parametrize(
    ("given_", "means"),
    [
        ({"role": "developer", "content": "Be brief."}, Message("system", "Be brief.")),
        ({"role": "developer", "content": [{"type": "text", "text": "a"}]}, Message("system", (TextPart("a"),))),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE.url}}]},
            Message("user", (IMAGE,)),
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": IMAGE.url, "detail": "low"}}]},
            Message("user", (IMAGE,)),
        ),
        ({"role": "user", "content": [{"type": "image_url", "image_url": IMAGE.url}]}, Message("user", (IMAGE,))),
        ({"role": "assistant", "content": "x", "refusal": None, "annotations": []}, Message("assistant", "x")),
        (
            {"role": "assistant", "content": "x", "audio": None, "function_call": None, "tool_calls": None},
            Message("assistant", "x"),
        ),
        (
            {"role": "assistant", "content": "x", "annotations": [{"type": "url_citation", "url_citation": {}}]},
            Message("assistant", "x"),
        ),
        ({"role": "assistant", "content": None, "refusal": "I cannot."}, Message("assistant", "I cannot.")),
        (
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]},
            Message("assistant", (TextPart("I cannot."),)),
        ),
        ({"role": "assistant", "content": None, "tool_calls": [SAVED_CALL]}, CALLED),
        ({"role": "assistant", "tool_calls": [{**SAVED_CALL, "index": 0}]}, CALLED),
        ({"role": "assistant", "content": "", "tool_calls": [list(CALL)]}, CALLED),
        ({"role": "assistant", "content": "", "tool_calls": [CALL._asdict()]}, CALLED),
        ({"role": "assistant", "content": "", "tool_calls": [CALL]}, CALLED),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            Message("assistant", "", (ToolCall("function_f", "f", {"a": 1}, '{"a":1}'),)),
        ),
        ({"role": "function", "name": "f", "content": "42"}, Message("tool", "42", tool_call_id="function_f")),
        (
            {"role": "assistant", "content": "x", "reasoning_content": "hm", "reasoning_details": [{}], "id": "1"},
            Message("assistant", "x"),
        ),
        ({"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a"}], "name": None},
         Message("tool", (TextPart("a"),), tool_call_id="c1")),
        ({"role": "assistant", "content": "x", "something_new": None}, Message("assistant", "x")),
        (list(Message("user", "hi")), Message("user", "hi")),
        (json.loads(json.dumps(Message("user", (TextPart("a"), IMAGE)))), Message("user", (TextPart("a"), IMAGE))),
        (json.loads(json.dumps(SEALED)), SEALED),
    ],
)  # fmt: skip
def test_a_saved_message_is_taken_as_it_is(given_: Any, means: Message) -> None:
    """By OpenAI's SDK, a data set for training, or ``json.dumps`` of ours."""
    assert as_messages([U, given_]) == (Message("user", "go on"), means)


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"role": "user", "content": [FILE]}, "message 1: a file_id or file_url is the provider's alone"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "audio is not taken"),
        ({"role": "assistant", "content": None, "audio": {"id": "a"}}, "message 1 has 'audio': audio is not taken"),
        ({"role": "assistant", "content": None}, "message 1 has no content"),
        ({"role": "assistant", "content": None, "refusal": 5}, "message 1 has a refusal of type int"),
        ({"role": "owner", "content": "x"}, "message 1 has role 'owner'; it is one of assistant, developer"),
        ({"role": ["user"], "content": "x"}, "message 1 has role ['user']"),
        ({"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "custom", "custom": {}}]},
         "message 1: a custom tool call is not taken"),
        ({"role": "assistant", "content": "", "tool_calls": [{"id": 1, "function": {"name": "f", "arguments": "{}"}}]},
         "message 1: a tool call has id, name and arguments"),
        ({"role": "assistant", "content": "", "tool_calls": "f"}, "message 1 has tool_calls of type str"),
        ({"role": "assistant", "content": "", "tool_calls": [["1", "f"]]}, "message 1: a tool call has id"),
        ({"role": "assistant", "function_call": {"arguments": "{}"}}, "message 1: a function_call has name"),
        ({"role": "function", "content": "42"}, "message 1 is a tool result without tool_call_id"),
        ({"role": "tool", "tool_call_id": 5, "content": "42"}, "message 1 has a tool_call_id of type int"),
        ({"role": "user", "content": "x", "extra": "state"}, "message 1 has an extra of type str"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, "message 1: an image_url part is"),
        ({"role": "user", "content": [["text", "x"]]}, "message 1: a part is"),
        ({"role": "user", "content": "x", "surname": "y"}, "message 1 has an unknown key 'surname'"),
        (["user"], "message 1 has no content"),
        ([], "message 1 is a list"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_named_in_one_line(given_: Any, says: str) -> None:
    """With its place and, where there is one, what to do; nothing was sent."""
    with pytest.raises(InvalidRequestError) as caught:
        as_messages([U, given_])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.sent


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
PARTS = st.one_of(
    TEXTS.map(TextPart),
    TEXTS.map(lambda url: ImagePart(url=url)),
    TEXTS.map(lambda path: ImagePart(path=path, media_type="image/png")),
    st.binary(max_size=8).map(lambda data: ImagePart(data=data)),
)
CALLS = st.one_of(
    st.builds(lambda id, name, given: ToolCall(id, name, given, json.dumps(given)), TEXTS, TEXTS, OBJECTS),
    st.builds(ToolCall, TEXTS, TEXTS, st.none(), st.just("{broken")),
)
MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant"]),
    TEXTS | st.lists(PARTS, max_size=3).map(tuple),
    st.lists(CALLS, max_size=2).map(tuple),
    st.none(),
    st.none() | TEXTS,
    st.none() | OBJECTS,
) | st.builds(Message, st.just("tool"), TEXTS, st.just(()), st.text(min_size=1, max_size=5), st.none(), st.none())


@settings(deadline=None)
@given(MESSAGES)
def test_a_message_comes_back_from_json_as_it_was(message: Message) -> None:
    """Ids, names, arguments, images and what the provider wants back."""
    kept = json.loads(json.dumps(message.to_dict()))
    assert Message.from_dict(kept) == message
    assert as_messages([kept]) == (message,)


@settings(deadline=None)
@given(CALLS)
def test_a_call_comes_back_from_json_as_it_was(call: ToolCall) -> None:
    """In OpenAI's shape, as its fields, and as the list that ``json.dumps`` makes of it."""
    for kept in (call.to_dict(), call._asdict(), call):
        assert ToolCall.from_dict(json.loads(json.dumps(kept))) == call


@settings(deadline=None)
@given(CALLS, OBJECTS)
def test_arguments_that_were_changed_are_those_that_go_out(call: ToolCall, arguments: dict[str, Any]) -> None:
    """The text that came goes as it came, unless the arguments say something else since."""
    assert call.arguments_text == call.arguments_raw
    assert json.loads(call._replace(arguments=arguments).arguments_text) == arguments


@settings(deadline=None)
@given(JSON | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "extra", "name", "refusal"]), JSON))
def test_anything_is_a_message_or_a_request_error(given_: Any) -> None:
    """Whatever a front end sends, nothing else of ours is raised."""
    try:
        (message,) = as_messages([given_])
    except InvalidRequestError:
        return
    assert isinstance(message, Message)


def test_from_dict_raises_a_value_error() -> None:
    """As the standard library's readers do."""
    with pytest.raises(ValueError, match="has no content"):
        Message.from_dict({"role": "user"})
