"""The calls of the guides name no address: here every hosted provider's own address is a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from complaint_llm.backends import (
    AnthropicBackend,
    CerebrasBackend,
    GoogleBackend,
    HuggingFaceBackend,
    OpenAIBackend,
    OpenRouterBackend,
    XAIBackend,
)
from complaint_llm.testing import FaultyServer

HOSTED = {
    OpenAIBackend: "/v1",
    AnthropicBackend: "",
    GoogleBackend: "",
    XAIBackend: "/v1",
    CerebrasBackend: "/v1",
    HuggingFaceBackend: "/v1",
    OpenRouterBackend: "/api/v1",
}
KEYS = {
    "OPENAI_API_KEY": "sk-of-openai",
    "ANTHROPIC_API_KEY": "sk-of-anthropic",
    "GEMINI_API_KEY": "key-of-google",
    "XAI_API_KEY": "xai-key",
    "CEREBRAS_API_KEY": "csk-key",
    "HF_TOKEN": "hf-token",
    "OPENROUTER_API_KEY": "sk-or-key",
}
UNSET = (
    *("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    *("HUGGINGFACE_API_KEY", "COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """Answers for all providers; without a script it echoes the last user message. Their usual keys are set."""
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with FaultyServer() as made:
        for kind, path in HOSTED.items():
            monkeypatch.setattr(kind, "default_base_url", made.url + path)
        yield made
