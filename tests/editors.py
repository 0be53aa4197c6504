"""The services behind two editors, as programs: VS Code's for JSON, and yaml-language-server for YAML.

Each is given a file's text with ``|`` where the cursor is, and finds the schema as it would for a user: by the line of
the text that names it.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.peers import need_peer

SECONDS_TO_ANSWER = 60.0
_SETTINGS = {"yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}}}
_ABILITIES = {
    "workspace": {"configuration": True},
    "textDocument": {"hover": {"contentFormat": ["markdown"]}},
}


class Sight(NamedTuple):
    """What a user sees: faults as (line, column, message), both from 0, what is offered, and the hover text."""

    diagnostics: tuple[tuple[int, int, str], ...]
    completions: frozenset[str]
    hover: str


class Program:
    """A program that is spoken to over its standard streams; messages that it sends are in ``received``."""

    def __init__(self, *command: str, framed: bool) -> None:
        self.received: queue.Queue[dict[str, Any]] = queue.Queue()
        self.framed = framed
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self.receive, daemon=True).start()

    def send(self, message: dict[str, Any]) -> None:
        """One message: a line, or framed as the language server protocol has it."""
        body = json.dumps(message).encode()
        assert self.process.stdin is not None
        head = b"Content-Length: %d\r\n\r\n" % len(body) if self.framed else b""
        self.process.stdin.write(head + body + (b"" if self.framed else b"\n"))
        self.process.stdin.flush()

    def receive(self) -> None:
        """Put each message into the queue until the program ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not self.framed:
                self.received.put(json.loads(line))
            elif line.lower().startswith(b"content-length:"):
                size = int(line.split(b":")[1])
                while self.process.stdout.readline() != b"\r\n":
                    pass
                self.received.put(json.loads(self.process.stdout.read(size)))

    def close(self) -> None:
        """End the program."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class JsonEditor:
    """VS Code's service for JSON."""

    name = "config.json"

    def __init__(self) -> None:
        modules = Path(need_peer("vscode-json-languageservice")).parents[1]
        self.program = Program("node", str(Path(__file__).parent / "json_editor.js"), str(modules), framed=False)

    def look(self, folder: Path, text: str) -> Sight:
        """What is seen in ``config.json`` of a folder that has this text, with the cursor at its ``|``."""
        self.program.send(
            {"uri": (folder / self.name).as_uri(), "text": text.replace("|", "", 1), "offset": max(text.find("|"), 0)}
        )
        seen = self.program.received.get(timeout=SECONDS_TO_ANSWER)
        return Sight(tuple(map(tuple, seen["diagnostics"])), frozenset(seen["completions"]), seen["hover"])


class YamlEditor:
    """yaml-language-server."""

    name = "config.yaml"

    def __init__(self) -> None:
        self.program = Program("node", need_peer("yaml-language-server"), "--stdio", framed=True)
        self.sent = 0
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": _ABILITIES})
        self.program.send({"jsonrpc": "2.0", "method": "initialized", "params": {}})

    def request(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request."""
        self.sent += 1
        id = self.sent
        self.program.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return self.wait_for(lambda message: message.get("id") == id and "method" not in message)["result"]

    def wait_for(self, is_it: Any) -> dict[str, Any]:
        """The first message that is the one; questions of the server are answered meanwhile."""
        while True:
            message = self.program.received.get(timeout=SECONDS_TO_ANSWER)
            if "id" in message and "method" in message:
                items = message["params"].get("items", []) if message["method"] == "workspace/configuration" else None
                result = None if items is None else [_SETTINGS.get(each.get("section"), {}) for each in items]
                self.program.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
            if is_it(message):
                return message

    def look(self, folder: Path, text: str) -> Sight:
        """What is seen in a YAML file of a folder that has this text, with the cursor at its ``|``."""
        self.sent += 1
        uri = (folder / f"{self.sent}-{self.name}").as_uri()
        at = max(text.find("|"), 0)
        place = {"line": text.count("\n", 0, at), "character": at - text.rfind("\n", 0, at) - 1}
        here = {"textDocument": {"uri": uri}, "position": place}
        opened = {"uri": uri, "languageId": "yaml", "version": 1, "text": text.replace("|", "", 1)}
        self.program.send({"jsonrpc": "2.0", "method": "textDocument/didOpen", "params": {"textDocument": opened}})
        told = self.wait_for(
            lambda message: (
                message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri
            )
        )["params"]["diagnostics"]
        offered = self.request("textDocument/completion", here) or []
        items = offered["items"] if isinstance(offered, dict) else offered
        hover = self.request("textDocument/hover", here)
        starts = [(each["range"]["start"], each["message"]) for each in told]
        return Sight(
            tuple((start["line"], start["character"], message) for start, message in starts),
            frozenset(each["label"].strip('"') for each in items),
            hover["contents"]["value"] if hover else "",
        )


@pytest.fixture(scope="session")
def json_editor() -> Iterator[JsonEditor]:
    editor = JsonEditor()
    yield editor
    editor.program.close()


@pytest.fixture(scope="session")
def yaml_editor() -> Iterator[YamlEditor]:
    editor = YamlEditor()
    yield editor
    editor.program.close()


@pytest.fixture(params=["json_editor", "yaml_editor"])
def editor(request: pytest.FixtureRequest) -> JsonEditor | YamlEditor:
    """Each of the two."""
    found: JsonEditor | YamlEditor = request.getfixturevalue(request.param)
    return found
