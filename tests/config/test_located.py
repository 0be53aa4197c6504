"""Every fault of a config names the file, the line and the JSON Pointer: of each section, and of whatever kind, be it
found when the file is read, when what it describes is made, or by ``check``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from click.testing import CliRunner

from complaint_llm.cli.main import cli
from complaint_llm.config import load_config
from complaint_llm.config.edits import REMOVED, Edit
from complaint_llm.exceptions import BackendError, ComplaintLLMError, ConfigError, PluginError
from complaint_llm.mediator import Mediator
from complaint_llm.testing import MockBackend

MOCK = {"id": "m", "type": "mock", "echo": True}
HEAD = """
from complaint_llm import hookimpl
from complaint_llm.backends import Backend, BackendType
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.guards.guard import Guard
from complaint_llm.observers.observer import Observer
"""
MAKES = HEAD + """
def make({parameters}):
    {body}
@hookimpl
def complaint_llm_{hook}():
    return {{"odd": make}}
"""
BACKEND = HEAD + """
class Odd(Backend):
    def __init__(self, id, level=1, **others):
        {body}
@hookimpl
def complaint_llm_backend_types():
    return [BackendType("odd", Odd, example={{"id": "odd", "type": "odd"}})]
"""
RAISES = "raise ConfigError('no licence')"
FAILS = "raise RuntimeError('no licence')"
BREAKS = "raise PluginError('no licence')"
AWAY = "import not_installed_here\n"


def maker(hook: str, body: str, parameters: str = "**keys") -> str:
    return MAKES.format(hook=hook, body=body, parameters=parameters)


class Row(NamedTuple):
    """What a file says; the pointer of what is wrong, the text of the line where that stands, and what is said."""

    sections: dict[str, Any]
    pointer: str
    line: str
    says: str
    plugin: str = HEAD
    backends: Any = None


ODD = [{"id": "o", "type": "odd"}]
ODD_LINE = "- id: o"
PART = {"PLUGINS": {"paths": ["plugins"]}}
TASK = {"id": "letter", "prompt": "Read {input}"}
ROWS = {
    # BACKENDS
    "backend, schema": Row({}, "/BACKENDS/0/ecko", "ecko: 1", "unknown key", backends=[{**MOCK, "ecko": 1}]),
    "backend, type": Row({}, "/BACKENDS/0/type", "type: nobody", "unknown type", backends=[{**MOCK, "type": "nobody"}]),
    "backend, reference": Row(
        {}, "/BACKENDS/0/model", "model: $NO_SUCH", "is not set", backends=[{**MOCK, "model": "$NO_SUCH_X"}]
    ),
    "backend, its class": Row({}, "/BACKENDS/0", ODD_LINE, "no licence", BACKEND.format(body=RAISES), ODD),
    "backend, its class fails": Row(
        {}, "/BACKENDS/0", ODD_LINE, "RuntimeError: no licence", BACKEND.format(body=FAILS), ODD
    ),
    "backend, its class exits": Row(
        {}, "/BACKENDS/0", ODD_LINE, "SystemExit: 3", BACKEND.format(body="raise SystemExit(3)"), ODD
    ),
    "backend, its plugin": Row({}, "/BACKENDS/0", ODD_LINE, "no licence", BACKEND.format(body=BREAKS), ODD),
    # MEDIATOR
    "mediator, schema": Row({"MEDIATOR": {"timeout": -1}}, "/MEDIATOR/timeout", "timeout: -1", "more than 0"),
    "mediator, key": Row({"MEDIATOR": {"tiemout": 1}}, "/MEDIATOR/tiemout", "tiemout: 1", "unknown key"),
    "mediator, reference": Row(
        {"MEDIATOR": {"strategy": "$NO_SUCH_X"}}, "/MEDIATOR/strategy", "strategy: $NO_SUCH_X", "is not set"
    ),
    "mediator, strategy": Row({"MEDIATOR": {"strategy": "odd"}}, "/MEDIATOR/strategy", "strategy: odd", "no strategy"),
    "mediator, strategy's plugin": Row(
        {"MEDIATOR": {"strategy": "odd"}},
        *("/MEDIATOR/strategy", "strategy: odd", "no licence", maker("strategies", RAISES)),
    ),
    "mediator, strategy fails": Row(
        {"MEDIATOR": {"strategy": "odd"}},
        *("/MEDIATOR/strategy", "strategy: odd", "no licence", maker("strategies", FAILS)),
    ),
    "mediator, strategy that is none": Row(
        {"MEDIATOR": {"strategy": "odd"}},
        *("/MEDIATOR/strategy", "strategy: odd", "a NoneType", maker("strategies", "return None")),
    ),
    "mediator, strategy's import": Row(
        {"MEDIATOR": {"strategy": "odd"}},
        *("/MEDIATOR/strategy", "strategy: odd", "not_installed_here", AWAY + maker("strategies", "return None")),
    ),
    # EVIDENCE
    "evidence, schema": Row({"EVIDENCE": {"profile": "v9"}}, "/EVIDENCE/profile", "profile: v9", "unknown value"),
    "evidence, reference": Row({"EVIDENCE": {"path": "$NO_SUCH_X"}}, "/EVIDENCE/path", "path: $NO", "is not set"),
    "evidence, node": Row(
        {"EVIDENCE": {"ipfs_api": "http://example.org:5001"}}, "/EVIDENCE/ipfs_api", "ipfs_api: http", "beyond this"
    ),
    "evidence, private node": Row(
        {"EVIDENCE": {"ipfs_api": "http://example.org:5001", "ipfs_public": True}, "MEDIATOR": {"privacy": "local"}},
        *("/EVIDENCE/ipfs_api", "ipfs_api: http", "privacy is local"),
    ),
    "evidence, blocks": Row({"EVIDENCE": {"blocks": "s3://x"}}, "/EVIDENCE/blocks", "blocks: s3://x", "no enabled"),
    "evidence, blocks' plugin": Row(
        {"EVIDENCE": {"blocks": "odd://x"}},
        *("/EVIDENCE", "blocks: odd://x", "not_installed_here", AWAY + maker("block_stores", "return None")),
    ),
    # GUARDS
    "guard, schema": Row({"GUARDS": [{"type": 3}]}, "/GUARDS/0/type", "- type: 3", "must be a text"),
    "guard, reference": Row({"GUARDS": [{"type": "$NO_SUCH_X"}]}, "/GUARDS/0/type", "- type: $NO", "is not set"),
    "guard, type": Row({"GUARDS": [{"type": "nobody"}]}, "/GUARDS/0", "- type: nobody", "no guard 'nobody'"),
    "guard, key": Row(
        {"GUARDS": [{"type": "pseudonyms", "naems": "none"}]}, "/GUARDS/0", "type: pseudonyms", "naems"
    ),
    "guard, value": Row(
        {"GUARDS": [{"type": "pseudonyms", "names": "gone.csv"}]}, "/GUARDS/0", "names: gone.csv", "gone.csv"
    ),
    "guard, second": Row(
        {"GUARDS": [{"type": "pseudonyms", "names": "none"}, {"type": "nobody"}]},
        *("/GUARDS/1", "- type: nobody", "no guard 'nobody'"),
    ),
    "guard, its factory": Row(
        {"GUARDS": [{"type": "odd"}]}, "/GUARDS/0", "- type: odd", "no licence", maker("guards", RAISES)
    ),
    "guard, its factory's options": Row(
        {"GUARDS": [{"type": "odd", "level": 3}]},
        *("/GUARDS/0", "- level: 3", "'level'", maker("guards", "return None", "*, depth=1")),
    ),
    "guard, its factory fails": Row(
        {"GUARDS": [{"type": "odd"}]}, "/GUARDS/0", "- type: odd", "no licence", maker("guards", FAILS)
    ),
    "guard, its plugin": Row(
        {"GUARDS": [{"type": "odd"}]}, "/GUARDS/0", "- type: odd", "not_installed_here", AWAY + maker("guards", RAISES)
    ),
    "guard that is none": Row(
        {"GUARDS": [{"type": "odd"}]}, "/GUARDS/0", "- type: odd", "no Guard", maker("guards", "return 5")
    ),
    # OBSERVERS
    "observer, schema": Row({"OBSERVERS": [{"typ": "x"}]}, "/OBSERVERS/0", "- typ: x", '"type" is missing'),
    "observer, reference": Row(
        {"OBSERVERS": [{"type": "odd", "key": "$NO_SUCH_X"}]}, "/OBSERVERS/0/key", "key: $NO_SUCH_X", "is not set"
    ),
    "observer, type": Row({"OBSERVERS": [{"type": "nobody"}]}, "/OBSERVERS/0", "- type: nobody", "no observer"),
    "observer, key": Row({"OBSERVERS": [{"type": "otel", "x": 1}]}, "/OBSERVERS/0", "- type: otel", "'x'"),
    "observer, its factory": Row(
        {"OBSERVERS": [{"type": "odd"}]}, "/OBSERVERS/0", "- type: odd", "no licence", maker("observers", RAISES)
    ),
    "observer, its factory fails": Row(
        {"OBSERVERS": [{"type": "odd"}]}, "/OBSERVERS/0", "- type: odd", "no licence", maker("observers", FAILS)
    ),
    "observer that is none": Row(
        {"OBSERVERS": [{"type": "odd"}]}, "/OBSERVERS/0", "- type: odd", "no Observer", maker("observers", "return 5")
    ),
    "observer, its plugin": Row(
        {"OBSERVERS": [{"type": "odd"}]},
        *("/OBSERVERS/0", "- type: odd", "not_installed_here", AWAY + maker("observers", RAISES)),
    ),
    # TASKS
    "task, schema": Row({"TASKS": [{**TASK, "x": 1}]}, "/TASKS/0/x", "x: 1", "unknown key"),
    "task, prompt": Row({"TASKS": [{**TASK, "prompt": "Read"}]}, "/TASKS/0/prompt", "prompt: Read", "{input}"),
    "task, check": Row({"TASKS": [{**TASK, "checks": ["nobody"]}]}, "/TASKS/0/checks", "- nobody", "nobody"),
    "task, check's plugin": Row(
        {"TASKS": [TASK, {**TASK, "id": "other", "checks": ["odd"]}]},
        *("/TASKS/1/checks", "- odd", "not_installed_here", AWAY + maker("checks", RAISES)),
    ),
    # PLUGINS and LOG
    "plugins, schema": Row({"PLUGINS": {"path": []}}, "/PLUGINS/path", "path: []", "unknown key"),
    "plugins, folder": Row({"PLUGINS": {"paths": ["nowhere"]}}, "/PLUGINS/paths/0", "- nowhere", "no folder nowhere"),
    "plugins, file": Row({"PLUGINS": {"paths": ["config.yaml"]}}, "/PLUGINS/paths/0", "- config.yaml", "is a file, wh"),
    "plugins, name": Row({"PLUGINS": {"enable": ["nobody"]}}, "/PLUGINS", "enable:", "'nobody'"),
    "log, schema": Row({"LOG": {"level": "x"}}, "/LOG/level", "level: x", "unknown value"),
    "log, reference": Row({"LOG": {"level": "$NO_SUCH_X"}}, "/LOG/level", "level: $NO_SUCH_X", "is not set"),
    "no section": Row({"GAURDS": []}, "/GAURDS", "GAURDS: []", "unknown key"),
}  # fmt: skip


def written(folder: Path, row: Row, ending: str) -> Path:
    """The config, and the plugin beside it."""
    (folder / "plugins").mkdir()
    name = re.sub(r"\W", "_", folder.name)
    (folder / "plugins" / f"located_{name}_{ending}.py").write_text(row.plugin, encoding="utf-8")
    document = {"BACKENDS": row.backends or [MOCK], **PART, **row.sections}
    path = folder / f"config.{ending}"
    text = json.dumps(document, indent=1) if ending == "json" else yaml.safe_dump(document)
    path.write_text(text, encoding="utf-8")
    return path


def use(path: Path) -> None:
    """Make all that the config describes, and ask each backend."""
    with Mediator.from_config(path) as mediator:
        assert mediator.evidence
        assert mediator.config
        for id in mediator.config.order:
            mediator.infer("hello", backend=id)


@pytest.mark.rows(12)
@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_fault_names_file_line_and_pointer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    """Whoever finds it: the line is where the entry, or the wrong value, begins."""
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, row, "yaml")
    with pytest.raises(ComplaintLLMError) as caught:
        use(path)
    (line,) = [line for line in str(caught.value).splitlines() if row.says in line]
    found = re.search(r"config\.yaml:(\d+):\d+: (/\S+): ", line)
    assert found is not None, line
    assert found[2] == row.pointer
    lines = path.read_text("utf-8").splitlines()
    assert row.line in "\n".join(lines[int(found[1]) - 1 : int(found[1]) + 1]), (line, lines)
    assert line.count("config.yaml:") == 1


@pytest.mark.rows(6)
@pytest.mark.parametrize("id", [id for id in ROWS if id.startswith(("guard", "observer", "evidence", "mediator"))])
def test_check_names_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str) -> None:
    """In a JSON file, where an entry begins a line before its type."""
    monkeypatch.chdir(tmp_path)
    row = ROWS[id]
    path = written(tmp_path, row, "json")
    done = CliRunner().invoke(cli, ["-c", path.name, "check", "--json"])
    said = done.stderr + str(done.exception or "")
    (line,) = [line for line in said.splitlines() if row.says in line]
    found = re.match(r"config\.json:(\d+):\d+: (/\S+): ", line)
    assert found is not None, line
    assert found[2] == row.pointer
    text = path.read_text("utf-8").splitlines()[int(found[1]) - 1]
    assert text.strip() == "{" or row.line.split(": ")[-1] in text or row.pointer.rpartition("/")[2] in text


@pytest.mark.parametrize("sections", [{"GUARDS": [{"type": "nobody"}]}, {"OBSERVERS": [{"type": "nobody"}]}])
def test_what_a_plugin_says_beforehand_is_a_fault_where_the_file_enables_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, Any]
) -> None:
    """The file has no such place."""
    monkeypatch.chdir(tmp_path)
    plugin = HEAD + f"@hookimpl\ndef complaint_llm_config_defaults():\n    return {sections!r}\n"
    (tmp_path / "plugins").mkdir()
    name = "odd_" + re.sub(r"\W", "_", tmp_path.name)
    (tmp_path / "plugins" / f"{name}.py").write_text(plugin, encoding="utf-8")
    document = {"BACKENDS": [MOCK], "PLUGINS": {"paths": ["plugins"], "enable": [name]}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.yaml:\d+:\d+: /PLUGINS/enable: the defaults of .* /[A-Z]+/0: no"):
        use(tmp_path / "config.yaml")


def test_a_config_that_was_changed_in_code_names_no_line(tmp_path: Path) -> None:
    """Lines are those of the file, where another entry stands now."""
    path = written(tmp_path, Row({"GUARDS": [{"type": "pseudonyms"}, {"type": "nobody"}]}, "", "", ""), "yaml")
    config = load_config(path)
    config.change(Edit(("GUARDS", 0), REMOVED))
    with pytest.raises(ConfigError, match=r"config\.yaml: /GUARDS/0: no guard 'nobody'"):
        Mediator.from_loaded(config)


def test_a_fault_of_what_is_made_in_code_names_no_file() -> None:
    """There is none."""
    with pytest.raises(ConfigError, match=r"^/GUARDS/0: no guard 'nobody'"):
        Mediator([MockBackend(id="m")], guards=[{"type": "nobody"}])


OWN = """
class Own(ConfigError):
    def __init__(self, number, *, name):
        super().__init__(f"{name} has no licence {number}")
        self.number = number
    def __reduce__(self):
        return int, ("no number",)
