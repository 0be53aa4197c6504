"""``forget`` finds the conversations of a matter, deletes them whole, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from complaint_llm.chats import CHATS_PATH, ChatFile, ChatSettings, ChatTurn, Conversation
from complaint_llm.exceptions import ComplaintLLMError
from complaint_llm.matters.chats import ChatHolder, chat_holders
from complaint_llm.matters.holder import Place
from complaint_llm.messages import Message
from tests.matters.holdings import command

MATTERS = ["7", "2026-0417", "2026-041", "a b", "ä", '"', "7\n", " 7", "null", "../7", "%", "0"]


def keep(folder: Path, matter: str | None, turns: int = 1) -> Path:
    """A conversation of a matter."""
    file, conversation = ChatFile.new(folder), Conversation(ChatSettings(matter=matter))
    for number in range(turns):
        conversation = conversation.with_turn(ChatTurn(Message("user", f"q{number}"), Message("assistant", "a")))
        file.add(conversation)
    return file.path


@pytest.mark.parametrize("matter", MATTERS)
def test_a_conversation_is_found_and_deleted_by_its_matter_alone(tmp_path: Path, matter: str) -> None:
    """Not by one that only looks like it; what other matters and none have stays."""
    ours = keep(tmp_path, matter, 3)
    others = [keep(tmp_path, other) for other in (*MATTERS, None) if other != matter]
    part = ours.with_name(f".{ours.name}.part")
    part.write_text("left by a killed process")
    holders = chat_holders(tmp_path)
    found = [place for holder in holders for place in holder.find(matter)]
    assert found == [Place("chat", str(ours), 3, "turns")]
    assert [place for holder in holders for place in holder.forget(matter)] == found
    assert not ours.exists()
    assert not part.exists()
    assert all(other.exists() for other in others)
    assert [place for holder in holders for place in holder.forget(matter)] == []


def test_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Nobody can tell whose it is: it is not passed over."""
    path = keep(tmp_path, "7")
    path.write_text("nonsense\n")
    with pytest.raises(ComplaintLLMError, match="delete the file"):
        ChatHolder(path).find("7")


@pytest.mark.parametrize("with_config", [True, False])
def test_the_command_forgets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_config: bool) -> None:
    """Beside the config; in the working directory where there is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    office = tmp_path / "office" if with_config else tmp_path
    office.mkdir(exist_ok=True)
    (tmp_path / "empty").mkdir()
    if with_config:
        (office / "config.json").write_text('{"BACKENDS": [{"id": "m", "type": "mock", "echo": true}]}')
    ours, other = keep(office / CHATS_PATH, "7"), keep(office / CHATS_PATH, "8")
    if with_config:
        code, said = command(office, "forget", "--matter", "7", "--yes", str(tmp_path / "empty"))
    else:
        from click.testing import CliRunner

        from complaint_llm.cli.main import cli

        done = CliRunner().invoke(cli, ["forget", "--matter", "7", "--yes"])
        code, said = done.exit_code, done.output
    assert code == 0, said
    assert f"deleted: chat {ours if with_config else CHATS_PATH / ours.name}: 1 turns" in said
    assert (ours.exists(), other.exists()) == (False, True)
