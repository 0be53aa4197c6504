"""What plugins say of a config beforehand: under the file, of enabled plugins alone, never a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError


def config(folder: Path, file: dict[str, Any], **defaults: Any) -> Path:
    """A config that enables plugins; each offers the defaults that are given by its name."""
    (folder / "plugins").mkdir(mode=0o755, exist_ok=True)
    for name, values in defaults.items():
        (folder / "plugins" / f"{name}.py").write_text(
            "from complaint_llm import hookimpl\n"
            f"@hookimpl\ndef complaint_llm_config_defaults():\n    return {values!r}\n"
        )
    plugins = {"paths": ["plugins"], "enable": sorted(defaults)}
    path = folder / "config.json"
    document = {"PLUGINS": plugins, "BACKENDS": [{"id": "a", "type": "mock", "echo": True}], **file}
    path.write_text(json.dumps(document))
    return path


def load(folder: Path, file: dict[str, Any], **defaults: Any) -> Config:
    return load_config(config(folder, file, **defaults), environ={"A_KEY": "sk-canary-123456"})


@pytest.mark.parametrize(
    ("file", "given", "section", "result"),
    [
        ({}, {"MEDIATOR": {"timeout": 45}}, "mediator", {"timeout": 45}),
        ({"MEDIATOR": {"timeout": 20}}, {"MEDIATOR": {"timeout": 45}}, "mediator", {"timeout": 20}),
        (
            {"MEDIATOR": {"timeout": 20}},
            {"MEDIATOR": {"max_workers": 3}},
            "mediator",
            {"timeout": 20, "max_workers": 3},
        ),
        ({}, {"MEDIATOR": {"privacy": "local"}}, "mediator", {"privacy": "local"}),
        (
            {"MEDIATOR": {"circuit_breaker": {"failures": 2}}},
            {"MEDIATOR": {"circuit_breaker": {"failures": 9, "cooldown": 5}}},
            "mediator",
            {"circuit_breaker": {"failures": 2, "cooldown": 5}},
        ),
        ({}, {"LOG": {"level": "INFO"}}, "log", {"level": "INFO"}),
        ({"LOG": {}}, {"LOG": {"level": "INFO"}}, "log", {"level": "INFO"}),
        ({"MEDIATOR": {"budget": 1}}, {"MEDIATOR": {"budget": {"day": 5}}}, "mediator", {"budget": 1}),
        ({}, {"APPLICATION": {"office": ["x"]}}, "application", {"office": ["x"]}),
        ({"APPLICATION": {"a": 1}}, {"APPLICATION": {"b": 2}}, "application", {"a": 1, "b": 2}),
        ({"APPLICATION": {"a": [1]}}, {"APPLICATION": {"a": [2, 3]}}, "application", {"a": [1]}),
        ({"APPLICATION": None}, {"APPLICATION": {"a": 1}}, "application", None),
    ],
)
def test_the_file_wins_key_by_key(
    file: dict[str, Any], given: dict[str, Any], section: str, result: Any, tmp_path: Path
) -> None:
    """What it does not say is the plugin's."""
    assert getattr(load(tmp_path, file, office=given), section) == result


def test_it_is_known_whose_a_value_is(tmp_path: Path) -> None:
    """Only what is in force, by the name that enables the plugin; the file itself is as it was."""
    loaded = load(
        tmp_path,
        {"MEDIATOR": {"timeout": 20}},
        one={"MEDIATOR": {"timeout": 45, "max_workers": 3}},
        two={"LOG": {"level": "INFO"}},
    )
    assert loaded.defaults == {"one": {"MEDIATOR": {"max_workers": 3}}, "two": {"LOG": {"level": "INFO"}}}
    assert loaded.as_written()["MEDIATOR"] == {"timeout": 20}
    assert "LOG" not in loaded.as_written()
    loaded.set_key("MEDIATOR", "max_workers", 5)
    assert (loaded.mediator["max_workers"], loaded.defaults["two"]) == (5, {"LOG": {"level": "INFO"}})
    loaded.save()
    assert "INFO" not in loaded.path.read_text()


