"""PLUGINS.allow by digest: a plugin is loaded as it was looked at, or not at all."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost
from complaint_llm.host.allow_list import AllowList
from complaint_llm.host.digests import digest_of
from tests.host.test_plugin_host import install, plugin_text


@pytest.fixture(autouse=True)
def _no_traces() -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("complaint_llm_drop_in_", "acme")):
            del sys.modules[name]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def drop(folder: Path, kind: str, text: str) -> Path:
    """The plugin ``mine`` as a file or as a folder of two."""
    folder.mkdir(exist_ok=True)
    if kind == "file":
        (folder / "mine.py").write_text(text)
        return folder / "mine.py"
    (folder / "mine").mkdir(exist_ok=True)
    (folder / "mine" / "plugin.py").write_text(text)
    (folder / "mine" / "code.py").write_text("X = 1\n")
    return folder / "mine"


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_plugin_is_loaded_as_it_was_and_refused_once_it_changed(tmp_path: Path, kind: str) -> None:
    """Both digests are shown, shortened."""
    path = drop(tmp_path / "drop", kind, plugin_text("mine"))
    before = digest_of(path)
    allow = [f"mine@sha256:{before}"]
    assert PluginHost(paths=[tmp_path / "drop"], allow=allow).backend_type("mine").name == "mine"
    (path if kind == "file" else path / "code.py").write_text(plugin_text("mine") + "# changed\n")
    after = digest_of(path)
    host = PluginHost(paths=[tmp_path / "drop"], allow=allow)
    with pytest.raises(PluginError) as caught:
        host.backend_type("mine")
    assert f"sha256 {before[:12]}..." in str(caught.value)
    assert f"has {after[:12]}... now" in str(caught.value)
    assert before not in str(caught.value)
    (record,) = [each for each in host.plugins() if each.name == "mine"]
    assert (record.state, record.sha256) == ("blocked", after)
    both = [*allow, f"mine@sha256:{after}"]
    drop(tmp_path / "drop", kind, plugin_text("mine"))
    assert PluginHost(paths=[tmp_path / "drop"], allow=both).backend_type("mine").name == "mine", "either may be there"


def test_an_installed_plugin_is_pinned_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the file of its module; nothing of one that changed is imported."""
    install(tmp_path / "site", "acme-one", "acme_one", plugin_text("one"), "one")
    monkeypatch.syspath_prepend(tmp_path / "site")
    allow = [f"one@sha256:{sha256(plugin_text('one'))}"]
    assert PluginHost(allow=allow).backend_type("one").name == "one"
    del sys.modules["acme_one"]
    (tmp_path / "site" / "acme_one.py").write_text(plugin_text("one") + "\n")
    with pytest.raises(PluginError, match=r"sha256 [0-9a-f]{12}\.\.\., and has [0-9a-f]{12}\.\.\. now"):
        PluginHost(allow=allow).backend_type("one")
    assert "acme_one" not in sys.modules
    with pytest.raises(PluginError, match=r"PLUGINS\.enable names 'one', which is allowed"):
        PluginHost(allow=allow, enable=["one"]).load_listed()


def test_what_both_configs_allow_is_allowed(tmp_path: Path) -> None:
    """A name alone in one does not open what the other pins."""
    path = drop(tmp_path / "drop", "file", plugin_text("mine"))
    pinned = PluginHost(paths=[tmp_path / "drop"], allow=[f"mine@sha256:{digest_of(path)}"])
    assert pinned.with_plugins(allow=["mine"]).backend_type("mine").name == "mine"
    path.write_text(plugin_text("mine") + "\n")
    with pytest.raises(PluginError, match="is allowed by"):
        pinned.with_plugins(allow=["mine"]).backend_type("mine")


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "@",
        "mine@",
        "mine@sha256:",
        "mine@sha256:abc",
        f"mine@sha256:{'a' * 63}",
        f"mine@sha256:{'a' * 65}",
        f"mine@sha256:{'A' * 64}",
        f"mine@sha256:{'g' * 64}",
        f"mine@sha512:{'a' * 64}",
        f"mine@{'a' * 64}",
        f"@sha256:{'a' * 64}",
        f"mine@sha256:{'a' * 64} ",
        f"mine@sha256:{'a' * 64}@sha256:{'a' * 64}",
    ],
)
def test_an_entry_that_is_no_name_and_no_pin_is_told(entry: str, tmp_path: Path) -> None:
    """A pin that is misspelt must not pass for a name that nobody has, or for one that everybody has."""
    with pytest.raises(PluginError, match="64 digits"):
        AllowList([entry])
    if entry:
        drop(tmp_path / "drop", "file", plugin_text("mine"))
        file = tmp_path / "config.yaml"
        file.write_text(f"PLUGINS: {{paths: [drop], allow: [{entry!r}]}}\nBACKENDS: [{{id: a, type: mock}}]\n")
        with pytest.raises(ConfigError, match=r"/PLUGINS/allow/0: .*64 digits"):
            load_config(file, environ={})


def test_a_name_that_nobody_has_is_told_without_its_digest(tmp_path: Path) -> None:
    """At its place, with the nearest name."""
    drop(tmp_path / "drop", "file", plugin_text("mine"))
    file = tmp_path / "config.yaml"
    file.write_text(
        f"PLUGINS: {{paths: [drop], allow: ['mime@sha256:{'a' * 64}']}}\nBACKENDS: [{{id: a, type: mock}}]\n"
    )
    with pytest.raises(ConfigError, match=r'/PLUGINS/allow/0: no plugin "mime"; did you mean "mine"'):
        load_config(file, environ={})


def test_the_digest_of_a_folder_is_that_of_the_lines_of_sha256sum(tmp_path: Path) -> None:
    """So that it can be made with other tools; what Python makes itself is left out."""
    path = drop(tmp_path, "folder", "A = 1\n")
    lines = f"{sha256('X = 1' + chr(10))}  code.py\n{sha256('A = 1' + chr(10))}  plugin.py\n"
    assert digest_of(path) == sha256(lines)
    (path / "__pycache__").mkdir()
    (path / "__pycache__" / "plugin.pyc").write_bytes(b"x")
    assert digest_of(path) == sha256(lines)
    (path / "data.json").write_text("{}")
    assert digest_of(path) != sha256(lines)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_not_loaded(tmp_path: Path) -> None:
    """Nothing can be said of what is in it."""
    path = drop(tmp_path / "drop", "file", plugin_text("mine"))
    path.chmod(0)
    with pytest.raises(PluginError):
        PluginHost(paths=[tmp_path / "drop"], allow=[f"mine@sha256:{'a' * 64}"]).backend_type("mine")
