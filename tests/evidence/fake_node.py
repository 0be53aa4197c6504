"""An IPFS node as far as its RPC is used: keeps blocks, names them by its own count, pins, and fails on request."""

from __future__ import annotations

import json
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from multiformats import CID, multihash


class FakeNode(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1 from the start; ``stop`` takes it away, as a node that is switched off."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.blocks: dict[str, bytes] = {}
        self.pins: set[str] = set()
        self.old_names = False
        self.calls: list[str] = []
        self.answer_with: dict[str, tuple[int, bytes]] = {}
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that had enough of an answer closed the connection: nothing to say."""

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeNode

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        command = url.path.removeprefix("/api/v0/")
        given = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append(command)
        if command in self.server.answer_with:
            self._answer(*self.server.answer_with[command])
        elif command == "block/put":
            self._put(given, body)
        elif command == "block/get":
            self._get(given["arg"])
        elif command == "pin/add":
            self._pin(given["arg"])
        elif command == "pin/rm":
            known = given["arg"] in self.server.pins
            self.server.pins.discard(given["arg"])
            self._json({"Pins": [given["arg"]]}) if known else self._error("not pinned or pinned indirectly")
        else:
            self._answer(404, b"404 page not found")

    def _put(self, given: dict[str, str], body: bytes) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        lines = []
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            cid = CID("base32", 1, given["cid-codec"], multihash.digest(data, given["mhtype"]))
            self.server.blocks[str(cid)] = data
            named = (
                CID("base58btc", 0, "dag-pb", cid.digest)
                if self.server.old_names and given["cid-codec"] == "dag-pb"
                else cid
            )
            lines.append(json.dumps({"Key": str(named), "Size": len(data)}))
        self._answer(200, "\n".join(lines).encode())

    def _get(self, cid: str) -> None:
        data = self.server.blocks.get(cid)
        self._error(
            f"block was not found locally (offline): ipld: could not find {cid}"
        ) if data is None else self._answer(200, data)

    def _pin(self, cid: str) -> None:
        if cid not in self.server.blocks:
            self._error("context deadline exceeded")
            return
        self.server.pins.add(cid)
        self._json({"Pins": [cid]})

    def _error(self, message: str) -> None:
        self._answer(500, json.dumps({"Message": message, "Code": 0, "Type": "error"}).encode())

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
