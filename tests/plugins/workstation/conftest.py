"""One tiny model, and engines that hold it, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from complaint_llm.backends import WorkstationBackend
from tests.peers import need_peer
from tests.plugins.workstation.local_models import SLOTS, opened
from tests.tiny_gguf import build


@pytest.fixture(scope="session")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model, whose answers are noise."""
    need_peer("gguf")
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    build(path)
    return path


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a tiny model that goes on until it is ended, within a context of 8192 tokens."""
    need_peer("gguf")
    path = tmp_path_factory.mktemp("gguf") / "endless.gguf"
    build(path, says=["on and on "], ends=False, context=8192)
    return path


@pytest.fixture(scope="session")
def one_slot(gguf: Path) -> Iterator[WorkstationBackend]:
    """The tiny model on xllamacpp, for tests that leave it as it was."""
    with opened(gguf) as backend:
        yield backend


@pytest.fixture(scope="session")
def slots(gguf: Path) -> Iterator[WorkstationBackend]:
    """The same with SLOTS requests at once."""
    with opened(gguf, n_parallel=SLOTS) as backend:
        yield backend


@pytest.fixture(params=["llama-cpp-python", "xllamacpp"])
def runtime(request: pytest.FixtureRequest) -> str:
    """Both packages that run a model, one after the other."""
    need_peer({"llama-cpp-python": "llama-cpp"}.get(request.param, request.param))
    return str(request.param)
