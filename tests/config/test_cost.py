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


def large(count: int, **more: Any) -> dict[str, Any]:
    entry = {
        "api_key": "$A_KEY",
        "model": "m",
        "max_tokens": 500,
        "temperature": 0.2,
        "rate_limit": 5,
        "optional": True,
    }
    entries = []
    for number in range(count):
        type = TYPES[number % len(TYPES)]
        keys = {"echo": True} if type == "mock" else entry
        entries.append({"id": f"b{number}", "type": type, **keys, **more})
    return {"BACKENDS": entries, "MEDIATOR": {"backends": [f"b{n}" for n in range(count)]}}


def seconds(file: Path, count: int) -> float:
    """The least CPU time of three loads; the imports are paid for by the first."""
    best = 9.0
    for _ in range(3):
        begun = time.process_time()
        try:
            found = len(load_config(file, environ={"A_KEY": "k"}).backends)
        except ConfigError as error:
            found = len(error.problems)
        best = min(best, time.process_time() - begun)
        assert found == count
    return best


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("name", "more", "limit"),
    [
        ("large.json", {}, 0.25),
        ("large.yaml", {}, 0.3),
        ("faults.json", {"temperatur": 1}, 1.0),
        ("faults.yaml", {"temperatur": 1}, 1.0),
    ],
)
def test_what_a_thousand_mixed_backends_cost_to_load_grows_with_their_number_alone(
    tmp_path: Path, name: str, more: dict[str, Any], limit: float
) -> None:
    """A quarter of them, loaded in the same minute, is the yardstick; the limit in seconds is that of a quiet core."""
    taken = []
    for count in (250, 1000):
        document, file = large(count, **more), tmp_path / f"{count}-{name}"
        file.write_text(json.dumps(document, indent=1) if name.endswith("json") else yaml.safe_dump(document))
        taken.append(seconds(file, count))
    assert taken[1] < 4 * taken[0] * 2
    assert taken[1] < limit * 5


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
