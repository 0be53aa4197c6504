"""What a journal keeps."""

from __future__ import annotations

import stat
from itertools import count

import pytest

from complaint_llm.batch import BatchItem, Journal, run_batch
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import Attempt, InferenceOutput
from tests.batch.journal.counted_model import Model, texts


def test_what_was_answered_is_not_asked_again(path):
    first, second = Model(), Model()
    assert len(list(run_batch(first, map(str, range(30)), journal=path))) == 30
    run = run_batch(second, map(str, range(40)), journal=path)
    assert texts(run) == {str(i): f"<{i}>" for i in range(40)}
    assert sorted(second.asked) == sorted(map(str, range(30, 40)))
    assert run.summary.recorded == 30


def test_failed_items_are_asked_again_by_the_same_call(path):
    list(run_batch(Model("3", "4"), map(str, range(6)), journal=path))
    model = Model()
    assert None not in texts(run_batch(model, map(str, range(6)), journal=path)).values()
    assert sorted(model.asked) == ["3", "4"]


def test_only_failed_asks_nothing_else(path):
    list(run_batch(Model("3"), map(str, range(6)), journal=path))
    model = Model()
    results = texts(run_batch(model, map(str, range(8)), journal=path, only_failed=True))
    assert model.asked == ["3"]
    assert results == {**{str(i): f"<{i}>" for i in range(6)}, "6": None, "7": None}


def test_a_journal_is_readable_by_its_owner_alone(path):
    list(run_batch(Model(), ["a"], journal=path))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_journal_holds_no_prompts(path):
    list(
        run_batch(lambda p, q: InferenceOutput("fine"), ["my landlord is Smith", BatchItem("Smith", "i")], journal=path)
    )
    assert b"Smith" not in path.read_bytes()


def test_answers_come_back_equal(path):
    given = InferenceOutput(
        "x\ud800\0é",
        confidence=0.1 + 0.2,
        finish_reason="stop",
        cost=0.0,
        backend="b",
        attempts=(Attempt("a", "no", 0.1, maybe_received=True), Attempt("b", None, 0.2)),
        metadata={"cached": True, "raw": (1, b"\xff")},
    )
    list(run_batch(lambda p, q: given, ["a"], journal=path))
    (again,) = run_batch(Model(), ["a"], journal=path)
    assert again.output == given


def test_items_may_be_added_removed_and_reordered(path):
    list(run_batch(Model(), [BatchItem(c, c) for c in "abcd"], journal=path))
    model = Model()
    list(run_batch(model, [BatchItem(c, c) for c in "dxab"], journal=path))
    assert model.asked == ["x"]
    with Journal(path) as journal:
        assert [(r.position, r.id, r.output.content) for r in journal.recorded_items()] == [
            (0, "d", "<d>"),
            (1, "x", "<x>"),
            (2, "a", "<a>"),
            (3, "b", "<b>"),
        ]


def test_changed_content_under_the_same_id_is_refused_with_count_and_first_example(path):
    items = [BatchItem(str(i), f"id{i}") for i in range(9)]
    list(run_batch(Model(), items, journal=path))
    items[4] = BatchItem("other", "id4")
    items[6] = BatchItem("6", "id6", {"temperature": 1})
    model = Model()
    with pytest.raises(
        BatchError, match=r"2 of 10 items changed under the same id \(first: 'id4', its prompt differs\)"
    ):
        list(run_batch(model, [*items, BatchItem("new", "new")], journal=path))
    assert model.asked == []


def test_changes_are_counted_far_beyond_what_may_be_under_way(path):
    list(run_batch(Model(), [BatchItem("a", str(i)) for i in range(300)], journal=path))
    with pytest.raises(BatchError, match="300 of 300 items changed"):
        list(run_batch(Model(), [BatchItem("b", str(i)) for i in range(300)], journal=path, max_workers=2))


def test_an_endless_input_with_a_change_is_refused_too(path):
    list(run_batch(Model(), [BatchItem("a", "0")], journal=path))
    with pytest.raises(BatchError, match="changed under the same id"):
        list(run_batch(Model(), (BatchItem("b", str(i)) for i in count()), journal=path))


def test_accepted_changes_are_asked_again(path):
    list(run_batch(Model(), [BatchItem("a", "1"), BatchItem("b", "2")], journal=path))
    model = Model()
    results = run_batch(model, [BatchItem("new", "1"), BatchItem("b", "2")], journal=path, accept_changes=True)
    assert texts(results) == {"new": "<new>", "b": "<b>"}
    assert model.asked == ["new"]
    assert texts(run_batch(Model(), [BatchItem("new", "1")], journal=path)) == {"new": "<new>"}


def test_routing_and_timeouts_are_no_part_of_a_key(path):
    list(run_batch(Model(), [BatchItem("a", "1", {"timeout": 1, "backend": "x"}), BatchItem("b")], journal=path))
    model = Model()
    list(
        run_batch(
            model, [BatchItem("a", "1", {"privacy": "local"}), BatchItem("b", None, {"timeout": 9})], journal=path
        )
    )
    assert model.asked == []


def test_fresh_forgets_everything(path):
    list(run_batch(Model(), "abc", journal=path))
    model = Model()
    list(run_batch(model, "ab", journal=path, fresh=True))
    assert sorted(model.asked) == ["a", "b"]
    with Journal(path) as journal:
        assert journal.counts().answered == 2


def test_equal_prompts_are_items_of_their_own_and_all_resume(path):
    list(run_batch(Model(), ["same"] * 20, journal=path))
    model = Model()
    assert len(list(run_batch(model, ["same"] * 22, journal=path))) == 22
    assert model.asked == ["same"] * 2


def test_an_id_used_twice_is_an_error_of_the_second(path):
    items = [BatchItem("a", "x"), BatchItem("b", "x"), BatchItem("c", "x#1")]
    results = list(run_batch(Model(), items, journal=path))
    assert sorted((r.index, r.key, r.error is None) for r in results) == [
        (0, "x", True),
        (1, "x", False),
        (2, "x#1", True),
    ]
    with Journal(path) as journal:
        assert [(r.id, r.error is None) for r in journal.recorded_items()] == [("x", True), ("x", False), ("x#1", True)]


def test_items_that_cannot_be_read_are_recorded_in_their_place_and_forgotten_by_the_next_run(path):
    list(run_batch(Model(), ["a", ValueError("line 2: not JSON"), 5], journal=path))
    with Journal(path) as journal:
        assert [r.error and r.error["message"] for r in journal.recorded_items()][:2] == [None, "line 2: not JSON"]
    list(run_batch(Model(), ["a", "b"], journal=path))
    with Journal(path) as journal:
        assert [r.error for r in journal.recorded_items()] == [None, None]
