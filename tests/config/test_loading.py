"""Which file is read, from where its variables come, and what of a config is left out."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import traceback
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.config import composed_schema, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.secrets import Secret
from tests.config.configs import MOCK, load, write


def test_the_file_is_the_given_one_then_the_environments_then_the_first_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"no config: neither complaint-llm nor config with \.json, \.yaml or \.yml"):
        load_config(environ={})
    (tmp_path / "config.yml").write_text("BACKENDS: [{id: yml, type: mock}]")
    assert load_config(environ={}).order == ("yml",)
    (tmp_path / "config.yaml").write_text("BACKENDS: [{id: yaml, type: mock}]")
    assert load_config(environ={}).order == ("yaml",)
    write(tmp_path, {"id": "json", "type": "mock"})
    assert load_config(environ={}).order == ("json",)
    for name in ("complaint-llm.yml", "complaint-llm.yaml"):
        (tmp_path / name).write_text(f"BACKENDS: [{{id: own-{name[14:]}, type: mock}}]")
        assert load_config(environ={}).order == (f"own-{name[14:]}",)
    write(tmp_path, {"id": "own-json", "type": "mock"}, name="complaint-llm.json")
    assert load_config(environ={}).order == ("own-json",)
    named = write(tmp_path, {"id": "named", "type": "mock"}, name="named.json")
    assert load_config(environ={"COMPLAINT_LLM_CONFIG": str(named)}).order == ("named",)
    given = write(tmp_path, {"id": "given", "type": "mock"}, name="given.json")
    assert load_config(given, environ={"COMPLAINT_LLM_CONFIG": str(named)}).order == ("given",)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "no.json", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError) as caught:
            load_config(path, environ={})
        assert caught.value.problems == (f"{path}: cannot be read: {caught.value.problems[0].split(': ')[-1]}",)
        assert said in caught.value.problems[0]


def test_the_process_environment_is_used_where_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODEL", "from-process")
    (entry,) = load_config(write(tmp_path, {"id": "m", "type": "mock", "model": "$MY_MODEL"})).backends
    assert entry.keys["model"] == "from-process"


def test_dotenv_beside_the_file_adds_variables_and_never_overrides_one_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("A=file\nB='file'\nC=file\nOPENAI_API_KEY=k-file\n")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    entry = {"id": "o", "type": "openai", "system": "$A $B $C"}
    config = load(tmp_path, entry, environ={"A": "set", "B": ""})
    assert config.backends[0].keys["system"] == "set file file", "set but empty counts as unset"
    assert config.backends[0].keys["api_key"] == Secret("k-file")
    assert "OPENAI_API_KEY" not in os.environ, "the process's environment is not changed"


def test_a_dotenv_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=caf\xe9\n")
    with pytest.raises(ConfigError, match=r"\.env: not UTF-8"):
        load(tmp_path, MOCK)


def test_a_usual_key_variable_fills_the_key_and_a_given_one_wins(tmp_path: Path) -> None:
    entries = [{"id": "a", "type": "anthropic"}, {"id": "b", "type": "anthropic", "api_key": "$OTHER_KEY"}]
    config = load(tmp_path, *entries, environ={"ANTHROPIC_API_KEY": "k-usual", "OTHER_KEY": "k-other"})
    assert [entry.keys["api_key"] for entry in config.backends] == [Secret("k-usual"), Secret("k-other")]


def test_a_key_that_the_process_has_set_is_left_to_the_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "k-bearer")
    config = load_config(write(tmp_path, {"id": "a", "type": "anthropic"}))
    assert "api_key" not in config.entry("a").keys
    with config.make_backend("a") as backend:
        assert backend.auth_headers()["Authorization"] == Secret("Bearer k-bearer")


CONTENT = {"BACKENDS": [{"id": "a", "type": "openai", "api_key": "sk-canary-0123456789"}]}


@pytest.mark.parametrize(
    "given",
    [
        *(CONTENT, [CONTENT], (CONTENT,), MappingProxyType(CONTENT), json.dumps(CONTENT).encode(), 3, 0.5, True),
        *(json.dumps(CONTENT), f" {json.dumps(CONTENT)}", json.dumps(CONTENT, indent=2), "", {}, []),
        *("BACKENDS:\n- {id: a, type: openai, api_key: sk-canary-0123456789}\n", Path(json.dumps(CONTENT))),
    ],
    ids=repr,
)
def test_what_is_in_a_config_is_no_path_to_it(given: Any) -> None:
    """A mapping or a text in the place of a path is one line that shows nothing of the key in it."""
    with pytest.raises(ConfigError, match="a config is a file: give its path, not what is in it") as caught:
        Mediator.from_config(given)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("entry", [{}, {"api_key": "$ANTHROPIC_AUTH_TOKEN"}], ids=["left out", "named"])
@pytest.mark.parametrize("from_file", [False, True], ids=["set", "in .env"])
def test_a_bearer_token_is_one_wherever_it_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: dict[str, str], from_file: bool
) -> None:
    """The variable says what the value is, not the way it came."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_AUTH_TOKEN", raising=False)
    if from_file:
        (tmp_path / ".env").write_text("ANTHROPIC_AUTH_TOKEN=k-bearer\n", encoding="utf-8")
    else:
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "k-bearer")
    config = load_config(write(tmp_path, {"id": "a", "type": "anthropic", **entry}))
    with config.make_backend("a") as backend:
        headers = backend.auth_headers()
    assert headers["Authorization"] == Secret("Bearer k-bearer")
    assert "x-api-key" not in headers


