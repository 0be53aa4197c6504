"""Turns of a chat: what each call is sent, what a failure leaves, what guards and services see of the history."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.chats import CHATS_PATH, ChatFile, chat_files
from complaint_llm.cli.main import cli
from complaint_llm.testing import FaultyServer, Reply
from tests.service_turns import SIGNED, Said
from tests.services import SERVICES, Service


@pytest.fixture(autouse=True)
def _logger() -> Iterator[None]:
    """The command line gives the library's logger a handler; tests give it back."""
    logger = logging.getLogger("complaint_llm")
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """A chat server that echoes, and a config in the working directory that leads to it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    with FaultyServer() as made:
        write_config(made)
        yield made


def write_config(server: FaultyServer, *more: dict[str, Any], **keys: Any) -> None:
    base = {"type": "openai", "api_key": "sk-secret-1", "model": "m", "base_url": f"{server.url}/v1", "max_retries": 0}
    entries = [{"id": "one", **base}, {"id": "two", **base, "model": "m2"}, *more]
    Path("config.json").write_text(json.dumps({"BACKENDS": entries, **keys}), encoding="utf-8")


def chat(lines: str, *arguments: str) -> Result:
    """A chat whose prompts come from a pipe."""
    return CliRunner().invoke(cli, ["chat", *arguments], input=lines)


def sent(server: FaultyServer) -> list[list[dict[str, Any]]]:
    """The messages of each request."""
    return [each.body["messages"] for each in server.requests]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return [f"{each['role']}: {each['content']}" for each in messages]


def test_each_call_is_given_all_turns_before(server: FaultyServer) -> None:
    """In their order, the system prompt first; answers on stdout and nothing else."""
    server.script(Reply("A1"), Reply("A2"), Reply("A3"))
    done = chat("Q1\n\nQ2\r\n  \nQ3", "-s", "S")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "A1\nA2\nA3\n", "")
    turns = ["system: S", "user: Q1", "assistant: A1", "user: Q2", "assistant: A2", "user: Q3"]
    assert [texts(each) for each in sent(server)] == [turns[:2], turns[:4], turns]


@pytest.mark.parametrize(
    "line",
    [
        "/quit",
        "/help",
        "/save x.md",
        "/file /etc/passwd",
        "/system bad",
        "/backend two",
        "quit",
        "exit",
        '"""',
        "/",
        "//",
        "!x",
    ],
)
def test_a_line_of_a_pipe_is_a_prompt_whatever_it_begins_with(server: FaultyServer, line: str) -> None:
    """A letter that is piped in can read and write no file here."""
    server.script(Reply("A1"), Reply("A2"))
    done = chat(f"{line}\nnext\n")
    assert (done.exit_code, done.stdout) == (0, "A1\nA2\n")
    assert texts(sent(server)[1]) == [f"user: {line}", "assistant: A1", "user: next"]
    assert sorted(each.name for each in Path().iterdir()) == ["config.json"]


FAILURES = {
    "status 500": Reply.error(500), "status 400": Reply.error(400), "status 401": Reply.error(401),
    "status 429": Reply.error(429, retry_after=0.01), "hung up": Reply.hang_up(), "no json": Reply.raw(b"nonsense"),
    "an empty answer": Reply.raw(b"{}"), "too long": Reply.error(400, "context_length_exceeded"),
    "filtered": Reply.error(400, "content_filter"), "cut": Reply("text", cut_after=1), "404": Reply.error(404),
    "413": Reply.error(413),
}  # fmt: skip


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("streams", [True, False])
def test_a_failed_answer_leaves_the_history_as_it_was(server: FaultyServer, name: str, streams: bool) -> None:
    """The next prompt is answered as if the failed one had not been; exit code 1 says that one is missing."""
    Path("a.txt").write_text("the attached words")
    server.script(Reply("A1"), FAILURES[name], Reply("A3"), Reply("A4"))
    done = chat("Q1\nQ2\nQ3\nQ4\n", "-b", "one", "--save", "--stream" if streams else "--no-stream")
    assert done.exit_code == 1, done.output
    assert done.stdout.split()[0] == "A1"
    assert done.stdout.split()[-2:] == ["A3", "A4"]
    assert "one" in done.stderr
    assert "Traceback" not in done.stderr
    last = ["user: Q1", "assistant: A1", "user: Q3", "assistant: A3", "user: Q4"]
    assert texts(sent(server)[-1]) == last
    kept = ChatFile(chat_files(CHATS_PATH)[0]).read()
    assert [each.question.text for each in kept.turns] == ["Q1", "Q3", "Q4"]


