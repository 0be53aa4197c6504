"""``check`` beside backends: guards, observers, strategies, plugins and their tasks that do not work are a line each,
and hide nothing of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.cli.no_calls import open_for_no_call
from complaint_llm.config import load_config
from complaint_llm.exceptions import ComplaintLLMError, GuardError
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


HOOK = (
    HEAD
    + """
from complaint_llm.guards.guard import Guard
from complaint_llm.observers.observer import Observer
def make(**keys):
    {body}
@hookimpl
def complaint_llm_{hook}():
    return {{"odd": {factory}}}
"""
)
RAISES, NONE, NO_KEYS = "raise RuntimeError('no licence')", "return None", "return Observer()"
FAR_NODE, UNSHARED = {"ipfs_api": "http://example.org:5001"}, {"blocks": "odd://x"}
UNNAMED = {"type": "pseudonyms"}
NAMED = {"type": "pseudonyms", "names": "none"}


def plugin_of(hook: str, body: str, factory: str = "make") -> str:
    return HOOK.format(hook=hook, body=body, factory=factory)


UNMADE: list[tuple[str, dict[str, object], int, tuple[str, ...]]] = [
    (plugin_of("guards", RAISES), {"GUARDS": [{"type": "odd"}]}, 2, ("/GUARDS/0: guard 'odd'", "no licence")),
    (plugin_of("guards", "raise SystemExit(3)"), {"GUARDS": [{"type": "odd"}]}, 2, ("/GUARDS/0: guard 'odd'",)),
    (plugin_of("guards", NONE), {"GUARDS": [{"type": "odd"}]}, 2, ("/GUARDS/0: ", "a NoneType, no Guard")),
    (plugin_of("guards", NONE, "5"), {"GUARDS": [{"type": "odd"}]}, 2, ("/GUARDS/0: guard 'odd'",)),
    ("import not_installed_here\n" + plugin_of("guards", NONE), {"GUARDS": [{"type": "odd"}]}, 1,
     ("/GUARDS/0: ", "not_installed_here")),
    (HEAD, {"GUARDS": [{"type": "nobody"}]}, 2, ("/GUARDS/0: no guard 'nobody'",)),
    (HEAD, {"GUARDS": [{**NAMED, "timeuot": 1}]}, 2, ("/GUARDS/0: ", "timeuot")),
    (HEAD, {"GUARDS": [{"type": "pseudonyms", "names": "gone.csv"}]}, 2, ("/GUARDS/0: ", "gone.csv")),
    (HEAD, {"GUARDS": [NAMED, NAMED]}, 2, ("/GUARDS/1: two are called 'pseudonyms'",)),
    (HEAD, {"GUARDS": [UNNAMED, {"type": "nobody"}]}, 2, ("/GUARDS/0: names", "/GUARDS/1: no guard 'nobody'")),
    (plugin_of("guards", NONE, "5"), {"GUARDS": [{"type": "odd"}, UNNAMED]}, 2, ("/GUARDS/0: ", "/GUARDS/1: names")),
    (HEAD, {"GUARDS": [UNNAMED], "OBSERVERS": [{"type": "nobody"}]}, 2, ("/GUARDS/0: ", "/OBSERVERS/0: no observer")),
    (plugin_of("observers", RAISES), {"OBSERVERS": [{"type": "odd"}]}, 2, ("/OBSERVERS/0: observer 'odd'",)),
    (plugin_of("observers", NONE), {"OBSERVERS": [{"type": "odd"}]}, 2, ("/OBSERVERS/0: ", "no Observer")),
    (plugin_of("observers", NO_KEYS, "lambda: make()"), {"OBSERVERS": [{"type": "odd", "key": 1}]}, 2,
     ("/OBSERVERS/0: ", "key")),
    (plugin_of("strategies", RAISES), {"MEDIATOR": {"strategy": "odd"}}, 1, ("strategy 'odd'", "no licence")),
    (plugin_of("strategies", NONE), {"MEDIATOR": {"strategy": "odd"}}, 1, ("strategy 'odd': a NoneType",)),
    (plugin_of("strategies", NONE, "5"), {"MEDIATOR": {"strategy": "odd"}}, 1, ("strategy 'odd'",)),
    ("import not_installed_here\n" + plugin_of("strategies", NONE), {"MEDIATOR": {"strategy": "odd"}}, 1,
     ("not_installed_here",)),
    ("import not_installed_here\n" + plugin_of("guards", NONE), {"GUARDS": [{"type": "odd"}, {"type": "odd"}]}, 1,
     ("/GUARDS/1: ", "not_installed_here")),
    (plugin_of("strategies", RAISES), {"MEDIATOR": {"strategy": "odd"}, "GUARDS": [UNNAMED]}, 2,
     ("strategy 'odd'", "/GUARDS/0: names")),
    (HEAD, {"EVIDENCE": FAR_NODE}, 2, ("/EVIDENCE/ipfs_api: example.org",)),
    (HEAD, {"EVIDENCE": {**FAR_NODE, "ipfs_public": True}, "MEDIATOR": {"privacy": "local"}}, 2,
     ("/EVIDENCE/ipfs_api",)),
    (HEAD, {"EVIDENCE": UNSHARED}, 2, ("/EVIDENCE/blocks: no enabled plugin offers stores for odd://",)),
    ("import not_installed_here\n" + plugin_of("block_stores", NONE), {"EVIDENCE": UNSHARED}, 1,
     ("not_installed_here",)),
    (HEAD, {"EVIDENCE": FAR_NODE, "GUARDS": [UNNAMED]}, 2, ("/EVIDENCE/ipfs_api", "/GUARDS/0: names")),
]  # fmt: skip


@pytest.mark.rows(8)
@pytest.mark.parametrize("options", [(), ("--json",), ("--connect",)], ids=" ".join)
@pytest.mark.parametrize(("plugin", "sections", "code", "words"), UNMADE)
def test_what_cannot_be_made_is_a_line_and_hides_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plugin: str,
    sections: dict[str, object],
    code: int,
    words: tuple[str, ...],
    options: tuple[str, ...],
) -> None:
    """The backends are listed, and every other fault; the exit code is 2 where the config is wrong, else 1."""
    done = checked(tmp_path, monkeypatch, plugin, *options, **sections)
    assert done.exit_code == code, done.output
    assert not isinstance(done.exception, ComplaintLLMError)
    if options == ("--json",):
        (found,) = json.loads(done.stdout)
        assert (found["id"], found["state"]) == ("offline", "ready")
    else:
        assert "offline" in done.stdout
    for word in words:
        assert [line for line in done.stderr.splitlines() if word in line], (word, done.stderr)
    assert "Traceback" not in done.stderr


LATER = """
@hookimpl
def complaint_llm_{hook}():
    raise RuntimeError("no licence")