def make(**keys):
    raise Own(7, name="odd")
"""


def test_an_error_of_a_class_of_its_own_stays_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what it holds, however it is made."""
    monkeypatch.chdir(tmp_path)
    backend = BACKEND.format(body="make()").replace("class Odd", OWN + "class Odd")
    with pytest.raises(BackendError, match=r"config\.yaml:\d+:\d+: /BACKENDS/0: odd has no licence 7") as caught:
        use(written(tmp_path, Row({}, "", "", "", backend, ODD), "yaml"))
    cause = caught.value.__cause__
    assert (type(cause).__name__, getattr(cause, "number", None)) == ("Own", 7)
    assert isinstance(cause, ConfigError)
    assert cause.problems == (str(cause),)


def test_an_error_keeps_its_class_and_its_cause(tmp_path: Path) -> None:
    """Who catches a PluginError of a guard catches it as before."""
    row = ROWS["guard, its plugin"]
    with pytest.raises(PluginError) as caught:
        Mediator.from_config(written(tmp_path, row, "yaml"))
    assert caught.value.__cause__ is not None
    (tmp_path / "odd").mkdir()
    with pytest.raises(BackendError) as failed:
        use(written(tmp_path / "odd", ROWS["backend, its class"], "yaml"))
    assert isinstance(failed.value.__cause__, ConfigError)
