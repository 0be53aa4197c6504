"""What a drop-in plugin offers is read from its source; it runs only where something of it is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost

HEAD = """
open(__file__ + ".imported", "w").close()
from complaint_llm import InferenceOutput, hookimpl
from complaint_llm import backends
from complaint_llm.backends import Backend, BackendType, register_backend
class Toy(Backend):
    def answer(self, request):
        return InferenceOutput("hi")
"""
HOOK = "@hookimpl\ndef complaint_llm_backend_types():\n"


@pytest.fixture(autouse=True)
def _no_traces() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "dropped" in name:
            del sys.modules[name]


def drop(folder: Path, name: str, text: str, head: str = HEAD) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(head + text)
    return file


def was_imported(file: Path) -> bool:
    return Path(f"{file}.imported").exists()


KNOWN = {
    "by position": HOOK + "    return [BackendType('toy', Toy)]",
    "by keyword": HOOK + "    return [BackendType(name='toy', make=Toy)]",
    "an alias": HOOK + "    return [BackendType('other', Toy, aliases=('toy', 'third'))]",
    "aliases in a list": HOOK + "    return [BackendType('other', Toy, aliases=['toy'])]",
    "a tuple": HOOK + "    return (BackendType('toy', Toy),)",
    "the second of two": HOOK + "    return [BackendType('other', Toy), BackendType('toy', Toy)]",
    "a constant": "NAME = 'toy'\n" + HOOK + "    return [BackendType(NAME, Toy)]",
    "a typed constant": "NAME: str = 'toy'\n" + HOOK + "    return [BackendType(NAME, Toy)]",
    "a list made before": "TYPES = [BackendType('toy', Toy)]\n" + HOOK + "    return TYPES",
    "a type made before": "TOY = BackendType('toy', Toy)\n" + HOOK + "    return [TOY]",
    "a local name": HOOK + "    made = [BackendType('toy', Toy)]\n    return made",
    "through a module": HOOK + "    return [backends.BackendType('toy', Toy)]",
    "another function's name": "@hookimpl(specname='complaint_llm_backend_types')\n"
    "def offer():\n    return [BackendType('toy', Toy)]",
    "on one of two ways": HOOK + "    if Toy:\n        return [BackendType('toy', Toy)]\n    return []",
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("text", KNOWN.values(), ids=KNOWN)
def test_a_written_name_is_known_before_anything_is_imported(text: str, tmp_path: Path) -> None:
    """It is among the names of types; the plugin is imported when one of its own is asked for, not for another's."""
    file = drop(tmp_path / "drop", "office", text)
    host = PluginHost(paths=[tmp_path / "drop"])
    assert "toy" in host.backend_type_names()
    host.backend_type("mock")
    with pytest.raises(PluginError, match="unknown type"):
        host.backend_type("no_such_type")
    assert not was_imported(file)
    assert "toy" in (host.backend_type("toy").name, *host.backend_type("toy").aliases)
    assert was_imported(file)


