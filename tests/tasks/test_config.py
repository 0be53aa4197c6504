"""TASKS in a config: what it may say, and where each fault is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.tasks.template import fill, placeholders

BACKENDS = [{"id": "m", "type": "mock", "echo": True}]


def load(folder: Path, *tasks: Any, environ: dict[str, str] | None = None) -> Any:
    (folder / "config.json").write_text(json.dumps({"BACKENDS": BACKENDS, "TASKS": list(tasks)}), encoding="utf-8")
    return load_config(folder / "config.json", environ=environ or {})


FAULTS: list[tuple[Any, str]] = [
    ({"id": "a", "prompt": "x"}, "/TASKS/0/prompt: it needs {input}"),
    ({"id": "a"}, "/TASKS/0: a task needs a prompt"),
    ({"id": "a", "extends": "nope"}, "/TASKS/0/extends: no task 'nope'"),
    ({"id": "a", "extends": "a"}, "/TASKS/0/extends: goes round"),
    ({"id": "a", "extends": "claims", "checks": ["quote"]}, "/TASKS/0/checks: no check 'quote'"),
    ({"id": "a", "extends": "claims", "on_failed_check": "no"}, "/TASKS/0/on_failed_check"),
    ({"id": "a", "prompt": "{lists.x} {input}"}, "/TASKS/0/prompt: no list 'x'"),
    ({"id": "a", "prompt": "{a.b} {input}"}, "/TASKS/0/prompt: {a.b} is no placeholder"),
    ({"id": "a", "prompt": "{input}", "schema": "nowhere.json"}, "/TASKS/0/schema: cannot read nowhere.json"),
    ({"id": "a", "prompt": "{input}", "schema": {"x-list": "no"}}, "/TASKS/0/schema: no list 'no'"),
    ({"id": "a", "extends": "claims", "lists": {"claim_type": []}}, "/TASKS/0/lists/claim_type"),
    ({"id": "a", "extends": "claims", "lists": {"x": 3}}, "/TASKS/0/lists/x"),
    ({"id": "a", "extends": "claims", "params": {"temperatur": 1}}, "/TASKS/0/params/temperatur"),
    ({"id": "a", "extends": "claims", "promt": "x"}, "/TASKS/0/promt"),
    ({"extends": "claims"}, "/TASKS/0"),
    ({"id": "a", "extends": "claims", "title": "$NOT_SET_ANYWHERE"}, "$NOT_SET_ANYWHERE is not set"),
]


@pytest.mark.parametrize(("task", "said"), FAULTS, ids=[each[1] for each in FAULTS])
def test_a_fault_is_told_with_its_place(tmp_path: Path, task: Any, said: str) -> None:
    """As all faults of a config are, by a line each."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, task)
    assert said in str(caught.value)
    assert "config.json" in str(caught.value)


def test_a_circle_of_two_and_a_name_twice_are_told(tmp_path: Path) -> None:
    """Each where it stands."""
    with pytest.raises(ConfigError, match="goes round: a > b > a"):
        load(tmp_path, {"id": "a", "extends": "b"}, {"id": "b", "extends": "a"})
    with pytest.raises(ConfigError, match="/TASKS/1/id: a task 'a' stands above"):
        load(tmp_path, {"id": "a", "extends": "claims"}, {"id": "a", "extends": "summary"})


def test_a_task_extends_another_and_its_lists(tmp_path: Path) -> None:
    """Choices are added and taken out, in the texts and in the schema alike."""
    types = {"farm": "Housing of farm workers.", "insurance": None}
    mine = {"id": "mine", "extends": "claims", "lists": {"claim_type": types}, "params": {"max_tokens": 9}}
    config = load(tmp_path, {"id": "more", "extends": "mine", "params": {"seed": 1}}, mine)
    task = config.tasks["more"]
    choices = task.schema["$defs"]["claim"]["properties"]["type"]["enum"]
    assert "farm" in choices
    assert "insurance" not in choices
    system, _ = task.messages("x")
    assert "- farm: Housing of farm workers." in system
    assert "- insurance:" not in system
    assert task.params == {"max_tokens": 9, "seed": 1}


def test_a_task_of_a_built_in_name_extends_that(tmp_path: Path) -> None:
    """What it does not say is as it was."""
    task = load(tmp_path, {"id": "claims", "answer_language": "Spanish"}).tasks["claims"]
    assert task.answer_language == "Spanish"
    assert "references" in task.checks


def test_variables_fill_texts_and_leave_schemas_alone(tmp_path: Path) -> None:
    """A dollar sign in a JSON Schema is no reference."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^$|^x$"}}}
    mine = {"id": "mine", "prompt": "$OFFICE: {input}", "schema": schema}
    task = load(tmp_path, mine, environ={"OFFICE": "North"}).tasks["mine"]
    assert task.prompt == "North: {input}"
    assert task.schema == schema


def test_a_schema_file_is_relative_to_the_config(tmp_path: Path) -> None:
    """Wherever the program runs."""
    (tmp_path / "s.json").write_text('{"type": "object", "title": "mine"}')
    assert load(tmp_path, {"id": "a", "prompt": "{input}", "schema": "s.json"}).tasks["a"].schema["title"] == "mine"


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{a}", "1"),
        ("{a}{b}", "1{a}"),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{1}"),
        ("{", "{"),
        ("}", "}"),
        ("{}", "{}"),
        ("{ a }", "{ a }"),
        ('{"a": 1}', '{"a": 1}'),
        ("{a", "{a"),
        ("{1}", "{1}"),
        ("x{a}y{a}", "x1y1"),
    ],
)
def test_a_template_is_filled_in_one_pass(template: str, filled: str) -> None:
    """What is filled in is never read as a template, and braces around anything else stay."""
    assert fill(template, {"a": "1", "b": "{a}"}) == filled


def test_an_unknown_name_is_an_error() -> None:
    """And the names that a template asks for are known before."""
    assert placeholders("{a} {{b}} {c.d}") == {"a", "c.d"}
    with pytest.raises(KeyError):
        fill("{x}", {})
