"""Errors of services as the command line tells them: once, in a line, with what to do, and never a key or a prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import AllBackendsFailedError, BackendError
from tests.cli.loopback import Handler, Loopback
from tests.end_to_end.everything import write_config
from tests.peers import free_port

KEY = "sk-canary-0123456789"
PROMPT = "canary prompt of a client"

SHAPES: dict[str, tuple[str, str, Any]] = {
    "OpenAI": ("openai", "/v1", {"error": {"message": f"no: {KEY}", "type": "x", "code": None}}),
    "Anthropic": ("anthropic", "", {"type": "error", "error": {"type": "x", "message": f"no: {KEY}"}}),
    "Gemini": ("google", "", {"error": {"code": 0, "message": f"no: {KEY}", "status": "X"}}),
    "Mistral": ("mistral", "/v1", {"object": "error", "message": f"no: {KEY}", "type": "x", "code": "9"}),
    "FastAPI": ("vllm", "/v1", {"detail": f"no: {KEY}"}),
    "OpenRouter": ("openrouter", "/v1", {"error": {"message": f"no: {KEY}", "code": 0, "metadata": {}}}),
    "xAI": ("xai", "/v1", {"code": "x", "error": f"no: {KEY}"}),
    "a text": ("openai", "/v1", f"<html>no: {KEY}</html>"),
    "nothing": ("openai", "/v1", ""),
}
ADVICE = {
    401: "the key from $CANARY_KEY in .env was refused: correct or renew it",
    402: "the quota or the credit of the key from $CANARY_KEY in .env is spent",
    403: "the key from $CANARY_KEY in .env may not do this",
    404: "complaint-llm models a",
    429: "again in 0.02 s; too fast for this account: set rate_limit",
    500: "3 attempts over ",
    503: "3 attempts over ",
    529: "3 attempts over ",
}


class Refusing(Loopback):
    """Answers each request with a status and a body."""

    def __init__(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()

        class Refuses(Handler):
            def do_POST(self) -> None:
                self.read()
                self.answer(data, status=status, headers={"Retry-After": "0.02"} if status == 429 else {})

        super().__init__(Refuses)


class Told(NamedTuple):
    """The error that the command line makes lines of, and what it said before."""

    error: BackendError
    before: str


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.delenv("CANARY_KEY", raising=False)
    (tmp_path / ".env").write_text(f"CANARY_KEY={KEY}\n", encoding="utf-8")


def entry(url: str, type: str = "openai", **keys: Any) -> dict[str, Any]:
    base = {"id": "a", "type": type, "base_url": url, "api_key": "$CANARY_KEY", "model": "m", "retry_delay": 0.01}
    return {**base, **keys}


def ask(folder: Path, *entries: dict[str, Any]) -> Told:
    write_config(folder, list(entries))
    done = CliRunner().invoke(cli, ["generate", PROMPT])
    assert isinstance(done.exception, BackendError)
    return Told(done.exception, done.output)


@pytest.mark.rows(20)
@pytest.mark.parametrize("status", ADVICE)
@pytest.mark.parametrize("shape", SHAPES)
def test_each_status_of_each_service_says_once_what_to_do(tmp_path: Path, shape: str, status: int) -> None:
    """Whatever the service's own words are; the key that it says back is cut."""
    type, path, body = SHAPES[shape]
    with Refusing(status, body) as server:
        error, before = ask(tmp_path, entry(server.url + path, type))
    line = str(error)
    assert line.startswith(f"a: HTTP {status}")
    assert ADVICE[status] in line
    assert "\n" not in line
    assert before == "", "nothing is said of it before"
    assert "canary-" not in line
    assert PROMPT not in line


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:{port}/v1", "127.0.0.1:{port}: connection refused: is the server running?"),
        ("http://nohost.invalid/v1", "nohost.invalid: the host's name could not be resolved"),
        ("https://127.0.0.1:{server}/v1", "the TLS connection failed"),
    ],
)
def test_a_server_that_is_not_reached_is_named(tmp_path: Path, url: str, words: str) -> None:
    """With the cause kept."""
    port = free_port()
    with Refusing(500, "") as server:
        places = {"port": port, "server": server.url.rpartition(":")[2]}
        error, before = ask(tmp_path, entry(url.format(**places), max_retries=0))
    assert words.format(**places) in str(error)
    assert (before, str(error).count("\n")) == ("", 0)
    assert error.__cause__ is not None


def test_of_several_backends_each_is_told_once(tmp_path: Path) -> None:
    """Three attempts with one answer are one line; nothing of it was logged before."""
    body = SHAPES["OpenAI"][2]
    with Refusing(500, body) as broken, Refusing(401, body) as refused, Refusing(404, body) as unknown:
        urls = {"broken": broken.url, "refused": refused.url, "unknown": unknown.url}
        entries = [entry(f"{url}/v1", id=id) for id, url in urls.items()]
        dead = entry(f"http://127.0.0.1:{free_port()}/v1", id="dead", max_retries=0)
        error, before = ask(tmp_path, *entries, dead)
    assert isinstance(error, AllBackendsFailedError)
    first, *lines = str(error).splitlines()
    assert first.startswith("none of 4 backends answered")
    assert sorted(line.split()[0] for line in lines) == ["broken:", "dead:", "refused:", "unknown:"]
    assert "$CANARY_KEY in .env" in str(error)
    assert "canary-" not in str(error)
    assert before == ""


SCRIPT = """
import logging, sys
from complaint_llm import Mediator
from complaint_llm.backends import OpenAIBackend
HANDLER = logging.StreamHandler()
{setting}
backends = [OpenAIBackend(id=name, base_url=sys.argv[1] + "/v1", api_key="sk-x", model="m") for name in {names!r}]
with Mediator(backends) as mediator:
    {call}
"""
CATCHES = "try: mediator.generate('q')\n    except Exception as error: print(error, file=sys.stderr)"


@pytest.mark.rows(2)
@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("names", ["a", "ab"])
@pytest.mark.parametrize(
    ("setting", "times"),
    [("", 1), ("logging.basicConfig()", 2), ("logging.getLogger('complaint_llm').addHandler(HANDLER)", 2)],
    ids=["no logging", "logging", "logging of ours"],
)
def test_a_script_without_logging_says_what_is_raised_once(status: int, names: str, setting: str, times: int) -> None:
    """Where logging is set up its records are complete."""
    with Refusing(status, SHAPES["OpenAI"][2]) as server:
        script = SCRIPT.format(setting=setting, names=names, call=CATCHES)
        command = [sys.executable, "-c", script, server.url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert [done.stderr.count(f"{name}: ") for name in names] == [times] * len(names), done.stderr


def test_what_another_backend_answered_for_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody has to mend the key, and nothing is raised that would say so."""
    from complaint_llm import Mediator
    from complaint_llm.backends import OpenAIBackend

    class Second(OpenAIBackend):
        def answer(self, request: Any) -> Any:
            from complaint_llm import InferenceOutput

            return InferenceOutput("fine")

    with Refusing(401, SHAPES["OpenAI"][2]) as server:
        first = OpenAIBackend(id="a", base_url=f"{server.url}/v1", api_key=KEY, model="m")
        second = Second(id="b", base_url=f"{server.url}/v1", api_key=KEY, model="m")
        with Mediator([first, second]) as mediator:
            assert mediator.generate("q") == "fine"
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.getMessage().startswith("a: AuthenticationError: HTTP 401")
    assert "canary" not in record.getMessage()