UNSURE = {
    "a computed name": HOOK + "    return [BackendType('t' + 'oy', Toy)]",
    "a loop": HOOK + "    return [BackendType(name, Toy) for name in ('toy', 'two')]",
    "another function": "def made():\n    return [BackendType('to' 'y', Toy)]\n" + HOOK + "    return made()",
    "yielded": HOOK + "    yield BackendType('toy', Toy)",
    "a name that changes": "NAME = 'x'\nNAME = 'toy'\n" + HOOK + "    return [BackendType(NAME, Toy)]",
    "more arguments by stars": HOOK + "    return [BackendType(**{'name': 'toy', 'make': Toy})]",
    "one of two": HOOK + "    return [] or [BackendType('toy', Toy)]",
    "a hook by assignment": "complaint_llm_backend_types = hookimpl(lambda: [BackendType('toy', Toy)])",
    "on a condition": "if True:\n    @hookimpl\n    def complaint_llm_backend_types():\n"
    "        return [BackendType('toy', Toy)]",
    "another class": "class Mine(BackendType):\n    pass\n" + HOOK + "    return [Mine('toy', Toy)]",
    "added later": "TYPES = []\nTYPES += [BackendType('toy', Toy)]\n" + HOOK + "    return TYPES",
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("text", UNSURE.values(), ids=UNSURE)
def test_a_name_that_only_running_would_tell_is_looked_for_where_nobody_else_has_it(text: str, tmp_path: Path) -> None:
    """Such a plugin is imported for a name that is nobody's, and never for one that somebody has."""
    file = drop(tmp_path / "drop", "office", text)
    drop(tmp_path / "drop", "other", HOOK + "    return [BackendType('told', Toy)]")
    host = PluginHost(paths=[tmp_path / "drop"])
    host.backend_type("mock")
    host.backend_type("told")
    assert not was_imported(file)
    assert host.backend_type("toy").name == "toy"


BROKEN = {
    "no Python": "def half(:",
    "fails": "raise RuntimeError('boom')",
    "ends the program": "raise SystemExit(3)",
    "endless brackets": "(" * 5000,
    "a zero byte": "x = 1\0",
    "no hook": "x = 1",
    "not imported": HOOK + "    return [BackendType('other', Toy)]\nraise RuntimeError('boom')",
    "a wrong escape": "x = '\\N{NO SUCH SIGN}'",
    "tabs and spaces": "if True:\n\tx = 1\n        y = 2",
    "a type of another name": HOOK + "    return [BackendType('other', Toy)]",
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_nobody_names_is_neither_run_nor_warned_of(
    text: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken plugin of somebody else does not concern a config that asks nothing of it; ``plugins`` lists it."""
    drop(tmp_path / "plugins", "office", text)
    if kind == "folder":
        (tmp_path / "plugins" / "folder").mkdir()
        (tmp_path / "plugins" / "office.py").rename(tmp_path / "plugins" / "folder" / "plugin.py")
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps({"PLUGINS": {"paths": ["plugins"]}, "BACKENDS": [{"id": "a", "type": "mock", "echo": True}]})
    )
    config = load_config(path)
    with config.make_backend("a") as backend:
        assert backend.generate("x") == "x"
    assert not list(tmp_path.rglob("*.imported"))
    assert caplog.records == []
    assert [each.kind for each in config.host.plugins() if each.kind == kind] == [kind]


@pytest.mark.parametrize(
    ("hook", "offer"),
    [
        ("complaint_llm_strategies", "{'mine': object}"),
        ("complaint_llm_batch_executors", "{'mine': len, 'other': len}"),
        ("complaint_llm_block_stores", "{'mine': len}"),
    ],
)
@pytest.mark.parametrize("written", [True, False])
def test_other_hooks_are_asked_for_by_name(hook: str, offer: str, written: bool, tmp_path: Path) -> None:
    """A strategy, an executor, a store of blocks: of the plugins only the one that offers it is imported."""
    returned = offer if written else f"dict({offer})"
    file = drop(tmp_path / "drop", "office", f"@hookimpl\ndef {hook}():\n    return {returned}")
    another = drop(tmp_path / "drop", "another", f"@hookimpl\ndef {hook}():\n    return {{'theirs': object}}")
    host = PluginHost(paths=[tmp_path / "drop"])
    assert host.offer(hook, "theirs") is object
    assert not was_imported(file)
    assert host.offer(hook, "mine") is not None
    assert was_imported(file)
    assert was_imported(another)
    assert host.offer(hook, "nobody's") is None
    assert "theirs" in host.offer_names(hook)


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("one", "two"),
    [
        (HOOK + "    return [BackendType('toy', Toy)]", HOOK + "    return [BackendType('toy', Toy)]"),
        (HOOK + "    return [BackendType('toy', Toy)]", HOOK + "    return [BackendType('x', Toy, aliases=('toy',))]"),
        (HOOK + "    return [BackendType('toy', Toy)]", HOOK + "    return [BackendType('t' 'oy', Toy)]"),
    ],
)
def test_a_name_that_two_offer_is_an_error_where_it_is_used_and_in_the_list(one: str, two: str, tmp_path: Path) -> None:
    """Neither wins in silence; a config that uses something else is not concerned."""
    paths = [drop(tmp_path / "drop", name, text) for name, text in (("one", one), ("two", two))]
    host = PluginHost(paths=[tmp_path / "drop"])
    assert host.backend_type("mock").name == "mock"
    with pytest.raises(PluginError, match=r"'toy' is offered twice, by .*one\.py and .*two\.py"):
        host.backend_type("toy")
    errors = {record.source: record.error for record in PluginHost(paths=[tmp_path / "drop"]).plugins()}
    assert all("offered twice" in str(errors[str(path)]) for path in paths)
    blocked = PluginHost(paths=[tmp_path / "drop"], block=["two"])
    assert blocked.backend_type("toy").name == "toy"


def test_a_drop_in_may_be_enabled_by_its_name(tmp_path: Path) -> None:
    """It is imported at once; one that is broken is then an error."""
    file = drop(tmp_path / "drop", "office", HOOK + "    return [BackendType('toy', Toy)]")
    PluginHost(paths=[tmp_path / "drop"], enable=["office"]).load_listed()
    assert was_imported(file)
    drop(tmp_path / "drop", "broken", "1 / 0")
    with pytest.raises(PluginError, match=r"enable names 'broken': .*ZeroDivisionError"):
        PluginHost(paths=[tmp_path / "drop"], enable=["broken"]).load_listed()


STRANGE = (
    "shuot",
    "offise",
    "no-such-plugin",
    "opnai",
    "Mock",
    "clade",
    "lmstudioo",
    "",
    " ",
    "complaint-llm",
    "öffis",
)


@pytest.mark.rows(4)
@pytest.mark.parametrize("key", ["block", "allow"])
@pytest.mark.parametrize("name", STRANGE)
def test_a_name_that_no_plugin_has_is_refused_at_its_place(name: str, key: str, tmp_path: Path) -> None:
    """A misspelt block lets the plugin answer that it was to keep out."""
    drop(tmp_path / "plugins", "office", HOOK + "    return [BackendType('shout', Toy)]")
    path = tmp_path / "config.json"
    plugins = {"paths": ["plugins"], key: ["openai", name]}
    path.write_text(json.dumps({"PLUGINS": plugins, "BACKENDS": [{"id": "a", "type": "shout"}]}))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert any(f"/PLUGINS/{key}/1: " in line for line in caught.value.problems)
    if name.strip():
        assert any(f'no plugin "{name}"' in line for line in caught.value.problems)
        with pytest.raises(PluginError, match=rf'PLUGINS\.{key}: no plugin "{name}"'):
            PluginHost(paths=[tmp_path / "plugins"], **{key: [name]}).backend_type("mock")


@pytest.mark.parametrize(("name", "near"), [("shuot", "shout"), ("offise", "office"), ("opnai", "openai")])
def test_the_nearest_name_is_told(name: str, near: str, tmp_path: Path) -> None:
    """Of a plugin, and of what one offers."""
    drop(tmp_path / "plugins", "office", HOOK + "    return [BackendType('shout', Toy)]")
    with pytest.raises(PluginError, match=f'did you mean "{near}"'):
        PluginHost(paths=[tmp_path / "plugins"], block=[name]).load_listed()


@pytest.mark.parametrize("name", ["office", "shout", "loud"])
def test_a_right_name_keeps_the_plugin_out(name: str, tmp_path: Path) -> None:
    """By the plugin's own name, or by what it offers."""
    offer = HOOK + "    return [BackendType('shout', Toy, aliases=('loud',))]"
    drop(tmp_path / "drop", "office", offer)
    host = PluginHost(paths=[tmp_path / "drop"], block=[name])
    for asked in ("shout", "loud"):
        with pytest.raises(PluginError):
            host.backend_type(asked)
    assert host.plugins()
    assert {"shout", "loud"}.isdisjoint(host.backend_type_names()) or name != "office"


@pytest.mark.parametrize(("blocked", "asked"), [("anthropic", "claude"), ("claude", "anthropic"), ("gemini", "google")])
def test_a_type_is_blocked_by_each_of_its_names(blocked: str, asked: str) -> None:
    """An alias is no way around."""
    with pytest.raises(PluginError, match=r"PLUGINS\.block"):
        PluginHost(block=[blocked]).backend_type(asked)


def test_reading_sources_imports_nothing_of_them_in_a_fresh_process(tmp_path: Path) -> None:
    """Shown from outside: the modules of a process that loaded the config."""
    drop(tmp_path / "plugins", "office", HOOK + "    return [BackendType('toy', Toy)]")
    (tmp_path / "config.json").write_text(
        json.dumps({"PLUGINS": {"paths": ["plugins"]}, "BACKENDS": [{"id": "a", "type": "mock"}]})
    )
    code = "import sys; from complaint_llm import load_config; load_config('config.json'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "complaint_llm_drop_in_" not in done.stdout
