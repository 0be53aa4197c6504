"""Each check of a suite catches the plugin that is wrong in its thing, and no other check does."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import pytest

from complaint_llm.testing import (
    BlockStoreConformance,
    CheckConformance,
    CommandConformance,
    ExecutorConformance,
    GuardConformance,
    ObserverConformance,
    ReaderConformance,
    StrategyConformance,
    TaskConformance,
)
from complaint_llm.testing.offer_conformance import OfferConformance

WRONG = "tests.testing.wrong"
IMPORTS = ("test_importing_it_touches_no_network", "test_importing_it_is_quick")


class Guards(GuardConformance):
    plugin = f"{WRONG}.guards"
    hides = ("24-CV-01234",)
    refuses = "forbidden words"


class RestoringGuards(Guards):
    restores = True


class Strategies(StrategyConformance):
    plugin = f"{WRONG}.strategies"


class Checks(CheckConformance):
    plugin = f"{WRONG}.checks"
    right: ClassVar[Any] = {"amount": 9, "note": "paid at the door"}
    wrong: ClassVar[Any] = {"amount": -9, "note": "paid at the door"}


class Readers(ReaderConformance):
    plugin = f"{WRONG}.readers"
    sample = b"one|two|three"
    text = "two"


class Tasks(TaskConformance):
    plugin = f"{WRONG}.tasks"
    answer: ClassVar[Any] = {"amount": 1}
    misfit: ClassVar[Any] = {}


class Commands(CommandConformance):
    plugin = f"{WRONG}.commands"
    prints = "as expected"


class Executors(ExecutorConformance):
    plugin = f"{WRONG}.executors"
    url = "right://here"


class Stores(BlockStoreConformance):
    plugin = f"{WRONG}.stores"


class Observers(ObserverConformance):
    plugin = f"{WRONG}.observers"


@cache
def import_faults(plugin: str) -> frozenset[str]:
    """Which checks of the import fail: one process for each module."""
    return frozenset(failing(suite_of(OfferConformance, plugin, ""), IMPORTS))


def suite_of(base: type[OfferConformance], plugin: str, name: str) -> OfferConformance:
    """A suite for one of a module's offers."""
    made: OfferConformance = type("Suite", (base,), {"plugin": plugin, "name": name})()
    return made


def failing(suite: OfferConformance, names: Any = None) -> set[str]:
    """The checks that fail."""
    found = set()
    for name in names or [each for each in dir(suite) if each.startswith("test_") and each not in IMPORTS]:
        try:
            getattr(suite, name)()
        except Exception:
            found.add(name)
    return found


