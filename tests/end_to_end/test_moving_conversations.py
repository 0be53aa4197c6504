"""A conversation with thinking and parallel calls goes on at another service at any turn.

Every request is valid by the official SDKs' types; ids are unique and results belong to calls; what a service signed is
in each later request to it and in none to anybody else.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.messages import InferenceOutput, Message, ToolCall
from tests.services import SERVICES, Said, World

SIX = ("gateway", "responses", "anthropic", "gemini", "openrouter", "mistral")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("moving"))
    yield world
    world.close()


def results(output: InferenceOutput) -> list[Message]:
    """The results of an answer's calls, the last one first: they come in as they are ready."""
    return [
        Message("tool", f"result {place}", tool_call_id=call.id)
        for place, call in reversed(list(enumerate(output.tool_calls)))
    ]


def through_json(history: list[Any]) -> list[Any]:
    """The history as a front end keeps it."""
    kept = [message.to_dict() for message in history]
    return [Message.from_dict(message) for message in json.loads(json.dumps(kept))]


class Conversation:
    """One conversation: what was said, and what of it each service signed and still may get."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.history: list[Message] = [Message("system", "Be brief."), Message("user", "What is due, and when?")]
        self.signed: dict[int, tuple[str, int]] = {}
        self.turn = 0

    def ask(self, name: str, text: str, calls: int, *, streamed: bool) -> InferenceOutput:
        """One turn, its request checked."""
        self.turn += 1
        output = self.world.ask(name, self.history, Said(self.turn, text, calls), streamed=streamed)
        assert (output.content, len(output.tool_calls)) == (text, calls)
        self.check(name)
        message = output.message()
        self.signed[len(self.history)] = (name, self.turn)
        self.history += [message, *results(output)]
        if not calls:
            self.history.append(Message("user", "Go on."))
        return output

    def check(self, name: str) -> None:
        """The request that went to this service last."""
        held = self.world.sent(name)
        ours = [call.id for message in self.history for call in message.tool_calls]
        assert len(ours) == len(set(ours)), "an id twice in the messages themselves"
        assert len(held.calls) == len(set(held.calls)) == len(ours)
        assert sorted(held.calls) == sorted(held.results), "each call has its one result"
        assert all(SERVICES[name].id.fullmatch(id) for id in held.calls), held.calls
        assert held.signed == {(who, turn) for who, turn in self.signed.values() if who == name}


@pytest.mark.rows(1)
@pytest.mark.parametrize("kept", [False, True], ids=["in memory", "through json"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_twelve_turns_over_six_wires(world: World, streamed: bool, kept: bool) -> None:
    """Another backend at every turn, two calls each time, with thinking."""
    conversation = Conversation(world)
    for turn in range(12):
        conversation.ask(SIX[turn % 6], "" if turn % 4 == 2 else "Let me look.", 2, streamed=streamed)
        if kept:
            conversation.history = through_json(conversation.history)
    assert len(conversation.signed) == 12
    for name in SIX:
        conversation.ask(name, "It is due on Monday.", 0, streamed=streamed)


class Turn(NamedTuple):
    """One turn of a generated conversation."""

    service: str
    calls: int
    text: str
    streamed: bool
    kept: bool


TURNS = st.lists(
    st.builds(
        Turn,
        st.sampled_from(sorted(SERVICES)),
        st.integers(0, 3),
        st.text('aü 世\n"', min_size=1, max_size=5).filter(str.strip),
        st.booleans(),
        st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(TURNS)
def test_any_conversation_can_move_at_any_turn(world: World, turns: list[Turn]) -> None:
    """Whoever spoke before, whatever was called, in memory or through JSON."""
    conversation = Conversation(world)
    for turn in turns:
        conversation.ask(turn.service, turn.text, turn.calls, streamed=turn.streamed)
        if turn.kept:
            conversation.history = through_json(conversation.history)


@settings(max_examples=30, deadline=None)
@given(TURNS, st.data())
def test_a_message_that_was_changed_goes_without_what_was_signed(world: World, turns: list[Turn], data: Any) -> None:
    """The service would refuse its signature beside other words, or believe that it said them."""
    conversation = Conversation(world)
    for turn in turns:
        conversation.ask(turn.service, turn.text, turn.calls, streamed=turn.streamed)
    place = data.draw(st.sampled_from(sorted(conversation.signed)))
    name, _ = conversation.signed.pop(place)
    said = conversation.history[place]
    changes: dict[str, Any] = {"content": said.text + "!"}
    if said.tool_calls and data.draw(st.booleans()):
        first, *rest = said.tool_calls
        changes = {"tool_calls": (first._replace(arguments={"n": 99}), *rest)}
    conversation.history[place] = said._replace(**changes)
    conversation.ask(name, "Done.", 0, streamed=False)
    assert ("99" if "tool_calls" in changes else "!") in json.dumps(world.body(name))


@pytest.mark.parametrize("elsewhere", [name for name in sorted(SERVICES) if name != "anthropic"])
def test_anthropics_thinking_stays_at_its_address(world: World, elsewhere: str) -> None:
    """Another service, on the very same wire too, gets words and calls alone; after it the first gets its own again."""
    conversation = Conversation(world)
    conversation.ask("anthropic", "Let me look.", 2, streamed=False)
    conversation.ask(elsewhere, "I look, too.", 1, streamed=False)
    conversation.ask("anthropic", "It is due on Monday.", 0, streamed=False)


@pytest.mark.parametrize("service", ["anthropic", "rival"])
@pytest.mark.parametrize("began", sorted(SERVICES))
def test_thinking_is_left_out_of_a_turn_that_another_model_began(world: World, began: str, service: str) -> None:
    """The API wants such a turn to begin with its own thinking; what is left out is told."""
    conversation = Conversation(world)
    conversation.ask(began, "Let me look.", 1, streamed=False)
    conversation.turn += 1
    said = Said(conversation.turn, "It is due.", 0)
    output = world.ask(service, conversation.history, said, streamed=False, thinking_budget=2000, max_tokens=4000)
    left_out = began != service
    assert ("thinking" in world.body(service)) is not left_out
    assert (output.metadata.get("unsupported_parameters") == ["thinking_budget"]) is left_out
    conversation.history += [output.message(), Message("user", "And then?")]
    world.ask(service, conversation.history, said, streamed=False, thinking_budget=2000, max_tokens=4000)
    assert "thinking" in world.body(service), "a new turn thinks again"


ODD_IDS = (
    "call_0",
    "call_0",
    "functions.find:0",
    "functions.date:1",
    "toolu_01AbC",
    f"chatcmpl-tool-{'0' * 32}",
    "x" * 65,
    "abc123XYZ",
    "abc123XY",
    "fc_68 1",
    "ü",
    "a/b",
    "line\nline",
    "fc-1.2",
)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_service_takes_anybodys_ids(world: World, name: str) -> None:
    """All in one turn, and the same ones in the next."""
    history = [Message("user", "What is due?")]
    for _ in range(2):
        calls = tuple(ToolCall(id, "find", {"n": 1}, '{"n": 1}') for id in ODD_IDS)
        history += [Message("assistant", "", calls), *(Message("tool", "1", tool_call_id=id) for id in ODD_IDS)]
    world.ask(name, history, Said(1, "Done.", 0), streamed=False)
    held = world.sent(name)
    assert len(held.calls) == len(set(held.calls)) == 2 * len(ODD_IDS)
    assert list(held.results) == list(held.calls)
    assert [id for id in held.calls if not SERVICES[name].id.fullmatch(id)] == []
