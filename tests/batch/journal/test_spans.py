"""A resume costs what is left: answered items that stand where they stood are neither read nor written again."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from complaint_llm.batch import BatchItem, BatchSummary, run_batch, salvage_journal
from complaint_llm.batch.journal.journal import Journal, RecordedItem
from complaint_llm.batch.journal.shape import Shape, shape_of
from complaint_llm.batch.journal.spans import LENGTH
from complaint_llm.exceptions import BackendError, BatchError
from complaint_llm.messages import InferenceOutput, TokenUsage
from tests.sampled import sampled


class Model:
    """Answers, and writes down what it was asked; fails where it is told to."""

    def __init__(self, failing: Sequence[str] = (), demo: bool = False) -> None:
        self.asked: list[str] = []
        self._failing = frozenset(failing)
        self._metadata = {"demo": True} if demo else {}

    def __call__(self, prompt: str, params: Mapping[str, Any]) -> InferenceOutput:
        self.asked.append(prompt)
        if prompt in self._failing:
            raise BackendError("no", sent=False, backend="b")
        usage = TokenUsage(prompt_tokens=len(prompt), completion_tokens=2, total_tokens=len(prompt) + 2)
        return InferenceOutput(
            f"<{prompt}>",
            backend="b",
            token_usage=usage,
            cost=0.5,
            finish_reason="length" if prompt.endswith("7") else "stop",
            metadata=self._metadata,
        )


class Resumed:
    """One run that passes over what is recorded where it stood."""

    def __init__(self, path: Path, items: Sequence[Any], model: Model | None = None, **options: Any) -> None:
        self.model = model or Model()
        self.passed_over: list[range] = []
        with run_batch(self.model, items, journal=path, on_recorded=self.passed_over.append, **options) as run:
            self.handed_out = sorted(result.index for result in run)
        self.summary: BatchSummary = run.summary

    @property
    def places(self) -> list[int]:
        return sorted([*self.handed_out, *(place for each in self.passed_over for place in each)])


def texts(number: int, first: int = 0) -> list[str]:
    return [f"p{each}" for each in range(first, first + number)]


def recorded(path: Path) -> list[RecordedItem]:
    with Journal(path) as journal:
        return list(journal.recorded_items())


def contents(path: Path) -> list[str | None]:
    found = recorded(path)
    assert [each.position for each in found] == list(range(len(found)))
    return [each.output.content if each.output else None for each in found]


def expected(items: Sequence[Any]) -> list[str]:
    return [f"<{item.prompt if isinstance(item, BatchItem) else item}>" for item in items]


def everything_of(summary: BatchSummary) -> dict[str, Any]:
    backends = {name: {key: getattr(each, key) for key in each.__slots__} for name, each in summary.backends.items()}
    return {**summary.counts(), "recorded": 0, "cost": summary.cost, "tokens": summary.tokens, "backends": backends}


@contextmanager
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path)) as db, db:
        yield db


@pytest.mark.parametrize("left", [0, 1, 300])
def test_what_is_answered_is_passed_over_and_counted(tmp_path: Path, left: int) -> None:
    """All but a few beside what is left; the summary is that of a run that handed everything out."""
    path, items = tmp_path / "j", texts(3 * LENGTH + 5)
    whole = Resumed(path, items)
    assert not whole.passed_over
    again = Resumed(path, [*items, *texts(left, 5000)])
    assert again.passed_over == [range(n * LENGTH, (n + 1) * LENGTH) for n in range(3)]
    assert again.model.asked == texts(left, 5000)
    assert again.summary.recorded == len(items)
    assert again.places == list(range(len(items) + left))
    assert contents(path) == expected([*items, *texts(left, 5000)])
    if not left:
        assert everything_of(again.summary) == everything_of(whole.summary)
    third = Resumed(path, [*items, *texts(left, 5000)])
    assert not third.model.asked
    assert third.passed_over[:3] == again.passed_over
    assert contents(path) == expected([*items, *texts(left, 5000)])


def test_no_row_of_it_is_read(tmp_path: Path) -> None:
    """Every answer of a span is damaged: a resume that read one of them would say so, as whoever reads OUT's does."""
    path, items = tmp_path / "j", texts(2 * LENGTH)
    Resumed(path, items)
    with database(path) as db:
        db.execute("UPDATE items SET record = 'x'")
    assert Resumed(path, [*items, "new"]).model.asked == ["new"]
    with pytest.raises(BatchError, match="changed since it was written"):
        recorded(path)
    with pytest.raises(BatchError, match="changed since it was written"):
        Resumed(path, items[1:])


def rows_read(path: Path, items: Sequence[str]) -> int:
    """Rows of the journal that a resume reads, by the calls that check them."""
    read = Counter[str]()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            read[frame.f_code.co_name] += frame.f_code.co_name == "from_row"

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        assert not Resumed(path, items).model.asked
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return read["from_row"]


