"""Which package runs a model, and what is said where it is missing or lacks a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import ConfigError
from tests.peers import need_peer
from tests.plugins.workstation.local_models import run

pytestmark = pytest.mark.peer("llama.cpp")


@pytest.mark.parametrize(
    ("runtime", "keys"),
    [
        ("xllamacpp", {"chat_format": "chatml"}),
        ("llama-cpp-python", {"n_parallel": 1}),
        ("llama-cpp-python", {"n_parallel": 4}),
        ("llama-cpp-python", {"mmproj": "p.gguf"}),
    ],
)
def test_a_key_that_a_runtime_lacks_names_the_other_one(runtime: str, keys: dict[str, Any]) -> None:
    other = {"xllamacpp": "llama-cpp-python", "llama-cpp-python": "xllamacpp"}[runtime]
    with pytest.raises(ConfigError, match=f"has no {next(iter(keys))}: .*{other}"):
        WorkstationBackend(id="ws", model_path="x.gguf", runtime=runtime, **keys)  # type: ignore[arg-type]


HIDDEN = """
import importlib.abc, sys
class Hide(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in sys.argv[2].split(","):
            raise ModuleNotFoundError(name)
        return None
sys.meta_path.insert(0, Hide())
from complaint_llm.backends import WorkstationBackend
try:
    print(WorkstationBackend(id="ws", model_path=sys.argv[1], runtime=sys.argv[3]).check() or "ready")
except Exception as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("hidden", "runtime", "says"),
    [
        ("llama_cpp", "auto", "ready"),
        ("xllamacpp", "llama-cpp-python", "ready"),
        ("llama_cpp", "llama-cpp-python", "ws: llama-cpp-python is not installed: pip install 'complaint-llm[works"),
        ("xllamacpp", "xllamacpp", "ws: xllamacpp is not installed: pip install 'complaint-llm[xllamacpp]', or set"),
        ("llama_cpp,xllamacpp", "auto", "ws: neither llama-cpp-python nor xllamacpp is installed: pip install"),
        ("llama_cpp,xllamacpp", "xllamacpp", "ws: neither llama-cpp-python nor xllamacpp is installed: pip install"),
    ],
)
def test_what_is_not_installed_is_said_in_one_sentence(gguf: Path, hidden: str, runtime: str, says: str) -> None:
    need_peer("llama-cpp")
    said = run(HIDDEN, str(gguf), hidden, runtime)
    assert said.startswith(says)
    assert said.count("\n") == 1
