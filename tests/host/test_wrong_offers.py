"""Plugins that are written wrongly, named twice or interrupted: one clear fault each, and nobody else is hurt."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import Backend, register_backend
from complaint_llm.backends.registered import registered_types
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost

PLUGIN = """
from complaint_llm import hookimpl
from complaint_llm.backends import Backend, BackendType
from complaint_llm.messages import InferenceOutput

class Toy(Backend):
    def answer(self, request):
        return InferenceOutput("hi")

@hookimpl
def complaint_llm_backend_types():
    return OFFER

@hookimpl
def complaint_llm_strategies():
    return {"mine": object}
"""
GOOD = "[BackendType('toy', Toy)]"


@pytest.fixture(autouse=True)
def _no_traces() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if "dropped" in name:
            del sys.modules[name]


def drop(folder: Path, name: str, offer: str = GOOD) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(PLUGIN.replace("OFFER", offer))
    return file


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ("[None]", "a NoneType where a BackendType belongs"),
        ("BackendType('toy', Toy)", "a str where a BackendType belongs"),
        ("{'toy': Toy}", "a str where a BackendType belongs"),
        ("[BackendType(5, Toy)]", "whose name is 5"),
        ("[BackendType(['toy'], Toy)]", "whose name is ['toy']"),
        ("[BackendType('', Toy)]", "whose name is ''"),
        ("[BackendType('toy', Toy, aliases=None)]", "aliases"),
        ("[BackendType('toy', Toy, aliases='ab')]", "aliases"),
        ("[BackendType('toy', None)]", "whose make"),
        ("[BackendType('toy', Toy, schema=5)]", "whose schema"),
        ("[BackendType('toy', Toy, schema={'type': 'objekt'})]", "no JSON Schema: $.type"),
        ("[BackendType('toy', Toy, schema={'properties': []})]", "no JSON Schema: $.properties"),
        ("[BackendType('toy', Toy, schema={'pattern': '(['})]", "no JSON Schema: the pattern '(['"),
        ("[BackendType('toy', Toy, schema={'properties': {'x': {'pattern': '*'}}})]", "the pattern '*'"),
        ("[BackendType('toy', Toy, schema={'patternProperties': {'[': {}}})]", "no JSON Schema: the pattern '['"),
        ("[BackendType('toy', Toy, schema={'items': [{'not': {'pattern': '(?P<x'}}]})]", "no JSON Schema: the pattern"),
        ("[BackendType('toy', Toy, schema=__import__('pathlib').Path('/nowhere'))]", "cannot read nowhere"),
    ],
)
def test_an_offer_that_cannot_be_used_is_that_plugins_fault_alone(tmp_path: Path, offer: str, said: str) -> None:
    """The good one beside it works, the list of types too, and nothing else of the wrong one is used."""
    wrong = drop(tmp_path / "drop", "awrong", offer)
    drop(tmp_path / "drop", "good", GOOD.replace("toy", "good"))
    host = PluginHost(paths=[tmp_path / "drop"])
    assert host.backend_type("good").name == "good"
    with pytest.raises(PluginError):
        host.backend_type("toy")
    assert "toy" not in host.backend_type_names()
    (record,) = [record for record in host.plugins() if record.source == str(wrong)]
    assert record.state == "error"
    assert said in str(record.error)
    assert host.all_offers("complaint_llm_strategies").keys() == {"mine"}, "the good one's, and no clash with the wrong"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((5, Backend), "name is 5"),
        (("toy", None), "whose make"),
        (("toy", Backend, {"type": "objekt"}), "no JSON Schema"),
        (("toy", Backend, {"properties": {"x": {"pattern": "(["}}}), "no JSON Schema: the pattern"),
    ],
)
def test_what_cannot_be_used_is_not_registered(given: tuple[Any, ...], said: str) -> None:
    before = registered_types()
    with pytest.raises(PluginError, match=said):
        register_backend(*given[:2], schema=given[2] if len(given) > 2 else None)
    assert registered_types() == before


def test_a_config_that_names_such_a_type_says_why_in_its_own_line(tmp_path: Path) -> None:
    drop(tmp_path / "drop", "toy", "[BackendType('toy', Toy, schema={'type': 'objekt'})]")
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"PLUGINS": {"paths": ["drop"]}, "BACKENDS": [{"id": "a", "type": "toy"}]}))
    with pytest.raises(ConfigError, match="no JSON Schema"):
        load_config(file)


def test_a_hook_without_its_mark_is_told(tmp_path: Path) -> None:
    """It would offer nothing, and the type would be unknown without a reason."""
    file = drop(tmp_path / "drop", "toy")
    file.write_text(file.read_text().replace("@hookimpl\n", ""))
    host = PluginHost(paths=[tmp_path / "drop"])
    (record,) = [record for record in host.plugins() if record.kind == "file"]
    assert "without @complaint_llm.hookimpl" in str(record.error)


@pytest.mark.parametrize("again", ["drop", "link", "drop/../drop"])
def test_a_folder_that_is_named_twice_is_one(tmp_path: Path, again: str) -> None:
    """By its name, by a link, by a detour: its plugins are loaded once and keep what they offer."""
    drop(tmp_path / "drop", "toy")
    (tmp_path / "link").symlink_to(tmp_path / "drop")
    host = PluginHost(paths=[tmp_path / "drop", tmp_path / again])
    assert host.backend_type("toy").name == "toy"
    assert [(r.name, r.state) for r in host.plugins() if r.kind == "file"] == [("toy", "ok")]
    assert host.all_offers("complaint_llm_strategies").keys() == {"mine"}


def test_two_hosts_that_load_one_plugin_at_the_same_time_both_get_it_whole(tmp_path: Path) -> None:
    """A server may load its config in several threads at once."""
    file = drop(tmp_path / "drop", "toy")
    file.write_text("import time\ntime.sleep(0.2)\n" + file.read_text())
    hosts = [PluginHost(paths=[tmp_path / "drop"]) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda host: host.backend_type("toy").name, hosts))
    assert found == ["toy"] * 4


def test_an_import_that_was_interrupted_begins_anew(tmp_path: Path) -> None:
    """Ctrl-C in a notebook: the half of the module that was there must not pass for the plugin."""
    file = drop(tmp_path / "drop", "toy")
    whole = file.read_text()
    file.write_text("raise KeyboardInterrupt\n" + whole)
    host = PluginHost(paths=[tmp_path / "drop"])
    with pytest.raises(KeyboardInterrupt):
        host.backend_type("toy")
    file.write_text(whole)
    assert host.backend_type("toy").name == "toy"
