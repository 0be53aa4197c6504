"""Where plugins come from, and that one that is broken stays alone with its fault."""

from __future__ import annotations

import builtins
import shutil
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest

from complaint_llm.backends import Backend, BackendType, registered
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost
from complaint_llm.host.installed import Installed
from complaint_llm.messages import InferenceOutput
from complaint_llm.request import Request

PLUGIN = """
from complaint_llm import hookimpl
from complaint_llm.backends import Backend, BackendType
from complaint_llm.messages import InferenceOutput

class Toy(Backend):
    def __init__(self, greeting="hello", **keys):
        super().__init__(**keys)
        self.greeting = greeting
    def answer(self, request):
        return InferenceOutput(f"{self.greeting} from NAME")

@hookimpl
def complaint_llm_backend_types():
    return [BackendType("NAME", Toy, aliases=("NAME-alias",))]
"""


def plugin_text(name: str) -> str:
    return PLUGIN.replace("NAME", name)


@pytest.fixture(autouse=True)
def _no_traces() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("complaint_llm_drop_in_", "acme")):
            del sys.modules[name]


def install(site: Path, distribution: str, module: str, text: str, *names: str, version: str = "1.0") -> None:
    """A distribution as pip leaves it: a module and a dist-info folder with entry points."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(text)
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    points = "\n".join(f"{name} = {module}" for name in names)
    (info / "entry_points.txt").write_text(f"[complaint_llm]\n{points}\n")


def write_config(folder: Path, types: list[str], plugins: str = "") -> Path:
    entries = ", ".join(f'{{"id": "b{n}", "type": "{type}", "greeting": "hi"}}' for n, type in enumerate(types))
    file = folder / "config.json"
    file.write_text(f'{{{plugins} "BACKENDS": [{entries}]}}')
    return file


def test_the_four_ways_in_answer_through_the_same_config_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dropped"
    (folder / "infolder").mkdir(parents=True)
    (folder / "infolder" / "plugin.py").write_text(
        "from .code import *\n" + plugin_text("infolder").split("class Toy")[0] + "from .code import Toy\n"
        "@hookimpl\ndef complaint_llm_backend_types():\n    return [BackendType('infolder', Toy)]\n"
    )
    (folder / "infolder" / "code.py").write_text(plugin_text("infolder").split("@hookimpl")[0])
    (folder / "single.py").write_text(plugin_text("single"))
    (folder / "declared.yaml").write_text("type: declared\nlike: single\npresets: {greeting: declared}\n")
    (folder / "broken.py").write_text("import no_such_module_at_all\n")
    install(tmp_path / "site", "acme-llm", "acme_llm", plugin_text("acme"), "acme")
    monkeypatch.syspath_prepend(tmp_path / "site")

    class Registered(Backend):
        def __init__(self, greeting: str, **keys: object) -> None:
            super().__init__(**keys)
            self.greeting = greeting

        def answer(self, request: Request) -> InferenceOutput:
            return InferenceOutput(f"{self.greeting} from registered")

    registered.register_backend("registered", Registered)
    types = ["infolder", "single", "declared", "acme", "registered"]
    config = load_config(write_config(tmp_path, types, '"PLUGINS": {"paths": ["dropped"]},'), environ={})
    answers = []
    for id in config.order:
        with config.make_backend(id) as backend:
            answers.append(backend.generate("x"))
    assert answers == ["hi from infolder", "hi from single", "hi from single", "hi from acme", "hi from registered"]


def test_only_the_entry_points_that_a_config_names_are_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "one")
    install(tmp_path / "site", "acme-two", "acme_two", plugin_text("two"), "two")
    monkeypatch.syspath_prepend(tmp_path / "site")
    host = PluginHost()
    assert {"one", "two"} <= set(host.backend_type_names())
    assert "acme_one" not in sys.modules
    assert host.backend_type("one").name == "one"
    assert "acme_one" in sys.modules
    assert "acme_two" not in sys.modules


def test_an_alias_is_an_entry_point_to_the_same_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "one", "one-alias")
    monkeypatch.syspath_prepend(tmp_path / "site")
    host = PluginHost()
    assert host.backend_type("one-alias") is host.backend_type("one")


def test_two_distributions_with_one_name_are_refused_and_both_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("same"), "same")
    install(tmp_path / "site", "acme-two", "acme_two", plugin_text("same"), "same", "other")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(PluginError, match=r"'same' .*acme-one 1\.0 .*acme-two 1\.0") as caught:
        PluginHost().backend_type("same")
    assert "\n" not in str(caught.value)


def test_a_dropped_plugin_that_offers_an_installed_type_is_refused_only_where_that_type_is_used(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(plugin_text("openai"))
    host = PluginHost(paths=[tmp_path])
    with pytest.raises(PluginError, match=r"'openai' is offered twice, by .*mine\.py and complaint-llm"):
        host.backend_type("openai")
    assert host.backend_type("openai-alias").name == "openai"
    assert host.backend_type("mock").name == "mock"
    assert PluginHost(paths=[tmp_path], block=["mine"]).backend_type("openai").key_variables == ("OPENAI_API_KEY",)


def test_a_plugin_that_breaks_at_import_is_one_line_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = set(sys.modules)
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "bad.py").write_text("raise SystemExit('no\\nway')\n")
    (tmp_path / "drop" / "worse").mkdir()
    (tmp_path / "drop" / "worse" / "plugin.py").write_text("def (:\n")
    (tmp_path / "drop" / "good.py").write_text(plugin_text("good"))
    install(tmp_path / "site", "acme-bad", "acme_bad", "import no_such_module_at_all\n", "bad-installed")
    monkeypatch.syspath_prepend(tmp_path / "site")
    host = PluginHost(paths=[tmp_path / "drop"])
    assert host.backend_type("good").name == "good"
    with pytest.raises(PluginError, match=r"acme-bad 1\.0 cannot be imported: ModuleNotFoundError") as caught:
        host.backend_type("bad-installed")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert "\n" not in str(caught.value)
    states = {record.name: (record.state, record.error) for record in host.plugins()}
    assert states["good"] == ("ok", None)
    assert states["bad"][0] == states["worse"][0] == states["bad-installed"][0] == "error"
    assert not [
        name
        for name in set(sys.modules) - before
        if name.startswith("complaint_llm_drop_in_") and ("bad" in name or "worse" in name)
    ]
    assert caplog.records == [], "a warning of what nobody named would be noise: `plugins` is where to look"


def test_an_unknown_type_names_the_nearest_and_what_could_not_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text("1 / 0\n")
    with pytest.raises(PluginError, match='unknown type "opanai"; did you mean "openai"'):
        PluginHost().backend_type("opanai")
    with pytest.raises(PluginError, match=r'unknown type "acme".*not loaded: .*acme\.py.*ZeroDivisionError'):
        PluginHost(paths=[tmp_path]).backend_type("acme")


def test_a_mistyped_hook_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "typo.py").write_text(
        plugin_text("typo").replace("complaint_llm_backend_types", "complaint_llm_backend_tpyes")
    )
    (tmp_path / "zgood.py").write_text(plugin_text("zgood"))
    host = PluginHost(paths=[tmp_path])
    assert host.backend_type("zgood").name == "zgood"
    (record,) = [r for r in host.plugins() if r.name == "typo"]
    assert record.state == "error"
    assert "complaint_llm_backend_tpyes" in str(record.error)


def test_a_hook_that_raises_or_offers_rubbish_is_an_error_of_that_plugin_alone(tmp_path: Path) -> None:
    (tmp_path / "raises.py").write_text(plugin_text("raises").replace("return [", "raise KeyError('x')\n    return ["))
    (tmp_path / "rubbish.py").write_text(
        plugin_text("rubbish").replace("return [BackendType", "return [str] or [BackendType")
    )
    (tmp_path / "zgood.py").write_text(plugin_text("zgood"))
    host = PluginHost(paths=[tmp_path])
    assert host.backend_type("zgood").name == "zgood"
    errors = {record.name: record.error for record in host.plugins() if record.kind == "file"}
    assert "KeyError" in str(errors["raises"])
    assert "BackendType belongs" in str(errors["rubbish"])
    assert errors["zgood"] is None


def test_block_and_allow_bar_plugins_but_never_the_built_in_ones_by_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "dropped.py").write_text(plugin_text("dropped"))
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "one")
    install(tmp_path / "site", "acme-two", "acme_two", plugin_text("two"), "two")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(PluginError, match=r"PLUGINS\.block"):
        PluginHost(block=["one"]).backend_type("one")
    host = PluginHost(paths=[tmp_path / "drop"], allow=["one"])
    assert host.backend_type("one").name == "one"
    assert host.backend_type("mock").name == "mock"
    for name in ("two", "dropped"):
        with pytest.raises(PluginError):
            host.backend_type(name)
        assert name not in host.backend_type_names()
    assert "acme_two" not in sys.modules


def test_an_enabled_plugin_offers_types_that_its_entry_point_does_not_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("large"), "family", "large")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(PluginError, match="unknown type"):
        PluginHost().backend_type("large-alias")
    host = PluginHost(enable=["family"])
    assert host.backend_type("large-alias").name == "large"
    assert host.backend_type("large").name == "large", "met twice, by its own entry point too, and no clash"
    with pytest.raises(PluginError, match=r"PLUGINS\.enable names 'nobody'"):
        PluginHost(enable=["nobody"]).backend_type("mock")


def test_an_entry_point_that_promises_a_type_must_offer_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "uno")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(PluginError, match="offers no type 'uno'"):
        PluginHost().backend_type("uno")


def test_two_hosts_share_nothing_but_what_was_registered(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(plugin_text("mine"))
    assert PluginHost(paths=[tmp_path]).backend_type("mine").name == "mine"
    with pytest.raises(PluginError):
        PluginHost().backend_type("mine")
    registered.register_backend("late", Backend)
    assert PluginHost().backend_type("late").make is Backend


def test_registering_a_taken_name_is_refused_and_the_same_class_again_is_not() -> None:
    registered.register_backend("toy", Backend)
    registered.register_backend("toy", Backend)
    with pytest.raises(PluginError, match="already registered"):
        registered.register_backend("toy", dict)
    registered.register_backend("mock", dict)
    with pytest.raises(PluginError, match=r"'mock' is offered twice, by complaint-llm .* and register_backend"):
        PluginHost().backend_type("mock")


def test_extended_hosts_look_in_both_and_nothing_new_is_the_same_host(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(plugin_text("mine"))
    host = PluginHost(block=["openai"])
    wider = host.with_plugins(paths=[tmp_path])
    assert wider.backend_type("mine").name == "mine"
    with pytest.raises(PluginError):
        wider.backend_type("openai")
    assert wider.with_plugins(paths=[tmp_path]) is wider


def test_a_dropped_plugin_does_not_touch_sys_path_and_two_of_one_name_live_side_by_side(tmp_path: Path) -> None:
    before = list(sys.path)
    hosts = []
    for number in ("1", "2"):
        folder = tmp_path / number
        folder.mkdir()
        (folder / "same.py").write_text(plugin_text(f"same{number}"))
        hosts.append(PluginHost(paths=[folder]))
    assert [host.backend_type(f"same{n}").name for n, host in enumerate(hosts, 1)] == ["same1", "same2"]
    assert sys.path == before


def test_every_plugin_of_this_package_is_in_order() -> None:
    records = [record for record in PluginHost().plugins() if record.source.startswith("complaint-llm ")]
    assert len(records) >= 10
    assert [(record.name, record.error) for record in records if record.state != "ok"] == []


def test_a_config_says_in_one_line_that_its_plugin_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "acme-bad", "acme_bad", textwrap.dedent("raise RuntimeError('first\\nsecond')"), "bad")
    monkeypatch.syspath_prepend(tmp_path / "site")
    with pytest.raises(ConfigError) as caught:
        load_config(write_config(tmp_path, ["bad"]), environ={})
    (line,) = caught.value.problems
    assert "/BACKENDS/0/type: the plugin acme_bad of acme-bad 1.0 cannot be imported: RuntimeError: first" in line


def test_backend_types_lists_each_once_by_its_own_name() -> None:
    names = [type.name for type in PluginHost().backend_types()]
    assert len(names) == len(set(names))
    assert {"openai", "anthropic", "mock"} <= set(names)
    assert "claude" not in names
    assert all(isinstance(type, BackendType) for type in PluginHost().backend_types())


def test_many_threads_asking_one_host_import_a_plugin_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "drop").mkdir()
    count = "import builtins\nbuiltins.acme_imports = getattr(builtins, 'acme_imports', 0) + 1\n"
    (tmp_path / "drop" / "dropped.py").write_text(count + plugin_text("dropped"))
    install(tmp_path / "site", "acme-one", "acme_one", count + plugin_text("one"), "one")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr("builtins.acme_imports", 0, raising=False)
    host = PluginHost(paths=[tmp_path / "drop"])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(host.backend_type, ["one", "dropped"] * 20))
    assert len({id(type) for type in found}) == 2
    assert vars(builtins)["acme_imports"] == 2


def test_a_package_in_a_zip_file_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "acme-zip", "acme_zip", plugin_text("zipped"), "zipped")
    archive = shutil.make_archive(str(tmp_path / "acme"), "zip", tmp_path / "site")
    monkeypatch.syspath_prepend(archive)
    assert PluginHost().backend_type("zipped").name == "zipped"


def test_entry_points_read_directly_are_those_that_importlib_metadata_reads() -> None:
    direct, whole = Installed(), Installed()
    names = whole.names()
    assert {"openai", "mock"} <= set(names)
    assert [direct.get(name) for name in names] == [whole.get(name) for name in names]
    theirs = {(point.name, point.value) for point in metadata.entry_points(group="complaint_llm")}
    assert {(point.name, point.value) for point in whole.all()} == theirs
    assert {(name, point.value) for name in names if (point := direct.get(name))} == theirs
