"""A chat on a terminal: Ctrl-C, Ctrl-D, what is kept, and going on with it under what held before."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from complaint_llm.chats import CHATS_PATH, ChatFile, Conversation, chat_files
from tests import forked
from tests.cli.slow_service import GIVE_UP, bodies, entry, office, streamed, stuck, write_config
from tests.faults.modes import WELL
from tests.pseudo_terminal import PROMPT, PseudoTerminal, at_work, plain
from tests.transport.faulty import HANG, REQUEST, FaultyServer
from tests.usual_signals import usual_signals

ECHO = {"id": "m", "type": "mock", "echo": True}


@pytest.fixture(autouse=True)
def _no_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)


def kept(folder: Path) -> Conversation:
    """The conversation that was written last."""
    return ChatFile(chat_files(folder / CHATS_PATH)[0]).read()


def lines(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A chat whose prompts come from a pipe."""
    command = [sys.executable, "-m", "complaint_llm", "chat", *arguments]
    return forked.run(command, cwd=folder, input=text, capture_output=True, text=True, timeout=GIVE_UP, check=False)


@pytest.mark.rows(1)
@pytest.mark.parametrize("pieces", [["half an ", "ans"], ["Z"], ["line\n"], []])
def test_ctrl_c_stops_an_answer_and_not_the_chat(tmp_path: Path, pieces: Sequence[str]) -> None:
    """What came is kept and marked as cut; of an answer of which nothing came the prompt is not in the history."""
    text = "".join(pieces)
    with office(tmp_path, stuck(pieces), streamed(["the second"])) as server, at_work(tmp_path, "chat") as it:
        it.wait_for(PROMPT)
        it.press("first\n")
        it.wait_for(lambda _: bool(server.requests))
        if pieces:
            it.wait_for(pieces[-1].strip())
        place = len(it.shown)
        it.press("\x03")
        it.wait_for(PROMPT, place)
        said = f"{len(text)} characters of the answer were received" if text else "nothing of the answer was received"
        assert f"interrupted: {said}" in plain(it.shown)
        assert "the second\n" in it.say("again")
        it.press("\x04")
        assert it.end() == 0
        history = [message["content"] for message in bodies(server)[1]["messages"]]
    assert history == (["first", text, "again"] if text else ["again"])
    turns = kept(tmp_path).turns
    assert [(turn.answer.text, turn.cut) for turn in turns] == [(text, True), ("the second", False)][not text :]


def interrupt(it: PseudoTerminal, place: int) -> None:
    """Ctrl-C, once more after each two seconds: one that comes while the prompt is drawn waits for the next key."""
    typed: list[float] = []

    def answered() -> bool:
        if not typed or time.monotonic() - typed[-1] > 2:
            it.press("\x03")
            typed.append(time.monotonic())
        return "Ctrl-D or /quit leaves\n" in it.shown[place:]

    it.wait_for(lambda _: answered())


@pytest.mark.rows(1)
@pytest.mark.parametrize("typed", [" ", "half a line", "/quit"])
def test_ctrl_c_at_the_prompt_says_how_to_leave(tmp_path: Path, typed: str) -> None:
    """What was typed is not asked."""
    write_config(tmp_path, ECHO)
    with at_work(tmp_path, "chat") as it:
        it.wait_for(PROMPT)
        for _ in range(2):
            place = len(it.shown)
            it.press(typed)
            it.wait_for(typed, place)
            interrupt(it, place)
            it.wait_for(PROMPT, place + len(typed))
        assert "next\n> " in it.say("next")
        it.press("\x04")
        assert it.end() == 0
    assert [turn.question.text for turn in kept(tmp_path).turns] == ["next"]


@pytest.mark.rows(1)
@pytest.mark.parametrize("leaving", ["\x04", "/quit\n", "/exit\n", "quit\n", "exit\n", "/quit now\n"])
def test_ways_to_leave(tmp_path: Path, leaving: str) -> None:
    """Ours and those of other chats; nothing is asked, nothing is left behind."""
    write_config(tmp_path, ECHO)
    with at_work(tmp_path, "chat") as it:
        it.wait_for(PROMPT)
        it.press(leaving)
        assert it.end() == 0
    assert [each.name for each in tmp_path.iterdir()] == ["config.json"]


