"""A config is written back as the user wrote it; a secret that came from code never gets into a file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.secrets import Secret

DOCUMENT: dict[str, Any] = {
    "x-note": ["mine", 1, None],
    "BACKENDS": [
        {"id": "o", "type": "claude", "api_key": "$A_KEY", "engine": "${MODEL:-m}", "parameters": {"temperature": 0.5}},
        {"id": "m", "type": "mock", "echo": True},
    ],
    "MEDIATOR": {"backends": ["o", "m"], "timeout": "$SECONDS"},
    "APPLICATION": {"text": "$NOT_SET", "no": "yes"},
}
ENVIRON = {"A_KEY": "k-a", "SECONDS": "5"}


def load(file: Path, environ: dict[str, str] | None = None) -> Config:
    return load_config(file, environ=ENVIRON if environ is None else environ)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(DOCUMENT))
    return file


@pytest.mark.parametrize("name", ["other.json", "other.yaml"])
def test_what_was_read_is_what_is_written(file: Path, name: str) -> None:
    load(file).save(file.with_name(name))
    again = load(file.with_name(name))
    again.save(file.with_name("third.json"))
    assert json.loads(file.with_name("third.json").read_text()) == DOCUMENT


def test_an_added_backend_is_there_at_once_and_after_saving(file: Path) -> None:
    config = load(file)
    config.add_backend(id="new", type="openai", api_key="$B_KEY", model="m2", stop=("a", "b"), optional=True)
    assert config.left_out == (("new", "$B_KEY is not set: set it, here or in a .env beside the config"),)
    config.add_backend(id="more", type="mock", echo=True)
    assert config.order == ("o", "m", "new", "more")
    config.save()
    again = load(file, {**ENVIRON, "B_KEY": "k-b"})
    assert again.order == config.order
    assert again.entry("new").keys["api_key"] == Secret("k-b")
    assert again.entry("new").keys["stop"] == ["a", "b"]
    assert json.loads(file.read_text())["BACKENDS"][2]["api_key"] == "$B_KEY"


def test_a_backend_with_a_fault_is_not_added(file: Path) -> None:
    config = load(file)
    for keys, said in (
        ({"id": "m", "type": "mock"}, 'the id "m" is taken'),
        ({"id": "n", "type": "mok"}, 'did you mean "mock"'),
        ({"id": "n", "type": "mock", "temperatur": 1}, 'did you mean "temperature"'),
        ({"id": "n", "type": "openai", "api_key": "$UNSET_KEY"}, r"\$UNSET_KEY is not set"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            config.add_backend(**keys)
        assert caught.value.problems[0].startswith("add_backend: /BACKENDS/2")
    assert config.order == ("o", "m")


def test_a_key_given_in_code_works_and_is_saved_as_the_types_usual_variable(file: Path) -> None:
    config = load(file)
    config.add_backend(id="one", type="openai", api_key="sk-literal-1", custom_headers={"X-Team": "sk-literal-2"})
    config.add_backend(id="two", type="openai", api_key=Secret("sk-literal-1"))
    config.add_backend(id="three", type="openai", api_key="sk-literal-3")
    assert config.entry("one").keys["api_key"] == Secret("sk-literal-1")
    with pytest.warns(UserWarning, match="is written as") as warned:
        config.save()
    entries = json.loads(file.read_text())["BACKENDS"]
    assert [entry.get("api_key") for entry in entries[2:]] == ["$OPENAI_API_KEY", "$OPENAI_API_KEY", "$THREE_API_KEY"]
    assert entries[2]["custom_headers"] == {"X-Team": "$ONE_CUSTOM_HEADERS_X_TEAM_SECRET"}
    assert len(warned) == 4
    assert str(warned[0].message) == "/api_key of one is written as $OPENAI_API_KEY: set that variable"
    assert warned[0].filename == __file__


LITERALS = """\
# our office
BACKENDS:
  - {id: o, type: openai, parameters: {api_key: sk-lit-1}}   # the fast one
  - {id: p, type: openai, api_key: '${P_KEY:-sk-lit-2}'}
