"""The real agent programs against aimock, where nothing but 127.0.0.1 can be reached.

``python -m tests.agent_cli TYPE PROGRAM AIMOCK`` runs in an empty network namespace (``session`` starts it so where the
machine allows it), starts aimock there, asks one backend of that type one thing after the other, and prints what came
of each as JSON.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from complaint_llm.exceptions import BackendError
from complaint_llm.testing.steady_clock import running_clock
from tests.peers import ROOT, AIMock, free_port, need_peer

if TYPE_CHECKING:
    from complaint_llm.backends import CommandBackend

KEY = "sk-canary-0123456789abcdef"
PROMPT_CANARY = "harbour-lantern"
SCHEMA = {"type": "object", "properties": {"claim": {"enum": ["wages", "deposit"]}}, "required": ["claim"]}


class Agent(NamedTuple):
    """A program: its backend's class, the npm package, and what must be given so that it asks aimock."""

    backend: str
    program: str
    package: str
    base_path: str
    login: str | None = None
    required: bool = False


AGENTS: Mapping[str, Agent] = {
    "claude_cli": Agent("ClaudeCLIBackend", "claude", "@anthropic-ai/claude-code", "", login="ANTHROPIC_API_KEY"),
    "codex": Agent("CodexBackend", "codex", "@openai/codex", "/v1", required=True),
    "copilot_cli": Agent("CopilotCLIBackend", "copilot", "@github/copilot", "/v1"),
}
"""``login``: the variable that stands for the user's login, which the backend knows nothing of.

``required``: a missing program fails where peers are required; the others are skipped there too.
"""


def session(name: str) -> dict[str, Any]:
    """What came of each question to the backend of this type, by the question's name."""
    agent = AGENTS[name]
    aimock = need_peer("aimock")
    program = _program(agent)
    if program is None:
        sentence = f"{agent.program} is not installed: npm install {agent.package}"
        if agent.required and os.environ.get("COMPLAINT_LLM_REQUIRE_PEERS") == "1":
            pytest.fail(sentence, pytrace=False)
        pytest.skip(sentence)
    isolated = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    dead: dict[str, str] = {}
    if subprocess.run([*isolated, "true"], capture_output=True).returncode:
        # A container that allows no namespace: what goes elsewhere goes to a proxy that is not there.
        isolated = []
        proxy = f"http://127.0.0.1:{free_port()}"
        dead = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1"}
    with tempfile.TemporaryDirectory() as scratch:
        home, tmp = Path(scratch, "home"), Path(scratch, "tmp")
        home.mkdir()
        tmp.mkdir()
        done = subprocess.run(
            [*isolated, sys.executable, "-m", "tests.agent_cli", name, program, aimock],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(tmp), **dead},
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found: dict[str, Any] = json.loads(done.stdout)
        found["left in tmp"] = [each.name for each in tmp.iterdir() if each.name.startswith("complaint-llm-")]
        found["kept at home"] = [
            str(each.relative_to(home))
            for each in home.rglob("*")
            if each.is_file() and not each.is_symlink() and PROMPT_CANARY.encode() in each.read_bytes()
        ]
    return found


def check(found: Mapping[str, Any]) -> None:
    """What holds for each of them, of what ``session`` found."""
    assert found["text"]["content"] == "Good day."
    assert found["text"]["token_usage"]["prompt_tokens"] == 12
    assert found["text"]["token_usage"]["completion_tokens"] == 3
    assert found["text"]["cost"] is None, "another address has prices of its own"
    (sent,) = found["text sent"]
    assert PROMPT_CANARY in str(sent)
    assert "Speak like a clerk." in str(sent)
    # A prompt is a text, not commands to the program; no file is read for it.
    for way in ("command", "login") if "login" in found else ("command",):
        assert found[way] == "Good day."
        (sent,) = found[f"{way} sent"]
        assert "/help me with the" in str(sent)
        assert "what nobody may read" not in str(sent)
        assert tools_of(sent) == tools_of(found["text sent"][0])
    assert found["stream"] == ["TextDelta", "Done"]
    assert found["shape"]["parsed"] == {"claim": "wages"}
    assert (found["refused"]["error"], found["refused"]["status"]) == ("AuthenticationError", 401)
    assert found["late"]["error"] == "BackendTimeoutError"
    assert found["late"]["seconds"] < 2.5 * 1.1 + 0.3
    assert found["still running"] == []
    assert found["left in tmp"] == []
    assert found["kept at home"] == [], "the conversation stayed behind"
    assert KEY not in str(found)


def tools_of(body: Mapping[str, Any]) -> list[str]:
    """The names of the tools that a request offers."""
    return [tool["function"]["name"] for tool in body.get("tools") or []]


