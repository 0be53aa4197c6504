"""``check --connect`` beside backends: guards, plugins and their tasks that do not work are a line each."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.app import cli
from tests.end_to_end.everything import write_config

MOCK = {"id": "offline", "type": "mock", "echo": True}
HEAD = "from complaint_llm import hookimpl\n"
GUARD = (
    HEAD
    + """
import time
from complaint_llm.guards.guard import Guard
class Odd(Guard):
    def before(self, request, target_kind):
        {body}
@hookimpl
def complaint_llm_guards():
    return {{"odd": lambda: Odd()}}
"""
)
TASK = HEAD + "@hookimpl\ndef complaint_llm_tasks():\n    return {{'letter': {task}}}\n"


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, *options: str, **sections: object) -> Result:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    (folder / "plugins").mkdir(exist_ok=True)
    (folder / "plugins" / f"odd_{folder.name}.py").write_text(plugin, encoding="utf-8")
    write_config(folder, [MOCK], PLUGINS={"paths": ["plugins"]}, **sections)
    return CliRunner().invoke(cli, ["check", *options])


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("plugin", "guards", "words"),
    [
        (GUARD.format(body="raise RuntimeError('no model of names')"), [{"type": "odd"}], "GUARDS/0: "),
        (GUARD.format(body="return 5"), [{"type": "odd"}], "GUARDS/0: "),
        (GUARD.format(body="import not_installed_here"), [{"type": "odd"}], "GUARDS/0: "),
        (GUARD.format(body="time.sleep(3)"), [{"type": "odd", "timeout": 0.05}], "GUARDS/0: "),
        ("import not_installed_here\n" + HEAD, [], "not_installed_here"),
        ("raise RuntimeError('no licence')\n" + HEAD, [], "no licence"),
        ("import os; os._exit(3)\n" + HEAD, [], "exit code 3"),
        ("def broken(:\n", [], "plugin odd_"),
        (TASK.format(task="{'prompt': 5}"), [], "letter"),
        (TASK.format(task="{}"), [], "letter"),
        (TASK.format(task="5"), [], "letter"),
    ],
)
def test_what_does_not_work_is_a_line_and_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str, guards: list[object], words: str
) -> None:
    """Without --connect nothing of it is tried."""
    sections = {"GUARDS": guards} if guards else {}
    done = checked(tmp_path, monkeypatch, plugin, "--connect", **sections)
    assert done.exit_code == 1, done.output
    assert words in done.stderr
    assert "offline" in done.stdout, "the backends are shown all the same"


def test_guards_and_plugins_that_work_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = GUARD.format(body="return request")
    done = checked(tmp_path, monkeypatch, plugin, "--connect", GUARDS=[{"type": "odd"}])
    assert (done.exit_code, done.stderr) == (0, "")
