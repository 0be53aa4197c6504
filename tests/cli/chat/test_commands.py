"""What can be said in a chat beside prompts: each line that begins with a slash."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.chats import CHATS_PATH, ChatFile, Conversation, chat_files
from complaint_llm.cli.chat.commands import COMMANDS, LeaveChat, obey
from complaint_llm.cli.chat.session import ChatSession
from complaint_llm.mediator import Mediator
from complaint_llm.messages import Message
from complaint_llm.testing import FaultyServer, Reply
from tests.pseudo_terminal import PROMPT, at_work, plain


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    """A chat server that echoes."""
    with FaultyServer() as made:
        yield made


@pytest.fixture
def session(server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatSession]:
    """A chat over two backends, kept in the working directory."""
    monkeypatch.chdir(tmp_path)
    base = {"type": "openai", "api_key": "sk-secret-1", "base_url": f"{server.url}/v1", "max_retries": 0}
    entries = [{"id": "one", "model": "m1", **base}, {"id": "two", "model": "m2", **base}]
    Path("config.json").write_text(json.dumps({"BACKENDS": entries}))
    with Mediator.from_config("config.json") as mediator:
        yield ChatSession(mediator, Conversation(), {}, file=ChatFile.new(CHATS_PATH))


@pytest.mark.parametrize("columns", [40, 60, 200])
def test_help_breaks_between_words(session: ChatSession, columns: int) -> None:
    """On a narrow terminal no word is cut in two."""
    whole = {word for name, each in COMMANDS.items() for word in f"{name} {each.argument} {each.meaning}".split()}
    with at_work(Path.cwd(), "chat", "--no-save", columns=columns) as terminal:
        terminal.wait_for(PROMPT)
        terminal.press("/help\n")
        lines = plain(terminal.wait_for("leaves.")).splitlines()
        terminal.press("/quit\n")
        terminal.end()
    assert whole <= {word for line in lines for word in line.split()}
    assert max(map(len, lines)) <= columns


def test_help_names_every_command(session: ChatSession, capsys: pytest.CaptureFixture[str]) -> None:
    """And how several lines are typed."""
    obey(session, "/help")
    said = capsys.readouterr()
    assert said.out == ""
    assert all(f"{name} " in said.err for name in COMMANDS)
    assert '"""' in said.err


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/", "/help"), ("/fil x", "/file"), ("/hlep", "/help"), ("/quti", "/quit"), ("/Backend two", "/backend"),
        ("/srv/lease.pdf what is it?", "a space before it"), ("//", "a space before it"), ("/unod", "/undo"),
        ("/claer", "/clear"), ("/useage", "/usage"), ("/models", "/model"),
    ],
)  # fmt: skip
def test_what_is_no_command_is_not_asked(
    session: ChatSession, server: FaultyServer, capsys: pytest.CaptureFixture[str], line: str, hint: str
) -> None:
    """The line says what was meant, or how to ask it nevertheless."""
    assert obey(session, line) is None
    assert hint in capsys.readouterr().err
    assert server.requests == []


