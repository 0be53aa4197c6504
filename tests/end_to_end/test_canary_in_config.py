"""The key in a wrong or unusual place of the config, or in an address: it shows nowhere."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.exceptions import ComplaintLLMError
from tests.end_to_end.canary import CANARY, SAID, Seen, config_for, run_all
from tests.end_to_end.everything import everything, write_config
from tests.faults.mode import failed, said
from tests.transport.faulty import REQUEST, FaultyServer, Script, ok
from tests.wire_messages import chat


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
