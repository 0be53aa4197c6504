"""The made-up service that examples of backends ask: a question goes to ``/ask``, an answer comes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.testing.dialects import AnswerContent


class AskingService:
    """Its wire, for a ``FaultyServer``."""

    base_path = ""

    def speaks(self, path: str) -> bool:
        return path == "/ask"

    def streams(self, path: str, body: Mapping[str, Any]) -> bool:
        return False

    def prompt(self, body: Mapping[str, Any]) -> str:
        return str(body["question"])

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return {"answer": content.text}

    def events(self, content: AnswerContent) -> list[bytes]:
        return []

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": {"message": message, "code": code}}
