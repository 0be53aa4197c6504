"""The example runs, offline, and shows what it promises."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "evidence.py"


def test_the_example_stores_cites_verifies_and_exports(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in its tree is missing or damaged."""
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    out = capsys.readouterr().out
    assert "evidence bafkrei" in out
    assert "exported: {'roots': 1, 'blocks': 1, 'records': 1, 'provenance': 0, 'left_out': []}" in out
    assert "missing" not in out
    assert "damaged" not in out