"""


@pytest.mark.rows(3)
@pytest.mark.parametrize("options", [(), ("--json",), ("--connect",)], ids=" ".join)
@pytest.mark.parametrize(
    ("hook", "sections"),
    [
        ("document_readers", {}),
        ("batch_executors", {}),
        ("block_stores", {}),
        ("tasks", {}),
        ("checks", {}),
        ("commands", {}),
    ],
)
def test_what_a_check_does_not_need_hides_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hook: str,
    sections: dict[str, object],
    options: tuple[str, ...],
) -> None:
    """A hook that raises; plugins are tried by --connect."""
    plugin = HEAD + (LATER.format(hook=hook) if hook else "")
    done = checked(tmp_path, monkeypatch, plugin, *options, **sections)
    assert "offline" in done.stdout
    broken = bool(hook) and options == ("--connect",)
    assert done.exit_code == int(broken), done.output
    assert ("no licence" in done.stderr) == broken


def test_where_no_backend_is_left_each_is_listed_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside what else is wrong."""
    monkeypatch.delenv("NO_SUCH_KEY_X", raising=False)
    away = [
        {"id": id, "type": "openai", "optional": True, "model": "m", "api_key": "$NO_SUCH_KEY_X"} for id in ("a", "b")
    ]
    path = write_config(tmp_path, away, GUARDS=[UNNAMED])
    done = CliRunner().invoke(cli, ["-c", str(path), "check", "--json"])
    assert done.exit_code == 2
    found = [(each["id"], each["state"], "$NO_SUCH_KEY_X" in each["note"]) for each in json.loads(done.stdout)]
    assert found == [("a", "left out", True), ("b", "left out", True)]
    assert "no backend is left to ask" in done.stderr
    assert "/GUARDS/0: names" in done.stderr


