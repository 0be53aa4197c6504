"""The cache's file: what was changed in it, or was written under a wrong clock, is as good as not there."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.messages import InferenceOutput, Message
from complaint_llm.request import Request
from complaint_llm.routing.cache.sqlite_store import CacheFile

REQUEST = Request((Message("user", "q"),), Deadline(10), CancelToken())


def fill(path: Path, count: int, ttl: float | None = None, now: float = 1000.0) -> None:
    file = CacheFile(path, 1000, lambda: now)
    for number in range(count):
        file.put(f"key{number}", InferenceOutput(f"answer {number} " + "x" * number * 40), ttl)
    file.close()


def texts(path: Path, count: int, now: float = 1001.0) -> dict[int, str]:
    file = CacheFile(path, 1000, lambda: now)
    found = {number: file.get(f"key{number}", REQUEST) for number in range(count)}
    file.close()
    return {number: each[0].content for number, each in found.items() if each is not None}


WHOLE = {number: f"answer {number} " + "x" * number * 40 for number in range(30)}


@pytest.mark.parametrize("ttl", [None, 60.0, 60])
def test_what_was_kept_comes_back(tmp_path: Path, ttl: float | None) -> None:
    fill(tmp_path / "c" / "cache.db", 30, ttl)
    assert texts(tmp_path / "c" / "cache.db", 30) == WHOLE


@pytest.mark.parametrize("seed", range(10))
def test_a_changed_byte_is_never_an_answer(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "c" / "cache.db"
    fill(path, 30)
    intact, chance = path.read_bytes(), random.Random(seed)
    for _ in range(5):
        damaged = bytearray(intact)
        at = chance.randrange(len(intact))
        damaged[at] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        assert texts(path, 30).items() <= WHOLE.items(), at
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "change",
    [
        "answer = replace(answer, 'answer 3', 'answer 4')",
        "answer = substr(answer, 1, 40)",
        "answer = ''",
        "answer = (SELECT answer FROM answers WHERE key = 'key4')",
        "until = 9e9",
        "made = 1",
        "answer = substr(answer, 34)",
        "answer = upper(answer)",
        "answer = x'00'",
        "answer = 5",
    ],
)
def test_a_changed_row_is_as_good_as_not_there(tmp_path: Path, change: str) -> None:
    path = tmp_path / "c" / "cache.db"
    fill(path, 30, 60)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE answers SET {change} WHERE key = 'key3'")
    assert texts(path, 30) == {number: text for number, text in WHOLE.items() if number != 3}


@pytest.mark.parametrize("now", [999.0, 0.0, 500.5, -1.0])
def test_an_answer_from_the_future_is_not_taken(tmp_path: Path, now: float) -> None:
    fill(tmp_path / "c" / "cache.db", 3)
    assert texts(tmp_path / "c" / "cache.db", 3, now) == {}


def test_an_altered_answer_is_asked_again(tmp_path: Path) -> None:
    """From outside: a Mediator with a cache on disk."""
    from complaint_llm.backends import Backend

    class Counting(Backend):
        type = "counting"
        asked = 0

        def answer(self, request: Any) -> InferenceOutput:
            type(self).asked += 1
            return InferenceOutput("the true answer", finish_reason="stop")

    path = tmp_path / "c" / "cache.db"
    for asked in (1, 1, 2):
        if asked == 2:
            path.write_bytes(path.read_bytes().replace(b"the true answer", b"the fake answer"))
        with Mediator([Counting(id="c", model="m", cache_enabled=True)], cache={"path": path}) as mediator:
            assert mediator.generate("q") == "the true answer"
        assert Counting.asked == asked
