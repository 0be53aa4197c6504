"""What an entry may hold is said by its type: paths, variables, what must be installed, the parameters of a class."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import pytest

from complaint_llm.backends import Backend, BackendType
from complaint_llm.backends.registered import backend_type_of
from complaint_llm.config import Config, load_config
from complaint_llm.exceptions import ConfigError
from complaint_llm.host import PluginHost
from complaint_llm.secrets import Secret
from tests.config.configs import MOCK, write


class Load(Protocol):
    """``load`` with types that a program has registered."""

    def __call__(
        self, folder: Path, *entries: dict[str, Any], environ: dict[str, str] | None = None, **sections: Any
    ) -> Config: ...


@pytest.fixture
def types() -> dict[str, BackendType]:
    """Registered types by name, for ``load_registered``."""
    return {}


@pytest.fixture
def load_registered(types: dict[str, BackendType]) -> Load:
    """Loads a config of the registered types."""

    def load(folder: Path, *entries: dict[str, Any], environ: dict[str, str] | None = None, **sections: Any) -> Config:
        host = PluginHost(registered=lambda: types)
        return load_config(write(folder, *entries, **sections), environ=environ or {}, host=host)

    return load


def test_paths_are_relative_to_the_file(tmp_path: Path, types: dict[str, BackendType], load_registered: Load) -> None:
    schema = {"properties": {"model_path": {"type": "string", "format": "path"}}}
    types["files"] = BackendType("files", Backend, schema=schema)
    (tmp_path / "drop").mkdir()
    config = load_registered(
        tmp_path,
        {"id": "f", "type": "files", "path": "models/a.gguf"},
        {"id": "g", "type": "files", "model_path": "/abs/b.gguf"},
        MEDIATOR={"cache": {"path": "c.db"}},
        EVIDENCE={"path": "ev"},
        PLUGINS={"paths": ["drop"]},
    )
    assert [entry.keys["model_path"] for entry in config.backends] == [str(tmp_path / "models/a.gguf"), "/abs/b.gguf"]
    assert config.mediator["cache"]["path"] == str(tmp_path / "c.db")
    assert config.evidence["path"] == str(tmp_path / "ev")
    assert config.host.paths == (tmp_path / "drop",)


def test_a_class_that_does_not_look_for_its_key_gets_it(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    types["own"] = BackendType("own", Backend, schema={}, key_variables=("OWN_KEY", "OTHER_OWN_KEY"), needs_key=True)
    monkeypatch.delenv("OWN_KEY", raising=False)
    monkeypatch.setenv("OTHER_OWN_KEY", "k-own")
    with load_config(
        write(tmp_path, {"id": "a", "type": "own"}), host=PluginHost(registered=lambda: types)
    ).make_backend("a") as backend:
        assert backend.options.api_key == Secret("k-own")


def test_usual_variables_of_other_keys_are_filled_from_dotenv_too(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAST_URL", raising=False)
    schema = {"properties": {"token": {"type": "string", "writeOnly": True}}}
    variables = {"base_url": "FAST_URL", "token": "FAST_TOKEN"}
    types["fast"] = BackendType("fast", Backend, schema=schema, variables=variables, key_variables=("FAST_TOKEN",))
    (tmp_path / ".env").write_text("FAST_URL=https://fast.example\nFAST_TOKEN=k-fast\n")
    config = load_config(
        write(tmp_path, {"id": "a", "type": "fast"}, {"id": "b", "type": "fast", "base_url": "https://b.example"}),
        host=PluginHost(registered=lambda: types),
    )
    assert config.entry("a").keys == {"base_url": "https://fast.example", "token": Secret("k-fast")}
    assert config.entry("b").keys["base_url"] == "https://b.example"


def test_an_optional_backend_without_its_variable_key_or_extra_is_left_out_with_the_reason(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    types["extra"] = BackendType("extra", Backend, schema={}, extra="tools", modules=("no_such_module_at_all", "json"))
    config = load_registered(
        tmp_path,
        {"id": "variable", "type": "openai", "api_key": "$UNSET_KEY", "model": "$UNSET_MODEL", "optional": True},
        {"id": "key", "type": "anthropic", "optional": True},
        {"id": "extra", "type": "extra", "optional": True},
        MOCK,
    )
    assert dict(config.left_out) == {
        "variable": "$UNSET_KEY and $UNSET_MODEL are not set: set them, here or in a .env beside the config",
        "key": "there is no key: set $ANTHROPIC_API_KEY or $ANTHROPIC_AUTH_TOKEN",
        "extra": "no_such_module_at_all is not installed: pip install 'complaint-llm[tools]'",
    }
    assert config.order == ("variable", "key", "extra", "m")
    with pytest.raises(ConfigError, match='the backend "key" was left out: there is no key'):
        config.make_backend("key")


def test_what_is_missing_is_an_error_where_the_backend_is_not_optional(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    types["extra"] = BackendType("extra", Backend, schema={}, extra="tools", modules=("no_such_module_at_all",))
    with pytest.raises(ConfigError) as caught:
        load_registered(tmp_path, {"id": "e", "type": "extra"})
    (line,) = caught.value.problems
    assert "/BACKENDS/0/type: no_such_module_at_all is not installed: pip install 'complaint-llm[tools]'" in line


def test_a_class_without_a_schema_takes_its_named_parameters(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    class Custom(Backend):
        def __init__(self, flavour: str, size: int = 3, **keys: Any) -> None:
            super().__init__(**keys)
            self.flavour = flavour

    types["custom"] = backend_type_of("custom", Custom)
    config = load_registered(
        tmp_path, {"id": "c", "type": "custom", "flavour": "sweet", "rate_limit": 5, "optional": True}
    )
    with config.make_backend("c") as backend:
        assert isinstance(backend, Custom)
        assert (backend.flavour, backend.options.rate_limit) == ("sweet", 5)
    with pytest.raises(ConfigError) as caught:
        load_registered(tmp_path, {"id": "c", "type": "custom", "flavor": "sweet"})
    assert len(caught.value.problems) == 2
    assert 'the key "flavour" is missing' in caught.value.problems[0]
    assert 'did you mean "flavour"?' in caught.value.problems[1]


def test_a_class_that_would_ignore_a_common_key_refuses_it(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    class Narrow(Backend):
        def __init__(self, id: str, model: str = "m") -> None:
            super().__init__(id=id, model=model)

    types["narrow"] = backend_type_of("narrow", Narrow)
    with load_registered(tmp_path, {"id": "n", "type": "narrow", "model": "x", "optional": True}).make_backend(
        "n"
    ) as backend:
        assert backend.options.model == "x"
    with pytest.raises(ConfigError, match="/BACKENDS/0/rate_limit: the type narrow cannot do this"):
        load_registered(tmp_path, {"id": "n", "type": "narrow", "rate_limit": 5})


def test_a_foreign_class_gets_its_key_as_a_text_and_the_common_keys_are_kept_for_it(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    class Foreign:
        def __init__(self, api_key: str, flavour: str = "plain") -> None:
            self.header = f"Bearer {api_key}"

        def generate(self, prompt: str) -> str:
            return self.header

    types["foreign"] = backend_type_of("foreign", Foreign)
    entry = {"id": "f", "type": "foreign", "api_key": "$A_KEY", "flavour": "sweet", "rate_limit": 5}
    with load_registered(tmp_path, entry, environ={"A_KEY": "k-foreign"}).make_backend("f") as backend:
        assert backend.generate("x") == "Bearer k-foreign"
        assert (backend.id, backend.options.rate_limit) == ("f", 5)


def test_a_broken_schema_of_a_plugin_is_one_line_of_the_entries_that_need_it(
    tmp_path: Path, types: dict[str, BackendType], load_registered: Load
) -> None:
    schema = {"properties": {"x": {"$ref": "#/$defs/nowhere"}}}
    types["odd"] = BackendType("odd", Backend, schema=schema)
    with pytest.raises(ConfigError) as caught:
        load_registered(tmp_path, {"id": "o", "type": "odd", "x": 1}, MOCK)
    (line,) = caught.value.problems
    assert "/BACKENDS/0/type: its schema cannot be used" in line
    assert importlib.util.find_spec("jsonschema") is not None
