"""The schema as a file, and the one line of a config that leads to it; everything else of the config stays."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from complaint_llm.config.schema_file import schema_address, with_schema_line, write_schema
from complaint_llm.config.source import Source, read
from complaint_llm.exceptions import ConfigError

SCHEMA = {"$id": "urn:complaint-llm:config"}
LINE = "# yaml-language-server: $schema=./config.schema.json\n"


def linked(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    source = read(folder / name)
    assert isinstance(source, Source)
    return with_schema_line(source, "./config.schema.json")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{\n  "BACKENDS": []\n}\n', '{\n  "$schema": "./config.schema.json",\n  "BACKENDS": []\n}\n'),
        ('{\n\t"a": {"b": 1}}', '{\n\t"$schema": "./config.schema.json",\n\t"a": {"b": 1}}'),
        ('{"a": 1}', '{"$schema": "./config.schema.json", "a": 1}'),
        ('{ "a": 1 }\n', '{ "$schema": "./config.schema.json", "a": 1 }\n'),
        ("{}", '{"$schema": "./config.schema.json"}'),
        ('\n\n{"a": 1}', '\n\n{"$schema": "./config.schema.json", "a": 1}'),
        ('{"a": 1, "$schema": "old"}', '{"a": 1, "$schema": "./config.schema.json"}'),
        ('{"$schema": "x",\n "a": {"$schema": "y"}}', '{"$schema": "./config.schema.json",\n "a": {"$schema": "y"}}'),
    ],
)
def test_json_gets_a_first_key(tmp_path: Path, text: str, expected: str) -> None:
    assert linked(tmp_path, "c.json", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n", f"{LINE}a: 1\n"),
        ("# office\na: 1 # one\n", f"{LINE}# office\na: 1 # one\n"),
        ("\n# office\n\na: 1\n", f"{LINE}\n# office\n\na: 1\n"),
        ("# yaml-language-server: $schema=old.json\na: 1\n", f"{LINE}a: 1\n"),
        ("# office\n#yaml-language-server:$schema=https://x/y\na: 1\n", f"# office\n{LINE}a: 1\n"),
        ("a: |\n  # yaml-language-server: $schema=text\n", f"{LINE}a: |\n  # yaml-language-server: $schema=text\n"),
        ("---\na: 1\n", f"{LINE}---\na: 1\n"),
    ],
)
def test_yaml_gets_a_comment_at_its_top(tmp_path: Path, text: str, expected: str) -> None:
    assert linked(tmp_path, "c.yaml", text) == expected


@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_a_second_time_changes_nothing(tmp_path: Path, name: str) -> None:
    once = linked(tmp_path, name, '{"a": 1}\n')
    assert linked(tmp_path, name, once) == once


@pytest.mark.parametrize(
    ("config", "schema", "address"),
    [
        ("c.json", "config.schema.json", "./config.schema.json"),
        ("a/c.json", "config.schema.json", "../config.schema.json"),
        ("c.json", "b/s.json", "./b/s.json"),
    ],
)
def test_a_schema_is_named_from_the_configs_folder(config: str, schema: str, address: str) -> None:
    assert schema_address(Path(config), Path(schema)) == address


@pytest.mark.parametrize("text", ["", "{}", "[]", "not json", '{"$id": "urn:other"}', '{"BACKENDS": []}'])
def test_a_file_that_is_something_else_stays(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.schema.json"
    file.write_text(text)
    with pytest.raises(ConfigError, match="is no schema that was written here"):
        write_schema(file, SCHEMA)
    assert file.read_text() == text


def test_an_older_schema_is_replaced_and_a_folder_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "config.schema.json"
    write_schema(file, SCHEMA)
    write_schema(file, {**SCHEMA, "title": "new"})
    assert json.loads(file.read_text())["title"] == "new"
    with pytest.raises(ConfigError, match="there is no folder"):
        write_schema(tmp_path / "a" / "b.json", SCHEMA)
