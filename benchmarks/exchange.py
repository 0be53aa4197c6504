"""The HTTP answers that the loopback server gives: one chat completion, one stream of 200 chunks, one server error."""

from __future__ import annotations

import json
from typing import Any

CHUNKS = 200
START = "The intake supports"
ANSWER = (
    f"{START} three claims. First, unpaid overtime: the notebook shows hours beyond forty in most weeks, and the "
    "employer altered the time records. Second, retaliation: the shifts ended three days after the complaint. Third, a "
    "record-keeping violation that shifts the burden of proof. Verify first the dates of the photographed time cards."
)
CLAIMS = {
    "summary": ANSWER,
    "claims": [
        {
            "heading": "Unpaid overtime",
            "facts": ["hours beyond forty", "altered records"],
            "party": {"name": "R. Ames"},
        },
        {
            "heading": "Retaliation",
            "facts": ["shifts ended after three days"],
            "party": {"name": "R. Ames", "since": 2019},
        },
    ],
}
"""What the structured answer says; its shape is that of contenders/claims.py."""
_COMMON = {
    "id": "chatcmpl-CbQ0rTn6UuYw1",
    "created": 1795000000,
    "model": "bench-model",
    "system_fingerprint": "fp_0b3a9c",
}
_USAGE = {
    "prompt_tokens": 240,
    "completion_tokens": 71,
    "total_tokens": 311,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def plain(finish: str = "stop", content: str = ANSWER) -> bytes:
    """A chat completion as the real service words it, headers included; ``finish`` "length" is a cut one."""
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return _json(200, "OK", {**_COMMON, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def structured() -> bytes:
    """One whose text is JSON."""
    return plain(content=json.dumps(CLAIMS))


def failure() -> bytes:
    """A server error with its JSON body."""
    error = {"message": "The server had an error while processing your request", "type": "server_error", "code": None}
    return _json(500, "Internal Server Error", {"error": error})


def stream() -> bytes:
    """Server-sent events in chunked encoding: 200 pieces of text, one finish, one usage, ``[DONE]``."""
    events = [_event(_delta({"role": "assistant", "content": ""}))]
    events += [_event(_delta({"content": f" piece{number:03}"})) for number in range(CHUNKS)]
    events += [
        _event(_delta({}, "stop")),
        _event({**_COMMON, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}),
    ]
    events.append(b"data: [DONE]\n\n")
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
        b"cache-control: no-cache\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


def _delta(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_COMMON, "object": "chat.completion.chunk", "choices": [choice]}


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def _json(status: int, reason: str, value: dict[str, Any]) -> bytes:
    body = json.dumps(value, separators=(",", ":")).encode()
    head = (
        f"HTTP/1.1 {status} {reason}\r\ndate: Fri, 20 Nov 2026 12:00:00 GMT\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nopenai-processing-ms: 211\r\nopenai-version: 2020-10-01\r\n"
        "x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\nx-request-id: req_5f2c77\r\n\r\n"
    )
    return head.encode() + body