MEDIATOR: {shared: {redis: 'redis://:sk-lit-3@h/0'}}
"""


def test_a_key_that_the_user_wrote_stays_in_the_users_file(tmp_path: Path) -> None:
    """It may be the only copy."""
    file = tmp_path / "config.yaml"
    file.write_text(LITERALS)
    config = load(file)
    assert config.entry("p").keys["api_key"] == Secret("sk-lit-2")
    config.add_backend(id="new", type="mock", echo=True)
    config.save()
    added = "  - {id: new, type: mock, echo: true}\n"
    assert file.read_text() == LITERALS.replace("MEDIATOR", added + "MEDIATOR", 1)
    assert load(file).entry("o").keys["api_key"] == Secret("sk-lit-1")


@pytest.mark.parametrize("name", ["other.json", "other.yaml"])
def test_a_key_that_the_user_wrote_is_not_copied_into_another_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(LITERALS)
    with pytest.warns(UserWarning, match="is written as"):
        load(file).save(tmp_path / name)
    saved = (tmp_path / name).read_text()
    assert "sk-lit" not in saved
    assert "$OPENAI_API_KEY" in saved
    assert "${P_KEY}" in saved
    assert "$COMPLAINT_LLM_MEDIATOR_SHARED_REDIS_SECRET" in saved


def test_saving_twice_writes_the_same_and_a_change_of_somebody_else_is_not_lost(file: Path) -> None:
    config = load(file)
    config.add_backend(id="new", type="mock")
    config.save()
    once = file.read_text()
    config.save()
    assert file.read_text() == once
    file.write_text(once.replace('"x-note"', '"x-noted"'))
    with pytest.raises(ConfigError, match="was changed since it was read"):
        config.save()
    assert "x-noted" in file.read_text()


def test_keys_are_set_and_taken_out_and_backends_removed(file: Path) -> None:
    config = load(file)
    config.set_key("m", "latency", 5)
    config.set_key("MEDIATOR", "circuit_breaker.cooldown", 7)
    config.set_key("MEDIATOR", "timeout", None)
    config.remove_backend("o")
    config.save()
    again = load(file)
    assert again.order == ("m",)
    assert again.mediator == {"backends": ["m"], "circuit_breaker": {"cooldown": 7}}
    assert again.entry("m").keys["latency"] == 5


@pytest.mark.parametrize(
    ("where", "key", "value", "said"),
    [
        ("m", "latenzy", 1, 'did you mean "latency"'),
        ("nobody", "echo", True, '"nobody"'),
        ("MEDIATOR", "timeout", -1, "/MEDIATOR/timeout"),
        ("MEDIATOR", "timeout.x", 1, "no such key"),
        ("m", "nothing.here", None, "no such key"),
        ("MEDIATOR", "budget", None, "no such key"),
        ("m", "type", "mok", 'did you mean "mock"'),
        ("m", "id", "o", 'the id "o"'),
        ("MEDIATOR", "backends", ["o", "x"], '"x"'),
        ("NOSECTION", "a", 1, "/NOSECTION"),
    ],
)
def test_a_change_that_is_no_config_changes_nothing(file: Path, where: str, key: str, value: Any, said: str) -> None:
    config, before = load(file), file.read_text()
    with pytest.raises(ConfigError) as caught:
        config.set_key(where, key, value)
    assert said in str(caught.value)
    config.save()
    assert file.read_text() == before


def test_saving_is_atomic_keeps_the_mode_and_follows_a_link(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.chmod(0o640)
    link = file.with_name("link.json")
    link.symlink_to(file)
    load(link).save()
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    before = file.read_text()

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    config = load(file)
    config.add_backend(id="new", type="mock")
    with pytest.raises(ConfigError, match="cannot be written: No space left on device") as caught:
        config.save()
    assert isinstance(caught.value.__cause__, OSError)
    assert file.read_text() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["config.json", "link.json"]


def test_saving_elsewhere_keeps_relative_paths_meaning_the_same(tmp_path: Path) -> None:
    (tmp_path / "drop").mkdir()
    (tmp_path / "sub").mkdir()
    file = tmp_path / "config.json"
    document = {
        "PLUGINS": {"paths": ["drop"]},
        "BACKENDS": [{"id": "m", "type": "mock"}],
        "EVIDENCE": {"path": "/abs/evidence"},
        "MEDIATOR": {"cache": {"path": "cache.db"}},
    }
    file.write_text(json.dumps(document))
    load(file).save(tmp_path / "sub" / "config.json")
    moved = load(tmp_path / "sub" / "config.json")
    assert [path.resolve() for path in moved.host.paths] == [tmp_path / "drop"]
    assert Path(moved.mediator["cache"]["path"]).resolve() == tmp_path / "cache.db"
    assert moved.evidence["path"] == "/abs/evidence"


def test_what_is_no_file_is_not_written_over(file: Path) -> None:
    """A pipe or a device in the place of the file stays there."""
    pipe = file.with_name("pipe.json")
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="is no file"):
        load(file).save(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
