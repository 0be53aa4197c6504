"""What ``make local`` runs, to the letter, with a real model that a package ships in the place of the Hub's."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.workstation.local_models import smollm2
from tests.plugins.workstation.model_hub import FILE, REPO, Hub

ROOT = Path(__file__).parents[3]
INTAKES = int(os.environ.get("INTAKES", "35"))
"""How many of the example intakes are read; the last ones are left out. 24 take some two minutes of CPU."""

SCANNED = "con-008-movers-storage.pdf"
"""A page that can only be shown as an image, which this model cannot see: that one fails, and says so."""

# The model is far too small for the real task's instructions: what it is asked for has the same shape and an end.
SMALL_TASK: dict[str, Any] = {
    "id": "claims",
    "rows": "claims",
    "system": "You name the kind of legal matter and quote the sentence that shows it.",
    "prompt": "{input}",
    "schema": {
        "type": "object",
        "additionalProperties": False,
        "required": ["claims"],
        "properties": {
            "claims": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1,
                "items": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["claim_type", "quote"],
                    "properties": {
                        "claim_type": {"type": "string", "enum": ["housing", "work", "benefits", "consumer"]},
                        "quote": {"type": "string", "x-quote": True, "maxLength": 60},
                    },
                },
            }
        },
    },
}


def commands() -> list[list[str]]:
    """The words of each ``complaint-llm`` command in the recipe of ``make local``."""
    recipe = re.search(r"^local:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    found = re.findall(r"complaint-llm (-c [^;|\\]+)", recipe[1])
    return [shlex.split(each) for each in found]


@pytest.mark.peer("llama.cpp")
@pytest.mark.endurance
@pytest.mark.timeout(3600)
def test_the_job_of_make_local_is_answered_looked_up_and_shown(tmp_path: Path) -> None:
    """Each intake is answered by the schema, its quotes looked up, the page written; the model is fetched once."""
    model = smollm2()
    shutil.copytree(ROOT / "examples" / "intakes", tmp_path / "examples" / "intakes")
    intakes = sorted((tmp_path / "examples" / "intakes").iterdir())
    for left_out in intakes[INTAKES:]:
        left_out.unlink()
    config = json.loads((ROOT / "examples" / "config.local.json").read_text(encoding="utf-8"))
    config["BACKENDS"][0].update(repo=REPO, filename=FILE, max_tokens=250, n_ctx=4096)
    config["MEDIATOR"]["timeout"] = 3600
    config["TASKS"] = [SMALL_TASK]
    (tmp_path / "examples" / "config.local.json").write_text(json.dumps(config), encoding="utf-8")
    batch, page = commands()
    with Hub(model.read_bytes()).serving() as hub:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hub"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }
        began = time.monotonic()
        for words in (batch, page):
            command = [sys.executable, "-m", "complaint_llm", *words]
            done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
            refused = words is batch and (tmp_path / "examples" / "intakes" / SCANNED).exists()
            assert done.returncode == int(refused), done.stderr[-3000:]
        seconds, cpu = time.monotonic() - began, os.times().children_user
        print(f"{len(intakes[:INTAKES])} intakes, {seconds:.0f} s by the clock, {cpu:.0f} s of CPU")
        assert hub.downloads() == [0]
    with (tmp_path / "claims.local.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    shown = (tmp_path / "report.local.html").read_text(encoding="utf-8")
    for intake in intakes[:INTAKES]:
        (row,) = (row for row in rows if row["id"] == intake.name)
        if intake.name == SCANNED:
            assert "can only be shown as images" in row["error"]
        else:
            assert row["state"] == "answered"
            assert row["quotes_standing"].partition(",")[0] in ("0 of 1", "1 of 1")
        assert intake.name in shown
