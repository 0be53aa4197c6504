"""How many threads a model is given: as many for reading a prompt as for writing the answer, by both runtimes."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import WorkstationBackend

pytestmark = pytest.mark.peer("llama.cpp")


def threads_given(runtime: str, gguf: Path, monkeypatch: pytest.MonkeyPatch, **keys: Any) -> list[tuple[int, int]]:
    """Threads for writing and for reading, of each loaded model."""
    found: list[tuple[int, int]] = []
    if runtime == "xllamacpp":
        module = import_module("xllamacpp")
        server = module.Server

        def serve(given: Any) -> Any:
            found.append((given.cpuparams.n_threads, given.cpuparams_batch.n_threads))
            return server(given)

        monkeypatch.setattr(module, "Server", serve)
    else:
        module = import_module("llama_cpp")

        class Noted(module.Llama):  # type: ignore[name-defined, misc]
            def __init__(self, *given: Any, **more: Any) -> None:
                super().__init__(*given, **more)
                found.append((module.llama_n_threads(self.ctx), module.llama_n_threads_batch(self.ctx)))

        monkeypatch.setattr(module, "Llama", Noted)
    with WorkstationBackend(id="ws", runtime=runtime, model_path=str(gguf), n_ctx=128, **keys) as backend:  # type: ignore[arg-type]
        assert backend.generate("hi", max_tokens=1)
    return found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_n_threads_holds_for_reading_and_for_writing(
    runtime: str, gguf: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Reading is where all cores would be taken otherwise, and two of them crawl beside a busy third."""
    assert threads_given(runtime, gguf, monkeypatch, n_threads=number) == [(number, number)]


@pytest.mark.parametrize(("cores", "threads"), [(None, 1), (1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_without_n_threads_half_of_the_cores_read_and_write(
    runtime: str, gguf: Path, monkeypatch: pytest.MonkeyPatch, cores: int | None, threads: int
) -> None:
    """One at least."""
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert threads_given(runtime, gguf, monkeypatch) == [(threads, threads)]
