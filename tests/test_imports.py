"""What is imported, and when: start-up time is spent here, so each barred module is named."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.transport.faulty import REQUEST, FaultyServer, ok
from tests.transport.reach import AUTHORITY, server_tls

# Never on the way to a first answer through a JSON config: what they are for has not been asked for.
BARRED = {
    "asyncio",
    "cbor2",
    "click",
    "complaint_llm.backends.adapters",
    "complaint_llm.backends.declared",
    "complaint_llm.backends.streams",
    "complaint_llm.backends.wire.call_fragments",
    "complaint_llm.backends.wire.event_stream",
    "complaint_llm.backends.wire.images",
    "complaint_llm.backends.wire.overlay",
    "complaint_llm.backends.wire.prompts",
    "complaint_llm.client.embedding_space",
    "complaint_llm.client.streams",
    "complaint_llm.config.embedding",
    "complaint_llm.config.saving",
    "complaint_llm.config.yaml_text",
    "complaint_llm.documents.attached",
    "complaint_llm.host.digests",
    "complaint_llm.host.drop_ins",
    "complaint_llm.host.writers",
    "complaint_llm.private_folder",
    "complaint_llm.prompt_files",
    "complaint_llm.transport.chunks",
    "complaint_llm.transport.inflate",
    "complaint_llm.transport.sse",
    "complaint_llm_plugins.backends.openai.errors",
    "complaint_llm_plugins.backends.openai.strict",
    "concurrent.futures.process",
    "dask",
    "dataclasses",
    "datetime",
    "distributed",
    "email",
    "genai_prices",
    "http.client",
    "httpx",
    "huggingface_hub",
    "importlib.metadata",
    "llama_cpp",
    "multiprocessing",
    "pydantic",
    "redis",
    "requests",
    "rich",
    "sqlite3",
    "torch",
    "transformers",
    "yaml",
    "zipfile",
}
ANSWER = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "an answer"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


class Provider(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps(ANSWER).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def modules_after(program: str, folder: Path) -> set[str]:
    """Every module that a fresh interpreter has loaded after a program, beyond what it starts with."""
    code = f"import sys\nbefore = set(sys.modules)\n{program}\nprint('\\n'.join(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def barred(modules: set[str]) -> set[str]:
    return {bar for bar in BARRED if any(name == bar or name.startswith(f"{bar}.") for name in modules)}


def test_importing_the_package_loads_only_the_package(tmp_path: Path) -> None:
    """``import complaint_llm`` runs one file of ours; every public name is loaded when it is touched."""
    ours = {name for name in modules_after("import complaint_llm", tmp_path) if name.startswith("complaint_llm")}
    assert ours == {"complaint_llm"}


def test_touching_the_mediator_loads_no_barred_module(tmp_path: Path) -> None:
    """The class is there before anything that only some configs need."""
    assert barred(modules_after("from complaint_llm import Mediator", tmp_path)) == set()


def test_a_first_answer_loads_no_barred_module(tmp_path: Path, provider: str) -> None:
    """From a JSON config to an HTTP answer, nothing is imported for what was not asked."""
    keys = {"id": "only", "type": "openai", "base_url": provider, "api_key": "sk-test-0123456789", "model": "any"}
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [keys]}), encoding="utf-8")
    program = "from complaint_llm import Mediator\nmediator = Mediator.from_config('config.json')\n"
    program += "assert mediator.generate('a prompt') == 'an answer'"
    loaded = modules_after(program, tmp_path)
    assert barred(loaded) == set()


NOT_FOR_DIRECT_TLS = BARRED | {"encodings.idna", "urllib3", "idna", "netrc", "urllib.request", "charset_normalizer"}


def test_a_first_answer_over_tls_loads_no_barred_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proxy, TLS is the standard library's alone."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "NETRC"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", AUTHORITY)
    body = json.dumps(ANSWER).encode()
    with FaultyServer([REQUEST, ok(body)], tls=server_tls()) as server:
        url = f"https://localhost:{server.port}/v1"
        keys = {"id": "only", "type": "openai", "base_url": url, "api_key": "sk-test-0123456789", "model": "any"}
        (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [keys]}), encoding="utf-8")
        program = "from complaint_llm import Mediator\nmediator = Mediator.from_config('config.json')\n"
        program += "assert mediator.generate('a prompt') == 'an answer'"
        loaded = modules_after(program, tmp_path)
    assert {bar for bar in NOT_FOR_DIRECT_TLS if bar in loaded} == set()
    assert "ssl" in loaded


COUNTED = """
import re, sys, typing
made, make = [], typing.NamedTupleMeta.__new__
def counted(kind, name, bases, body):
    made.append(body["__module__"])
    return make(kind, name, bases, body)
typing.NamedTupleMeta.__new__ = staticmethod(counted)
patterns, compile_pattern = [], re._compiler.compile
def noted(pattern, flags):
    frame = sys._getframe(1)
    while frame.f_code.co_filename == re.__file__:
        frame = frame.f_back
    patterns.append(frame.f_globals["__name__"])
    return compile_pattern(pattern, flags)
re._compiler.compile = noted
from complaint_llm import Mediator
with Mediator.from_config("config.json") as mediator:
    assert mediator.generate("a prompt") == "an answer"
"""


def test_a_first_answer_compiles_little(tmp_path: Path, provider: str) -> None:
    """A class of ``typing.NamedTuple`` takes 0.2 ms and a pattern 0.1: what every start has is made otherwise, what
    only some configs meet is compiled by those, and of a table of patterns none that begins otherwise than what is
    looked up."""
    keys = {"id": "only", "type": "openai", "base_url": provider, "api_key": "sk-test-0123456789", "model": "any"}
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [keys]}), encoding="utf-8")
    program = f"{COUNTED}\nours = [sum(each.startswith('complaint_llm') for each in some) for some in (made, patterns)]"
    program += "\nprint(*ours)"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    classes, patterns = map(int, done.stdout.split())
    assert classes <= 3
    assert patterns <= 18


def test_only_the_plugins_that_the_config_names_are_imported(tmp_path: Path, provider: str) -> None:
    """A config with one type imports that type's plugin; the others cost nothing."""
    keys = {"id": "only", "type": "openai", "base_url": provider, "api_key": "sk-test-0123456789", "model": "any"}
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [keys]}), encoding="utf-8")
    program = "from complaint_llm import Mediator\nMediator.from_config('config.json').generate('a prompt')"
    loaded = {
        name.split(".")[2]
        for name in modules_after(program, tmp_path)
        if name.startswith("complaint_llm_plugins.backends.")
    }
    assert loaded == {"openai"}


def test_the_exceptions_are_light(tmp_path: Path) -> None:
    """``except complaint_llm.exceptions...`` in a script's head costs a few small modules of ours."""
    ours = {n for n in modules_after("import complaint_llm.exceptions", tmp_path) if n.startswith("complaint_llm")}
    assert ours == {
        "complaint_llm",
        "complaint_llm.exceptions",
        "complaint_llm.answer_sources",
        "complaint_llm.messages",
        "complaint_llm.model_info",
        "complaint_llm.message_shapes",
        "complaint_llm.named_tuples",
    }
