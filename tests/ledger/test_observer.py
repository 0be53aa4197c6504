"""The observer that keeps the ledger: a row for each call, never a text, and no fault of the file costs a call."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import pytest

from complaint_llm import Mediator, TokenUsage
from complaint_llm.backends import Backend, EmbeddingRequest, Request
from complaint_llm.exceptions import InvalidRequestError, ServerError
from complaint_llm.ledger.observer import LedgerObserver
from complaint_llm.ledger.tables import VERSION
from complaint_llm.messages import Done, EmbeddingOutput, InferenceOutput, StreamEvent, TextDelta
from tests.ledger.made_ledgers import call_end

SECRET = "Maria Lopez was evicted"
DAY = 86_400.0


class Answers(Backend):
    """Answers whole, in pieces and with vectors, with the client's words."""

    interruptible: ClassVar[bool] = True
    capabilities: ClassVar[Any] = frozenset(("stream", "embeddings"))

    def answer(self, request: Request) -> InferenceOutput:
        return InferenceOutput(SECRET, token_usage=TokenUsage(3, 4, 7), cost=0.5, finish_reason="stop")

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        output = self.answer(request)
        yield TextDelta(output.content)
        yield TextDelta(output.content)
        yield Done(output.token_usage, output)

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        return EmbeddingOutput(((0.5,),), TokenUsage(3, 0, 3))


class Fails(Backend):
    """Never answers, and says the client's words."""

    interruptible: ClassVar[bool] = True

    def answer(self, request: Request) -> InferenceOutput:
        raise ServerError(SECRET, status=500)


def rows(path: Path, query: str = "SELECT * FROM calls ORDER BY id") -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(query)]


def test_a_call_is_a_row_with_its_attempts(tmp_path: Path) -> None:
    """Who answered, for which matter, tokens, price; each attempt with the class of its error and its model."""
    backends = [Fails(id="first", max_retries=0, model="f"), Answers(id="second", model="m")]
    with Mediator(backends, ledger=True, folder=tmp_path) as mediator:
        mediator.generate(SECRET, matter="2026-0417")
    path = tmp_path / ".complaint_llm/ledger.db"
    (row,) = rows(path)
    known = ("kind", "backend", "model", "matter", "input_tokens", "output_tokens", "cost", "error", "finish_reason")
    assert tuple(row[key] for key in known) == ("infer", "second", "m", "2026-0417", 3, 4, 0.5, None, "stop")
    attempts = rows(path, "SELECT * FROM attempts ORDER BY number")
    assert [(each["number"], each["backend"], each["error"], each["sent"]) for each in attempts] == [
        (1, "first", "ServerError", 1),
        (2, "second", None, 1),
    ]
    assert {each["call"] for each in attempts} == {row["id"]}


def test_an_attempt_that_answered_at_once_is_there_too(tmp_path: Path) -> None:
    """It stands within its call's row, and the view shows it."""
    with Mediator([Answers(id="a", model="m")], ledger={"path": str(tmp_path / "l.db")}) as mediator:
        mediator.generate("x")
    (attempt,) = rows(tmp_path / "l.db", "SELECT * FROM attempts")
    assert (attempt["number"], attempt["backend"], attempt["model"], attempt["sent"]) == (1, "a", "m", 1)


def test_streams_vectors_and_errors_are_rows(tmp_path: Path) -> None:
    """A stream that is closed early is one that was cancelled; a stream's first piece has a time."""
    ledger = {"path": str(tmp_path / "l.db")}
    with Mediator([Answers(id="a", embedding_model="e")], ledger=ledger) as mediator:
        list(mediator.infer_stream("x"))
        early = mediator.infer_stream("x")
        next(early)
        early.close()
        mediator.embed(["x"])
        with pytest.raises(InvalidRequestError, match="no backend"):
            mediator.generate("x", backend="nobody")
    found = [(row["kind"], row["error"], row["first_piece"] is not None) for row in rows(tmp_path / "l.db")]
    assert found == [
        ("stream", None, True),
        ("stream", "CancelledError", True),
        ("embed", None, False),
        ("infer", "InvalidRequestError", False),
    ]


def test_calls_of_a_batch_carry_its_name(tmp_path: Path) -> None:
    """And the batch has a row of its own with its counts."""
    with Mediator([Answers(id="a")], ledger={"path": str(tmp_path / "l.db")}) as mediator:
        assert len(list(mediator.batch(["x", "y"]))) == 2
    (batch,) = rows(tmp_path / "l.db", "SELECT * FROM batches")
    assert {row["batch"] for row in rows(tmp_path / "l.db")} == {batch["batch"]}
    assert '"answered": 2' in batch["counts"]


def test_a_cached_answer_costs_nothing_more(tmp_path: Path) -> None:
    """It is marked, and its price was paid before."""
    with Mediator([Answers(id="a", cache_enabled=True)], ledger={"path": str(tmp_path / "l.db")}) as mediator:
        for _ in range(2):
            mediator.generate("x")
    first, second = rows(tmp_path / "l.db")
    assert (first["cached"], first["cost"], second["cached"], second["cost"]) == (0, 0.5, 1, 0.0)
    assert first["digest"] == second["digest"]