def test_an_optional_backend_is_checked_all_the_same(tmp_path: Path) -> None:
    entry = {"id": "o", "type": "openai", "api_key": "$UNSET_KEY", "temperature": 7, "optional": True}
    with pytest.raises(ConfigError, match="/BACKENDS/0/temperature: must be at most 2, not 7"):
        load(tmp_path, entry, MOCK)


def test_an_optional_local_backend_is_left_out_where_nothing_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        entry = {
            "id": "l",
            "type": "openai",
            "api_key": "x",
            "base_url": f"http://127.0.0.1:{port}/v1",
            "optional": True,
        }
        assert load(tmp_path, entry).left_out == ()
    reason = f"nothing listens at 127.0.0.1:{port}: start the server, or correct base_url"
    assert load(tmp_path, entry, MOCK).left_out == (("l", reason),)
    assert load(tmp_path, {**entry, "optional": False}).left_out == (), "only optional ones are asked"


def test_remote_addresses_are_never_connected_to_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(args)

    monkeypatch.setattr(socket, "create_connection", refuse)
    entry = {"id": "l", "type": "openai", "api_key": "x", "base_url": "http://127.0.0.1.example/v1", "optional": True}
    assert load(tmp_path, entry).left_out == ()


def test_all_faults_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "MEDIATOR:\n  backends: [x]\n  timeout: -1\nBACKENDS:\n  - id: a\n    type: opnai\n"
        "  - id: b\n    type: mock\n    temperatur: 1\n    top_p: 4\n  - id: b\n    type: mock\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file, environ={})
    places = [line.removeprefix(f"{file}:").split(": ")[:2] for line in caught.value.problems]
    assert places == [
        ["2:14", "/MEDIATOR/backends/0"],
        ["3:12", "/MEDIATOR/timeout"],
        ["6:11", "/BACKENDS/0/type"],
        ["9:5", "/BACKENDS/1/temperatur"],
        ["10:12", "/BACKENDS/1/top_p"],
        ["11:9", "/BACKENDS/2/id"],
    ]


def test_a_router_may_name_types_and_the_composed_others_only_ids(tmp_path: Path) -> None:
    entry = {"id": "r", "type": "llm_router", "provider": "openai", "model": "m", "fallback_providers": ["m"]}
    assert load(tmp_path, entry, MOCK).order == ("r", "m")
    with pytest.raises(ConfigError, match='/BACKENDS/0/primary: no backend "openai" in BACKENDS'):
        load(tmp_path, {"id": "f", "type": "fallback", "primary": "openai", "fallbacks": ["m"]}, MOCK)


def test_a_given_host_brings_plugins_and_the_file_adds_its_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.json").write_text(json.dumps({"type": name, "like": "mock"}))
    file = write(tmp_path, {"id": "a", "type": "one"}, {"id": "b", "type": "two"}, PLUGINS={"paths": ["two"]})
    assert load_config(file, environ={}, host=PluginHost(paths=[tmp_path / "one"])).order == ("a", "b")


