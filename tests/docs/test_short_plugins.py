"""The plugins that docs/plugins/ shows whole are as short as can be, and answer through a Mediator as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from complaint_llm import Mediator
from complaint_llm.testing import FaultyServer
from tests.asking_service import AskingService
from tests.docs.pages import ROOT, Block, blocks


def whole(kind: str, language: str) -> Block:
    """The one that a page shows whole."""
    (found,) = (
        block
        for block in blocks(ROOT / "docs" / "plugins" / f"{kind}.md")
        if block.language == language and block.runs_here
    )
    return found


def lines(block: Block) -> int:
    return len(block.code.rstrip().splitlines())


def asked(folder: Path, plugin: str, text: str, **sections: Any) -> str:
    """The answer to a prompt of a config with this dropped-in plugin."""
    (folder / "plugins").mkdir(mode=0o755)
    (folder / "plugins" / plugin).write_text(text, encoding="utf-8")
    config = {"PLUGINS": {"paths": ["plugins"]}, **sections}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(folder / "config.json") as mediator:
        return mediator.infer("What of 24-CV-01234?").content


@pytest.fixture
def server() -> Any:
    with FaultyServer(wires=[AskingService()]) as made:
        yield made


def test_a_backend_for_a_made_up_api_is_twenty_five_lines(server: FaultyServer, tmp_path: Path) -> None:
    """Over HTTP, against a server of this machine."""
    block = whole("backend", "python")
    assert lines(block) <= 25
    entry = {"id": "g", "type": "gateway", "base_url": server.url, "api_key": "sk-none"}
    assert asked(tmp_path, f"gateway_{tmp_path.name}.py", block.code, BACKENDS=[entry]) == "What of 24-CV-01234?"
    (request,) = server.requests
    assert (request.path, request.body) == ("/ask", {"question": "What of 24-CV-01234?"})
    assert request.headers["authorization"] == "Bearer sk-none"


def test_a_guard_is_twenty_lines(server: FaultyServer, tmp_path: Path) -> None:
    """What it hides does not reach the server."""
    block = whole("guard", "python")
    assert lines(block) <= 20
    entry = {"id": "gpt", "type": "openai", "base_url": f"{server.url}/v1", "api_key": "sk-none", "model": "m"}
    guards = [{"type": "docket", "for": "all"}]
    said = asked(tmp_path, f"docket_{tmp_path.name}.py", block.code, BACKENDS=[entry], GUARDS=guards)
    assert said == "What of [docket]?"
    assert "24-CV" not in json.dumps([request.body for request in server.requests])


def test_a_declared_provider_is_six_lines(server: FaultyServer, tmp_path: Path) -> None:
    """With the server's address in the place of the page's."""
    block = whole("declared", "yaml")
    assert lines(block) <= 6
    said = yaml.safe_load(block.code)
    text = block.code.replace(said["presets"]["base_url"], f"{server.url}/v1")
    entry = {"id": "g", "type": said["type"], "model": "m", "api_key": "sk-none"}
    assert asked(tmp_path, "gateway.yaml", text, BACKENDS=[entry]) == "What of 24-CV-01234?"
    (request,) = server.requests
    assert request.path == "/v1/chat/completions"