ODD_BACKEND = (
    HEAD
    + """
from complaint_llm.backends import Backend, BackendType
class Odd(Backend):
    {body}
@hookimpl
def complaint_llm_backend_types():
    return [BackendType("odd", Odd, example={{"id": "odd", "type": "odd"}})]
"""
)
UNSOUND = [
    "def __init__(self, id): raise RuntimeError('no licence')",
    "def __init__(self, id): raise SystemExit('no licence')",
    "def check(self, *args, **kwargs): raise RuntimeError('no licence')",
    "def check(self, *args, **kwargs): raise SystemExit('no licence')",
    "def check(self, *args, **kwargs): raise KeyError('no licence')",
    "@property\n    def local(self): raise RuntimeError('no licence')",
    "@property\n    def host(self): raise RuntimeError('no licence')",
    "@property\n    def capabilities(self): raise RuntimeError('no licence')",
    "def model_info(self, *args, **kwargs): raise RuntimeError('no licence')",
    "def handling(self, *args, **kwargs): raise RuntimeError('no licence')",
]


@pytest.mark.rows(4)
@pytest.mark.parametrize("options", [("--json",), ("--json", "--connect")], ids=" ".join)
@pytest.mark.parametrize("body", UNSOUND)
def test_a_backend_whose_class_fails_is_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, options: tuple[str, ...]
) -> None:
    """The others are listed, with where evidence may be shown."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / f"odd_{tmp_path.name}.py").write_text(ODD_BACKEND.format(body=body), encoding="utf-8")
    sections = {"PLUGINS": {"paths": ["plugins"]}, "EVIDENCE": {"path": "evidence"}}
    path = write_config(tmp_path, [{"id": "odd", "type": "odd"}, MOCK], **sections)
    done = CliRunner().invoke(cli, ["-c", str(path), "check", *options])
    assert done.exit_code in (0, 1), (done.output, done.exception)
    found = {each["id"]: each for each in json.loads(done.stdout)}
    assert list(found) == ["odd", "offline"]
    assert found["offline"]["state"] == "ready"
    assert done.exit_code == int(found["odd"]["state"] == "broken")
    assert ("no licence" in found["odd"]["note"]) == (found["odd"]["state"] == "broken")


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "sections",
    [{"GUARDS": [UNNAMED]}, {"OBSERVERS": [{"type": "nobody"}]}, {"MEDIATOR": {"strategy": "odd"}}],
    ids=lambda sections: next(iter(sections)),
)
@pytest.mark.parametrize("command", ["models", "models --json", "models pull", "forget --matter m"])
def test_commands_that_ask_nobody_need_no_guard_and_no_strategy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, sections: dict[str, object]
) -> None:
    """What is wrong there is for who asks."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    plugin = tmp_path / "plugins" / f"odd_{tmp_path.name}.py"
    plugin.write_text(plugin_of("strategies", RAISES), encoding="utf-8")
    path = write_config(tmp_path, [MOCK], PLUGINS={"paths": ["plugins"]}, **sections)
    done = CliRunner().invoke(cli, ["-c", str(path), *command.split()])
    assert not isinstance(done.exception, ComplaintLLMError)
    write_config(tmp_path, [MOCK])
    sound = CliRunner().invoke(cli, ["-c", str(path), *command.split()])
    assert (done.exit_code, done.stdout, done.stderr) == (sound.exit_code, sound.stdout, sound.stderr)


def test_a_mediator_that_is_looked_at_sends_nothing(tmp_path: Path) -> None:
    """Whatever its config says of guards: it has none of them, and so refuses each call."""
    path = write_config(tmp_path, [MOCK], GUARDS=[UNNAMED])
    with open_for_no_call(load_config(path)) as mediator:
        for ask in (mediator.infer, mediator.generate, lambda text: list(mediator.infer_stream(text)), mediator.embed):
            with pytest.raises(GuardError, match="guard 'no calls' refused"):
                ask("hello")
        with pytest.raises(GuardError):
            list(mediator.batch(["hello"]))