CASES = [
    (Guards, "no version", "test_it_says_what_it_is"),
    (Guards, "any key", "test_an_unknown_key_is_refused"),
    (Guards, "none", "test_before_gives_a_request"),
    (Guards, "changes", "test_it_leaves_what_it_was_given"),
    (Guards, "misses", "test_what_it_hides_is_hidden_everywhere"),
    (RestoringGuards, "forgets", "test_what_it_hides_comes_back"),
    (Guards, "stream", "test_a_stream_says_what_the_answer_says"),
    (Guards, "counts", "test_it_counts_without_words"),
    (Guards, "loud", "test_it_refuses_without_words"),
    (Guards, "numbers", "test_many_calls_may_be_under_way"),
    (Guards, "slow", "test_it_keeps_its_time"),
    (Guards, "closes", "test_closing_twice_is_closing_once"),
    (Strategies, "twice", "test_it_gives_targets_that_it_was_given"),
    (Strategies, "leaves", "test_it_leaves_nobody_out"),
    (Strategies, "nobody", "test_it_has_somebody_where_there_is_somebody"),
    (Strategies, "needs one", "test_it_manages_with_none"),
    (Strategies, "in place", "test_it_leaves_the_targets_as_they_are"),
    (Strategies, "messages", "test_it_orders_embeddings_too"),
    (Strategies, "alone", "test_many_threads_may_use_it"),
    (Strategies, "first", "test_it_answers_through_a_mediator"),
    (Strategies, "shared", "test_each_mediator_has_its_own"),
    (Checks, "never", "test_a_right_answer_has_no_findings"),
    (Checks, "none", "test_a_wrong_answer_has_findings"),
    (Checks, "name", "test_findings_bear_its_name"),
    (Checks, "nowhere", "test_findings_point_into_the_answer"),
    (Checks, "repeats", "test_findings_hold_no_words_of_the_client"),
    (Checks, "changes", "test_it_changes_nothing"),
    (Checks, "trusts", "test_an_answer_of_another_shape_is_no_error"),
    (Checks, "alone", "test_many_threads_may_use_it"),
    (Readers, "text/x-version", "test_it_says_what_read_it"),
    (Readers, "text/x-all", "test_it_gives_the_pages_that_are_asked_for"),
    (Readers, "text/x-empty", "test_a_broken_file_is_unreadable"),
    (Readers, "text/x-strict", "test_damage_is_never_another_error"),
    (Readers, "text/x-prints", "test_it_writes_nothing"),
    (Readers, "text/x-zero", "test_its_pages_are_numbered_as_the_file_has_them"),
    (Readers, "text/x-nameless", "test_it_reads_in_a_process_of_its_own"),
    (Tasks, "untitled", "test_it_has_a_title"),
    (Tasks, "unmarked", "test_the_text_stands_between_marks"),
    (Tasks, "leaky", "test_the_text_is_in_the_prompt_as_it_is"),
    (Tasks, "unchecked", "test_its_checks_are_known"),
    (Tasks, "lenient", "test_its_schema_takes_right_answers_alone"),
    (Tasks, "listing", "test_its_schema_is_one"),
    (Tasks, "summary", "test_its_id_is_its_own"),
    (Commands, "Loud", "test_it_is_a_command"),
    (Commands, "generate", "test_it_stands_in_for_no_other"),
    (Commands, "helpless", "test_it_has_a_line_of_help"),
    (Commands, "silent", "test_it_does_its_work"),
    (Commands, "lenient", "test_an_unknown_option_is_a_fault_of_usage"),
    (Executors, "full", "test_it_has_room"),
    (Executors, "error", "test_an_error_is_the_items_own"),
    (Executors, "back", "test_what_was_withdrawn_is_not_finished"),
    (Executors, "late", "test_after_closing_nothing_is_taken"),
    (Executors, "once", "test_closing_twice_is_closing_once"),
    (Stores, "first", "test_a_damaged_block_is_mended"),
    (Stores, "undeleted", "test_a_deleted_block_is_gone"),
    (Stores, "empty", "test_what_is_not_there_is_none"),
    (Stores, "few", "test_a_stream_may_be_long"),
    (Stores, "sweeps", "test_sweeping_keeps_what_is_whole"),
    (Observers, "version", "test_it_says_what_it_is"),
    (Observers, "any key", "test_an_unknown_key_is_refused"),
    (Observers, "slow", "test_it_is_quick"),
]


@pytest.mark.rows(12)
@pytest.mark.parametrize(("suite", "name", "check"), CASES, ids=[f"{case[0].__name__}-{case[1]}" for case in CASES])
def test_a_wrong_plugin_is_caught_by_its_check_alone(suite: type[OfferConformance], name: str, check: str) -> None:
    """At the same place the right one passes."""
    assert failing(suite_of(suite, suite.plugin, name)) == {check}


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("suite", "name"),
    [
        (Guards, "right"),
        (Strategies, "right"),
        (Checks, "right"),
        (Readers, "text/x-right"),
        (Tasks, "right"),
        (Commands, "right"),
        (Executors, "right"),
        (Stores, "right"),
        (Observers, "right"),
    ],
)
def test_the_right_one_passes_all(suite: type[OfferConformance], name: str) -> None:
    """What the wrong ones were made from, its import too."""
    assert failing(suite_of(suite, suite.plugin, name)) | import_faults(suite.plugin) == set()


@pytest.mark.parametrize(
    ("plugin", "check"),
    [("computed", "test_its_name_stands_in_the_source"), ("unmarked", "test_its_hook_is_marked")],
)
def test_a_wrong_hook_is_caught_by_its_check_alone(plugin: str, check: str) -> None:
    """Whatever is offered, the hook has its mark and its names."""
    assert failing(suite_of(Guards, f"{WRONG}.{plugin}", "")) == {check}


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("source", "check"),
    [
        ("import socket\nsocket.create_connection(('127.0.0.1', 9))\n", IMPORTS[0]),
        ("import threading\nthreading.Event().wait(5)\n", IMPORTS[1]),
    ],
)
def test_a_wrong_import_is_caught(source: str, check: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that connects, and one that takes longer than everything that it builds on."""
    (tmp_path / "wrong_import.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert check in failing(suite_of(OfferConformance, "wrong_import", ""), [check])