@pytest.mark.rows(1)
@pytest.mark.parametrize("named", [False, True])
def test_a_resume_reads_as_few_rows_of_many_answers_as_of_few(tmp_path: Path, named: bool) -> None:
    counts = []
    for number in (LENGTH + 9, 6 * LENGTH + 9):
        path, items = tmp_path / str(number), texts(number)
        given: list[Any] = [BatchItem(each, f"id {each}") for each in items] if named else items
        Resumed(path, given)
        counts.append(rows_read(path, given))
    assert counts == [9, 9]


KINDS = st.sampled_from(["swap", "drop", "twice", "new", "tail"])
EDITS = st.lists(st.tuples(KINDS, st.integers(0, 899)), max_size=4)


def edited(items: list[str], edits: Sequence[tuple[str, int]]) -> list[str]:
    items = list(items)
    for kind, place in edits:
        place %= len(items)
        if kind == "swap":
            items[place], items[-1 - place] = items[-1 - place], items[place]
        elif kind == "drop":
            del items[place]
        elif kind == "twice":
            items.insert(place, items[(place + LENGTH) % len(items)])
        elif kind == "new":
            items.insert(place, f"new {place}")
        elif kind == "tail":
            items.append(f"tail {place}")
    return items


@drawn(st.lists(EDITS, min_size=1, max_size=4), st.sets(st.integers(0, 899), max_size=2))
@sampled(2, 60)
def test_the_journal_has_the_last_run_in_its_order_however_inputs_change(
    runs: list[list[tuple[str, int]]], failing: set[int]
) -> None:
    """With copies, too; what failed is asked again, and nothing that was answered."""
    with TemporaryDirectory() as folder:
        path, items = Path(folder) / "j", texts(900)
        Resumed(path, items, Model([f"p{each}" for each in failing]))
        known = Counter(each for each in items if int(each[1:]) not in failing)
        for edits in runs:
            items = edited(items, edits)
            run = Resumed(path, items)
            assert run.places == list(range(len(items)))
            assert Counter(run.model.asked) == Counter(items) - known
            assert run.summary.answered + run.summary.cut == len(items)
            known |= Counter(items)
            assert contents(path) == expected(items)


def test_a_copy_of_what_was_passed_over_is_a_copy(tmp_path: Path) -> None:
    """It is asked once more under a name of its own; the others of its span keep their places in all later runs."""
    path, items = tmp_path / "j", texts(2 * LENGTH)
    Resumed(path, items)
    more = [*items, "p3", "p3"]
    assert Resumed(path, more).model.asked == ["p3", "p3"]
    assert contents(path) == expected(more)
    for _ in range(3):
        assert not Resumed(path, more).model.asked
        assert contents(path) == expected(more)


@pytest.mark.rows(1)
@pytest.mark.parametrize("copies", [["p3"], ["p3", "p300", "p3"]])
def test_copies_of_before_are_no_copies_too_many(tmp_path: Path, copies: list[str]) -> None:
    """Where fewer or more of them come, what is asked is the difference."""
    path, items = tmp_path / "j", texts(2 * LENGTH)
    given = [*items[:4], *copies, *items[4:], *copies]
    Resumed(path, given)
    for more in (given, items, [*given, *copies], given[::-1], given):
        model = Model()
        assert Resumed(path, more, model).summary.total == len(more)
        assert len(model.asked) == (len(copies) if len(more) > len(given) else 0)
        assert contents(path) == expected(more)


def test_an_id_of_what_was_passed_over_is_used_up(tmp_path: Path) -> None:
    path = tmp_path / "j"
    items = [BatchItem(each, f"id {each}") for each in texts(LENGTH)]
    Resumed(path, items)
    run = Resumed(path, [*items, items[3]])
    assert not run.model.asked
    assert run.summary.refused + run.summary.failed == 1


def test_changed_content_under_an_id_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "j"
    items = [BatchItem(each, f"id {each}") for each in texts(LENGTH)]
    Resumed(path, items)
    with pytest.raises(BatchError, match="1 of 256 items changed under the same id"):
        Resumed(path, [*items[:9], BatchItem("other", "id p9"), *items[10:]])
    assert Resumed(path, [*items[:9], BatchItem("other", "id p9"), *items[10:]], accept_changes=True).model.asked == [
        "other"
    ]


class Settings:
    """Answers of backend b are shaped by its model."""

    def __init__(self, model: str, has_model: bool = True) -> None:
        self._model, self._has_model = model, has_model

    def shape(self, backend: str, prompt: Any = None, params: Mapping[str, Any] = {}) -> Shape:
        return shape_of(backend, {"model": self._model})

    def has_model(self) -> bool:
        return self._has_model


def test_answers_of_other_settings_are_asked_again(tmp_path: Path) -> None:
    path, items = tmp_path / "j", texts(LENGTH + 3)
    Resumed(path, items, settings=Settings("old"))
    kept = Resumed(path, items, settings=Settings("new"), keep=True)
    assert (kept.model.asked, len(kept.passed_over)) == ([], 1)
    with pytest.raises(BatchError, match="259 recorded answers were made under other settings"):
        Resumed(path, items, settings=Settings("new"))
    assert Counter(Resumed(path, items, settings=Settings("new"), accept_changes=True).model.asked) == Counter(items)
    assert len(Resumed(path, items, settings=Settings("new")).passed_over) == 1