def _program(agent: Agent) -> str | None:
    beside = Path(os.environ.get("COMPLAINT_LLM_NODE_MODULES", ROOT / "node_modules")) / ".bin"
    found = shutil.which(agent.program, path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    return found and str(Path(found).absolute())


def _main(name: str, program: str, aimock: str) -> dict[str, Any]:
    _loopback_up()
    agent = AGENTS[name]
    port = free_port()
    with tempfile.TemporaryDirectory() as fixtures:
        first = {"fixtures": [{"match": {"userMessage": "unused"}, "response": {"content": "unused"}}]}
        Path(fixtures, "unused.json").write_text(json.dumps(first))
        log = subprocess.DEVNULL
        server = subprocess.Popen(["node", aimock, "-p", str(port), "-f", fixtures], stdout=log, stderr=log)
        try:
            mock = AIMock(port)
            _until(lambda: _listens(port))
            kind = getattr(import_module(f"complaint_llm_plugins.backends.{name}.backend"), agent.backend)
            keys = {
                "id": "agent",
                "command": program,
                "model": "gpt-5-mini" if agent.base_path else "claude-sonnet-4-5",
                "base_url": f"{mock.url}{agent.base_path}",
                "max_retries": 0,
            }
            with kind(api_key=KEY, **keys) as backend:
                found = _questions(mock, backend)
            if agent.login is not None:
                with _logged_in(kind, agent.login)(**keys) as backend:
                    mock.reset()
                    found["login"], found["login sent"] = _file_named_in_a_prompt(mock, backend)
            return found
        finally:
            server.terminate()
            server.wait(10)


def _questions(mock: AIMock, backend: CommandBackend) -> dict[str, Any]:
    def ask(prompt: Any, **params: Any) -> dict[str, Any]:
        try:
            with running_clock() as clock:
                output = backend.infer(prompt, **params)
        except BackendError as error:
            told: dict[str, Any] = {"error": type(error).__name__, "status": error.status, "text": str(error)}
        else:
            told = output._replace(attempts=(), metadata={})._asdict()
            told["token_usage"] = output.token_usage._asdict()
        return {**told, "seconds": clock()}

    def bodies() -> list[dict[str, Any]]:
        return [entry["body"] for entry in mock.journal()]

    found: dict[str, Any] = {}
    mock.says("Good day.", usage={"input_tokens": 12, "output_tokens": 3})
    asked = [
        {"role": "system", "content": "Speak like a clerk."},
        {"role": "user", "content": f"About the {PROMPT_CANARY}."},
    ]
    found["text"] = ask(asked, reasoning_effort="low", temperature=0.5)
    found["text sent"] = bodies()
    mock.reset()
    found["command"], found["command sent"] = _file_named_in_a_prompt(mock, backend)
    found["stream"] = [type(event).__name__ for event in backend.infer_stream("Hello.")]
    mock.reset()
    mock.says('{"claim": "wages"}')
    found["shape"] = ask("Which claim?", response_format=SCHEMA)
    mock.reset()
    body = {"error": {"message": f"no such key {KEY}", "type": "authentication_error"}}
    mock.answers({"match": {}, "response": {**body, "status": 401}})
    found["refused"] = ask("Hello.")
    mock.reset()
    mock.says("Too late.")
    mock.chaos(latencyMs=20000)
    found["late"] = ask("Hello.", timeout=2.5)
    found["still running"] = _running()
    return found


def _file_named_in_a_prompt(mock: AIMock, backend: CommandBackend) -> tuple[str, list[dict[str, Any]]]:
    """The answer to a prompt that an agent could take for a command and for a file to read, and what was sent."""
    mock.says("Good day.")
    secret = Path.home() / "private.txt"
    secret.write_text("what nobody may read")
    answer = backend.generate(f"/help me with the {PROMPT_CANARY}, @{secret} !ls")
    return answer, [entry["body"] for entry in mock.journal()]


def _logged_in(kind: Any, variable: str) -> Any:
    """The backend's class as it is without a key, on a machine where the user logged in."""
    os.environ[variable] = KEY

    class LoggedIn(kind):  # type: ignore[misc]
        key_variables = ()
        kept = (*kind.kept, variable)

    return LoggedIn


def _running() -> list[str]:
    """Processes whose temporary folder is in ours, as the backend starts them."""
    ours = f"TMPDIR={tempfile.gettempdir()}/complaint-llm-".encode()
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and ours in (each / "environ").read_bytes():
                found.append((each / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def _loopback_up() -> None:
    get_flags, set_flags, up = 0x8913, 0x8914, 0x1
    with socket.socket() as any_socket:
        name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, get_flags, struct.pack("16sh", b"lo", 0))[:18])
        if flags & up:
            return
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", name, flags | up))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(what: Callable[[], bool], patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end, "aimock did not start"
        time.sleep(0.02)


if __name__ == "__main__":
    json.dump(_main(*sys.argv[1:]), sys.stdout, default=str)
