"""A provider as data: another type's code with its own name, key and address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from complaint_llm.backends import Backend, registered
from complaint_llm.backends.declared import declared_types, read_declared
from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost

GROQ = """
type: fastco
like: openai
summary: Fast Co.
aliases: [fast]
key_variables: [FASTCO_API_KEY]
needs_key: true
presets:
  base_url: https://api.fastco.example/v1
  temperature: 0.5
refuses: [seed]
docs: https://docs.fastco.example
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "fastco.yaml").write_text(GROQ)
    return drop


def write_config(folder: Path, keys: str) -> Path:
    file = folder.parent / "config.json"
    file.write_text(f'{{"PLUGINS": {{"paths": ["drop"]}}, "BACKENDS": [{{"id": "f", {keys}}}]}}')
    return file


def test_a_declared_provider_is_made_of_the_other_types_class_under_its_own_name(folder: Path) -> None:
    config = load_config(write_config(folder, '"type": "fast", "model": "m"'), environ={"FASTCO_API_KEY": "k-fast-1"})
    with config.make_backend("f") as backend:
        assert backend.type == "fastco"
        assert backend.base_url == "https://api.fastco.example/v1"
        assert backend.api_key is not None
        assert backend.api_key.reveal() == "k-fast-1"
        assert backend.options.params["temperature"] == 0.5


def test_what_the_config_says_wins_over_a_preset(folder: Path) -> None:
    file = write_config(folder, '"type": "fastco", "base_url": "https://other.example/v1", "temperature": 1')
    (entry,) = load_config(file, environ={"FASTCO_API_KEY": "k"}).backends
    assert entry.keys["base_url"] == "https://other.example/v1"
    assert entry.keys["temperature"] == 1


def test_the_key_of_the_type_that_it_is_like_is_never_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k-openai")
    monkeypatch.delenv("FASTCO_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"there is no key: set \$FASTCO_API_KEY"):
        load_config(write_config(folder, '"type": "fastco"'))
    (folder / "fastco.yaml").write_text(GROQ.replace("needs_key: true", "needs_key: false"))
    with load_config(write_config(folder, '"type": "fastco"')).make_backend("f") as backend:
        assert backend.api_key is None


def test_a_refused_key_is_an_error_that_says_so(folder: Path) -> None:
    with pytest.raises(ConfigError, match="/BACKENDS/0/seed: the type fastco cannot do this: remove the key"):
        load_config(write_config(folder, '"type": "fastco", "seed": 7'), environ={"FASTCO_API_KEY": "k"})


def test_a_preset_may_be_a_reference_which_the_config_can_make_unneeded(folder: Path) -> None:
    (folder / "fastco.yaml").write_text(GROQ.replace("https://api.fastco.example/v1", "https://${FAST_HOST}/v1"))
    environ = {"FASTCO_API_KEY": "k", "FAST_HOST": "h.example"}
    (entry,) = load_config(write_config(folder, '"type": "fastco"'), environ=environ).backends
    assert entry.keys["base_url"] == "https://h.example/v1"
    del environ["FAST_HOST"]
    with pytest.raises(ConfigError, match=r"\$FAST_HOST is not set"):
        load_config(write_config(folder, '"type": "fastco"'), environ=environ)
    load_config(write_config(folder, '"type": "fastco", "base_url": "https://x.example"'), environ=environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("type: a\n", "'like' is a required property"),
        ("type: a\nlike: openai\nkey: x\n", "'key' was unexpected"),
        ("type: a b\nlike: openai\n", "/type: "),
        ("- a\n", "a provider is a mapping"),
        ("type: [\n", "not valid YAML"),
        ("type: !!python/name:os.system a\n", "not valid YAML"),
        ("", "a provider is a mapping"),
        ("type: a\nlike: openai\ntype: b\n", "the key 'type' is there twice"),
        ("type: a\nlike: openai\npresets: {timeout: 1, timeout: 2}\n", "the key 'timeout' is there twice"),
        ('{"type": "a", "like": "openai", "like": "xai"}', "the key 'like' is there twice"),
    ],
)
def test_a_wrong_declaration_is_one_line_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    with pytest.raises(PluginError) as caught:
        read_declared(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_circle_of_declarations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("type: aa\nlike: bb\n")
    (tmp_path / "b.json").write_text('{"type": "bb", "like": "aa"}')
    with pytest.raises(PluginError, match="'aa' is like itself: aa -> bb -> aa"):
        PluginHost(paths=[tmp_path]).backend_type("aa")


def test_like_an_unknown_type_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("type: aa\nlike: opnai\n")
    with pytest.raises(PluginError, match="'aa' is like 'opnai': unknown type \"opnai\"; did you mean \"openai\""):
        PluginHost(paths=[tmp_path]).backend_type("aa")


def test_declared_on_declared_inherits_presets_and_refusals(folder: Path) -> None:
    (folder / "more.yaml").write_text("type: more\nlike: fastco\npresets: {temperature: 0.9}\nrefuses: [top_k]\n")
    found = PluginHost(paths=[folder]).backend_type("more")
    assert found.presets == {"base_url": "https://api.fastco.example/v1", "temperature": 0.9}
    assert found.refuses >= {"seed", "top_k"}
    assert found.key_variables == ()


def test_a_class_without_a_schema_can_be_liked(tmp_path: Path) -> None:
    class Base(Backend):
        def __init__(self, flavour: str, **keys: object) -> None:
            super().__init__(**keys)
            self.flavour = flavour

    registered.register_backend("base", Base)
    (tmp_path / "drop").mkdir()
    (tmp_path / "drop" / "sweet.json").write_text('{"type": "sweet", "like": "base", "presets": {"flavour": "sweet"}}')
    config = load_config(write_config(tmp_path / "drop", '"type": "sweet"'), environ={})
    with config.make_backend("f") as backend:
        assert isinstance(backend, Base)
        assert backend.flavour == "sweet"
        assert backend.type == "sweet"


def test_a_folder_of_declarations_is_read_by_name(folder: Path) -> None:
    (folder / "another.json").write_text('{"type": "another", "like": "openai"}')
    (folder / "notes.txt").write_text("no declaration")
    assert [type.name for type in declared_types(folder)] == ["another", "fastco"]


def test_a_right_declaration_is_read_without_jsonschema(folder: Path) -> None:
    file = write_config(folder, '"type": "fastco", "api_key": "k", "model": "m"')
    code = (
        "import sys\nfrom complaint_llm.config import load_config\n"
        f"config = load_config({str(file)!r}, environ={{}})\n"
        "print(config.entry('f').keys['base_url'], 'jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "https://api.fastco.example/v1 False\n"


def test_a_key_that_is_there_twice_is_refused_in_json_and_a_merged_one_may_be_overridden(tmp_path: Path) -> None:
    """One of the two would be lost without a word; YAML's merge is how one says so."""
    (tmp_path / "a.json").write_text('{"type": "a", "like": "openai", "like": "xai"}')
    with pytest.raises(PluginError, match="'like' is there twice"):
        read_declared(tmp_path / "a.json")
    (tmp_path / "b.yaml").write_text(
        "type: b\nlike: openai\nmodels:\n  names: &n {seed: seed}\n"
        "  families: [{models: ['x*'], names: {<<: *n, seed: random_seed}}]\n"
    )
    assert read_declared(tmp_path / "b.yaml").model_data["families"][0]["names"] == {"seed": "random_seed"}
