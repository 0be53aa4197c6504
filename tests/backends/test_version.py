"""The version of a plugin: of our own at once, of others looked up once, whoever asks at the same time."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import complaint_llm
from complaint_llm.backends.version import plugin_version

OURS = f"complaint-llm {complaint_llm.__version__}"


@pytest.mark.parametrize(
    "module",
    [
        *("complaint_llm", "complaint_llm.testing.mock", "complaint_llm_plugins.backends.openai.backend"),
        *("complaint_llm_plugins", "complaint_llm_plugins.backends.declared"),
    ],
)
def test_our_own_plugins_have_the_version_of_the_package(module: str) -> None:
    assert plugin_version(module) == OURS


def test_others_have_that_of_their_distribution() -> None:
    assert plugin_version("pytest.inside") == f"pytest {importlib.metadata.version('pytest')}"


def test_a_module_of_no_distribution_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    assert plugin_version("a_dropped_in_module.inside") == "a_dropped_in_module"


def test_many_threads_look_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking takes every installed distribution's metadata: sixteen workers of a batch did it side by side."""
    looked, together = [], threading.Barrier(8)

    def look() -> dict[str, list[str]]:
        looked.append(threading.current_thread().name)
        threading.Event().wait(0.1)  # long enough for all to come
        return {}

    def ask() -> str:
        together.wait(30)
        return plugin_version("looked_for_by_many.inside")

    monkeypatch.setattr(importlib.metadata, "packages_distributions", look)
    with ThreadPoolExecutor(8) as pool:
        assert {each.result() for each in [pool.submit(ask) for _ in range(8)]} == {"looked_for_by_many"}
    assert len(looked) == 1


PROGRAM = """
import json, sys
from pathlib import Path
Path("config.json").write_text(json.dumps({
    "BACKENDS": [{"id": "a", "type": "mock", "echo": True, "cache_enabled": True}],
    "MEDIATOR": {"provenance": "digests"},
}))
from complaint_llm import Mediator
with Mediator.from_config("config.json") as mediator:
    assert mediator.generate("a") and mediator.generate("a")
print("importlib.metadata" in sys.modules)
"""


def test_a_cached_answer_with_provenance_reads_no_metadata(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("False", "")
