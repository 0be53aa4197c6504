"""Many callers of one engine, and what a real model answers them."""

from __future__ import annotations

import json
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.exceptions import BackendError
from tests.plugins.workstation.local_models import SLOTS, opened, smollm2

pytestmark = pytest.mark.peer("llama.cpp")


def lost_answers(path: Path, turns: int, **keys: Any) -> list[object]:
    """16 threads of so many calls each: every call has an answer, or the end that its own thread made."""
    wrong: list[object] = []

    def ask(number: int) -> None:
        chance = random.Random(number)
        for turn in range(turns):
            try:
                if chance.random() < 0.5:
                    stream = backend.stream_generate("hi", max_tokens=20, seed=turn, timeout=300)
                    for _ in range(chance.randrange(4)):
                        next(stream, None)
                    stream.close()
                elif not isinstance(backend.infer("hi", max_tokens=4, seed=turn, timeout=300).content, str):
                    wrong.append((number, turn))
            except BackendError as error:
                wrong.append((number, turn, repr(error)))

    with opened(path, n_parallel=SLOTS, **keys) as backend:
        backend.load()
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert backend.generate("hi", max_tokens=2)
    return wrong


def test_threads_that_cancel_and_close_at_random_lose_no_answer(gguf: Path) -> None:
    """A sample, on the tiny model."""
    assert lost_answers(gguf, 5) == []


@pytest.mark.endurance
@pytest.mark.timeout(3600)
def test_a_real_model_loses_no_answer_either() -> None:
    """SmolLM2, 16 threads of 20 calls."""
    assert lost_answers(smollm2(), 20) == []


@pytest.mark.timeout(600)
def test_a_real_model_streams_what_it_answers_and_repeats_by_its_seed() -> None:
    """SmolLM2, which a package ships."""
    with opened(smollm2()) as backend:
        whole = backend.infer("Name two colours.", max_tokens=8, seed=5)
        assert "".join(backend.stream_generate("Name two colours.", max_tokens=8, seed=5)) == whole.content
        backend.generate("Something else.", max_tokens=2)
        assert backend.generate("Name two colours.", max_tokens=8, seed=5) == whole.content
        schema = {
            "type": "object",
            "properties": {"kind": {"enum": ["wages", "deposit"]}},
            "required": ["kind"],
            "additionalProperties": False,
        }
        parsed = backend.infer("Which claim?", response_format=schema, max_tokens=60, seed=1).parsed
        assert json.loads(json.dumps(parsed))["kind"] in ("wages", "deposit")