def test_ctrl_c_ends_a_chat_between_pipes(tmp_path: Path) -> None:
    """There is nobody to go on: exit code 130, the answers of before stay."""
    pipe = subprocess.PIPE
    with FaultyServer(WELL.script(False), [REQUEST, HANG]) as server:
        write_config(tmp_path, entry(server))
        command = [sys.executable, "-m", "complaint_llm", "chat"]
        with forked.Popen(
            command, cwd=tmp_path, stdin=pipe, stdout=pipe, stderr=pipe, text=True, preexec_fn=usual_signals
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write("one\ntwo\n")
            process.stdin.flush()
            assert process.stdout.readline()
            while len(server.requests) < 2:
                os.sched_yield()
            process.send_signal(signal.SIGINT)
            assert process.wait(GIVE_UP) == 130
            assert "interrupted: nothing of the answer was received" in process.stderr.read()


def test_it_is_kept_on_a_terminal_and_not_between_pipes(tmp_path: Path) -> None:
    """Unless it is said otherwise; --continue goes on keeping."""
    write_config(tmp_path, ECHO)
    assert lines(tmp_path, "a\n").returncode == 0
    with at_work(tmp_path, "chat", "--no-save") as it:
        it.wait_for(PROMPT)
        assert "this conversation is not kept" in it.shown
        it.say("b")
    assert not (tmp_path / CHATS_PATH).exists()
    assert lines(tmp_path, "c\n", "--save").returncode == 0
    assert lines(tmp_path, "d\n", "--continue", "--no-save").returncode == 0
    assert lines(tmp_path, "e\n", "--continue").returncode == 0
    assert [turn.question.text for turn in kept(tmp_path).turns] == ["c", "e"]
    with at_work(tmp_path, "chat") as it:
        it.wait_for(PROMPT)
        it.say("f")
    assert [turn.question.text for turn in kept(tmp_path).turns] == ["f"]
    assert len(chat_files(tmp_path / CHATS_PATH)) == 2


def test_going_on_names_matter_and_when(tmp_path: Path) -> None:
    """Of several the last, or the last of the matter that is named."""
    write_config(tmp_path, ECHO)
    for matter in ("7", "8"):
        assert lines(tmp_path, f"about {matter}\n", "--save", "--matter", matter).returncode == 0
    last = lines(tmp_path, "", "--continue")
    assert re.search(r"conversation of \d\d \w+ \d{4} \d\d:\d\d, matter 8, 1 turn; last asked: about 8", last.stderr)
    named = lines(tmp_path, "more\n", "--continue", "--matter", "7")
    assert "matter 7, 1 turn; last asked: about 7" in named.stderr
    assert kept(tmp_path).settings.matter == "7"
    assert "matter 7, 2 turns; last asked: more" in lines(tmp_path, "", "--continue").stderr
    for arguments in (["--matter", "9"], ["--matter", ""]):
        missing = lines(tmp_path, "x\n", "--continue", *arguments)
        assert (missing.returncode, missing.stdout) == (2, "")
        assert "no conversation of matter" in missing.stderr


def test_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    """Exit code 2, and where was looked."""
    write_config(tmp_path, ECHO)
    done = lines(tmp_path, "x\n", "--continue")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no conversation is kept in" in done.stderr


def test_what_must_not_leave_then_must_not_leave_when_one_goes_on(tmp_path: Path) -> None:
    """Privacy and what is required of providers are kept with the conversation: the strictest of both holds."""
    far = "http://127.0.0.1.nip.io:9/v1"
    remote = {"id": "far", "type": "openai", "base_url": far, "api_key": "sk-x", "model": "m"}
    write_config(tmp_path, ECHO)
    required = ["-p", "requires", '{"trains": false}']
    assert lines(tmp_path, "secret\n", "--save", "--privacy", "local", *required).returncode == 0
    write_config(tmp_path, remote)
    done = lines(tmp_path, "more\n", "--continue", "-b", "far", "-p", "requires", '{"retention_days": 3}')
    assert done.returncode == 1
    assert "local" in done.stderr
    assert "nothing of it may leave this machine" in done.stderr
    settings = kept(tmp_path).settings
    assert (settings.privacy, settings.requires) == ("local", {"trains": False})


@pytest.mark.endurance
def test_settings_of_now_stand_above_those_that_were_kept(tmp_path: Path) -> None:
    """And a model of one backend is not asked of another."""
    with FaultyServer(*[WELL.script(False)] * 4) as server:
        write_config(tmp_path, entry(server, "a"), entry(server, "b", model="of b"))
        for arguments in (
            ["--save", "-b", "a", "-m", "big", "-s", "old"],
            ["--continue"],
            ["--continue", "-b", "b", "-s", "new"],
            ["--continue"],
        ):
            assert lines(tmp_path, "q\n", *arguments).returncode == 0
        asked = [(body["model"], body["messages"][0]["content"]) for body in bodies(server)]
    assert asked == [("big", "old"), ("big", "old"), ("of b", "new"), ("of b", "new")]


MISTAKES = [
    (["-b", "nobody"], 1, "no backend 'nobody'"), (["-f", "nowhere.pdf"], 2, "nowhere.pdf"),
    (["-p", "temperatur", "1"], 2, "did you mean temperature?"), (["--max-tokens", "0"], 2, "--max-tokens"),
    (["--schema", "a b c"], 2, "--schema"), (["--task", "nonsense"], 2, "nonsense"), (["--pages", "1"], 2, "--pages"),
    (["--timeout", "nan"], 2, "--timeout"), (["-c", "nowhere.json"], 2, "nowhere.json"), (["--continue"], 2, "kept"),
    (["--evidence", "no-cid"], 1, "no-cid"), (["extra"], 2, "extra"),
]  # fmt: skip


@pytest.mark.rows(2)
@pytest.mark.parametrize(("arguments", "code", "text"), MISTAKES)
def test_a_mistake_is_said_before_the_first_prompt(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    """In words of the command line, with its exit code."""
    write_config(tmp_path, ECHO)
    done = lines(tmp_path, "q\n", *arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_matter_that_is_required_is_missed_at_once(tmp_path: Path) -> None:
    """Not with the first answer."""
    write_config(tmp_path, ECHO, MEDIATOR={"matter_required": True})
    with at_work(tmp_path, "chat") as it:
        assert it.end() == 2
    assert "--matter" in it.shown
    assert PROMPT not in it.shown


def test_a_conversation_that_is_forgotten_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    """The chat goes on and says that it is no longer kept."""
    write_config(tmp_path, ECHO)
    with at_work(tmp_path, "chat", "--matter", "7") as it:
        it.wait_for(PROMPT)
        it.say("one")
        forget = [sys.executable, "-m", "complaint_llm", "forget", "--matter", "7", "--yes"]
        forked.run(forget, cwd=tmp_path, check=True, capture_output=True, timeout=GIVE_UP)
        assert "this conversation is no longer kept" in it.say("two")
        assert "no longer" not in it.say("three")
    assert chat_files(tmp_path / CHATS_PATH) == []


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "dumb", "NO_COLOR": "1"}])
def test_a_dumb_terminal_gets_no_escape(tmp_path: Path, variables: dict[str, str]) -> None:
    """Plain prompts and plain answers."""
    write_config(tmp_path, ECHO)
    with at_work(tmp_path, "chat", env=variables) as it:
        it.wait_for("> ")
        it.say("hello", until="hello\n> ")
        it.press("\x04")
        assert it.end() == 0
    assert "\x1b" not in it.shown


def test_answers_go_where_standard_output_leads(tmp_path: Path) -> None:
    """What asks for input is no result."""
    write_config(tmp_path, ECHO)
    with (tmp_path / "out.txt").open("wb") as out, at_work(tmp_path, "chat", stdout=out) as it:
        it.wait_for("> ")
        it.say("hello", until="\r> ")
        it.press("\x04")
        assert it.end() == 0
    assert (tmp_path / "out.txt").read_text() == "hello\n"


def test_a_task_of_each_turn_is_data(tmp_path: Path) -> None:
    """Its answers are printed as they are, whole."""
    write_config(tmp_path, {"id": "m", "type": "mock", "responses": ['{"name": "x"}'] * 2})
    done = lines(tmp_path, "one\ntwo\n", "--schema", "name", "-u")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [{"name": "x"}] * 2
    assert done.stderr.count("m (mock)") == 2
