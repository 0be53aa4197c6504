"""What loading costs: bounded time for large configs, and nothing imported that a small one does not need."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from complaint_llm.config import load_config
from complaint_llm.exceptions import ConfigError

TYPES = ("openai", "anthropic", "google", "xai", "cerebras", "openrouter", "huggingface", "mock")


def large(**more: Any) -> dict[str, Any]:
    entry = {
        "api_key": "$A_KEY",
        "model": "m",
        "max_tokens": 500,
        "temperature": 0.2,
        "rate_limit": 5,
        "optional": True,
    }
    entries = []
    for number in range(1000):
        type = TYPES[number % len(TYPES)]
        keys = {"echo": True} if type == "mock" else entry
        entries.append({"id": f"b{number}", "type": type, **keys, **more})
    return {"BACKENDS": entries, "MEDIATOR": {"backends": [f"b{n}" for n in range(1000)]}}


def seconds(file: Path) -> float:
    """The least CPU time of three loads; the imports are paid for before."""
    best = 9.0
    for _ in range(3):
        begun = time.process_time()
        try:
            found = len(load_config(file, environ={"A_KEY": "k"}).backends)
        except ConfigError as error:
            found = len(error.problems)
        best = min(best, time.process_time() - begun)
        assert found == 1000
    return best


@pytest.mark.parametrize(
    ("name", "fault", "limit"),
    [
        ("large.json", False, 0.25),
        ("large.yaml", False, 0.3),
        ("faults.json", True, 1.0),
        ("faults.yaml", True, 1.0),
    ],
)
def test_a_thousand_mixed_backends_load_within_the_limit(tmp_path: Path, name: str, fault: bool, limit: float) -> None:
    document = large(temperatur=1) if fault else large()
    file = tmp_path / name
    file.write_text(json.dumps(document, indent=1) if name.endswith("json") else yaml.safe_dump(document))
    assert seconds(file) < limit


def test_a_json_config_of_one_backend_imports_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"BACKENDS": [{"id": "a", "type": "openai", "api_key": "k", "model": "m", "max_tokens": 5}]}')
    code = (
        "import sys\nfrom complaint_llm.config import load_config\n"
        f"load_config({str(file)!r}, environ={{}})\nprint('\\n'.join(sys.modules))"
    )
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    barred = {"yaml", "jsonschema", "requests", "urllib3", "click", "rich", "sqlite3", "dotenv", "ssl", "difflib"}
    assert barred.isdisjoint(modules)
    plugins = [name for name in modules if name.startswith("complaint_llm_plugins.backends.")]
    assert plugins == ["complaint_llm_plugins.backends.openai", "complaint_llm_plugins.backends.openai.plugin"]
