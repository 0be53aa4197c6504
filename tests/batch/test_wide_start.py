"""What many workers that begin at once share is made once, by one of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, sys
from pathlib import Path
from complaint_llm import Mediator

folder, workers = Path(sys.argv[1]), int(sys.argv[2])
backend = {"id": "a", "type": "openai", "api_key": "k", "model": "gpt-4o", "max_retries": 0} | json.loads(sys.argv[3])
(folder / "config.json").write_text(json.dumps({"BACKENDS": [backend], "MEDIATOR": {}}))
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
with Mediator.from_config(folder / "config.json") as mediator:
    journal = folder / "journal"
    with mediator.batch((f"prompt {i}" for i in range(workers)), workers, journal=journal) as results:
        failed = sum(result.error is not None for result in results)
read = [Path(path).name for path in opened if "prices" in Path(path).parts and path.endswith(".json")]
there = [name for name in ("multiprocessing", "encodings.idna") if name in sys.modules]
print(json.dumps({"failed": failed, "read": sorted(read), "there": there}))
"""


@pytest.mark.parametrize("workers", [1, 32, 128])
def test_the_price_list_is_read_once_however_many_workers_begin(tmp_path: Path, workers: int) -> None:
    """A fresh process reads each list once, and imports nothing that only other processes or names need."""
    keys = '{"base_url": "http://127.0.0.1:9/v1"}'
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(workers), keys]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    expected = f'{{"failed": {workers}, "read": ["index.json"], "there": []}}'
    assert done.stdout.strip() == expected
