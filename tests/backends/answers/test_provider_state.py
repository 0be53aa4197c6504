"""What a service wants back goes to that service alone, and only beside what it said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.backends import Backend
from complaint_llm.backends.answers.provider_state import seal_state, service_at, with_own_state
from complaint_llm.messages import ImagePart, InferenceOutput, Message, TextPart, ToolCall

CALLS = (ToolCall("c1", "find", {"n": 1, "m": [1]}, '{"n": 1, "m": [1]}'), ToolCall("c2", "f", None, "{broken"))
ANSWER = seal_state(InferenceOutput("Let me look.", CALLS, extra={"wire": ["state"]}), "api.example.org/v1")
SAID = ANSWER.message()


def goes(message: Message, service: str = "api.example.org/v1") -> bool:
    (found,) = with_own_state([message], service)
    assert found._replace(extra=None) == message._replace(extra=None), "only the state may be taken out"
    return found.extra is not None


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("https://api.example.org/v1", "api.example.org/v1"),
        ("https://api.example.org/v1/", "api.example.org/v1"),
        ("http://API.Example.org/v1", "api.example.org/v1"),
        ("https://user:password@api.example.org/v1", "api.example.org/v1"),
        ("https://api.example.org/v1?key=secret", "api.example.org/v1"),
        ("https://api.example.org:8443/v1", "api.example.org:8443/v1"),
        ("https://api.example.org", "api.example.org"),
        ("https://api.example.org/V1", "api.example.org/V1"),
        ("http://127.0.0.1:1234/v1", "127.0.0.1:1234/v1"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("https://api.example.org/openai/v1", "api.example.org/openai/v1"),
    ],
)
def test_a_service_is_known_by_its_address(address: str, service: str) -> None:
    """Without what is secret in it: the name is kept with messages."""
    assert service_at(address) == service
    assert goes(SAID, service) is (service == "api.example.org/v1")


UNCHANGED: dict[str, Callable[[Message], Message]] = {
    "as it is": lambda said: said,
    "through json": lambda said: Message.from_dict(json.loads(json.dumps(said.to_dict()))),
    "through json as a list": lambda said: Message.from_dict(json.loads(json.dumps(said))),
    "other ids": lambda said: said._replace(tool_calls=tuple(c._replace(id=c.id + "x") for c in said.tool_calls)),
    "its text as a part": lambda said: said._replace(content=(TextPart(said.text),)),
    "its text in two parts": lambda said: said._replace(content=(TextPart(said.text[:3]), TextPart(said.text[3:]))),
    "keys in another order": lambda said: said._replace(tool_calls=(_called({"m": [1], "n": 1}), CALLS[1])),
    "arguments without their text": lambda said: said._replace(
        tool_calls=(CALLS[0]._replace(arguments_raw=""), CALLS[1])
    ),
    "a name": lambda said: said._replace(name="clerk"),
}
CHANGED: dict[str, Callable[[Message], Message]] = {
    "another word": lambda said: said._replace(content="Let me see."),
    "a blank more": lambda said: said._replace(content=said.text + " "),
    "no text": lambda said: said._replace(content=""),
    "another part": lambda said: said._replace(content=(TextPart(said.text), TextPart("Also."))),
    "a call less": lambda said: said._replace(tool_calls=CALLS[:1]),
    "a call more": lambda said: said._replace(tool_calls=(*CALLS, CALLS[0])),
    "calls turned round": lambda said: said._replace(tool_calls=CALLS[::-1]),
    "no calls": lambda said: said._replace(tool_calls=()),
    "another function": lambda said: said._replace(tool_calls=(CALLS[0]._replace(name="sue"), CALLS[1])),
    "another argument": lambda said: said._replace(tool_calls=(_called({"n": 2, "m": [1]}), CALLS[1])),
    "an argument less": lambda said: said._replace(tool_calls=(_called({"n": 1}), CALLS[1])),
    "deeper inside": lambda said: said._replace(tool_calls=(_called({"n": 1, "m": [2]}), CALLS[1])),
    "another broken text": lambda said: said._replace(tool_calls=(CALLS[0], CALLS[1]._replace(arguments_raw="{b"))),
    "arguments that nobody can write": lambda said: said._replace(tool_calls=(_called({"n": object()}), CALLS[1])),
    "no seal": lambda said: said._replace(extra={"wire": ["state"]}),
    "a seal of another kind": lambda said: said._replace(extra={"wire": ["state"], "seal": "api.example.org/v1"}),
    "an empty seal": lambda said: said._replace(extra={"wire": ["state"], "seal": {}}),
    "another one's seal": lambda said: said._replace(extra={"wire": ["state"], "seal": (said.extra or {})["seal"] | {
        "service": "api.other.org"}}),
}  # fmt: skip


def _called(arguments: dict[str, Any]) -> ToolCall:
    return CALLS[0]._replace(arguments=arguments)


@pytest.mark.parametrize("change", sorted(UNCHANGED))
def test_state_goes_back_with_what_was_said(change: str) -> None:
    """However it was kept meanwhile."""
    assert goes(UNCHANGED[change](SAID))
    assert not goes(UNCHANGED[change](SAID), "api.other.org")


@pytest.mark.parametrize("change", sorted(CHANGED))
def test_state_stays_here_when_something_else_is_said(change: str) -> None:
    """Beside words that the service did not say it would be refused, or would vouch for them."""
    assert not goes(CHANGED[change](SAID))


@settings(deadline=None)
@given(st.text(max_size=5), st.text(max_size=5))
def test_only_the_very_same_text_fits(text: str, other: str) -> None:
    """Half a surrogate pair and all."""
    message = seal_state(InferenceOutput(text, extra={"w": 1}), "s").message()
    assert goes(message, "s")
    assert goes(message._replace(content=other), "s") is (text == other)


def test_answers_and_messages_without_state_are_as_they_were() -> None:
    """Nothing is added to them."""
    output = InferenceOutput("x")
    assert seal_state(output, "s") is output
    messages = (Message("user", (TextPart("a"), ImagePart(data=b"x"))), Message("assistant", "b"))
    assert with_own_state(messages, "s") == messages


def test_a_plugins_state_goes_to_the_backend_that_made_it() -> None:
    """One that speaks no HTTP is known by its type and id; what it gives is sealed for it, too."""
    seen: list[Any] = []

    class Office(Backend):
        type = "office"

        def answer(self, request: Any) -> InferenceOutput:
            seen.append(request.messages[-2].extra if len(request.messages) > 1 else None)
            return InferenceOutput("received", extra={"office": {"drawer": 7}})

    first, second = Office(id="first"), Office(id="second")
    said = first.infer("q").message()
    history = [Message("user", "q"), Message.from_dict(json.loads(json.dumps(said.to_dict()))), Message("user", "r")]
    first.infer(history)
    second.infer(history)
    assert seen[1] is not None
    assert seen[1]["office"] == {"drawer": 7}
    assert seen[2] is None
