"""Options that several commands share, and the values that they take."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import COMMANDS, cli
from complaint_llm.cli.options import OutputFile
from tests.cli.test_commands import _logger as _logger
from tests.end_to_end.everything import write_config

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str, **more: Any) -> Result:
        done = CliRunner().invoke(cli, arguments, **more)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


def config(folder: Path, id: str, **sections: Any) -> str:
    folder.mkdir(exist_ok=True)
    return str(write_config(folder, [{"id": id, "type": "mock", "echo": True}], **sections))


def test_every_command_takes_the_config_after_its_name_too(run: Run) -> None:
    """One option, wherever it stands, those of commands below a command among them."""
    for command in [[name] for name in COMMANDS] + [["evidence", "add"], ["evidence", "list"], ["evidence", "gc"]]:
        shown = run(*command, "--help").stdout
        assert "-c, --config PATH" in shown, command
        assert "--debug" in shown, command


@pytest.mark.parametrize(
    "command", ["generate ask --json -c {}", "generate -c {} ask --json", "-c {} generate ask --json"]
)
def test_the_config_may_stand_before_and_after_the_command(run: Run, tmp_path: Path, command: str) -> None:
    """As users of git and docker try it."""
    path = config(tmp_path / "there", "named")
    config(tmp_path, "here")
    assert json.loads(run(*command.format(path).split()).stdout)["backend"] == "named"


def test_of_two_configs_the_later_counts(run: Run, tmp_path: Path) -> None:
    """The one nearer to what it is for."""
    first, second = config(tmp_path / "1", "first"), config(tmp_path / "2", "second")
    assert json.loads(run("-c", first, "generate", "ask", "--json", "-c", second).stdout)["backend"] == "second"


def test_evidence_goes_where_the_config_after_its_command_says(run: Run, tmp_path: Path) -> None:
    """A command below a command, and the group itself."""
    path = config(tmp_path / "there", "a", EVIDENCE={"path": "store"})
    (tmp_path / "letter").write_text("text")
    assert run("evidence", "add", "letter", "-c", path).exit_code == 0
    assert run("evidence", "-c", path, "list", "--json").stdout.count('"cid"') == 1
    assert (tmp_path / "there" / "store").is_dir()
    assert not (tmp_path / ".complaint_llm").exists()


def test_an_empty_variable_names_no_config(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set but empty counts as unset for every command."""
    monkeypatch.setenv("COMPLAINT_LLM_CONFIG", "")
    assert run("evidence", "list").exit_code == 0
    assert run("plugins").exit_code == 0


def test_the_schema_has_the_types_of_the_configs_own_plugins(run: Run, tmp_path: Path) -> None:
    """Also while another part of the config is wrong: the schema is what helps to mend it."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "office.yaml").write_text("type: office\nlike: openai\n")
    write_config(tmp_path, [{"id": "a", "type": "mock", "ecko": True}], PLUGINS={"paths": ["plugins"]})
    schema = run("schema")
    assert schema.exit_code == 0
    assert '"office"' in schema.stdout
    assert '"openai"' in schema.stdout


@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
@pytest.mark.parametrize("option", ["generate ask --timeout", "generate ask --temperature", "batch in.txt --max-cost"])
def test_numbers_that_are_none_are_usage_errors(run: Run, tmp_path: Path, option: str, value: str) -> None:
    """A limit of "nan" would limit nothing."""
    (tmp_path / "in.txt").write_text("x\n")
    config(tmp_path, "a")
    assert run(*option.split(), value).exit_code == 2


@pytest.mark.parametrize("prompt", ["", " ", "-"])
def test_an_empty_prompt_is_not_sent(run: Run, tmp_path: Path, prompt: str) -> None:
    """The command before the pipe failed, most likely."""
    config(tmp_path, "a")
    done = run("generate", prompt, input="\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "the prompt is empty" in done.stderr


def test_a_backend_without_a_model_is_shown_as_such(run: Run, tmp_path: Path) -> None:
    """Every call would have to name one; who embeds only needs none."""
    write_config(
        tmp_path,
        [
            {"id": "none", "type": "openai", "api_key": "sk-x"},
            {"id": "embeds", "type": "openai", "api_key": "sk-x", "embedding_model": "e"},
            {"id": "named", "type": "openai", "api_key": "sk-x", "model": "m"},
        ],
    )
    notes = {finding["id"]: finding["note"] for finding in json.loads(run("check", "--json").stdout)}
    assert notes["none"].startswith("no model: ")
    assert (notes["embeds"], notes["named"]) == ("", "")


@pytest.fixture
def stored(run: Run, tmp_path: Path) -> str:
    """The CID of stored evidence; beside it a config and a batch's input."""
    config(tmp_path, "a")
    (tmp_path / "in.txt").write_text("x\n")
    return run("evidence", "add", "in.txt").stdout.split()[0]


WRITERS = {
    "batch": ["batch", "in.txt", "-o"],
    "get": ["evidence", "get", "CID", "-o"],
    "export": ["evidence", "export", "CID", "--force", "-o"],
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("place", ["pipe", "folder", "folder/", "", "nowhere/out"])
def test_what_is_no_file_is_not_written_over(run: Run, tmp_path: Path, stored: str, writer: str, place: str) -> None:
    """A device, pipe or folder is refused before anything is asked, and stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    before = sorted(os.listdir())
    done = run(*(stored if word == "CID" else word for word in WRITERS[writer]), place)
    assert done.exit_code == 2
    assert "is no file" in done.stderr or "no folder" in done.stderr or "is a directory" in done.stderr
    assert sorted(os.listdir()) == before
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("place", ["/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_a_device_is_no_place_for_a_file(place: str) -> None:
    """Only the value is looked at here: a root's test must not be what finds out."""
    with pytest.raises(click.BadParameter, match='is no file: give the name of one, or "-" for standard output'):
        OutputFile(allow_dash=True).convert(place, None, None)


@pytest.mark.parametrize("writer", ["batch", "get"])
def test_a_link_leads_to_what_is_written(run: Run, tmp_path: Path, stored: str, writer: str) -> None:
    """The link stays a link."""
    (tmp_path / "link").symlink_to("elsewhere")
    done = run(*(stored if word == "CID" else word for word in WRITERS[writer]), "link")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere").stat().st_size > 0