def test_the_composed_schema_is_valid_and_judges_as_the_loader_does() -> None:
    from jsonschema import Draft202012Validator

    schema = composed_schema(PluginHost())
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    good = {"BACKENDS": [{"id": "a", "type": "claude", "max_tokens": 5}, {"id": "m", "type": "mock", "echo": True}]}
    assert list(judge.iter_errors(good)) == []
    for wrong in ({"temperature": 9}, {"echo": True}, {"type": "clade"}):
        bad = {"BACKENDS": [{**good["BACKENDS"][0], **wrong}]}
        assert list(judge.iter_errors(bad)) != [], wrong


def test_an_enabled_plugin_that_is_not_installed_is_one_line_about_plugins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, MOCK, {"id": "n", "type": "mock"}, PLUGINS={"enable": ["nobody"]})
    (line,) = caught.value.problems
    assert ": /PLUGINS: PLUGINS.enable names 'nobody', which is not installed" in line


def test_times_that_no_clock_can_wait_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must be at most 100000000, not 1e\+300"):
        load(tmp_path, {**MOCK, "timeout": 1e300})


def test_the_repositorys_own_plugin_folder_holds_no_dropped_in_plugins(tmp_path: Path) -> None:
    plugins = Path(str(importlib.util.find_spec("complaint_llm_plugins").submodule_search_locations[0]))  # type: ignore[union-attr, index]
    config = load(tmp_path, MOCK, PLUGINS={"paths": [str(plugins)]})
    assert [record for record in config.host.plugins() if record.kind != "entry point"] == []


def test_a_value_that_is_not_known_is_not_judged_beside_another_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, {**MOCK, "model": "${", "system": "$NOT_SET", "temperatur": 1})
    assert [line.split(": ")[1] for line in caught.value.problems] == [
        "/BACKENDS/0/model",
        "/BACKENDS/0/system",
        "/BACKENDS/0/temperatur",
    ]


def test_a_composed_backend_goes_on_with_the_parts_that_are_left(tmp_path: Path) -> None:
    gone = {"type": "openai", "model": "$NOT_SET", "optional": True}
    config = load(
        tmp_path,
        {"id": "o", **gone},
        {"id": "p", **gone},
        MOCK,
        {"id": "chain", "type": "fallback", "primary": "o", "fallbacks": ["p", "m"]},
        {"id": "balanced", "type": "load_balanced", "backends": ["o", "m", "p"]},
        {"id": "router", "type": "llm_router", "model": "x", "provider": "p", "fallback_providers": ["xai", "m"]},
        {"id": "whole", "type": "fallback", "primary": "m", "fallbacks": ["balanced"]},
    )
    assert dict(config.left_out).keys() == {"o", "p", "router/xai"}
    assert config.entry("chain").keys == {"primary": "m", "fallbacks": []}
    assert config.entry("balanced").keys == {"backends": ["m"]}
    assert config.entry("router").keys == {"model": "x", "provider": "m", "fallback_providers": []}
    assert config.entry("whole").keys == {"primary": "m", "fallbacks": ["balanced"]}


def test_composed_backends_of_which_nothing_is_left_are_left_out_all_the_way_up(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        {"id": "top", "type": "fallback", "primary": "mid", "fallbacks": ["o"]},
        {"id": "mid", "type": "load_balanced", "backends": ["o"]},
        {"id": "o", "type": "openai", "model": "$NOT_SET", "optional": True},
        MOCK,
    )
    assert config.left_out == (
        ("top", "all of its parts were left out (mid, o)"),
        ("mid", "all of its parts were left out (o)"),
        ("o", "$NOT_SET is not set: set it, here or in a .env beside the config"),
    )


def test_an_optional_backend_with_a_fault_is_not_told_to_become_optional(tmp_path: Path) -> None:
    """One fault, one line: the key that is not set would only have left the backend out."""
    path = tmp_path / "config.json"
    entry = '{"id": "a", "type": "openai", "api_key": "$NOT_SET_ANYWHERE", "max_tokenz": 5, "optional": true}'
    path.write_text('{"BACKENDS": [%s]}' % entry, encoding="utf-8")  # noqa: UP031 - braces
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ={})
    (line,) = caught.value.problems
    assert 'unknown key; did you mean "max_tokens"?' in line
