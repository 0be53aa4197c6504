"""The conformance suite on the type ``huggingface``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.testing import BackendConformance
from complaint_llm.testing.dialects import AnswerContent, OpenAIDialect, vector


class HubDialect(OpenAIDialect):
    """Chat completions, and feature extraction beside them."""

    def speaks(self, path: str) -> bool:
        return path.endswith(("/v1/chat/completions", "/pipeline/feature-extraction"))

    def answer(self, path: str, body: Mapping[str, Any], content: AnswerContent) -> Any:
        return [vector(text) for text in body["inputs"]] if "inputs" in body else super().answer(path, body, content)


class TestConformance(BackendConformance):
    """Everything that every backend must do."""

    plugin = "complaint_llm_plugins.backends.huggingface.plugin"
    type_name = "huggingface"
    wire = HubDialect()
