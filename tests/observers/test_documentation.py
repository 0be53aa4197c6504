"""The observer in docs/observers.md works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from complaint_llm import Mediator

PAGE = Path(__file__).parents[2] / "docs" / "observers.md"


def test_the_documented_observer_writes_what_answers_cost(tmp_path: Path) -> None:
    """As a drop-in, by the type that its hook names."""
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "plugins").mkdir(mode=0o755)
    (tmp_path / "plugins" / "spend.py").write_text(program, encoding="utf-8")
    config = {
        "BACKENDS": [{"id": "a", "type": "mock", "echo": True, "pricing": {"input": 1000.0, "output": 1000.0}}],
        "PLUGINS": {"paths": ["plugins"]},
        "OBSERVERS": [{"type": "spend", "path": str(tmp_path / "spend.csv")}],
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with Mediator.from_config(path) as mediator:
        mediator.generate("a prompt", matter="2026-0417")
        list(mediator.batch(["b", "c"]))
    lines = (tmp_path / "spend.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"a,0\.\d{6},2026-0417", lines[0])
