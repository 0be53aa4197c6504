"""Conversations are kept in private files, a line a turn, and come back as they were."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.chats import (
    ChatFile,
    ChatFileError,
    ChatSettings,
    ChatTurn,
    Conversation,
    TurnUsage,
    chat_files,
    matters_of,
)
from complaint_llm.messages import Document, ImagePart, Message, TextPart, ToolCall

USAGE = TurnUsage("gpt", "m-1", 10, 20, 0.25)


def turn(text: str = "q", **keys: Any) -> ChatTurn:
    """A question and an answer."""
    return ChatTurn(Message("user", text), Message("assistant", f"answer to {text}"), **{"usage": USAGE, **keys})


def kept(folder: Path, *turns: ChatTurn, **settings: Any) -> tuple[ChatFile, Conversation]:
    """A file with these turns, and the conversation in it."""
    file, conversation = ChatFile.new(folder), Conversation(ChatSettings(**settings))
    for each in turns:
        conversation = conversation.with_turn(each)
        assert file.add(conversation)
    return file, conversation


TURNS: dict[str, ChatTurn] = {
    "plain": turn(),
    "cut": turn(usage=None, cut=True),
    "unknown price": turn(usage=USAGE._replace(cost=None)),
    "document": ChatTurn(
        Message("user", (Document(data=b"%PDF\x00\xff", name="a.pdf", pages="1-2"), TextPart("q"))),
        Message("assistant", "a"),
    ),
    "evidence": ChatTurn(Message("user", (Document(cid="bafy"), TextPart("q"))), Message("assistant", "a")),
    "image": ChatTurn(Message("user", (ImagePart(data=b"\x89PNG"), TextPart("q"))), Message("assistant", "a")),
    "sealed state": ChatTurn(
        Message("user", "q"),
        Message("assistant", "a", extra={"https://one.example": {"signature": "abc"}, "digest": "x"}),
    ),
    "tool calls": ChatTurn(Message("user", "q"), Message("assistant", "", (ToolCall("1", "f", {"a": 1}, '{"a": 1}'),))),
    "lines": turn("one\ntwo\r\n\u2028three\x85"),
    "letters": turn("Räumung 李小龙 🏠 \x1b[2J \x00"),
    "half a character": turn("caf\udce9"),
    "empty": turn(""),
}


@pytest.mark.parametrize("name", TURNS)
def test_a_turn_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    """With documents, the state that its service wants back, and whether it was cut."""
    settings = {
        "system": "s",
        "backend": "b",
        "model": "m",
        "privacy": "local",
        "requires": {"trains": False},
        "matter": "7",
    }
    file, conversation = kept(tmp_path, turn("first"), TURNS[name], **settings)
    assert ChatFile(file.path).read() == conversation


@given(st.lists(st.tuples(st.text(), st.text(), st.booleans()), max_size=5), st.text(), st.text())
@settings(max_examples=60, deadline=None)
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, said: list[Any], system: str, matter: str
) -> None:
    """Whatever stands in it, line breaks and quotes included."""
    turns = [ChatTurn(Message("user", q), Message("assistant", a), None, cut) for q, a, cut in said]
    file, conversation = kept(tmp_path_factory.mktemp("chats"), *turns, system=system, matter=matter)
    if turns:
        assert ChatFile(file.path).read() == conversation


def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    """And never part of a repository."""
    old = os.umask(0)
    try:
        file, conversation = kept(tmp_path / ".complaint_llm" / "chats", turn(), turn("two"))
        file.replace(conversation.without_last())
    finally:
        os.umask(old)
    assert oct(file.path.stat().st_mode & 0o777) == "0o600"
    assert oct(file.path.parent.stat().st_mode & 0o777) == "0o700"
    assert (tmp_path / ".complaint_llm" / ".gitignore").read_text() == "*\n"


def test_a_chat_in_which_nothing_was_said_leaves_no_file(tmp_path: Path) -> None:
    """The folder neither."""
    ChatFile.new(tmp_path / "chats")
    assert list(tmp_path.iterdir()) == []


def test_the_settings_are_those_of_the_last_turn(tmp_path: Path) -> None:
    """What was changed on the way holds when one goes on."""
    file, conversation = kept(tmp_path, turn(), backend="one", matter="7")
    conversation = conversation.with_settings(backend="two", system="s").with_turn(turn("second"))
    file.add(conversation)
    assert ChatFile(file.path).read().settings == ChatSettings(backend="two", system="s", matter="7")


@pytest.mark.parametrize("cut", [1, 2, 10, 50, 100])
def test_a_line_that_was_cut_short_is_no_turn_and_is_overwritten(tmp_path: Path, cut: int) -> None:
    """What a killed process left costs the turn it was writing, and none before or after."""
    file, conversation = kept(tmp_path, turn(), turn("second"))
    data = file.path.read_bytes()
    file.path.write_bytes(data[:-cut])
    again = ChatFile(file.path)
    found = again.read()
    assert found == conversation.without_last()
    again.add(found.with_turn(turn("third")))
    assert [each.question.text for each in ChatFile(file.path).read().turns] == ["q", "third"]


MESSAGE = Message("user", "q").to_dict()


def line(**keys: Any) -> bytes:
    """A turn, with these keys in the place of its own."""
    own = {"version": 1, **ChatSettings()._asdict(), "messages": [MESSAGE, MESSAGE], "usage": None, "cut": False}
    return json.dumps({**own, **keys}).encode() + b"\n"


DAMAGE = {
    "no json": b"nonsense\n", "no mapping": b"[]\n", "a number": b"7\n", "nothing in it": b"{}\n",
    "another version": b'{"version": 2}\n', "not utf-8": b"\xff\xfe\n", "too deep": b"[" * 5000 + b"\n",
    "messages are none": line(messages=3), "one message": line(messages=[MESSAGE]),
    "messages that are none": line(messages=[{}, {}]), "usage that is none": line(usage={"x": 1}),
    "a setting that is no text": line(system=3), "a matter that is none": line(matter=["7"]),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_no_conversation_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    """In one line, and not half read."""
    file, _ = kept(tmp_path, turn())
    with file.path.open("ab") as there:
        there.write(DAMAGE[name])
    with pytest.raises(ChatFileError, match=r"\.jsonl: line 2 ") as caught:
        ChatFile(file.path).read()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["add", "replace"])
@pytest.mark.parametrize("others", ["deleted", "longer", "shorter", "emptied"])
def test_a_file_that_others_changed_is_not_touched(tmp_path: Path, change: str, others: str) -> None:
    """A matter that was forgotten meanwhile does not come back, and another chat's turn is not lost."""
    file, conversation = kept(tmp_path, turn(), turn("second"))
    data = file.path.read_bytes()
    left = {"deleted": None, "longer": data + data, "shorter": data[:-5], "emptied": b""}[others]
    file.path.unlink() if left is None else file.path.write_bytes(left)
    assert not getattr(file, change)(conversation.with_turn(turn("third")))
    assert (file.path.read_bytes() if file.path.exists() else None) == left


