"""Strategies, batch executors and block stores that plugins offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from complaint_llm import Mediator
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, InvalidRequestError, PluginError
from complaint_llm.host import PluginHost

LAST_FIRST = '''
from complaint_llm import hookimpl

class LastFirst:
    """The last one first."""

    def order(self, candidates, request):
        return candidates[::-1]

@hookimpl
def complaint_llm_strategies():
    return {"last_first": LastFirst}
'''
STORE = '''
from complaint_llm import hookimpl
from complaint_llm.evidence import Block

class Memory:
    """Blocks in a dict; one for the process."""

    kept = {}

    def get(self, cid): return self.kept.get(cid)
    def put(self, blocks):
        for block in blocks:
            self.kept[block.cid] = bytes(block.data)
    def has(self, cid): return cid in self.kept
    def delete(self, cid): self.kept.pop(cid, None)
    def list(self): return iter(list(self.kept))
    def sweep(self): return 0
    def close(self): pass

@hookimpl
def complaint_llm_block_stores():
    return {"memory": lambda url: Memory()}
'''


def write(folder: Path, plugin: str, config: str) -> Path:
    (folder / "plugins").mkdir()
    (folder / "plugins" / "own.py").write_text(plugin, encoding="utf-8")
    path = folder / "config.json"
    path.write_text(config, encoding="utf-8")
    return path


def test_a_plugins_strategy_is_used_by_its_name(tmp_path: Path) -> None:
    """MEDIATOR.strategy may name what a dropped-in plugin offers."""
    path = write(
        tmp_path,
        LAST_FIRST,
        '{"PLUGINS": {"paths": ["plugins"]}, "MEDIATOR": {"strategy": "last_first"}, "BACKENDS": ['
        '{"id": "a", "type": "mock", "responses": ["from a"]}, {"id": "b", "type": "mock", "responses": ["from b"]}]}',
    )
    with Mediator.from_config(path) as mediator:
        assert mediator.generate("x") == "from b"
        assert mediator.explain("x").strategy == "last_first"


def test_an_unknown_strategy_lists_what_there_is(tmp_path: Path) -> None:
    """A plugin's strategies are among them."""
    path = write(
        tmp_path,
        LAST_FIRST,
        '{"PLUGINS": {"paths": ["plugins"]}, "MEDIATOR": {"strategy": "lsat_first"}, "BACKENDS": ['
        '{"id": "a", "type": "mock", "echo": true}]}',
    )
    with pytest.raises(ConfigError, match=r"no strategy 'lsat_first'; there are .*last_first"):
        Mediator.from_config(path)


def test_a_plugins_store_keeps_the_blocks_of_evidence(tmp_path: Path) -> None:
    """EVIDENCE.blocks names it by its scheme; what it gives back is verified as ever."""
    path = write(
        tmp_path,
        STORE,
        '{"PLUGINS": {"paths": ["plugins"]}, "EVIDENCE": {"blocks": "memory://"}, "BACKENDS": ['
        '{"id": "a", "type": "mock", "echo": true}]}',
    )
    with Mediator.from_config(path) as mediator:
        cid = mediator.submit_evidence(b"hello world\n", "document")["cid"]
        assert cid == "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
        assert mediator.retrieve_evidence(cid) == b"hello world\n"
        with mediator.evidence.database.transaction("read") as connection:
            assert len(list(mediator.evidence.blocks(connection).list())) == 1
            assert not connection.execute("SELECT * FROM blocks").fetchall()


def test_a_scheme_that_nobody_offers_is_a_config_error(tmp_path: Path) -> None:
    """The line names the key."""
    path = write(
        tmp_path,
        STORE,
        '{"PLUGINS": {"paths": ["plugins"]}, "EVIDENCE": {"blocks": "s3://bucket"}, "BACKENDS": ['
        '{"id": "a", "type": "mock", "echo": true}]}',
    )
    with Mediator.from_config(path) as mediator, pytest.raises(ConfigError, match=r"/EVIDENCE/blocks: .* s3://"):
        mediator.submit_evidence(b"x", "document")


def test_two_plugins_with_one_name_are_refused(tmp_path: Path) -> None:
    """Neither wins in silence."""
    for name in ("one.py", "two.py"):
        (tmp_path / name).write_text(LAST_FIRST, encoding="utf-8")
    with pytest.raises(PluginError, match=r"'last_first' is offered by .* and by .*"):
        PluginHost(paths=[tmp_path]).all_offers("complaint_llm_strategies")


def test_a_hook_that_fails_names_its_plugin(tmp_path: Path) -> None:
    """One line: which plugin, which hook, what happened."""
    broken = "from complaint_llm import hookimpl\n@hookimpl\ndef complaint_llm_batch_executors():\n    return 1 / 0\n"
    (tmp_path / "broken.py").write_text(broken, encoding="utf-8")
    with pytest.raises(PluginError, match=r"broken.py fails in complaint_llm_batch_executors: ZeroDivisionError"):
        PluginHost(paths=[tmp_path]).all_offers("complaint_llm_batch_executors")


@pytest.mark.parametrize(
    ("hook", "name"),
    [(hook, "odd") for hook in ("strategies", "guards", "observers", "block_stores", "batch_executors", "tasks")],
)
def test_a_plugin_that_cannot_be_imported_says_so_each_time(tmp_path: Path, hook: str, name: str) -> None:
    """Who asks second is not told that nobody offers it."""
    hooks = f"@hookimpl\ndef complaint_llm_{hook}():\n    return {{'{name}': 5}}\n"
    source = f"from complaint_llm import hookimpl\nimport not_installed_here\n{hooks}"
    write(tmp_path, source, "{}")
    host = PluginHost(paths=[tmp_path / "plugins"])
    for _ in range(3):
        with pytest.raises(PluginError, match="not_installed_here"):
            host.offer(f"complaint_llm_{hook}", name)
        assert host.offer(f"complaint_llm_{hook}", "another") is None
        assert host.offer_names(f"complaint_llm_{hook}") == []


def test_without_plugins_nothing_is_offered(tmp_path: Path) -> None:
    """The built-in backends' plugins are not imported to find that out."""
    path = tmp_path / "config.json"
    path.write_text('{"BACKENDS": [{"id": "a", "type": "mock", "echo": true}]}', encoding="utf-8")
    assert load_config(path).host.all_offers("complaint_llm_strategies") == {}


LOCAL = """
from complaint_llm import InferenceOutput, hookimpl
from complaint_llm.backends import Backend, BackendType

class Office(Backend):
    def answer(self, request):
        return InferenceOutput("from here")

@hookimpl
def complaint_llm_backend_types():
    return [BackendType("office", Office, location="local")]
"""


def test_a_type_that_says_it_is_local_passes_the_privacy_wall(tmp_path: Path) -> None:
    """``BackendType.location`` counts unless the config says otherwise."""
    entry = '{"id": "a", "type": "office"}'
    config = '{"PLUGINS": {"paths": ["plugins"]}, "MEDIATOR": {"privacy": "local"}, "BACKENDS": [%s]}'
    path = write(tmp_path, LOCAL, config % entry)
    with Mediator.from_config(path) as mediator:
        assert mediator.generate("x") == "from here"
    path.write_text(config % '{"id": "a", "type": "office", "location": "remote"}', encoding="utf-8")
    with Mediator.from_config(path) as mediator, pytest.raises(InvalidRequestError, match=r"not local"):
        mediator.generate("x")
