"""A provider on loopback that keeps its own bill by the published rules, and answers on three wires.

The price table is typed from the providers' pages, not read from the product. Each request's fate follows from the
number in its prompt (``#17``), so a run can be repeated. What is billed is kept by number: whole nano-dollars as exact
fractions, whether it was answered, and whether a fee is in it that no list has.
"""

from __future__ import annotations

import json
import random
import re
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

LONG = 272_000
"""Prompt tokens above which gpt-5.6-terra costs twice for input and one and a half times for output."""

PRICES: dict[str, dict[str, Fraction]] = {
    # US dollars per million tokens: input, cached input, cache write, its one-hour kind, output.
    "gpt-5.6-terra": {"in": Fraction(2), "read": Fraction("0.2"), "write": Fraction("2.5"), "out": Fraction(12)},
    "claude-sonnet-5-5": {
        "in": Fraction(2),
        "read": Fraction("0.1"),
        "write": Fraction("2.5"),
        "hour": Fraction(4),
        "out": Fraction(10),
    },
}
TIERS = {None: Fraction(1), "default": Fraction(1), "flex": Fraction(1, 2), "priority": Fraction(2)}
"""What OpenAI's service tiers cost, as multiples of the standard price of gpt-5.6-terra."""
FEE = Fraction("0.01")
"""Dollars for one web search."""


class Line(NamedTuple):
    """One entry of the bill."""

    dollars: Fraction
    answered: bool
    fee: bool


class Biller:
    """The server and its bill. Any thread may look at the bill."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[int, list[Line]] = {}
        self._seen: dict[int, int] = {}
        self._http = _Server(self)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Biller:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def bill(self) -> dict[int, list[Line]]:
        """The lines of each request, by its number."""
        with self._lock:
            return {number: list(lines) for number, lines in self._lines.items()}

    def enter(self, number: int, line: Line) -> None:
        with self._lock:
            self._lines.setdefault(number, []).append(line)

    def attempt(self, number: int) -> int:
        """How many times this request came before."""
        with self._lock:
            self._seen[number] = self._seen.get(number, 0) + 1
            return self._seen[number] - 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, owner: Biller) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away."""


