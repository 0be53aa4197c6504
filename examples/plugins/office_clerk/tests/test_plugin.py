"""The suite of every backend, against a server that streams lines of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from complaint_llm.testing import BackendConformance
from complaint_llm.testing.dialects import AnswerContent


class Service:
    """What the service says."""

    base_path = ""
    stream_type = "application/x-ndjson"

    def speaks(self, path: str) -> bool:
        return path == "/answer"

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return bool(body["stream"])

    def prompt(self, body: Mapping[str, Any]) -> str:
        return str(body["prompt"])

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return {"text": content.text}

    def events(self, content: AnswerContent) -> list[bytes]:
        lines: list[Any] = [{"piece": piece} for piece in content.pieces]
        return [json.dumps(line).encode() + b"\n" for line in (*lines, {"end": True})]

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": {"message": message, "code": code}}


class TestClerk(BackendConformance):
    plugin = "office_clerk.plugin"
    type_name = "clerk"
    wire: ClassVar[Any] = Service()
