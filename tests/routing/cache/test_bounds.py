"""The cache holds so many answers and so many bytes, and what is too much goes a little at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from complaint_llm import Mediator
from complaint_llm.backends import Backend
from complaint_llm.messages import InferenceOutput, ToolCall
from complaint_llm.request import Request
from complaint_llm.routing.cache.file_bounds import MOST_AT_ONCE
from complaint_llm.routing.cache.memory import AnswerMemory, answer_bytes
from complaint_llm.routing.cache.sqlite_store import CacheFile, answers_of_matter, forget_answers


def answer_of(length: int) -> InferenceOutput:
    return InferenceOutput("x" * length, finish_reason="stop")


LARGE = 100_000
KINDS: dict[str, InferenceOutput] = {
    "content": answer_of(LARGE),
    "wide letters": InferenceOutput("\U0001f600" * (LARGE // 4)),
    "reasoning": InferenceOutput("", reasoning="x" * LARGE),
    "calls": InferenceOutput("", (ToolCall("1", "f", {"a": ["x" * LARGE]}),)),
    "parsed": InferenceOutput("", parsed={"a": {"b": ["x" * LARGE]}}),
    "many small values": InferenceOutput("", parsed=[[1.5]] * (LARGE // 64)),
    "metadata": InferenceOutput("", metadata={"raw": "x" * LARGE}),
    "keys": InferenceOutput("", metadata={f"{n:090}": n for n in range(LARGE // 100)}),
    "extra": InferenceOutput("", extra={"state": [{"signature": "x" * LARGE}]}),
    "deep": InferenceOutput("", parsed={"a": [[[[[["x" * LARGE]]]]]]}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_large_in_an_answer_counts(kind: str) -> None:
    assert LARGE <= answer_bytes(KINDS[kind]) <= 4.8 * LARGE
    memory = AnswerMemory(100, 5 * LARGE, lambda: 0.0)
    for number in range(20):
        memory.put(str(number), "b", KINDS[kind], None)
        assert memory.bytes <= 5 * LARGE
    assert memory.get("19", "b") is not None
    assert memory.get("0", "b") is None
    assert 1 <= len(memory) <= 5


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.integers(0, 5_000)), max_size=60))
def test_memory_is_bounded_and_finds_who_answered(puts: list[tuple[int, str, int]]) -> None:
    """The latest of each key counts, once; what is listed is there."""
    memory = AnswerMemory(4, 20_000, lambda: 0.0)
    for digest, identity, length in puts:
        memory.put(str(digest), identity, answer_of(length), None)
        assert len(memory) <= 4
        assert memory.bytes <= 20_000
        kept = memory.get(str(digest), identity)
        assert kept is not None
        assert len(kept.content) == length
    listed = [(digest, each) for digest in map(str, range(6)) for each in memory.identities(digest)]
    assert len(listed) == len(set(listed)) == len(memory)
    assert all(memory.get(*each) is not None for each in listed)


def test_one_that_is_too_large_is_not_kept_and_drives_no_other_out() -> None:
    memory = AnswerMemory(10, 50_000, lambda: 0.0)
    memory.put("a", "b", answer_of(100), None)
    memory.put("c", "b", answer_of(60_000), None)
    assert memory.identities("a") == ("b",)
    assert memory.identities("c") == ()


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as db:
        yield db


def total_of(path: Path) -> tuple[int, int]:
    with opened(path) as db:
        (kept,) = db.execute("SELECT answers, bytes FROM totals").fetchall()
        ((answers, length),) = db.execute("SELECT count(*), coalesce(sum(length(answer)), 0) FROM answers").fetchall()
        assert kept == (answers, length)
        return int(answers), int(length)


def written(path: Path, number: int, length: int, **bounds: Any) -> None:
    file = CacheFile(path, bounds.pop("size", 10_000), **bounds)
    for place in range(number):
        file.put(f"{place}:b", answer_of(length), None)
    file.close()


@pytest.mark.parametrize(("size", "most_bytes"), [(5, 10**9), (10_000, 60_000), (5, 60_000), (1, 1)])
def test_the_file_is_bounded_in_answers_and_in_bytes(tmp_path: Path, size: int, most_bytes: int) -> None:
    path = tmp_path / "cache.db"
    written(path, 50, 10_000, size=size, most_bytes=most_bytes)
    answers, length = total_of(path)
    assert answers <= size
    assert length <= most_bytes


def test_the_oldest_go_first_and_an_answer_written_again_counts_once(tmp_path: Path) -> None:
    path, now = tmp_path / "cache.db", [0.0]
    file = CacheFile(path, 3, lambda: now[0])
    for name in ("a", "b", "c", "a", "d"):
        now[0] += 1
        file.put(f"{name}:x", answer_of(10), None)
        file.close()
    assert total_of(path)[0] == 3
    assert [name for name in "abcd" if file.identities(name)] == ["a", "c", "d"]
    file.close()


def test_a_file_of_an_earlier_release_is_counted_and_comes_down_step_by_step(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    written(path, 900, 10)
    with opened(path) as db, db:
        for name in ("answers_added", "answers_deleted", "answers_changed"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE totals")
    seen = []
    for _ in range(3):
        written(path, 1, 10, size=10)
        seen.append(total_of(path)[0])
    assert seen == [900 - MOST_AT_ONCE - 1, 10, 10]


def test_forgetting_a_matter_leaves_the_totals_right(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    file = CacheFile(path, 100)
    for place in range(6):
        file.put(f"{place}:b", answer_of(10), None)
        file.note_matter(f"{place}:b", f"m{place % 2}")
    file.note_matter("never kept:b", "m0")
    file.close()
    assert forget_answers(path, "m0") == 3
    assert total_of(path)[0] == 3
    assert answers_of_matter(path, "m0") == 0
    assert answers_of_matter(path, "m1") == 3


def steps_of(path: Path, work: Callable[[], None]) -> int:
    """Rows that SQLite goes through for it, in hundreds of steps of its machine."""
    count = 0
    connect = sqlite3.connect

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    def watched(*given: Any, **keys: Any) -> sqlite3.Connection:
        db = connect(*given, **keys)
        db.set_progress_handler(step, 100)
        return db

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", watched)
        work()
    return count


def test_a_write_costs_the_same_however_much_is_kept(tmp_path: Path) -> None:
    """No count, no clean-up and no look-up goes through what is there; the file is opened, written and looked up."""

    def use(path: Path) -> None:
        file = CacheFile(path, 10**6)
        for place in range(20):
            file.put(f"new {place}:b", answer_of(10), 60.0)
        file.close()
        assert file.identities("new 1") == ["b"]
        file.close()

    few, many = tmp_path / "few.db", tmp_path / "many.db"
    written(few, 10, 10)
    for first in range(0, 5_000, 1_000):
        file = CacheFile(many, 10**6)
        for place in range(first, first + 1_000):
            file.put(f"{place}:b", answer_of(10), 10**6)
        file.close()
    assert total_of(many)[0] == 5_000
    assert steps_of(many, lambda: use(many)) <= 1.5 * steps_of(few, lambda: use(few)) + 20


def test_the_config_says_how_much(tmp_path: Path) -> None:
    class Long(Backend):
        def answer(self, request: Request) -> InferenceOutput:
            asked.append(request.messages[-1].text)
            return answer_of(50_000)

    asked: list[str] = []
    path = tmp_path / "cache.db"
    settings = {"path": str(path), "max_bytes": 120_000}
    for _ in range(2):
        with Mediator([Long(id="b", model="m", cache_enabled=True)], cache=settings) as mediator:
            for number in (1, 2, 3, 3):
                mediator.infer(f"hello {number}")
    assert asked[:3] == ["hello 1", "hello 2", "hello 3"]
    assert "hello 1" in asked[3:]  # two fit, and the oldest went
    assert "hello 3" not in asked[3:4]
    assert total_of(path)[1] <= 120_000
