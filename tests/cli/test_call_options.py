"""The options that generate and batch share, as they arrive at the provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.cli.schema_options import read_schema
from complaint_llm.testing import FaultyServer, Reply


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    monkeypatch.chdir(tmp_path)
    with FaultyServer(Reply('{"name": "A"}')) as made:
        entry = {"type": "openai", "api_key": "sk-secret-1", "model": "m", "base_url": f"{made.url}/v1"}
        backends = [{**entry, "id": "a"}, {**entry, "id": "b", "model": "other"}]
        Path("config.json").write_text(json.dumps({"BACKENDS": backends}), encoding="utf-8")
        Path("in.jsonl").write_text('{"prompt": "Hi"}\n', encoding="utf-8")
        yield made


def call(command: str, *options: str) -> Result:
    given = ["generate", "Hi"] if command == "generate" else ["batch", "in.jsonl", "-o", "out.jsonl"]
    return CliRunner().invoke(cli, [*given, *options])


SENT: list[tuple[tuple[str, ...], str, Any]] = [
    (("-p", "temperature", "0.3"), "temperature", 0.3),
    (("-p", "max_tokens", "7"), "max_completion_tokens", 7),
    (("-p", "max-tokens", "7"), "max_completion_tokens", 7),
    (("-p", "top_p", "0.5"), "top_p", 0.5),
    (("-p", "seed", "3"), "seed", 3),
    (("-p", "stop", "END"), "stop", ["END"]),
    (("-p", "stop", '["A", "B"]'), "stop", ["A", "B"]),
    (("-p", "model", "5"), "model", "5"),
    (("-m", "big"), "model", "big"),
    (("-b", "b"), "model", "other"),
    (("-p", "extra_body", '{"user": "u"}'), "user", "u"),
    (("-p", "presence_penalty", "1"), "presence_penalty", 1),
]


@pytest.mark.parametrize("command", ["generate", "batch"])
@pytest.mark.parametrize(("options", "key", "value"), SENT, ids=[" ".join(each[0]) for each in SENT])
def test_an_option_arrives_at_the_provider(
    server: FaultyServer, command: str, options: tuple[str, ...], key: str, value: Any
) -> None:
    """The same from both commands."""
    done = call(command, *options)
    assert done.exit_code == 0, done.output
    body = server.requests[0].body
    if key == "max_completion_tokens":
        assert value in (body.get(key), body.get("max_tokens"))
    else:
        assert body[key] in (value, value[0] if isinstance(value, list) else value)


@pytest.mark.parametrize("command", ["generate", "batch"])
@pytest.mark.parametrize(
    "options",
    [
        ("-p", "temperatur", "1"),
        ("-p", "", "1"),
        ("--schema", "name text"),
        ("--schema", "{"),
        ("--schema", "nowhere.json"),
        ("--schema", "[1]"),
        ("--privacy", "remote"),
        ("--task", "nope"),
        ("-p", "temperature", "hot"),
        ("-b", "nobody"),
    ],
)
def test_a_wrong_option_sends_nothing(server: FaultyServer, command: str, options: tuple[str, ...]) -> None:
    """It is an error that says what is wrong."""
    assert call(command, *options).exit_code != 0
    assert server.requests == []


@pytest.mark.parametrize(
    ("given", "properties"),
    [
        ("name", {"name": {"type": "string"}}),
        ("name, age int", {"name": {"type": "string"}, "age": {"type": "integer"}}),
        ("name str,ok bool", {"name": {"type": "string"}, "ok": {"type": "boolean"}}),
        ("x float: how much", {"x": {"type": "number", "description": "how much"}}),
        (
            "a: one\nb int: two, or three",
            {"a": {"type": "string", "description": "one"}, "b": {"type": "integer", "description": "two, or three"}},
        ),
        ('{"type": "object", "properties": {"q": {}}}', {"q": {}}),
        ('  {"properties": {}}', {}),
    ],
)
def test_a_schema_is_json_or_fields(given: str, properties: Any) -> None:
    """Or a file; all fields are required."""
    schema = read_schema(given)
    assert schema["properties"] == properties
    if not given.lstrip().startswith("{"):
        assert schema["required"] == list(properties)
        assert schema["additionalProperties"] is False


def test_a_schema_may_be_a_file(tmp_path: Path) -> None:
    """Of any name that is there."""
    path = tmp_path / "shape.json"
    path.write_text('{"type": "object"}', encoding="utf-8")
    assert read_schema(str(path)) == {"type": "object"}
    with pytest.raises(click.UsageError):
        read_schema(str(tmp_path / "no.json"))
