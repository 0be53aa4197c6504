"""A chat-completions server on loopback that says what it was asked with, and a config that leads to it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli


class ChatServer:
    """Any thread may read ``bodies``: what was asked, in order. ``finish`` and ``text`` are of the next answers."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.text: str | None = None
        self.finish = "stop"
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Silent."""

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.bodies.append(body)
                data = json.dumps(outer.answer(body) if outer.status == 200 else {"error": {"message": "no"}}).encode()
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """By default what shaped it: model, temperature, system text, prompt."""
        said = "|".join(str(message["content"]) for message in body["messages"])
        text = f"{body['model']} {body.get('temperature')} {said}" if self.text is None else self.text
        message = {"role": "assistant", "content": text}
        return {
            "id": "1",
            "object": "chat.completion",
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        }

    def prompts(self) -> list[str]:
        """The last turn of each request, sorted."""
        return sorted(str(body["messages"][-1]["content"]) for body in self.bodies)

    def backend(self, id: str = "a", **keys: Any) -> dict[str, Any]:
        """An entry of BACKENDS that leads here."""
        fixed = {"id": id, "type": "openai", "base_url": self.url, "api_key": "sk-x", "model": "m", "max_retries": 0}
        return {**fixed, **keys}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def write_config(folder: Path, *backends: dict[str, Any], **sections: Any) -> None:
    (folder / "config.json").write_text(json.dumps({"BACKENDS": list(backends), **sections}), encoding="utf-8")


def write_lines(path: Path, *lines: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def read_out(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def run_command(folder: Path, *arguments: str, stdin: bytes | str | None = None) -> Result:
    """``complaint-llm batch`` with the config of a folder."""
    given = ["-c", str(folder / "config.json"), "batch", *arguments]
    return CliRunner().invoke(cli, given, input=stdin)
