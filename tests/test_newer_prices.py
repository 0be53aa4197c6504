"""An installed genai-prices that is newer than the snapshot counts in its place; otherwise it is not even imported."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import prices

SNAPSHOT = Path(prices.__file__).parent / "data" / "prices"

LOOK_UP = """
import json, logging, sys
logging.basicConfig(stream=sys.stderr)
from complaint_llm.backends import OpenAIBackend
info = OpenAIBackend(model="gpt-4o", api_key="sk-of-nobody", base_url="https://api.openai.com/v1").model_info()
from complaint_llm.prices import price_list
print(json.dumps({"input": info.input_price, "source": price_list().source, "imported": "genai_prices" in sys.modules}))
"""
DEARER = """
from decimal import Decimal
from genai_prices.data import providers
(openai,) = [each for each in providers if each.id == "openai"]
(model,) = [each for each in openai.models if each.is_match("gpt-4o")]
model.prices.input_mtok = Decimal("123")
"""


def installed() -> None:
    pytest.importorskip("genai_prices", reason="genai-prices is not installed: pip install complaint-llm[prices]")


def looked_up(folder: Path, before: str = "") -> tuple[dict[str, Any], str]:
    """What a fresh process finds, with ``folder`` searched first, and what it logs."""
    program = f"import sys; sys.path.insert(0, {str(folder)!r})\n{before}\n{LOOK_UP}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found, done.stderr


def calls_itself(folder: Path, number: str) -> None:
    """Metadata in ``folder`` by which the installed genai-prices has this version."""
    about = folder / f"genai_prices-{number}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: genai-prices\nVersion: {number}\n")


def test_a_newer_list_counts(tmp_path: Path) -> None:
    """Its price, not the snapshot's."""
    installed()
    calls_itself(tmp_path, "99.0.0")
    found, _ = looked_up(tmp_path, DEARER)
    assert found == {"input": 123.0, "source": "genai-prices 99.0.0", "imported": True}


@pytest.mark.parametrize("number", ["0.0.1", None])
def test_a_list_that_is_no_newer_is_not_imported(number: str | None, tmp_path: Path) -> None:
    """It takes a tenth of a second to import, and would say nothing else."""
    installed()
    source = json.loads((SNAPSHOT / "index.json").read_text(encoding="utf-8"))["source"]
    calls_itself(tmp_path, number or source.split()[1])
    found, _ = looked_up(tmp_path)
    assert found["imported"] is False
    assert found["source"] == source


def test_a_newer_list_that_cannot_be_read_is_named_and_the_snapshot_counts(tmp_path: Path) -> None:
    """An answer that was paid for is not lost because of its price."""
    (tmp_path / "genai_prices").mkdir()
    (tmp_path / "genai_prices" / "__init__.py").write_text("raise RuntimeError('another shape')\n")
    calls_itself(tmp_path, "99.0.0")
    found, logged = looked_up(tmp_path)
    assert found["input"] == 2.5
    assert found["source"] != "genai-prices 99.0.0"
    assert "the installed genai-prices 99.0.0 cannot be read (RuntimeError: another shape)" in logged


def test_the_snapshot_is_what_its_source_says() -> None:
    """Made from the installed version, every file is as ``scripts/make_prices.py`` makes it."""
    installed()
    index = json.loads((SNAPSHOT / "index.json").read_text(encoding="utf-8"))
    if index["source"] != f"genai-prices {version('genai-prices')}":
        pytest.skip(f"the snapshot is made from {index['source']}; another version is installed")
    from complaint_llm import price_package

    assert dict(price_package.addresses()) == index["providers"]
    for provider in index["providers"]:
        kept = json.loads((SNAPSHOT / f"{provider}.json").read_text(encoding="utf-8"))
        assert json.loads(json.dumps(price_package.models(provider))) == kept