def test_no_text_no_key_no_address_is_in_the_file(tmp_path: Path) -> None:
    """Neither in it nor in its log: prompts, answers, messages of errors, keys, addresses."""
    canaries = ["sk-canary-key-0001", "canary-host.invalid", SECRET, "canary system"]
    path = tmp_path / "l.db"
    backends = [
        Fails(id="first", max_retries=0, api_key=canaries[0], base_url=f"https://{canaries[1]}/v1"),
        Answers(id="second"),
    ]
    with Mediator(backends, ledger={"path": str(path)}) as mediator:
        mediator.generate(f"{SECRET} {canaries[0]}", system=canaries[3])
        with pytest.raises(ServerError):
            mediator.generate(SECRET, backend="first")
    # A connection that stays open keeps the log from being taken in.
    with closing(sqlite3.connect(path)) as keeps:
        keeps.execute("SELECT count(*) FROM calls").fetchone()
        content = b"".join(each.read_bytes() for each in tmp_path.glob("l.db*"))
    assert b"second" in content
    assert [each for each in canaries if each.encode() in content] == []


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 in a folder of mode 0700 that no repository takes."""
    with Mediator([Answers(id="a")], ledger=True, folder=tmp_path) as mediator:
        mediator.generate("x")
    folder = tmp_path / ".complaint_llm"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ledger.db").stat().st_mode) == 0o600
    assert (folder / ".gitignore").read_text() == "*\n"


def _newer(path: Path) -> None:
    with Mediator([Answers(id="a")], ledger={"path": str(path)}) as mediator:
        mediator.generate("x")
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")


def _damaged(path: Path) -> None:
    path.write_bytes(b"no database" * 500)


@pytest.mark.parametrize(
    ("make", "says"),
    [(_newer, "newer release"), (_foreign, "another program's"), (_damaged, "damaged"), (Path.mkdir, "another path")],
    ids=["newer", "foreign", "damaged", "a folder"],
)
def test_a_file_that_cannot_be_used_costs_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, make: Any, says: str
) -> None:
    """One warning with what to do; the file stays as it was."""
    path = tmp_path / "l.db"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with Mediator([Answers(id="a")], ledger={"path": str(path)}) as mediator:
        assert [mediator.generate("x") for _ in range(3)] == [SECRET] * 3
    warnings = [each.getMessage() for each in caplog.records if says in each.getMessage()]
    assert len(warnings) == 1
    assert "calls go on" in warnings[0]
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_rows_wait_for_a_disk_with_space(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What could not be written is written when it can be; there is one warning."""
    now = [100.0]
    full = [True]

    def open_file(path: Path) -> sqlite3.Connection:
        if full[0]:
            raise sqlite3.OperationalError("database or disk is full")
        return real(path)

    from complaint_llm.ledger.file import open_ledger as real  # the same that is the default

    observer = LedgerObserver(tmp_path / "l.db", clock=lambda: now[0], open_file=open_file)
    for number in range(3):
        observer.calls([call_end(f"c{number}", 1.0)])
        observer.flush()
        now[0] += 100
    full[0] = False
    observer.flush()
    observer.close()
    assert [row["call"] for row in rows(tmp_path / "l.db")] == ["c0", "c1", "c2"]
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 1


def test_what_waits_too_long_is_given_up_and_counted(tmp_path: Path) -> None:
    """Memory is bounded: the oldest go, and the ledger says how many."""
    from complaint_llm.ledger.file import open_ledger as real  # the same that is the default

    full = [True]

    def open_file(path: Path) -> sqlite3.Connection:
        if full[0]:
            raise OSError("no space left on device")
        return real(path)

    observer = LedgerObserver(tmp_path / "l.db", most_kept=4, open_file=open_file)
    for number in range(6):
        observer.calls([call_end(f"c{number}", 1.0)])
    observer.flush()
    full[0] = False
    observer.close()
    (gap,) = rows(tmp_path / "l.db", "SELECT events FROM gaps")
    assert gap["events"] + len(rows(tmp_path / "l.db")) == 6
    assert rows(tmp_path / "l.db")[-1]["call"] == "c5"


def test_what_the_queue_dropped_is_counted(tmp_path: Path) -> None:
    """The ledger says that calls are missing."""
    observer = LedgerObserver(tmp_path / "l.db")
    observer.report_loss(7)
    observer.close()
    assert [row["events"] for row in rows(tmp_path / "l.db", "SELECT events FROM gaps")] == [7]


def test_calls_that_began_in_the_same_moment_are_rows_each(tmp_path: Path) -> None:
    """In one process and in two that write one file."""
    observers = [LedgerObserver(tmp_path / "l.db") for _ in range(2)]
    for observer in observers:
        for number in range(200):
            observer.calls([call_end(f"c{number}", 1.0)])
        observer.flush()
    for observer in observers:
        observer.close()
    assert len(rows(tmp_path / "l.db")) == 400


def test_old_rows_are_deleted_a_little_at_a_time(tmp_path: Path) -> None:
    """Those beyond keep_days, with what only they had: attempts and the names of their matters."""
    now = [1000 * DAY]
    path = tmp_path / "l.db"
    old = LedgerObserver(path, clock=lambda: now[0])
    first = now[0] - 40 * DAY
    old.calls([call_end(f"old{number}", first + number * 0.01, matter="old matter") for number in range(12_000)])
    old.close()
    observer = LedgerObserver(path, keep_days=30, clock=lambda: now[0])
    left = []
    for number in range(4):
        observer.calls([call_end(f"new{number}", now[0], matter="new matter")])
        observer.flush()
        left.append(len(rows(path)))
    observer.close()
    assert left == [7001, 2002, 3, 4]
    assert [row["name"] for row in rows(path, "SELECT name FROM names")] == ["new matter"]


def test_a_forked_child_writes_its_own_calls(tmp_path: Path) -> None:
    """And the parent's stay the parent's: none twice, none lost."""
    with Mediator([Answers(id="a")], ledger={"path": str(tmp_path / "l.db")}) as mediator:
        mediator.generate("x", matter="parent")
        child = os.fork()
        if not child:
            mediator.generate("x", matter="child")
            mediator.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert sorted(row["matter"] for row in rows(tmp_path / "l.db")) == ["child", "parent"]