def test_taking_back_the_only_turn_deletes_the_file(tmp_path: Path) -> None:
    """And the next turn makes it again."""
    file, conversation = kept(tmp_path, turn())
    assert file.replace(conversation.without_last())
    assert not file.path.exists()
    assert file.add(Conversation().with_turn(turn("again")))
    assert [each.question.text for each in ChatFile(file.path).read().turns] == ["again"]


def test_the_last_written_is_first(tmp_path: Path) -> None:
    """Whenever it began."""
    old, _ = kept(tmp_path, turn())
    new, _ = kept(tmp_path, turn())
    os.utime(new.path, ns=(1, 1))
    assert chat_files(tmp_path) == [old.path, new.path]
    os.utime(old.path, ns=(0, 0))
    assert chat_files(tmp_path) == [new.path, old.path]
    assert chat_files(tmp_path / "nowhere") == []


def test_names_tell_the_day_and_differ(tmp_path: Path) -> None:
    """Two chats that begin in one second have two files."""
    now = datetime(2026, 11, 28, 4, 5, 6, tzinfo=UTC)
    names = {ChatFile.new(tmp_path, now).path.name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("20261128T040506Z-") for name in names)


def test_the_matters_of_a_file_are_those_of_its_turns(tmp_path: Path) -> None:
    """None where none was named."""
    file, _ = kept(tmp_path, turn(), matter="7")
    other, _ = kept(tmp_path, turn())
    assert (matters_of(file.path), matters_of(other.path)) == ({"7"}, set())
