"""A resumed batch knows what made each answer, and asks again only what it was told to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.batch import BatchItem, SettingsChangedError, Shape, shape_of
from complaint_llm.messages import InferenceOutput
from tests.batch.chat_server import ChatServer, read_out, run_command, write_config, write_lines

QUESTIONS = ({"id": "1", "prompt": "q"}, {"prompt": "r"})
COMMAND = ("in.jsonl", "-o", "out.jsonl")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "in.jsonl", *QUESTIONS)
    return tmp_path


CHANGES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"system": "A"}, {"system": "B"}, "system of backend 'a'"),
    ({}, {"system": "B"}, "system"),
    ({"system": "A"}, {}, "system"),
    ({"model": "m1"}, {"model": "m2"}, "model"),
    ({"temperature": 0.1}, {"temperature": 0.2}, "temperature"),
    ({}, {"temperature": 0}, "temperature"),
    ({"max_tokens": 10}, {"max_tokens": 20}, "max_tokens"),
    ({"seed": 1}, {"seed": 2}, "seed"),
    ({"stop": ["x"]}, {"stop": ["y"]}, "stop"),
    ({"top_p": 0.5}, {}, "top_p"),
    ({"extra_body": {"k": 1}}, {"extra_body": {"k": 2}}, "extra_body"),
    ({"reasoning_effort": "low"}, {"reasoning_effort": "high"}, "reasoning_effort"),
    ({"system": "A", "model": "m1"}, {"system": "B", "model": "m2"}, "model, system"),
    ({"type": "openai"}, {"type": "openrouter"}, "type"),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("before", "after", "named"), CHANGES)
def test_other_settings_are_named_and_nothing_is_asked(
    here: Path, chat: ChatServer, before: dict[str, Any], after: dict[str, Any], named: str
) -> None:
    write_config(here, chat.backend(**before))
    assert run_command(here, *COMMAND).exit_code == 0
    first = read_out(here / "out.jsonl")
    write_config(here, chat.backend(**after))
    result = run_command(here, *COMMAND)
    assert result.exit_code == 2
    assert f"2 recorded answers were made under other settings: {named}" in result.stderr
    assert len(chat.bodies) == 2
    assert read_out(here / "out.jsonl") == first

    kept = run_command(here, *COMMAND, "--keep")
    assert (kept.exit_code, len(chat.bodies)) == (0, 2)
    assert [line["text"] for line in read_out(here / "out.jsonl")] == [line["text"] for line in first]

    again = run_command(here, *COMMAND, "--accept-changes")
    assert (again.exit_code, len(chat.bodies)) == (0, 4)
    assert run_command(here, *COMMAND).exit_code == 0
    assert len(chat.bodies) == 4


NO_CHANGES: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
    ([{}], [{}, {"id": "b", "model": "other"}]),
    ([{}, {"id": "b", "model": "other"}], [{}]),
    ([{}, {"id": "b", "model": "other"}], [{}, {"id": "b", "model": "yet another", "system": "x"}]),
    ([{}], [{"id": "b", "model": "other"}, {}]),
    ([{}], [{"timeout": 5}]),
    ([{}], [{"api_key": "sk-y"}]),
    ([{}], [{"max_retries": 3, "rate_limit": 100}]),
    ([{}], [{"pricing": {"input": 1, "output": 1}}]),
    ([{}], [{"weight": 2, "max_concurrency": 3}]),
    ([{}], [{"custom_headers": {"x-a": "b"}}]),
    ([{}], [{"organization": "o", "project": "p"}]),
    ([{"system": "A"}], [{"system": "A", "cache_enabled": True}]),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("before", "after"), NO_CHANGES)
def test_other_entries_keys_and_limits_are_no_change(
    here: Path, chat: ChatServer, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    write_config(here, *(chat.backend(**keys) for keys in before))
    assert run_command(here, *COMMAND).exit_code == 0
    write_config(here, *(chat.backend(**keys) for keys in after))
    assert run_command(here, *COMMAND).exit_code == 0
    assert len(chat.bodies) == 2


OWN: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"params": {"temperature": 0.5}}, {"temperature": 0.1}, {"temperature": 0.2}),
    ({"params": {"temperature": 0.5}}, {}, {"temperature": 0.2}),
    ({"params": {"max_tokens": 5}}, {"max_tokens": 10}, {"max_tokens": 20}),
    ({"params": {"model": "own"}}, {"model": "m1"}, {"model": "m2"}),
    ({"params": {"system": "own"}}, {"system": "A"}, {"system": "B"}),
]


@pytest.mark.parametrize(("item", "before", "after"), OWN)
def test_what_an_item_sets_itself_is_not_shaped_by_the_entry(
    here: Path, chat: ChatServer, item: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    write_lines(here / "in.jsonl", {"id": "1", "prompt": "q", **item})
    write_config(here, chat.backend(**before))
    assert run_command(here, *COMMAND, "--trust-lines").exit_code == 0
    write_config(here, chat.backend(**after))
    assert run_command(here, *COMMAND, "--trust-lines").exit_code == 0
    assert len(chat.bodies) == 1


def test_a_system_turn_stands_in_the_place_of_the_entrys(here: Path, chat: ChatServer) -> None:
    turns = [{"role": "system", "content": "own"}, {"role": "user", "content": "q"}]
    write_lines(here / "in.jsonl", {"messages": turns})
    for system in ("A", "B"):
        write_config(here, chat.backend(system=system))
        assert run_command(here, *COMMAND, "--trust-lines").exit_code == 0
    assert len(chat.bodies) == 1


def test_only_the_answers_of_the_changed_entry_are_asked_again(here: Path, chat: ChatServer) -> None:
    """One backend answered one item, another the other: the count and the asking are by who answered."""
    write_lines(here / "in.jsonl", {"id": "1", "prompt": "q", "params": {"backend": "b"}}, {"id": "2", "prompt": "r"})
    write_config(here, chat.backend(), chat.backend("b", system="A"))
    assert run_command(here, *COMMAND, "--trust-lines").exit_code == 0
    write_config(here, chat.backend(), chat.backend("b", system="B"))
    assert "1 recorded answers" in run_command(here, *COMMAND, "--trust-lines").stderr
    assert run_command(here, *COMMAND, "--trust-lines", "--accept-changes").exit_code == 0
    assert chat.prompts() == ["q", "q", "r"]


def test_answers_of_a_backend_that_is_gone_are_kept_and_that_is_said(
    here: Path, chat: ChatServer, caplog: pytest.LogCaptureFixture
) -> None:
    write_config(here, chat.backend())
    run_command(here, *COMMAND)
    write_config(here, chat.backend("new"))
    result = run_command(here, *COMMAND)
    assert (result.exit_code, len(chat.bodies)) == (0, 2)
    assert "2 recorded answers are kept though their backend 'a' is not there" in result.stderr + caplog.text


def test_a_demonstrations_answers_are_asked_again_once_a_model_is_there(
    here: Path, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock = {"id": "off", "type": "mock", "echo": True}
    write_config(here, chat.backend(api_key="${BATCH_TEST_KEY}", optional=True), mock)
    monkeypatch.delenv("BATCH_TEST_KEY", raising=False)
    assert run_command(here, *COMMAND).exit_code == 0
    assert run_command(here, *COMMAND).exit_code == 0  # still without a model: nothing to ask again
    assert [line["demo"] for line in read_out(here / "out.jsonl")] == [True, True]
    monkeypatch.setenv("BATCH_TEST_KEY", "sk-1")
    assert run_command(here, *COMMAND).exit_code == 0
    assert [line["demo"] for line in read_out(here / "out.jsonl")] == [False, False]
    assert len(chat.bodies) == 2
    monkeypatch.delenv("BATCH_TEST_KEY")
    assert run_command(here, *COMMAND).exit_code == 0
    assert [line["demo"] for line in read_out(here / "out.jsonl")] == [False, False]


class Echo(Backend):
    """Says its system text."""

    type = "echo"

    def answer(self, request: Any) -> InferenceOutput:
        return InferenceOutput(request.messages[0].content, finish_reason="stop")


def test_the_same_from_python(tmp_path: Path) -> None:
    def run(system: str, **how: Any) -> list[str]:
        with Mediator([Echo(id="e", system=system)]) as mediator:
            results = mediator.batch([BatchItem("q", "1"), "r"], journal=tmp_path / "j", **how)
            return [result.output.content for result in results if result.output]

    assert run("A") == ["A", "A"]
    with pytest.raises(SettingsChangedError, match="system of backend 'e' changed"):
        run("B")
    assert run("B", keep=True) == ["A", "A"]
    assert run("B", accept_changes=True) == ["B", "B"]
    assert run("B") == ["B", "B"]
    with pytest.raises(ValueError, match="give one of them"):
        run("B", keep=True, accept_changes=True)


@pytest.mark.parametrize(
    ("one", "two", "changed"),
    [
        ({"model": "a"}, {"model": "a"}, []),
        ({"model": "a"}, {"model": "b"}, ["model"]),
        ({"model": "a"}, {}, ["model"]),
        ({}, {"seed": 1}, ["seed"]),
        ({"x": {"b": 1, "a": 2}}, {"x": {"a": 2, "b": 1}}, []),
        ({"x": (1, 2)}, {"x": [1, 2]}, []),
        ({"x": 1}, {"x": "1"}, ["x"]),
        ({"x": {1, 2}}, {"x": {2, 1}}, []),
        ({"x": None}, {}, ["x"]),
        ({"x": os.getcwd}, {"x": os.getcwd}, []),
        ({"x": os.getcwd}, {"x": os.getpid}, ["x"]),
    ],
)
def test_settings_are_compared_by_value(one: dict[str, Any], two: dict[str, Any], changed: list[str]) -> None:
    assert shape_of("a", one).changed_parts(shape_of("a", two)) == changed
    assert (shape_of("a", one).digest == shape_of("a", two).digest) == (not changed)
    assert shape_of("a", one, frozenset(("x",))).changed_parts(shape_of("a", two)) == [n for n in changed if n != "x"]
    assert isinstance(shape_of("a", one), Shape)