class Work(NamedTuple):
    """What a model did for one request."""

    prompt: int
    read: int
    write: int
    hour: int
    out: int
    tier: str | None
    fee: bool

    def dollars(self, model: str) -> Fraction:
        """The published price."""
        price = PRICES[model]
        fresh = self.prompt - self.read - self.write
        side = price["in"] * fresh + price["read"] * self.read + price["write"] * (self.write - self.hour)
        side += price.get("hour", Fraction(0)) * self.hour
        out = price["out"] * self.out
        if model.startswith("gpt") and self.prompt > LONG:
            side, out = side * 2, out * Fraction(3, 2)
        return (side + out) * TIERS[self.tier] / 1_000_000 + (FEE if self.fee else 0)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.loads(raw)
        found = re.search(r"#(\d+) ", raw.decode())
        assert found is not None
        number = int(found[1])
        chance = random.Random(number * 7 + self.server.owner.attempt(number))
        fate = chance.random()
        if fate < 0.05:
            return self._reply(500, {"error": {"message": "try again"}})
        if fate < 0.08:
            return self._reply(429, {"error": {"message": "slow down"}}, {"Retry-After-Ms": "5"})
        wire = "anthropic" if self.path.endswith("/messages") else self.path.rsplit("/", 1)[1]
        work = self._work(body, raw, chance, wire)
        if body.get("stream") and fate < 0.16:
            return self._cut(body, work, number, wire)
        self.server.owner.enter(number, Line(work.dollars(body["model"]), True, work.fee))
        if body.get("stream"):
            return self._send(200, self._stream(wire, work), "text/event-stream")
        return self._reply(200, ANSWERS[wire](work))

    def _work(self, body: dict[str, Any], raw: bytes, chance: random.Random, wire: str) -> Work:
        names = ("max_completion_tokens", "max_output_tokens", "max_tokens")
        most = next((body[name] for name in names if name in body), 4000)
        # Every tokenizer has at most as many tokens as bytes; here often as many.
        prompt = len(raw) if len(raw) > LONG * 1.1 or chance.random() < 0.3 else len(raw) // 4
        prompt = min(prompt, len(raw) - 100) if len(raw) > 400 else len(raw) // 2
        read = chance.choice([0, prompt // 2])
        write = chance.choice([0, prompt - read, (prompt - read) // 3])
        hour = chance.choice([0, write // 2]) if wire == "anthropic" and "cache_control" in body else 0
        tier = None
        if wire != "anthropic":
            asked = body.get("service_tier")
            tier = asked if asked in ("flex", "default") else chance.choice([None, "default", "default", "priority"])
        out = chance.choice([most, most // 3, min(most, 50)])
        return Work(prompt, read, write, hour, out, tier, fee="web_search" in json.dumps(body.get("tools", "")))

    def _cut(self, body: dict[str, Any], work: Work, number: int, wire: str) -> None:
        """Half of the answer, billed, and the connection closed."""
        half = work._replace(out=work.out // 2)
        self.server.owner.enter(number, Line(half.dollars(body["model"]), False, work.fee))
        data = self._stream(wire, half)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        first = data.split(b"\n\n")[0] + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(first), first))
        self.close_connection = True

    def _stream(self, wire: str, work: Work) -> bytes:
        return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in STREAMS[wire](work))

    def _reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), "application/json", headers)

    def _send(self, status: int, data: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _chat_usage(work: Work) -> dict[str, Any]:
    return {
        "prompt_tokens": work.prompt,
        "completion_tokens": work.out,
        "total_tokens": work.prompt + work.out,
        "prompt_tokens_details": {"cached_tokens": work.read, "cache_write_tokens": work.write},
    }


def _chat(work: Work) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "done"}, "finish_reason": "stop"}
    body = {"id": "c", "object": "chat.completion", "model": "gpt-5.6-terra", "choices": [choice]}
    return {**body, "usage": _chat_usage(work), "service_tier": work.tier}


def _chat_stream(work: Work) -> list[Any]:
    head = {"id": "c", "object": "chat.completion.chunk", "model": "gpt-5.6-terra", "service_tier": work.tier}
    return [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "do"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "ne"}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": _chat_usage(work)},
    ]


def _response(work: Work) -> dict[str, Any]:
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "done"}]}
    searched = [{"type": "web_search_call", "id": "ws_1", "status": "completed"}] if work.fee else []
    usage = {
        "input_tokens": work.prompt,
        "output_tokens": work.out,
        "total_tokens": work.prompt + work.out,
        "input_tokens_details": {"cached_tokens": work.read, "cache_write_tokens": work.write},
    }
    body = {"id": "r", "object": "response", "status": "completed", "model": "gpt-5.6-terra"}
    return {**body, "output": [*searched, said], "usage": usage, "service_tier": work.tier}


def _response_stream(work: Work) -> list[Any]:
    delta = {"type": "response.output_text.delta", "output_index": 0, "delta": "done"}
    return [delta, {"type": "response.completed", "response": _response(work)}]


def _message_usage(work: Work) -> dict[str, Any]:
    return {
        "input_tokens": work.prompt - work.read - work.write,
        "cache_read_input_tokens": work.read,
        "cache_creation_input_tokens": work.write,
        "cache_creation": {
            "ephemeral_1h_input_tokens": work.hour,
            "ephemeral_5m_input_tokens": work.write - work.hour,
        },
        "output_tokens": work.out,
        "server_tool_use": {"web_search_requests": int(work.fee), "web_fetch_requests": 0},
        "service_tier": "standard",
    }


def _message(work: Work) -> dict[str, Any]:
    body = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "stop_reason": "end_turn"}
    return {**body, "content": [{"type": "text", "text": "done"}], "usage": _message_usage(work)}


def _message_stream(work: Work) -> list[Any]:
    usage = _message_usage(work)
    start = {**_message(work), "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "done"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": work.out}},
        {"type": "message_stop"},
    ]


ANSWERS = {"completions": _chat, "responses": _response, "anthropic": _message}
STREAMS = {"completions": _chat_stream, "responses": _response_stream, "anthropic": _message_stream}
