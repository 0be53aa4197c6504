"""What the documents show is what the product does: tables and plugins. All code blocks: tests/docs."""

from __future__ import annotations

import ast
import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import complaint_llm
from complaint_llm import load_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REFERENCE = ROOT / "scripts" / "make_reference.py"


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Every fenced block of a language, with a name for the test."""
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for found in re.finditer(rf"^```{language}\n(.*?)^```", text, re.S | re.M):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{document.name}:{line}", found[1]


def named(language: str) -> list[Any]:
    return [pytest.param(code, id=name) for name, code in blocks(language)]


@pytest.mark.parametrize("document", ["configuration.md", "errors.md"])
def test_the_tables_are_those_of_the_schemas_and_the_code(document: str) -> None:
    """A key or error that is added, changed or removed shows in the documents."""
    written = (ROOT / "docs" / document).read_text(encoding="utf-8")
    made = runpy.run_path(str(REFERENCE))["filled"](written)
    assert written == made, "run: python scripts/make_reference.py"


def test_the_schema_for_editors_is_that_of_the_options() -> None:
    """An editor that follows a config's ``$schema`` knows the keys that a backend is made with."""
    written = (ROOT / "schemas" / "backend.schema.json").read_text(encoding="utf-8")
    assert written == runpy.run_path(str(REFERENCE))["schema_text"](), "run: python scripts/make_reference.py"


@pytest.mark.parametrize("code", named("python"))
def test_python_in_a_document_parses_and_imports_public_names(code: str) -> None:
    """Every name that a document imports from the package exists there."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "complaint_llm":
            module = __import__(node.module, fromlist=["_"])
            missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
            assert missing == [], node.module


def test_the_plugin_of_the_readme_answers(tmp_path: Path) -> None:
    """The shown plugin, dropped into a folder, answers through the shown config key."""
    (plugin,) = (code for name, code in blocks("python") if name.startswith("README") and "hookimpl" in code)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "office_model.py").write_text(plugin, encoding="utf-8")
    config = {"PLUGINS": {"paths": ["plugins"]}, "BACKENDS": [{"id": "office", "type": "office"}]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with complaint_llm.Mediator.from_config(tmp_path / "config.json") as mediator:
        assert mediator.generate("hello") == "received: hello"


def test_the_plugin_of_the_guide_answers(tmp_path: Path) -> None:
    """The same for the longer one in docs/plugins.md, and its own error reaches the caller."""
    (plugin,) = (code for name, code in blocks("python") if name.startswith("plugins") and "Shouting" in code)
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "shouting.py").write_text(plugin, encoding="utf-8")
    config = {"PLUGINS": {"paths": ["plugins"]}, "BACKENDS": [{"id": "loud", "type": "shouting"}]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with complaint_llm.Mediator.from_config(tmp_path / "config.json") as mediator:
        assert mediator.generate("hello") == "HELLO"
        with pytest.raises(complaint_llm.exceptions.InvalidRequestError, match="nothing to shout"):
            mediator.generate([{"role": "user", "content": ""}])


def test_the_provider_of_the_guide_can_be_named(tmp_path: Path) -> None:
    """The shown YAML is a provider that a config can use by its type."""
    (provider,) = (code for name, code in blocks("yaml") if name.startswith("plugins"))
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "our_gateway.yaml").write_text(provider, encoding="utf-8")
    config = {"PLUGINS": {"paths": ["providers"]}, "BACKENDS": [{"id": "gateway", "type": "our_gateway", "model": "m"}]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    loaded = load_config(tmp_path / "config.json", environ={"OUR_GATEWAY_KEY": "sk-not-a-real-key-0123456789"})
    assert [each.id for each in loaded.backends] == ["gateway"]