def test_a_demonstration_is_asked_again_once_there_is_a_model(tmp_path: Path) -> None:
    path, items = tmp_path / "j", texts(LENGTH)
    Resumed(path, items, Model(demo=True), settings=Settings("m", has_model=False))
    assert len(Resumed(path, items, settings=Settings("m", has_model=False)).passed_over) == 1
    assert Counter(Resumed(path, items, settings=Settings("m")).model.asked) == Counter(items)


def test_another_matter_is_written(tmp_path: Path) -> None:
    """And what is forgotten then is gone; what is not has its place."""
    path, items = tmp_path / "j", texts(2 * LENGTH)
    Resumed(path, items, matter="a")
    Resumed(path, items, matter="a")
    with Journal(path) as journal:
        assert journal.forget_matter("b") == len(items)
    assert contents(path) == expected(items)
    run = Resumed(path, items, matter="b")
    assert (run.model.asked, run.passed_over) == ([], [])
    assert len(Resumed(path, items, matter="b").passed_over) == 2
    with Journal(path) as journal:
        assert journal.forget_matter("b") == 0
    assert Counter(Resumed(path, items, matter="b").model.asked) == Counter(items)


@pytest.mark.rows(2)
@pytest.mark.parametrize("change", ["reversed", "shifted", "one", "content"])
def test_there_and_back_each_answer_stands_where_its_item_does(tmp_path: Path, change: str) -> None:
    """Another order in between, or another content under an id: the input of before is found again item by item."""
    path, names = tmp_path / "j", texts(2 * LENGTH)
    items: list[Any] = [BatchItem(each, f"id {each}") for each in names]
    other = {
        "reversed": items[::-1],
        "shifted": items[1:] + items[:1],
        "one": [*items[1:9], items[0], *items[9:]],
        "content": [BatchItem("other", items[0].id), *items[1:]],
    }[change]
    for given in (items, other, items, items):
        Resumed(path, given, accept_changes=True)
        assert contents(path) == expected(given)


def test_fresh_asks_everything(tmp_path: Path) -> None:
    path, items = tmp_path / "j", texts(LENGTH)
    Resumed(path, items)
    assert Counter(Resumed(path, items, fresh=True).model.asked) == Counter(items)


@pytest.mark.rows(3)
@pytest.mark.parametrize("fault", ["lost", "digest", "items", "summary", "read"])
def test_a_span_that_does_not_hold_is_found_item_by_item(tmp_path: Path, fault: str) -> None:
    """As after a power cut that took it: then it is noted anew."""
    path, items = tmp_path / "j", texts(LENGTH)
    Resumed(path, items)
    change = {
        "lost": "DELETE FROM spans",
        "digest": "UPDATE spans SET digest = x'00'",
        "items": "UPDATE spans SET items = zeroblob(length(items))",
        "summary": "UPDATE spans SET summary = '{}'",
        "read": "UPDATE spans SET first = first + 256",
    }
    with database(path) as db:
        db.execute(change[fault])
    run = Resumed(path, items)
    assert (run.model.asked, run.passed_over, len(run.handed_out)) == ([], [], LENGTH)
    assert contents(path) == expected(items)
    assert Resumed(path, items).passed_over == [range(LENGTH)]


def test_a_run_that_was_cut_off_leaves_what_it_did_not_reach(tmp_path: Path) -> None:
    """A resume that ends after the first span: the next one passes over all of them."""
    path, items = tmp_path / "j", texts(3 * LENGTH)
    Resumed(path, items)
    Resumed(path, items[:LENGTH])
    run = Resumed(path, items)
    assert (len(run.passed_over), run.model.asked) == (3, [])
    assert contents(path) == expected(items)


def test_what_is_salvaged_stands_where_it_was_found(tmp_path: Path) -> None:
    path, items = tmp_path / "j", texts(LENGTH + 2)
    Resumed(path, items)
    Resumed(path, items)
    before = recorded(path)
    salvage_journal(path)
    assert recorded(path) == before
    assert not Resumed(path, items).model.asked


@pytest.mark.parametrize("version", [2, 3])
def test_a_journal_of_before_goes_on(tmp_path: Path, version: int) -> None:
    path, items = tmp_path / "j", texts(LENGTH)
    Resumed(path, items)
    with database(path) as db:
        db.execute("DROP TABLE spans")
        if version == 2:
            db.execute("DROP TABLE places")
        db.execute(f"PRAGMA user_version={version}")
    assert (Resumed(path, items).passed_over, Resumed(path, items).passed_over) == ([], [range(LENGTH)])


def test_in_order_nothing_is_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in order everything is handed out"):
        Resumed(tmp_path / "j", ["a"], ordered=True)


def test_whoever_wants_each_result_gets_it(tmp_path: Path) -> None:
    """Without ``on_recorded``, as in Python: and the next run may pass over what that one read."""
    path, items = tmp_path / "j", texts(LENGTH)
    Resumed(path, items)
    model = Model()
    found = [each.output.content for each in run_batch(model, items, journal=path, ordered=True) if each.output]
    assert (found, model.asked) == (expected(items), [])
    assert Resumed(path, items).passed_over == [range(LENGTH)]
