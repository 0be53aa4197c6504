"""The conformance suite on the type ``workstation``."""

from __future__ import annotations

from pathlib import Path

import pytest

from complaint_llm.testing import BackendConformance
from tests.peers import need_peer
from tests.tiny_gguf import build


@pytest.mark.peer("llama.cpp")
class TestConformance(BackendConformance):
    """Everything that every backend must do, on a tiny GGUF."""

    plugin = "complaint_llm_plugins.backends.workstation.plugin"
    type_name = "workstation"

    @pytest.fixture(autouse=True, params=["llama-cpp-python", "xllamacpp"])
    def model(self, tmp_path: Path, request: pytest.FixtureRequest) -> None:
        need_peer({"llama-cpp-python": "llama-cpp"}.get(request.param, request.param))
        need_peer("gguf")
        build(tmp_path / "tiny.gguf")
        self.keys = {"model_path": str(tmp_path / "tiny.gguf"), "n_ctx": 512, "seed": 2, "max_tokens": 8}  # type: ignore[misc]
        self.keys["runtime"] = request.param  # type: ignore[index]
