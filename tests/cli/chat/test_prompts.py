"""What the user types or pastes: one line, several lines, names that complete; and nothing of it on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from complaint_llm.cli.chat.prompts import command_completion
from tests.cli.slow_service import bodies, office, streamed
from tests.pseudo_terminal import PROMPT, at_work

PASTES = [
    "one\ntwo", "/quit\n/help", "one\n\n\ntwo", "/file /etc/passwd\nx", "ends with\nexit", "tab\tand\nline", "ä\n李 🏠",
    '"""\nnot a fence\n"""', "one\r\ntwo", "a\n b\n  c",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)


def test_what_is_pasted_is_one_prompt_and_no_command(tmp_path: Path) -> None:
    """Whatever its lines begin with: it is asked when Enter is pressed."""
    with office(tmp_path, streamed(["ok"])) as server, at_work(tmp_path, "chat", "--no-save") as it:
        it.wait_for(PROMPT)
        for paste in PASTES:
            place = len(it.shown)
            it.press(f"\x1b[200~{paste}\x1b[201~\n")
            it.wait_for(PROMPT, place)
        asked = [body["messages"][-1]["content"] for body in bodies(server)]
    assert [each.replace("\r", "\n") for each in asked] == [paste.replace("\r\n", "\n\n").strip() for paste in PASTES]


def test_several_lines_are_typed_between_fences(tmp_path: Path) -> None:
    """Empty lines and what looks like a command included."""
    with office(tmp_path, streamed(["ok"])) as server, at_work(tmp_path, "chat", "--no-save") as it:
        it.wait_for(PROMPT)
        next_line = "\x1b[?2004h. "
        for line in ('"""', "one", "", "/quit"):
            it.say(line, until=next_line)
        it.say('"""')
        assert [body["messages"][-1]["content"] for body in bodies(server)] == ["one\n\n/quit"]


def test_lines_are_edited_and_remembered_but_not_on_disk(tmp_path: Path) -> None:
    """Arrow up brings the last prompt back; no file of prompts is left."""
    home = tmp_path / "home"
    home.mkdir()
    variables = {"HOME": str(home)}
    with (
        office(tmp_path, streamed(["ok"])) as server,
        at_work(tmp_path, "chat", "--no-save", env=variables) as it,
    ):
        it.wait_for(PROMPT)
        it.say("first")
        it.say("\x1b[A\x7f\x7fne")
        it.press("\x04")
        assert it.end() == 0
        assert [body["messages"][-1]["content"] for body in bodies(server)] == ["first", "firne"]
    assert list(home.iterdir()) == []
    assert sorted(each.name for each in tmp_path.iterdir()) == ["config.json", "home"]


COMPLETIONS = [
    ("/he", ["/help "]), ("/", ["/help ", "/backend ", "/file "]), ("/backend ", ["/backend one", "/backend two"]),
    ("/backend t", ["/backend two"]), ("/backend x", []), ("/file le", ["/file lease.pdf"]),
    ("/save fo", ["/save folder/"]),
    ("/file folder/", ["/file folder/a b.txt"]), ("/file .h", ["/file .hidden"]), ("/file nowhere/x", []), ("he", []),
    ("", []), ("a /backend ", []), ("/system le", []), ("/file ", ["/file folder/", "/file lease.pdf"]),
]  # fmt: skip


@pytest.mark.parametrize(("line", "found"), COMPLETIONS)
def test_commands_ids_and_paths_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, found: list[str]
) -> None:
    """A text that is no command completes to nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("lease.pdf", ".hidden"):
        Path(name).touch()
    Path("folder").mkdir()
    Path("folder/a b.txt").touch()
    complete = command_completion(["/help", "/backend", "/file"], lambda: ["one", "two"])
    assert list(complete(line)) == found


def test_the_tab_key_completes(tmp_path: Path) -> None:
    """On the terminal as it is."""
    with office(tmp_path, streamed(["ok"])) as server, at_work(tmp_path, "chat", "--no-save") as it:
        it.wait_for(PROMPT)
        assert "asking slow from now on" in it.say("/back\tsl\t")
        assert json.loads(json.dumps(bodies(server))) == []
