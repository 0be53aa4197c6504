"""Commands of plugins, and ``plugins``, which answers whatever is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked

PLUGIN = """
import click
from complaint_llm import exceptions, hookimpl

@click.command()
@click.option("--how", default="")
@click.pass_obj
def tidy(app, how):
    '''Tidy the office.'''
    if how:
        exec(how)
    click.echo(f"tidy with {app.load_config().path.name}")

@click.command("generate")
def shadow():
    click.echo("in its place")

@hookimpl
def complaint_llm_commands():
    return [tidy, shadow]
"""
GOOD = {"PLUGINS": {"paths": ["plugins"]}, "BACKENDS": [{"id": "a", "type": "mock", "echo": True}]}


class Result:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.error = done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("plugins").mkdir(mode=0o755)
    Path("plugins", "office.py").write_text(PLUGIN)
    Path("config.json").write_text(json.dumps(GOOD))
    return tmp_path


def run(*arguments: str) -> Result:
    """The program in a process of its own: what reaches a user is what counts here."""
    command = [sys.executable, "-m", "complaint_llm", *arguments]
    environment = {**os.environ, "COMPLAINT_LLM_CONFIG": ""}
    return Result(forked.run(command, capture_output=True, text=True, check=False, env=environment))


def test_a_plugins_command_is_run_and_listed(here: Path) -> None:
    """The built-in ones stay what they are."""
    done = run("tidy")
    assert (done.code, done.out, done.error) == (0, "tidy with config.json\n", "")
    other = Path("other.json")
    other.write_text(json.dumps(GOOD))
    assert run("-c", "other.json", "tidy").out == "tidy with other.json\n"
    assert run("generate", "hello").out == "hello\n"
    overview = run("--help").out
    assert "Tidy the office." in overview.partition("Commands of plugins:")[2]
    assert "generate" not in overview.partition("Commands of plugins:")[2]


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("1 / 0", 1, "the plugin's command 'tidy' failed: ZeroDivisionError"),
        ("raise RuntimeError('first\\nsecond')", 1, "RuntimeError: first"),
        ("raise exceptions.BackendError('no answer')", 1, "no answer"),
        ("raise exceptions.ConfigError('wrong key')", 2, "wrong key"),
        ("raise click.UsageError('say more')", 2, "say more"),
        ("open('no/such/file')", 1, "No such file"),
        ("raise SystemExit(7)", 7, ""),
        ("{}['x']", 1, "KeyError"),
        ("assert False, 'never'", 1, "AssertionError: never"),
        ("raise click.Abort()", 130, ""),
    ],
)
def test_a_command_that_fails_is_a_line_and_a_code(here: Path, how: str, code: int, words: str) -> None:
    """Never a traceback."""
    done = run("tidy", "--how", how)
    assert done.code == code
    assert words in done.error
    assert "Traceback" not in done.error
    if "Usage" not in done.error:
        assert len(done.error.splitlines()) == (1 if words else 0)


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return 1 / 0", "ZeroDivisionError"),
        ("return ['tidy']", "a str is no click command"),
        ("return {'tidy': tidy}", "no list of click commands"),
        ("return [tidy, tidy]", "two commands 'tidy'"),
        ("raise SystemExit(3)", "SystemExit"),
        ("return 7", "no list of click commands"),
    ],
)
def test_a_hook_that_fails_is_one_line_in_the_overview_too(here: Path, body: str, words: str) -> None:
    """And breaks no other command."""
    Path("plugins", "broken.py").write_text(PLUGIN.replace("return [tidy, shadow]", f"{body}\n    return [tidy]"))
    Path("plugins", "office.py").unlink()
    done = run("tidy")
    assert done.code in (1, 2)
    assert words in done.error
    assert "Traceback" not in done.error
    overview = run("--help")
    assert (overview.code, overview.error) == (0, "")
    assert run("generate", "hello").out == "hello\n"


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        (None, 0, ""),
        ("{", 2, "config.json:1:"),
        ("[]", 2, "a config is a mapping"),
        ("", 2, "config.json:1:1"),
        ('{"BACKENDS": [{"id": "a", "type": "nobody"}]}', 0, ""),
        ('{"PLUGINS": 5}', 2, "/PLUGINS"),
        ('{"PLUGINS": {"path": ["plugins"]}}', 2, "/PLUGINS/path"),
        ('{"PLUGINS": {"paths": "plugins"}}', 2, "/PLUGINS/paths"),
        ('{"PLUGINS": {"paths": ["nowhere", "plugins"]}}', 2, "/PLUGINS/paths/0: no folder nowhere"),
        ('{"PLUGINS": {"paths": ["plugins"], "enable": ["nobody"]}}', 2, '/PLUGINS/enable/0: no plugin "nobody"'),
        ('{"PLUGINS": {"paths": ["plugins"], "block": ["nobody"]}}', 2, '/PLUGINS/block/0: no plugin "nobody"'),
        ('{"PLUGINS": {"paths": ["plugins"], "allow": ["nobody"]}}', 2, '/PLUGINS/allow/0: no plugin "nobody"'),
        ('{"PLUGINS": {"paths": ["plugins"], "allow": ["a@sha256:b"]}}', 2, "/PLUGINS/allow/0: 'a@sha256:b'"),
        ('{"PLUGINS": {"paths": ["plugins", 7]}}', 2, "/PLUGINS/paths/1"),
        ('{"PLUGINS": {"paths": ["$UNSET_VARIABLE", "plugins"]}}', 2, "$UNSET_VARIABLE"),
        ('{"PLUGINS": {"paths": ["open", "plugins"]}}', 2, "/PLUGINS/paths/0: "),
        ('{"PLUGINS": {"paths": ["plugins"], "enable": ["broken"]}}', 1, ""),
    ],
)
def test_plugins_always_answers(here: Path, config: str | None, code: int, words: str) -> None:
    """What can be told is told, and what is wrong in the config beside it."""
    Path("plugins", "office.py").write_text("from complaint_llm import hookimpl\n")
    if config is not None and '"broken"' in config:
        Path("plugins", "broken.py").write_text("1 / 0\n")
    Path("open").mkdir()
    Path("open").chmod(0o777)
    if config is None:
        Path("config.json").unlink()
    else:
        Path("config.json").write_text(config)
    done = run("plugins", "--json")
    assert done.code == code, done.error
    assert "Traceback" not in done.error
    assert words in done.error
    names = {record["name"] for record in json.loads(done.out)}
    assert "openai" in names
    assert ("office" in names) == ('"paths": [' in str(config))


def test_plugins_answers_for_a_config_that_is_not_there(here: Path) -> None:
    """The line names the file."""
    done = run("-c", "nowhere.json", "plugins", "--json")
    assert done.code == 2
    assert "nowhere.json: cannot be read" in done.error
    assert "openai" in {record["name"] for record in json.loads(done.out)}


def test_plugins_shows_the_table(here: Path) -> None:
    """A command of a built-in name is told: it is never run."""
    done = run("plugins")
    (line,) = [line for line in done.out.splitlines() if line.startswith("office ")]
    assert "PLUGINS.paths" in line
    assert "its command 'generate' is never run: there is a built-in one" in line
    assert done.code == 1


@pytest.mark.rows(2)
@pytest.mark.parametrize(("typed", "meant"), [("tdiy", "tidy"), ("tidi", "tidy"), ("genrate", "generate")])
def test_a_mistyped_command_is_told_with_the_nearest(here: Path, typed: str, meant: str) -> None:
    """One of a plugin too."""
    done = run(typed)
    assert done.code == 2
    assert f"no command '{typed}'; did you mean '{meant}'?" in done.error


def test_a_plugin_that_could_not_be_looked_into_is_named(here: Path) -> None:
    """The command may be in it; in a config that cannot be read, too."""
    Path("plugins", "sweep.py").write_text("def (:\n")
    assert "not loaded: " in run("sweep").error
    Path("config.json").write_text("{")
    done = run("sweep")
    assert done.code == 2
    assert "those of plugins are not known: config.json:1:" in done.error