def test_files_stay_with_the_turn_to_which_they_were_given(server: FaultyServer) -> None:
    """And are not given twice; a failed turn gives them to the next."""
    Path("lease.txt").write_text("It ends in March.")
    server.script(Reply.error(400), Reply("A1"), Reply("A2"))
    done = chat("Q0\nQ1\nQ2\n", "-f", "lease.txt", "-b", "one")
    assert done.exit_code == 1
    assert "the files of that prompt go with the next one" in done.stderr
    failed, first, second = (json.dumps(each) for each in sent(server))
    assert [each.count("It ends in March.") for each in (failed, first, second)] == [1, 1, 1]
    assert "It ends in March." in json.dumps(sent(server)[2][0])
    assert "Q1" in json.dumps(sent(server)[2][0])


def test_evidence_is_shown_in_its_turn(server: FaultyServer) -> None:
    """By its CID, so that what is kept holds no second copy of it."""
    write_config(server, EVIDENCE={"show": "any"})
    Path("letter.txt").write_text("The evidence says so.")
    cid = CliRunner().invoke(cli, ["evidence", "add", "letter.txt"]).stdout.split()[0]
    done = chat("Q1\nQ2\n", "--evidence", cid, "-b", "one", "--save")
    assert done.exit_code == 0, done.output
    assert [json.dumps(each).count("The evidence says so.") for each in sent(server)[:1]] == [1]
    assert "The evidence says so." in json.dumps(sent(server)[1][0])
    path = chat_files(CHATS_PATH)[0]
    assert cid in path.read_text()
    assert ChatFile(path).read().turns[0].question.content[0].cid == cid  # type: ignore[union-attr]


NAMES = [
    "Maria Lopez", "Jo Bloggs", "Nguyễn Thị Minh", "Anne-Marie O'Neil", "李小龙", "Al-Hassan Omar", "Zoë Müller",
    "D'Angelo Russo", "Mary Jane Watson", "Björk Guðmundsdóttir", "García Márquez", "José Reyes",
]  # fmt: skip


@pytest.mark.rows(4)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("streams", [True, False])
def test_the_numbers_of_pseudonyms_stay_over_the_turns(server: FaultyServer, name: str, streams: bool) -> None:
    """What was sent of earlier turns is sent again to the letter, and the user sees the names."""
    Path("names.csv").write_text(f"name\nOtto Katz\n{name}\n", encoding="utf-8")
    guard = {"type": "pseudonyms", "for": "all", "names": "names.csv"}
    write_config(server, GUARDS=[guard])
    server.script(Reply("Known are [NAME_1] and [NAME_2]."), Reply("[NAME_2], surely."), Reply("ok"))
    prompts = f"Otto Katz evicted {name}.\nWho was it, {name}?\nMail a@b.org to Otto Katz.\n"
    done = chat(prompts, "-b", "one", "--save", "--stream" if streams else "--no-stream")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"Known are Otto Katz and {name}.\n{name}, surely.\nok\n"
    first, second, third = sent(server)
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert second[1]["content"] == "Known are [NAME_1] and [NAME_2]."
    assert name not in json.dumps(sent(server), ensure_ascii=False)
    server.requests.clear()
    assert chat(f"And {name}?\n", "--continue", "-b", "one").exit_code == 0
    assert sent(server)[0][: len(third)] == third


@pytest.mark.rows(1)
@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda each: each.name)
def test_sealed_state_goes_back_to_who_made_it_and_to_nobody_else(server: FaultyServer, service: Service) -> None:
    """Also after the conversation was kept and gone on with, at another backend first."""
    with FaultyServer() as maker:
        write_config(server, {**service.entry(maker), "max_retries": 0})
        maker.script(*(service.reply(Said(turn, "An answer.", 0), streamed=False) for turn in (0, 2)))
        assert chat("Q1\n", "-b", service.name, "--save").exit_code == 0
        assert chat("Q2\n", "--continue", "-b", "one").exit_code == 0
        assert chat("Q3\n", "--continue", "-b", service.name).exit_code == 0
        assert SIGNED.findall(json.dumps(server.requests[0].body)) == []
        assert "An answer." in json.dumps(server.requests[0].body)
        back = service.reading(maker.requests[1].body).signed
    assert back == {(service.name, 0)}
