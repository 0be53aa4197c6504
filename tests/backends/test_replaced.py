"""A backend's class that overrides what was replaced, and is not asked any more, is told so as it is loaded: its budget
would be reckoned by what it does not say."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm.backends import AnswerLimits, Backend, BackendType, HTTPBackend, LocalModelBackend, OpenAIBackend
from complaint_llm.backends.replaced import REPLACED
from complaint_llm.cli.main import cli
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.mediator import Mediator
from tests.end_to_end.everything import write_config

VALUES: dict[str, Any] = {
    "method": lambda self, request: 10,
    "property": property(lambda self: 10),
    "static": staticmethod(lambda request: 10),
    "value": 10,
}
BASES = [Backend, HTTPBackend, LocalModelBackend, OpenAIBackend]


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", REPLACED)
def test_what_is_overridden_and_not_asked_is_an_error(name: str, kind: str, base: type) -> None:
    """Also over a built-in class that has the new name itself; with what to do."""
    with pytest.raises(PluginError, match=rf"\.Odd overrides {name}, which is .* more: override {REPLACED[name]} "):
        types.new_class("Odd", (base,), exec_body=lambda body: body.update({name: VALUES[kind]}))


@pytest.mark.parametrize("name", REPLACED)
def test_one_that_a_class_inherits_is_an_error_too(name: str) -> None:
    """From a class that is no backend: the one that has it is named."""
    mixin = type("Mixin", (), {name: VALUES["method"]})
    with pytest.raises(PluginError, match=rf"\.Mixin overrides {name}"):
        type("Odd", (mixin, Backend), {})


class Limits:
    def answer_limits(self, model: str) -> AnswerLimits:
        return AnswerLimits(longest=10)

    def prepare_attempt(self, request: Any) -> None:
        """Nothing."""


@pytest.mark.parametrize("name", REPLACED)
def test_a_class_for_both_releases_is_none(name: str) -> None:
    """It has the new name too, at the same place or before it."""
    new = REPLACED[name]
    both = {name: VALUES["method"], new: vars(Limits)[new]}
    kept = type("Kept", (Backend,), both)
    type("Below", (kept,), {})
    type("Apart", (Limits, type("Mixin", (), {name: VALUES["method"]}), Backend), {})
    with pytest.raises(PluginError, match=rf"overrides {name}"):
        type("Again", (kept,), {name: VALUES["method"]})


def test_what_has_other_names_is_none() -> None:
    """Nor is one that overrides only what is asked."""
    assert type("New", (Backend,), {"answer_limits": Limits.answer_limits, "longest": 5, "_attempt": 5})


DROP_IN = """
from complaint_llm import hookimpl
from complaint_llm.backends import Backend, BackendType
class Odd(Backend):
    def {name}(self, request):
        return 10
@hookimpl
def complaint_llm_backend_types():
    return [BackendType("odd", Odd, example={{"id": "odd", "type": "odd"}})]
"""


@pytest.mark.parametrize("name", REPLACED)
def test_a_plugin_says_so_with_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """At its place in the config, by ``check``, and in the list of plugins; what does not name it works."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    file = f"odd_{tmp_path.name}.py"
    (tmp_path / "plugins" / file).write_text(DROP_IN.format(name=name))
    path = write_config(tmp_path, [{"id": "o", "type": "odd"}], PLUGINS={"paths": ["plugins"]})
    with pytest.raises(ConfigError, match=rf"config\.json:1:\d+: /BACKENDS/0/type: .*{file}.*overrides {name}, which"):
        load_config(path)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check"])
    assert f"overrides {name}" in str(done.exception)
    write_config(tmp_path, [{"id": "m", "type": "mock", "echo": True}], PLUGINS={"paths": ["plugins"]})
    with Mediator.from_config(path) as mediator:
        assert mediator.generate("hello") == "hello"
    tried = CliRunner().invoke(cli, ["-c", "config.json", "check", "--connect"])
    assert (tried.exit_code, f"overrides {name}" in tried.stderr) == (1, True)


def test_a_class_that_is_imported_late_says_so_when_it_is_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a plugin of a distribution names it: ``package.module:Class``."""
    name = f"late_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(DROP_IN.format(name="prompt_overhead"))
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match=r"cannot import .*: PluginError: .*overrides prompt_overhead"):
        BackendType("odd", f"{name}:Odd").factory()
    assert name not in sys.modules


def test_the_built_in_types_have_none_of_them() -> None:
    """Nor does what authors build on."""
    for base in BASES:
        for name in REPLACED:
            assert not hasattr(base, name), (base, name)