def test_the_backend_is_another_one_from_now_on(
    session: ChatSession, server: FaultyServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that was named for the one before is dropped; one that is not there changes nothing."""
    obey(session, "/model big")
    session.ask("q")
    obey(session, "/backend two")
    session.ask("q")
    obey(session, "/backend nobody")
    session.ask("q")
    obey(session, "/backend")
    obey(session, "/backend -")
    session.ask("q")
    assert [each.body["model"] for each in server.requests] == ["big", "m2", "m2", "m1"]
    said = capsys.readouterr().err
    assert "not big" in said
    assert "no backend 'nobody' here; there are: one, two" in said
    assert "  one\n* two\n" in said


def test_the_system_prompt_and_the_model_can_be_taken_away(session: ChatSession, server: FaultyServer) -> None:
    """With a dash; alone they are shown."""
    for line in ("/system Be short.", "/model x", "/system", "/model"):
        assert obey(session, line) is None
    session.ask("q")
    for line in ("/system -", "/model -"):
        obey(session, line)
    session.ask("q")
    first, second = (each.body for each in server.requests)
    assert (first["messages"][0], first["model"]) == ({"role": "system", "content": "Be short."}, "x")
    assert (second["messages"][0]["role"], second["model"]) == ("user", "m1")


NAMES = [
    "lease.txt", "with space.txt", "it's.txt", 'quo"te.txt', "ä李.txt", "back\\slash.txt", "a  b.txt", "-.txt",
    "1-3", "lease.txt 1-3", "$HOME.txt",
]  # fmt: skip


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", NAMES)
def test_a_file_goes_with_the_next_prompt_whatever_its_name(
    session: ChatSession, server: FaultyServer, name: str
) -> None:
    """As it stands, and in the quotes of a shell, as a file manager pastes it."""
    import shlex

    Path(name).write_text("the words of the file")
    obey(session, f"/file {name}")
    session.ask("q1")
    obey(session, f"/file {shlex.quote(name)}")
    session.ask("q2")
    first, second = (json.dumps(each.body["messages"]) for each in server.requests)
    assert (first.count("the words of the file"), second.count("the words of the file")) == (1, 3)


@pytest.mark.parametrize(
    "line", ["/file nowhere.pdf", "/file .", "/file 'open quote", "/file a b c", "/file config.json x"]
)
def test_a_file_that_is_none_is_named(session: ChatSession, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Nothing goes with the next prompt."""
    obey(session, line)
    assert capsys.readouterr().err.strip()
    assert session.parts == ()


def test_undo_takes_a_turn_back_also_where_it_is_kept(session: ChatSession, server: FaultyServer) -> None:
    """One after the other, down to none."""
    for text in ("a", "b", "c"):
        session.ask(text)
    obey(session, "/undo")
    assert [turn.question.text for turn in ChatFile(chat_files(CHATS_PATH)[0]).read().turns] == ["a", "b"]
    session.ask("d")
    assert [each["content"] for each in server.requests[-1].body["messages"]] == ["a", "a", "b", "b", "d"]
    for _ in range(5):
        obey(session, "/undo")
    assert session.conversation.turns == ()
    assert chat_files(CHATS_PATH) == []


def test_clear_begins_another_conversation(session: ChatSession, server: FaultyServer) -> None:
    """Under the same settings; the one of before stays where it is kept."""
    obey(session, "/system S")
    session.ask("a")
    obey(session, "/clear")
    session.ask("b")
    assert [each["content"] for each in server.requests[-1].body["messages"]] == ["S", "b"]
    assert len(chat_files(CHATS_PATH)) == 2


def test_usage_sums_by_backend(session: ChatSession, server: FaultyServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Tokens of all answers so far."""
    obey(session, "/usage")
    assert "nothing was answered yet" in capsys.readouterr().err
    session.ask("a")
    session.ask("b")
    obey(session, "/backend two")
    session.ask("c")
    capsys.readouterr()
    obey(session, "/usage")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[0] for line in lines] == ["one", "two"]
    assert ["2 answers" in lines[0], "1 answer" in lines[1], "1 answers" in lines[1]] == [True, True, False]


def test_a_conversation_is_saved_for_people_and_for_programs(session: ChatSession, server: FaultyServer) -> None:
    """For its owner alone; what is JSON can be asked on with."""
    obey(session, "/system Be short.")
    server.script(Reply("A1"))
    session.ask("Q1")
    for name in ("out.md", "out.json"):
        obey(session, f"/save {name}")
        assert oct(Path(name).stat().st_mode & 0o777) == "0o600"
    assert Path("out.md").read_text().startswith("## System\n\nBe short.\n\n## You\n\nQ1\n\n## one (")
    messages = [Message.from_dict(each) for each in json.loads(Path("out.json").read_text())]
    assert [each.text for each in messages] == ["Be short.", "Q1", "A1"]
    session.ask("Q2")
    obey(session, "/save out.json")
    assert len(json.loads(Path("out.json").read_text())) == 5


@pytest.mark.parametrize("line", ["/save", "/save config.json", "/save .", "/save nowhere/x.md", "/save config.json/x"])
def test_nothing_of_others_is_written_over(session: ChatSession, capsys: pytest.CaptureFixture[str], line: str) -> None:
    """What cannot be written is said."""
    before = Path("config.json").read_bytes()
    session.ask("q")
    capsys.readouterr()
    obey(session, line)
    assert capsys.readouterr().err.strip()
    assert Path("config.json").read_bytes() == before


def test_edit_asks_what_was_written(session: ChatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the user's editor, with what stands behind the command to begin with."""
    Path("editor").write_text('#!/bin/sh\necho "second line" >> "$1"\n')
    Path("editor").chmod(0o700)
    monkeypatch.setenv("VISUAL", str(Path("editor").absolute()))
    assert obey(session, "/edit first line\n") == "first line\nsecond line"


def test_quit_leaves(session: ChatSession) -> None:
    """The chat, not the program."""
    with pytest.raises(LeaveChat):
        obey(session, "/quit")
