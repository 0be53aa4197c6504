"""``complaint-llm schema``: printed, or put beside the config, with the line by which editors find it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import ConfigError

Run = Callable[..., Result]
CONFIG = '{"BACKENDS": [{"id": "gpt", "type": "mock"}]}'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        done = CliRunner().invoke(cli, list(arguments))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return call


def ids(text: str) -> list[str]:
    """The ids that a schema offers for MEDIATOR.backends."""
    items = json.loads(text)["properties"]["MEDIATOR"]["properties"]["backends"]["items"]
    return list(items["anyOf"][0]["enum"]) if "anyOf" in items else []


def test_it_is_printed_with_the_ids_of_the_config(run: Run) -> None:
    assert ids(run("schema").stdout) == []
    Path("config.json").write_text(CONFIG)
    assert ids(run("schema").stdout) == ["gpt"]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("config", "arguments", "file"),
    [
        ("config.json", ("--write",), "config.schema.json"),
        ("config.yaml", ("--write",), "config.schema.json"),
        ("config.json", ("--write", "editor.json"), "editor.json"),
        ("sub/office.json", ("-c", "sub/office.json", "--write"), "sub/config.schema.json"),
        (None, ("--write",), "config.schema.json"),
    ],
)
def test_it_is_written_and_the_config_stays_unless_asked(
    run: Run, config: str | None, arguments: tuple[str, ...], file: str
) -> None:
    Path("sub").mkdir()
    if config is not None:
        Path(config).write_text(CONFIG)
    done = run("schema", *arguments)
    assert (done.exit_code, done.stdout.strip()) == (0, file)
    assert ids(Path(file).read_text()) == ([] if config is None else ["gpt"])
    if config is not None:
        assert Path(config).read_text() == CONFIG
        assert ("# yaml-language-server: $schema=" if "yaml" in config else '"$schema": ') in done.stderr


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("config.json", CONFIG, '{"$schema": "./config.schema.json", ' + CONFIG[1:]),
        (
            "config.yaml",
            "# ours\nBACKENDS:\n  - {id: a, type: mock} # one\n",
            "# yaml-language-server: $schema=./config.schema.json\n# ours\nBACKENDS:\n  - {id: a, type: mock} # one\n",
        ),
    ],
)
def test_the_config_names_it_when_asked(run: Run, name: str, text: str, expected: str) -> None:
    Path(name).write_text(text)
    Path(name).chmod(0o640)
    for _ in range(2):
        assert run("schema", "--write", "--link").exit_code == 0
        assert Path(name).read_text() == expected
    assert Path(name).stat().st_mode & 0o777 == 0o640
    assert run("check").exit_code == 0


def test_it_is_written_while_something_else_is_wrong(run: Run) -> None:
    Path("config.json").write_text('{"BACKENDS": [{"id": "a", "type": "opnai"}], "MEDIATR": 1}')
    assert run("schema", "--write", "--link").exit_code == 0
    assert ids(Path("config.schema.json").read_text()) == ["a"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1, "a": 2}'])
def test_a_config_that_cannot_be_read_is_not_changed(run: Run, text: str) -> None:
    Path("config.json").write_text(text)
    with pytest.raises(ConfigError):
        run("schema", "--write", "--link")
    assert Path("config.json").read_text() == text
    assert not Path("config.schema.json").exists()


def test_a_link_without_a_file_or_a_config_is_refused(run: Run) -> None:
    assert run("schema", "--link").exit_code == 2
    with pytest.raises(ConfigError, match="there is no config here"):
        run("schema", "--write", "--link")
