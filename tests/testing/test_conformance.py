"""Every built-in provider runs the suite that plugin authors run."""

from __future__ import annotations

from typing import Any, ClassVar

from complaint_llm.testing import BackendConformance
from complaint_llm.testing.dialects import AnswerContent


class TestOpenAI(BackendConformance):
    plugin = "complaint_llm_plugins.backends.openai.plugin"
    type_name = "openai"
    wire = "openai"


class TestOpenAIResponses(BackendConformance):
    plugin = "complaint_llm_plugins.backends.openai.plugin"
    type_name = "openai"
    wire = "responses"
    keys: ClassVar[Any] = {"api": "responses"}

    def test_embeddings_keep_their_order_or_are_refused(self) -> None:
        """They have an API of their own: see TestOpenAI."""


class TestAnthropic(BackendConformance):
    plugin = "complaint_llm_plugins.backends.anthropic.plugin"
    type_name = "anthropic"
    wire = "anthropic"


class TestGoogle(BackendConformance):
    plugin = "complaint_llm_plugins.backends.google.plugin"
    type_name = "google"
    wire = "gemini"


class TestXAI(BackendConformance):
    plugin = "complaint_llm_plugins.backends.xai.plugin"
    type_name = "xai"
    wire = "responses"


class TestCerebras(BackendConformance):
    plugin = "complaint_llm_plugins.backends.cerebras.plugin"
    type_name = "cerebras"
    wire = "openai"


class TestOpenRouter(BackendConformance):
    plugin = "complaint_llm_plugins.backends.openrouter.plugin"
    type_name = "openrouter"
    wire = "openai"


class TestLMStudio(BackendConformance):
    plugin = "complaint_llm_plugins.backends.lmstudio.plugin"
    type_name = "lmstudio"
    wire = "openai"


class TestMock(BackendConformance):
    plugin = "complaint_llm_plugins.backends.mock.plugin"
    type_name = "mock"
    keys: ClassVar[Any] = {"echo": True}


class Described:
    """A wire that a config describes."""

    base_path = ""

    def speaks(self, path: str) -> bool:
        return path == "/generate"

    def streams(self, path: str, body: Any) -> bool:
        return False

    def prompt(self, body: Any) -> str:
        return str(body["prompt"])

    def answer(self, path: str, body: Any, content: AnswerContent) -> Any:
        return {"choices": [{"text": content.text}]}

    def events(self, content: AnswerContent) -> list[bytes]:
        return []

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"error": message, "code": code}


class TestHTTP(BackendConformance):
    plugin = "complaint_llm_plugins.backends.http.plugin"
    type_name = "http"
    wire: ClassVar[Any] = Described()
    keys: ClassVar[Any] = {"endpoint": "/generate", "body": {"prompt": "{prompt}"}, "text": "/choices/0/text"}
