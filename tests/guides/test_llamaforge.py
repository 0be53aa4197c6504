"""The calls of LlamaForge's backends guide: its models are backends of a config, ``forge`` is a Mediator."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator, load_config
from complaint_llm.backends import register_backend
from complaint_llm.backends.base import BaseBackend
from complaint_llm.config import Config
from complaint_llm.exceptions import BackendError
from complaint_llm.testing import FaultyServer
from tests.peers import need_peer
from tests.tiny_gguf import build


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A config to add models to."""
    (tmp_path / "config.json").write_text('{"BACKENDS": [{"id": "first", "type": "mock", "echo": true}]}')
    return load_config(tmp_path / "config.json")


@pytest.mark.peer("llama.cpp")
def test_a_llama_cpp_model_is_added_saved_loaded_and_asked(config: Config, tmp_path: Path) -> None:
    """``add_model(name, path, backend="llama.cpp", parameters=...)``, ``save``, ``load_model``, ``generate``."""
    need_peer("llama-cpp")
    need_peer("gguf")
    build(tmp_path / "llama-2-7b.gguf")
    config.add_backend(
        id="llama-2-7b",
        type="llama.cpp",
        path=str(tmp_path / "llama-2-7b.gguf"),
        parameters={"n_gpu_layers": 0, "n_ctx": 512, "n_batch": 64, "f16_kv": True, "temperature": 0.7},
    )
    config.save()
    with Mediator.from_loaded(load_config(config.path)) as forge:
        assert not forge.is_loaded("llama-2-7b")
        forge.load("llama-2-7b")
        assert forge.is_loaded("llama-2-7b")
        assert forge.generate("Explain", backend="llama-2-7b", max_tokens=8, seed=7)
        forge.unload("llama-2-7b")
        assert not forge.is_loaded("llama-2-7b")


def test_an_openai_model_is_added_saved_without_its_key_and_asked(
    config: Config, server: FaultyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``parameters`` with a literal key: the file gets the variable's name, and a warning says so."""
    monkeypatch.delenv("OPENAI_API_KEY")
    config.add_backend(
        id="gpt-4",
        type="openai",
        path="gpt-4",
        parameters={
            "api_key": "your-api-key",
            "api_base": f"{server.url}/v1",
            "organization": "org-given",
            "temperature": 0.7,
            "max_tokens": 1000,
        },
    )
    with Mediator.from_loaded(config) as forge:
        forge.load("gpt-4")
        assert forge.generate("Explain", backend="gpt-4") == "Explain"
    (received,) = server.requests
    assert {"model": "gpt-4", "temperature": 0.7, "max_completion_tokens": 1000}.items() <= received.body.items()
    assert received.headers["authorization"] == "Bearer your-api-key"
    assert received.headers["openai-organization"] == "org-given"

    with pytest.warns(UserWarning, match=r"\$OPENAI_API_KEY"):
        config.save()
    assert "your-api-key" not in config.path.read_text()
    monkeypatch.setenv("OPENAI_API_KEY", "your-api-key")
    with Mediator.from_config(config.path) as forge:
        assert forge.generate("Again", backend="gpt-4") == "Again"


def test_a_huggingface_model_of_this_process_is_added_and_names_what_it_needs(
    config: Config, server: FaultyServer
) -> None:
    """``backend="huggingface"`` with ``device``, ``torch_dtype``, ``trust_remote_code``: never the hosted service."""
    if find_spec("transformers") is not None:
        pytest.skip("transformers is installed: tests/plugins/huggingface_local asks a real model")
    config.add_backend(
        id="mistral-7b",
        type="huggingface",
        path="mistralai/Mistral-7B-Instruct-v0.1",
        parameters={"device": "cuda", "torch_dtype": "bfloat16", "trust_remote_code": True},
    )
    config.save()
    with Mediator.from_loaded(load_config(config.path)) as forge:
        with pytest.raises(BackendError, match=r"pip install 'complaint-llm\[huggingface\]'"):
            forge.load("mistral-7b")
        with pytest.raises(BackendError, match=r"pip install 'complaint-llm\[huggingface\]'"):
            forge.generate("Explain", backend="mistral-7b")
    assert server.requests == []


class MyCustomBackend(BaseBackend):
    """As the guide has it: four methods and nothing of ours called."""

    loaded: tuple[str, Mapping[str, Any] | None] | None = None

    def load_model(self, model_path: str, parameters: Mapping[str, Any] | None = None) -> None:
        self.loaded = (model_path, parameters)

    def generate(self, prompt: Any, parameters: Mapping[str, Any] | None = None) -> str:  # type: ignore[override]
        assert self.loaded is not None
        return f"{self.loaded[0]}: {prompt} {dict(parameters or {})}"

    def generate_stream(self, prompt: Any, parameters: Any = None) -> Iterator[str]:  # type: ignore[override]
        yield "Streaming "
        yield "response"

    def is_model_loaded(self) -> bool:
        return self.loaded is not None


def test_a_registered_custom_backend_is_a_type_of_the_config(tmp_path: Path) -> None:
    """``register_backend("my_custom", MyCustomBackend)``: loaded before it answers, streams, gets its parameters."""
    register_backend("my_custom", MyCustomBackend)
    entry = {"id": "own", "type": "my_custom", "model": "weights.bin", "temperature": 0.5}
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [entry]}))
    with Mediator.from_config(tmp_path / "config.json") as forge:
        output = forge.infer("hello", max_tokens=3)
        assert output.content == "weights.bin: hello {'temperature': 0.5, 'max_tokens': 3}"
        assert output.backend == "own"
        assert list(forge.stream_generate("hello")) == ["Streaming ", "response"]


def test_a_custom_backend_called_directly_is_what_its_author_wrote() -> None:
    """The guide's signatures, without a Mediator."""
    backend = MyCustomBackend()
    assert not backend.is_model_loaded()
    backend.load_model("weights.bin", {"n": 1})
    assert backend.generate("hello", {"temperature": 1}) == "weights.bin: hello {'temperature': 1}"
    assert list(backend.generate_stream("hello")) == ["Streaming ", "response"]
