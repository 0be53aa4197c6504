"""A Hub of model files on loopback, which can break off in the middle of one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO, FILE = "office/tiny-instruct", "tiny.gguf"


class Asked(NamedTuple):
    """One request to the Hub: its method, path, and the first byte that it wants."""

    method: str
    path: str
    start: int


class Hub(ThreadingHTTPServer):
    """The Hub's file API on loopback: HEAD and GET with ETag, commit and ranges. ``cuts`` says after how many bytes
    the next downloads break off."""

    daemon_threads = True

    def __init__(self, data: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data = data
        self.license: str | None = "apache-2.0"
        self.etag = hashlib.sha256(data).hexdigest()
        self.asked: list[Asked] = []
        self.cuts: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @contextmanager
    def serving(self) -> Iterator[Hub]:
        """Answer for as long as the context lasts."""
        thread = threading.Thread(target=self.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self.shutdown()
            thread.join()
            self.server_close()

    def downloads(self) -> list[int]:
        """The first byte of each download, in order."""
        return [each.start for each in self.asked if each.method == "GET" and "/resolve/" in each.path]


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        given = self.headers.get("Range")
        start = int(given.removeprefix("bytes=").partition("-")[0]) if given else 0
        self.server.asked.append(Asked(self.command, self.path, start))
        if self.path.startswith(f"/api/models/{REPO}"):
            self._describe()
            return
        if self.path != f"/{REPO}/resolve/main/{FILE}" and self.path != f"/{REPO}/resolve/{COMMIT}/{FILE}":
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = self.server.data
        self.send_response(206 if given else 200)
        self.send_header("ETag", f'"{self.server.etag}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        if given:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if body:
            end = start + self.server.cuts.pop(0) if self.server.cuts else len(data)
            self.wfile.write(data[start:end])
            self.close_connection = end < len(data)

    def _describe(self) -> None:
        license = self.server.license
        about = {"id": REPO, "sha": COMMIT, "tags": [] if license is None else [f"license:{license}"], "siblings": []}
        text = json.dumps(about).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: object) -> None:
        pass