def test_guards_of_a_plugin_stand_where_the_file_has_none(tmp_path: Path) -> None:
    """A list is taken whole, or not at all."""
    given = {"GUARDS": [{"type": "mine", "for": "all"}]}
    assert [dict(each) for each in load(tmp_path, {}, office=given).guards] == given["GUARDS"]
    own = [{"type": "own"}]
    assert [dict(each) for each in load(tmp_path, {"GUARDS": own}, office=given).guards] == own


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"BACKENDS": []}, "/BACKENDS: a plugin says nothing of it"),
        ({"PLUGINS": {"enable": ["x"]}}, "/PLUGINS: a plugin says nothing of it"),
        ({"TASKS": []}, "/TASKS: a plugin says nothing of it"),
        ({"MEDIATR": {}}, "/MEDIATR: a plugin says nothing of it"),
        ({"x-own": {}}, "/x-own: a plugin says nothing of it"),
        ({"MEDIATOR": {"timeuot": 5}}, "/MEDIATOR/timeuot: .*timeout"),
        ({"MEDIATOR": {"timeout": "soon"}}, "/MEDIATOR/timeout: "),
        ({"MEDIATOR": {"timeout": -1}}, "/MEDIATOR/timeout: "),
        ({"MEDIATOR": {"max_workers": 1.5}}, "/MEDIATOR/max_workers: "),
        ({"MEDIATOR": 5}, "/MEDIATOR: "),
        ({"LOG": {"level": "LOUD"}}, "/LOG/level: "),
        ({"GUARDS": {"type": "x"}}, "/GUARDS: "),
        ({"MEDIATOR": {"shared": {"redis": "redis://u:secret@host"}}}, "/MEDIATOR/shared/redis: this is a secret's"),
        ({"APPLICATION": {"api_key": "x"}}, "/APPLICATION/api_key: this is a secret's place"),
        ({"GUARDS": [{"type": "x", "token": "x"}]}, "/GUARDS/0/token: this is a secret's place"),
        ({"OBSERVERS": [{"type": "x", "client_secret": "x"}]}, "/OBSERVERS/0/client_secret: this is a secret's"),
        ({"APPLICATION": {"deep": {"db_password": "x"}}}, "/APPLICATION/deep/db_password: this is a secret's"),
        ({"EVIDENCE": {"path": "$A_KEY"}}, "/EVIDENCE/path: no variables here"),
        ({"APPLICATION": {"x": "${A_KEY:-y}"}}, "/APPLICATION/x: no variables here"),
        ({"GUARDS": [{"type": "x", "list": ["a", "$A_KEY"]}]}, "/GUARDS/0/list/1: no variables here"),
    ],
)
def test_what_a_plugin_may_not_say_is_a_fault_of_the_config(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    """At the place that enables it, with the name."""
    with pytest.raises(ConfigError, match=f"/PLUGINS/enable: the defaults of 'office' are wrong: {words}") as caught:
        load(tmp_path, {}, office=given)
    assert "canary" not in str(caught.value)


def test_two_plugins_that_say_different_things_are_a_fault(tmp_path: Path) -> None:
    """Neither wins in silence; the same twice is no contradiction."""
    with pytest.raises(ConfigError, match="defaults of 'two' are wrong: /MEDIATOR/timeout: 'one' says something else"):
        load(tmp_path, {}, one={"MEDIATOR": {"timeout": 1}}, two={"MEDIATOR": {"timeout": 2}})
    (tmp_path / "other").mkdir()
    same = load(tmp_path / "other", {}, one={"MEDIATOR": {"timeout": 1}}, two={"MEDIATOR": {"timeout": 1}})
    assert same.mediator["timeout"] == 1


@pytest.mark.parametrize("body", ["1 / 0", "return ['x']", "return {1: 2}", "raise SystemExit(2)", "return 'text'"])
def test_a_hook_that_fails_is_one_line(body: str, tmp_path: Path) -> None:
    """It names the plugin."""
    path = config(tmp_path, {}, office={})
    (tmp_path / "plugins" / "office.py").write_text(
        f"from complaint_llm import hookimpl\n@hookimpl\ndef complaint_llm_config_defaults():\n    {body}\n"
    )
    with pytest.raises(ConfigError, match=r"office\.py fails in complaint_llm_config_defaults") as caught:
        load_config(path, environ={})
    assert len(caught.value.problems) == 1


def test_a_plugin_that_is_not_enabled_says_nothing(tmp_path: Path) -> None:
    """Not even one that is loaded for its type."""
    path = config(tmp_path, {}, office={"MEDIATOR": {"timeout": 45}})
    document = json.loads(path.read_text())
    document["PLUGINS"]["enable"] = []
    path.write_text(json.dumps(document))
    assert dict(load_config(path, environ={}).mediator) == {}
