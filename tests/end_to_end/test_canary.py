"""A key from the environment or a ``.env`` shows nowhere, whatever fails and whatever the server says back."""

from __future__ import annotations

import base64
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator, load_config
from complaint_llm.exceptions import ComplaintLLMError
from tests import forked
from tests.end_to_end.everything import everything, files_with, inside, write_config
from tests.faults.mode import EVENTS as EVENT_HEAD
from tests.faults.mode import LONG, Mode, events, failed, part, said
from tests.faults.modes import MODES
from tests.faults.server import server_for
from tests.transport.faulty import REQUEST, RESET, FaultyServer, Pause, Script, ok
from tests.wire_messages import chat, chunk, sse

CANARY = "sk-canary-7f3a9b2c4d5e6f70"
SAID = CANARY.encode()
BASES = {"openai": "/v1", "anthropic": "", "google": "", "lmstudio": "/v1", "openrouter": "/v1"}


class Seen:
    """Collects what a run showed; never keeps the canary in a frame that a traceback could print."""

    def __init__(self, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
        self._folder = folder
        self._caplog = caplog
        self._capfd = capfd
        self.texts: list[str] = []
        self.errors: list[BaseException] = []

    def failing(self, work: Callable[[], Any]) -> Any:
        """Do it; keep what it raises."""
        try:
            return work()
        except Exception as error:
            self.errors.append(error)
            return None

    def check(self) -> None:
        """Nothing of it holds the canary."""
        out, err = self._capfd.readouterr()
        logs = [repr((record.getMessage(), record.args, record.__dict__)) for record in self._caplog.records]
        found = {
            "stdout": out,
            "stderr": err,
            "log": self._caplog.text + "\n".join(logs),
            "errors": "\n".join(everything(error) for error in self.errors),
            "reprs": "\n".join(self.texts),
        }
        leaks = {where: _around(text) for where, text in found.items() if CANARY in text}
        assert leaks == {}
        assert files_with(self._folder, SAID, but=[".env"]) == []


def _around(text: str) -> str:
    at = text.index(CANARY)
    return text[max(0, at - 600) : at + 100]


@pytest.fixture
def seen(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Seen:
    caplog.set_level(logging.DEBUG)
    return Seen(tmp_path, caplog, capfd)


@pytest.fixture(params=["environment", ".env"])
def origin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the key comes from: variables of the process, or a file beside the config."""
    names = ("CANARY_KEY", "CANARY_TOKEN", "OPENAI_API_KEY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
        if request.param == "environment":
            monkeypatch.setenv(name, CANARY)
    if request.param == ".env":
        (tmp_path / ".env").write_text("".join(f"{name}={CANARY}\n" for name in names))
    monkeypatch.chdir(tmp_path)
    return str(request.param)


def run_all(seen: Seen, config: Path) -> None:
    """Every way to ask, then every way to look at it."""
    loaded = seen.failing(lambda: load_config(config))
    if loaded is None:
        return
    mediator = seen.failing(lambda: Mediator.from_loaded(loaded))
    if mediator is None:
        return
    folder = config.parent
    seen.failing(lambda: mediator.infer("ask"))
    seen.failing(lambda: list(mediator.infer_stream("ask")))
    seen.failing(lambda: mediator.embed("ask"))
    for result in seen.failing(lambda: list(mediator.batch(["ask"], journal=folder / "run.journal"))) or ():
        seen.texts.append(repr(result))
        if result.error is not None:
            seen.errors.append(result.error)
    seen.failing(lambda: mediator.batch_generate(["ask"]))
    seen.failing(lambda: seen.texts.append(repr(mediator.explain("ask"))))
    backend = seen.failing(lambda: mediator.backend("first"))
    seen.failing(lambda: mediator.as_member().member("first").check(0.2))
    seen.failing(lambda: seen.texts.append(repr(mediator.model_info("first"))))
    loaded.save(folder / "saved.json")
    loaded.save(folder / "saved.yaml")
    looked_at = [mediator, loaded, backend, getattr(backend, "options", None), loaded.entry("first"), loaded.host]
    looked_at += [getattr(backend, name) for name in ("transport", "redact") if hasattr(backend, name)]
    seen.texts.append(inside(looked_at) + repr(getattr(backend, "api_key", None)))
    mediator.close()


def config_for(folder: Path, kind: str, port: int, seconds: float = 5.0, **keys: Any) -> Path:
    backend = {
        "id": "first",
        "type": kind,
        "base_url": f"http://127.0.0.1:{port}{BASES[kind]}",
        "api_key": "${CANARY_KEY}",
        "model": "m",
        **({} if kind == "anthropic" else {"embedding_model": "m"}),
        "max_retries": 0,
        "verbose": True,
        "custom_headers": {"X-Extra": "Token $CANARY_TOKEN"},
        **keys,
    }
    return write_config(folder, [backend], MEDIATOR={"timeout": seconds, "provenance": "full"}, LOG={"level": "DEBUG"})


def _asked(ask: Callable[..., Any]) -> Any:
    return list(ask("ask"))


FAILING = {
    name: mode
    for name, mode in MODES.items()
    if mode.error is not None and mode.seconds < LONG and len(mode.prompt) < 99
}


@pytest.mark.rows(4)
@pytest.mark.parametrize("mode", FAILING.values(), ids=FAILING)
def test_key_shows_nowhere_when_a_server_fails(
    mode: Mode, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fault mode, plain and streamed."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setenv("CANARY_TOKEN", CANARY)
    for streamed in (False, True):
        with server_for(mode, streamed) as server:
            mediator = Mediator.from_config(config_for(tmp_path, "openai", server.port, 0.15))
            ask = mediator.infer_stream if streamed else mediator.infer
            seen.failing(partial(_asked, ask))
            seen.texts.append(inside([mediator, mediator.backend("first")]))
            mediator.close()
    assert len(seen.errors) == 2
    seen.check()


def everywhere(key: str) -> Any:
    """An error body that says the key in every field."""
    return {
        "error": {"message": f"Incorrect key: {key}", "type": key, "code": key, "status": key, "param": key},
        "type": "error",
        "id": key,
        key: key,
    }


ECHOES: dict[str, Script] = {
    "error message": [REQUEST, failed(401, everywhere(CANARY), f"X-Request-Id: {CANARY}", f"Request-Id: {CANARY}")],
    "error message cut by its limit": [REQUEST, failed(400, said("x" * 492 + CANARY))],
    "error list": [REQUEST, failed(400, [everywhere(CANARY)])],
    "error that is a text": [REQUEST, failed(403, CANARY)],
    "error page": [REQUEST, failed(502, b"<html>" + SAID + b"</html>")],
    "error page cut off": [REQUEST, failed(502, b"<html>" + SAID + b"</html>")[:-3]],
    "rate limit": [REQUEST, failed(429, everywhere(CANARY), f"Retry-After: {CANARY}", f"retry-after-ms: {CANARY}")],
    "unknown status": [REQUEST, failed(418, {CANARY: CANARY})],
    "redirect": [REQUEST, failed(302, b"", f"Location: http://{CANARY}.example/{CANARY}")],
    "status line": [REQUEST, b"HTTP/1.1 " + SAID + b"\r\n\r\n"],
    "header without colon": [REQUEST, b"HTTP/1.1 200 OK\r\n" + SAID + b"\r\n\r\n"],
    "transfer encoding": [REQUEST, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + SAID + b"\r\n\r\n"],
    "content encoding": [REQUEST, ok(b"{}", b"Content-Encoding: " + SAID + b"\r\n")],
    "content length": [REQUEST, b"HTTP/1.1 200 OK\r\nContent-Length: " + SAID + b"\r\n\r\n"],
    "chunk size": [REQUEST, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + SAID + b"\r\n"],
    "body that is no JSON": [REQUEST, ok(SAID)],
    "body that is cut": [REQUEST, ok(b'{"choices": "' + SAID + b'"}')[:-2]],
    "body of another shape": [REQUEST, ok(json.dumps({CANARY: [CANARY], "choices": CANARY}).encode())],
    "error inside a 200": [REQUEST, ok(json.dumps(everywhere(CANARY)).encode())],
    "choice of a wrong type": [REQUEST, ok(json.dumps({"choices": [{"message": CANARY}], "content": [1]}).encode())],
    "refusal": [REQUEST, ok(json.dumps(chat(None, finish_reason=CANARY, refusal=CANARY)).encode())],
    "event that is no JSON": [REQUEST, events(b"data: " + SAID + b"\n\n")],
    "event of a wrong shape": [REQUEST, events(sse({"choices": CANARY, "type": CANARY, CANARY: 1}))],
    "event of an unknown name": [REQUEST, events(b"event: " + SAID + b"\ndata: " + SAID + b"\n\n")],
    "error event": [REQUEST, events(sse(everywhere(CANARY)))],
    "error event after text": [REQUEST, events(sse(chunk({"content": "so far"}), everywhere(CANARY)))],
    "stream cut inside it": [REQUEST, EVENT_HEAD + part(sse(chunk({"content": "so far"}))) + b"40\r\ndata: " + SAID],
    "stream reset after it": [REQUEST, EVENT_HEAD + part(b": " + SAID + b"\n\ndata: " + SAID[:9]), Pause(0.02), RESET],
}  # fmt: skip


@pytest.mark.rows(2)
@pytest.mark.parametrize("type", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("echo", ECHOES)
def test_key_that_the_server_says_back_shows_nowhere(
    type: str, echo: str, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In whichever place of an answer it stands; asked in every way, at DEBUG, with bodies in the log."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setenv("CANARY_TOKEN", CANARY)
    with FaultyServer(ECHOES[echo]) as server:
        run_all(seen, config_for(tmp_path, type, server.port))
        assert any(SAID in request for request in server.requests)
    assert seen.errors
    seen.check()


def test_key_from_each_origin_is_sent_and_shows_nowhere(origin: str, seen: Seen, tmp_path: Path) -> None:
    """The canary does arrive at the server: both by reference and by the type's usual variable."""
    for keys in ({}, {"api_key": None}):
        with FaultyServer([REQUEST, failed(500, b"{}")]) as server:
            config = config_for(tmp_path, "openai", server.port, **keys)
            text = config.read_text()
            config.write_text(text.replace('"api_key": null, ', ""))
            run_all(seen, config)
            assert any(b"Bearer " + SAID in request for request in server.requests)
            assert any(b"Token " + SAID in request for request in server.requests)
    seen.check()


WRONG: dict[str, dict[str, Any]] = {
    "unknown key": {"api_kee": "${CANARY_KEY}"},
    "number": {"temperature": "${CANARY_KEY}"},
    "boolean": {"verbose": "$CANARY_KEY"},
    "choice": {"unsupported_parameters": "$CANARY_TOKEN"},
    "object": {"extra_body": "$CANARY_KEY"},
    "address": {"base_url": "$CANARY_KEY"},
    "part of an address": {"base_url": "http://user:$CANARY_KEY@127.0.0.1:1:2/x"},
    "id": {"id": "$CANARY_KEY"},
    "type": {"type": "$CANARY_KEY"},
    "model": {"model": "$CANARY_KEY"},
    "line break": {"api_key": "${CANARY_KEY}\nX-Other: 1"},
    "not Latin": {"api_key": "${CANARY_KEY}\u20ac"},
    "header name": {"custom_headers": {"X Y": "$CANARY_KEY"}},
    "pricing": {"pricing": {"input": "$CANARY_KEY"}},
    "budget": {"budget": {"day": "$CANARY_KEY"}},
    "retries": {"retry_on_errors": ["$CANARY_KEY"]},
}


@pytest.mark.rows(20)
@pytest.mark.parametrize("wrong", WRONG)
def test_key_in_a_wrong_place_of_the_config_shows_nowhere(origin: str, wrong: str, seen: Seen, tmp_path: Path) -> None:
    """A reference to it where a number, an address or a name belongs: the line names the place, not the value."""
    run_all(seen, config_for(tmp_path, "openai", 9, **WRONG[wrong]))
    assert seen.errors
    seen.check()


SECTIONS: dict[str, dict[str, Any]] = {
    "strategy": {"MEDIATOR": {"strategy": "$CANARY_KEY"}},
    "timeout": {"MEDIATOR": {"timeout": "$CANARY_KEY"}},
    "backends": {"MEDIATOR": {"backends": ["$CANARY_KEY"]}},
    "plugin path": {"PLUGINS": {"paths": ["$CANARY_KEY"]}},
    "enable": {"PLUGINS": {"enable": ["$CANARY_KEY"]}},
    "log level": {"LOG": {"level": "$CANARY_KEY"}},
    "unknown section": {"SECTION": "$CANARY_KEY"},
    "profile": {"EVIDENCE": {"profile": "$CANARY_KEY"}},
}


@pytest.mark.parametrize("section", SECTIONS)
def test_key_in_a_wrong_section_shows_nowhere(origin: str, section: str, seen: Seen, tmp_path: Path) -> None:
    """The same for the sections of the Mediator, plugins and logs."""
    run_all(seen, write_config(tmp_path, [{"id": "first", "type": "mock", "echo": True}], **SECTIONS[section]))
    assert seen.errors
    seen.check()


PLACES: dict[str, dict[str, Any]] = {
    "header": {"custom_headers": {"X-Key": "$CANARY_KEY"}},
    "body": {"extra_body": {"user_token": "$CANARY_TOKEN", "deep": [{"er": "x${CANARY_KEY}x"}]}},
    "system prompt": {"system": "The word is $CANARY_KEY."},
    "organization": {"organization": "$CANARY_KEY"},
    "stop": {"stop": ["$CANARY_KEY"]},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("answer", ["refused", "answered"])
def test_key_in_an_unusual_place_of_a_valid_config_shows_nowhere(
    origin: str, place: str, answer: str, seen: Seen, tmp_path: Path
) -> None:
    """Refused at load, or sent there and nowhere shown, though bodies are logged."""
    script: Script = [
        REQUEST,
        failed(401, said("no")) if answer == "refused" else ok(json.dumps(chat("Yes.")).encode()),
    ]
    with FaultyServer(script) as server:
        run_all(seen, config_for(tmp_path, "openai", server.port, **PLACES[place]))
    seen.check()


def test_password_inside_the_address_shows_nowhere(origin: str, seen: Seen, tmp_path: Path) -> None:
    """``http://user:password@host``: what is said of the backend names the host without it."""
    with FaultyServer([REQUEST, failed(500, said("no"))]) as server:
        base_url = f"http://user:$CANARY_KEY@127.0.0.1:{server.port}/v1"
        run_all(seen, config_for(tmp_path, "openai", server.port, base_url=base_url))
    assert seen.errors
    seen.check()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b""], ids=["refused", "closed"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_password_of_a_proxy_shows_nowhere(
    answer: bytes, scheme: str, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from the environment as keys do, and is sent to the proxy alone."""
    monkeypatch.setenv("CANARY_KEY", "another")
    monkeypatch.setenv("CANARY_TOKEN", "another")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultyServer([REQUEST, answer]) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://user:{CANARY}@127.0.0.1:{proxy.port}")
        run_all(seen, config_for(tmp_path, "openai", 9, 1.0, base_url=f"{scheme}://api.example.com/v1"))
        login = base64.b64encode(f"user:{CANARY}".encode())
        assert proxy.requests
        assert all(login in request for request in proxy.requests)
    assert seen.errors
    seen.check()
    assert all(login.decode() not in everything(error) for error in seen.errors)


def test_password_of_redis_shows_nowhere(origin: str, seen: Seen, tmp_path: Path) -> None:
    """A Redis that is not there: calls go on without it, and the warning does not repeat its address."""
    pytest.importorskip("redis")
    with FaultyServer([REQUEST, failed(500, said("no"))]) as server:
        config = config_for(tmp_path, "openai", server.port, rate_limit=100)
        sections = json.loads(config.read_text())
        sections["MEDIATOR"]["shared"] = {"redis": "redis://user:$CANARY_KEY@127.0.0.1:9/0"}
        config.write_text(json.dumps(sections))
        run_all(seen, config)
    assert seen.errors
    seen.check()


def test_env_file_that_cannot_be_read_shows_nothing_of_it(seen: Seen, tmp_path: Path) -> None:
    """Not UTF-8: one line that names the file."""
    (tmp_path / ".env").write_bytes(b"CANARY_KEY=" + SAID + b"\xff\xfe\n")
    run_all(seen, config_for(tmp_path, "openai", 9))
    (error,) = seen.errors
    assert isinstance(error, ComplaintLLMError)
    assert ".env: not UTF-8" in str(error)
    seen.check()


COMMANDS = [
    ["generate", "ask"],
    ["generate", "ask", "--stream"],
    ["generate", "ask", "--json"],
    ["check", "--connect"],
    ["batch", "in.txt", "-o", "out.jsonl"],
    ["plugins"],
    ["schema"],
]


@pytest.mark.rows(1)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_key_shows_in_no_output_of_the_command_line(origin: str, command: list[str], tmp_path: Path) -> None:
    """With --debug, against a server that refuses the key and says it back."""
    (tmp_path / "in.txt").write_text("ask\n")
    with FaultyServer([REQUEST, failed(401, everywhere(CANARY))]) as server:
        config = config_for(tmp_path, "openai", server.port, 60.0)
        program = [sys.executable, "-X", "dev", "-m", "complaint_llm", "--debug", "-c", str(config), *command]
        done = forked.run(program, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    asked = command[0] in ("generate", "check", "batch")
    assert (done.returncode, bool(server.requests)) == ((1, True) if asked else (0, False)), done.stderr
    assert CANARY not in done.stdout + done.stderr
    assert files_with(tmp_path, SAID, but=[".env"]) == []


def test_key_that_trips_a_plugin_shows_nowhere(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that stumbles over an answer with the key in it: neither its message nor its cause repeats the key."""
    monkeypatch.setenv("CANARY_KEY", CANARY)
    monkeypatch.setenv("CANARY_TOKEN", CANARY)
    plugin = tmp_path / "plugins" / "stumbling.py"
    plugin.parent.mkdir()
    plugin.write_text(STUMBLING)
    with FaultyServer([REQUEST, ok(json.dumps({"said": CANARY}).encode())]) as server:
        backend = {
            "id": "first",
            "type": "stumbling",
            "base_url": f"http://127.0.0.1:{server.port}",
            "api_key": "$CANARY_KEY",
        }
        config = write_config(tmp_path, [backend], PLUGINS={"paths": ["plugins"]})
        mediator = Mediator.from_config(config)
        seen.failing(lambda: mediator.infer("ask"))
        mediator.close()
    (error,) = seen.errors
    assert "failed inside the plugin: ZeroDivisionError: ***" in str(error)
    assert CANARY not in f"{error!r} {error.__cause__!r}"


STUMBLING = """
from complaint_llm.backends import HTTPBackend, WireRequest, register_backend

class Stumbling(HTTPBackend):
    interruptible = True
    def encode(self, request):
        return WireRequest("/x", {})
    def decode(self, payload, request):
        raise ZeroDivisionError(payload["said"])

register_backend("stumbling", Stumbling)
"""
