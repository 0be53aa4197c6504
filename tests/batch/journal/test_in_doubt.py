"""What was sent and has no answer is in doubt: sent again, skipped or refused, and never silently."""

from __future__ import annotations

import sys
import threading
from itertools import count

import pytest

from complaint_llm.batch import Journal, run_batch
from complaint_llm.exceptions import BackendTimeoutError, BatchError
from tests import forked
from tests.batch.journal.counted_model import Model, texts


@pytest.fixture
def doubtful(path):
    """A journal where "b" was sent and a crash followed, "c" ended in a read timeout, and "d" failed for certain."""
    error = BackendTimeoutError("no answer", maybe_received=True)

    def ask(prompt, params):
        if prompt == "c":
            raise error
        return Model("d")(prompt, params)

    list(run_batch(ask, "acd", journal=path))
    script = (
        "import os, sys; from complaint_llm.batch import run_batch\n"
        "run = run_batch(lambda p, q: os._exit(9), ['b'], journal=sys.argv[1])\nlist(run)"
    )
    assert forked.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    return path


def test_what_was_sent_without_an_answer_is_in_doubt(doubtful):
    with Journal(doubtful) as journal:
        assert sorted(text for text in journal.in_doubt()) != []
        assert journal.counts() == (1, 2, 2)


def test_in_doubt_items_are_sent_again_and_counted(doubtful):
    model = Model()
    run = run_batch(model, "abcd", journal=doubtful)
    assert None not in texts(run).values()
    assert sorted(model.asked) == ["b", "c", "d"]
    assert run.summary.resent == 2


def test_in_doubt_items_can_be_skipped_with_an_error_that_says_so(doubtful):
    model = Model()
    results = list(run_batch(model, "abcd", journal=doubtful, in_doubt="skip"))
    assert model.asked == ["d"]
    assert sorted(r.prompt for r in results if r.error is not None and "in doubt" in str(r.error)) == ["b", "c"]


def test_in_doubt_items_can_refuse_the_batch_before_anything_is_sent(doubtful):
    with pytest.raises(BatchError, match="2 items are in doubt"):
        run_batch(Model(), "abcd", journal=doubtful, in_doubt="error")
    with Journal(doubtful) as journal:
        assert journal.counts().in_doubt == 2


@pytest.mark.parametrize(("policy", "most"), [("resend", 8), ("skip", 4)])
def test_how_many_items_are_marked_ahead(path, policy, most):
    """At most max_workers ahead with resend, none with skip: seen by what a crash leaves in doubt."""
    script = (
        "import os, sys, threading, time; from complaint_llm.batch import run_batch\n"
        "def ask(p, q):\n    time.sleep(30)\n"
        "threading.Timer(0.6, os._exit, [9]).start()\n"
        "list(run_batch(ask, map(str, range(99)), journal=sys.argv[1], max_workers=4, in_doubt=sys.argv[2]))"
    )
    assert forked.run([sys.executable, "-c", script, str(path), policy], check=False).returncode == 9
    with Journal(path) as journal:
        assert journal.counts().in_doubt == most


def test_what_was_marked_ahead_and_not_sent_is_not_in_doubt_after_a_stop(path):
    gate = threading.Event()
    model = Model()

    def ask(prompt, params):
        gate.wait(5)
        return model(prompt, params)

    run = run_batch(ask, map(str, count()), max_workers=3, journal=path)
    threading.Event().wait(0.1)
    run.stop()
    gate.set()
    assert len(list(run)) == len(model.asked) == 3
    with Journal(path) as journal:
        assert journal.counts() == (3, 0, 0)


def test_a_stop_leaves_failed_items_failed(path):
    list(run_batch(Model(*"bcdefgh"), "abcdefgh", journal=path, max_workers=1))
    gate = threading.Event()

    def ask(prompt, params):
        gate.wait(5)
        return Model()(prompt, params)

    run = run_batch(ask, "abcdefgh", max_workers=1, journal=path)
    threading.Event().wait(0.1)
    run.stop()
    gate.set()
    list(run)
    with Journal(path) as journal:
        assert journal.counts() == (2, 6, 0)
