"""A key from the environment or a ``.env`` shows nowhere, whatever fails and whatever the server says back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from tests import forked
from tests.end_to_end.canary import CANARY, SAID, Seen, config_for, run_all
from tests.end_to_end.everything import files_with, inside, write_config
from tests.faults.mode import EVENTS as EVENT_HEAD
from tests.faults.mode import LONG, Mode, events, failed, part, said
from tests.faults.modes import MODES
from tests.faults.server import server_for
from tests.transport.faulty import REQUEST, RESET, FaultyServer, Pause, Script, ok
from tests.wire_messages import chat, chunk, sse


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
