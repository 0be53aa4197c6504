"""Records are made after the answer; what they say, their order and their errors are as if they were made with it."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from weakref import ref

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, ProvenanceRef, RequestDetails, Step, trace
from complaint_llm.evidence.provenance.chain import MAX_WAITING, PORTION
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.exceptions import EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput, Message, TextPart, TokenUsage, Tool, ToolCall

ASKED = RequestDetails((Message("user", "a prompt"),))
ANSWER = InferenceOutput("an answer", backend="b", model="m")
LONG = 60
"""Seconds of gathering after which no test lasts: nothing is made but what is asked for, until the log is closed."""


def test_the_order_of_records_is_that_of_the_answers(store: EvidenceStore) -> None:
    """Whoever asks for a CID first, each record links to the answer before it."""
    log = ProvenanceLog(store.database, gather_seconds=LONG)
    made = [log.record(ASKED, InferenceOutput(str(number))) for number in range(5)]
    assert not made[4].is_made
    last, second = made[3].cid, made[1].cid
    assert not made[4].is_made  # nobody asked for it
    log.close()
    chain = [made[4].cid, last, made[2].cid, second, made[0].cid]
    assert made[4].is_made
    found = trace(store, chain[0], depth=5)
    for cid in chain:
        assert (found.cid, found.ok) == (cid, True)
        found = next((part for part in found.parts if part.cid in chain), found)


def test_what_is_changed_after_the_answer_does_not_change_its_record(store: EvidenceStore) -> None:
    """A record says what was sent and answered, not what its owner makes of it afterwards."""
    metadata, properties = {"demo": True}, {"x": {"type": "string"}}
    parts, parameters = [TextPart("look")], {"stop": ["x"]}
    details = RequestDetails((Message("user", tuple(parts)),), parameters, (Tool("f", "", {"properties": properties}),))
    with_parts = ProvenanceLog(store.database, clock=lambda: 1e9, gather_seconds=LONG)
    recorded = with_parts.record(details, ANSWER._replace(metadata=metadata))
    metadata.clear()
    properties.clear()
    parameters.clear()
    late = recorded.cid
    with_parts.close()
    with store.database.transaction("exclusive") as connection:
        connection.execute("DELETE FROM provenance")
    again = ProvenanceLog(store.database, clock=lambda: 1e9)
    details = RequestDetails(
        (Message("user", (TextPart("look"),)),),
        {"stop": ["x"]},
        (Tool("f", "", {"properties": {"x": {"type": "string"}}}),),
    )
    assert again.record(details, ANSWER._replace(metadata={"demo": True})).cid == late
    again.close()


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "clear": lambda arguments: arguments.clear(),
    "pop": lambda arguments: arguments.pop("a"),
    "set": lambda arguments: arguments.update(a=2),
    "add": lambda arguments: arguments.update(z=None),
    "null": lambda arguments: arguments.update(a=None),
    "inner": lambda arguments: arguments["b"].append(3),
    "inner pop": lambda arguments: arguments["b"].pop(),
    "deep": lambda arguments: arguments["c"].update(d="other"),
    "deep clear": lambda arguments: arguments["c"].clear(),
    "strange": lambda arguments: arguments.update(a=1 + 2j),
}


@pytest.mark.parametrize("where", ["answer", "prompt"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_tool_calls_are_recorded_as_they_were_when_the_answer_came(
    store: EvidenceStore, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    """Who runs a tool may write on its arguments; the record of the answer that called it stays."""

    def recorded(change: Callable[[dict[str, Any]], object] | None) -> tuple[Any, Any]:
        arguments: dict[str, Any] = {"a": 1, "b": [1, 2], "c": {"d": "e"}}
        calls = (ToolCall("1", "look_up", arguments, json.dumps(arguments)),)
        messages = (*ASKED.messages, Message("assistant", "", calls if where == "prompt" else ()))
        log = ProvenanceLog(store.database, gather_seconds=LONG)
        output = InferenceOutput("an answer", calls if where == "answer" else (), backend="b", model="m")
        ref = log.record(RequestDetails(messages), output)
        if change is not None:
            change(arguments)
        cid = ref.cid
        log.close()
        with store.database.transaction("read") as connection:
            (data,) = connection.execute("SELECT data FROM provenance WHERE cid = ?", (cid,)).fetchone()
        record = decode_provenance(cid, data)
        return record["tool_calls"], record["prompt"]

    assert recorded(change) == recorded(None)


def test_an_output_shows_the_cid_however_it_is_looked_at(store: EvidenceStore) -> None:
    """Read, printed, compared, copied, pickled or written as JSON: it is the text of the CID."""
    log = ProvenanceLog(store.database)
    output = ANSWER._replace(provenance=log.record(ASKED, ANSWER))
    cid = output.provenance
    assert isinstance(cid, str)
    assert cid.startswith("baf")
    assert repr(cid) in repr(output)
    assert output == ANSWER._replace(provenance=cid)
    assert output != ANSWER
    assert output._replace(content="other").provenance == cid
    data = output._asdict()
    assert list(data) == list(InferenceOutput._fields)
    assert json.loads(json.dumps(data))["provenance"] == cid
    assert pickle.loads(pickle.dumps(output)) == output
    for copied in (copy.copy(output), copy.deepcopy(output), pickle.loads(pickle.dumps(output))):
        assert type(copied.provenance) is str
        assert copied.provenance == cid
    assert {log.record(ASKED, ANSWER).cid, cid} != {cid}
    log.close()


def test_a_record_that_cannot_be_made_is_no_silence(store: EvidenceStore) -> None:
    """Its error comes where its CID is read and where the log is closed; the records around it are kept."""
    log = ProvenanceLog(store.database)
    before = log.record(ASKED, ANSWER)
    odd: Any = TokenUsage("many", 1, 1)  # type: ignore[arg-type]  # a plugin's mistake
    bad = ANSWER._replace(provenance=log.record(ASKED, ANSWER._replace(token_usage=odd)))
    after = log.record(ASKED, ANSWER)
    with pytest.raises(EvidenceError, match="cannot be recorded"):
        _ = bad.provenance
    with pytest.raises(EvidenceError, match="could not be written"):
        log.flush()
    assert log.record(ASKED, ANSWER).cid
    with pytest.raises(EvidenceError, match="could not be written"):
        log.close()
    assert trace(store, after.cid, depth=2).parts[-1].cid == before.cid


def test_a_tool_without_a_form_is_refused_with_the_answer(store: EvidenceStore) -> None:
    """What can be found at once is said at once."""
    log = ProvenanceLog(store.database)
    details = ASKED._replace(tools=(Tool("f", "", {"default": 1 + 2j}),))
    with pytest.raises(EvidenceError, match="cannot be recorded"):
        log.record(details, ANSWER)
    log.close()


def test_a_log_that_is_dropped_writes_what_it_has(store: EvidenceStore) -> None:
    """A script that forgets to close loses no record, and no thread stays."""
    before = set(threading.enumerate())
    log = ProvenanceLog(store.database)
    made = [log.record(ASKED, InferenceOutput(str(number))) for number in range(20)]
    dropped = ref(log)
    (thread,) = set(threading.enumerate()) - before
    del log
    gc.collect()
    assert dropped() is None
    thread.join(10)
    assert not thread.is_alive()
    assert all(trace(store, each.cid).ok for each in made)


class Recorders:
    """Threads that record as fast as they can until the log is closed; ``kept`` is what they recorded."""

    def __init__(self, log: ProvenanceLog) -> None:
        self._log = log
        self.kept: list[ProvenanceRef] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._record) for _ in range(3)]
        for thread in self._threads:
            thread.start()

    def close_after(self, records: int) -> None:
        """Close the log when there are so many, and wait for the threads."""
        while len(self.kept) < records:
            time.sleep(0.001)
        self._log.close()
        for thread in self._threads:
            thread.join()

    def _record(self) -> None:
        try:
            while True:
                self.kept.append(self._log.record(ASKED, InferenceOutput(str(time.monotonic_ns()))))
        except EvidenceError as error:
            self.errors.append(str(error))


def test_whatever_was_recorded_while_another_thread_closed_is_written(store: EvidenceStore) -> None:
    """Recording either raises or is on disk when close returns."""
    for _ in range(20):
        recorders = Recorders(ProvenanceLog(store.database))
        recorders.close_after(30)
        assert ["is closed" in error for error in recorders.errors] == [True] * 3
        with store.database.transaction("read") as connection:
            written = {cid for (cid,) in connection.execute("SELECT cid FROM provenance")}
        assert {each.cid for each in recorders.kept} <= written


def test_those_who_record_faster_than_is_written_are_held_back(store: EvidenceStore) -> None:
    """What waits in memory is bounded, whoever is faster."""
    log = ProvenanceLog(store.database, max_unwritten=1000)
    closed = threading.Event()
    most = 0

    def look() -> None:
        nonlocal most
        while not closed.is_set():
            most = max(most, log.queue_length)

    looking = threading.Thread(target=look)
    looking.start()
    recorders = Recorders(log)
    recorders.close_after(5000)
    closed.set()
    looking.join()
    assert 0 < most <= 1000 + 3 * MAX_WAITING


class SlowText(str):
    """A text that takes its time to become bytes."""

    __slots__ = ("begun", "go_on")

    def __init__(self, text: str) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def encode(self, *arguments: Any) -> bytes:
        self.begun.set()
        assert self.go_on.wait(10)
        return super().encode(*arguments)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_reads_the_cid_of_its_parents_answer(store: EvidenceStore) -> None:
    """The name does not depend on who makes it; in a fork in the middle of making one, it is an error, not a hang."""
    log = ProvenanceLog(store.database, gather_seconds=LONG)
    slow = SlowText("a long answer")
    recorded = [log.record(ASKED, InferenceOutput(text)) for text in ("one", "two", slow)]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, recorded[1].cid.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() == recorded[1].cid
    making = threading.Thread(target=lambda: recorded[2].cid)
    making.start()
    assert slow.begun.wait(10)
    child = os.fork()
    if child == 0:
        try:
            recorded[2].cid  # noqa: B018
        except EvidenceError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    slow.go_on.set()
    making.join()
    assert b"ask it there" in os.read(reading, 200)
    for end in (reading, writing):
        os.close(end)
    log.close()


def test_the_writer_pauses_between_portions_so_that_answers_do_not_wait_for_it(store: EvidenceStore) -> None:
    """The interpreter goes from thread to thread of itself only every 5 ms."""
    pauses: list[str] = []
    enough = threading.Event()

    def sleep(seconds: float) -> None:
        assert 0 < seconds < 0.001
        pauses.append(threading.current_thread().name)
        if len(pauses) >= 2 * (100 // PORTION):
            enough.set()

    log = ProvenanceLog(store.database, gather_seconds=0.2, sleep=sleep)
    made = [log.record(ASKED, InferenceOutput(str(number))) for number in range(100)]
    assert enough.wait(30)
    log.close()
    assert set(pauses) == {"complaint_llm-provenance"}
    assert len(trace(store, made[-1].cid, depth=100).cid) > 0


def test_the_writer_does_not_pause_where_somebody_waits_for_it(store: EvidenceStore) -> None:
    pauses: list[float] = []
    log = ProvenanceLog(store.database, gather_seconds=LONG, sleep=pauses.append)
    for number in range(100):
        log.record(ASKED, InferenceOutput(str(number)))
    log.flush()
    for number in range(100):
        log.record(ASKED, InferenceOutput(str(number)))
    log.close()
    assert pauses == []


def shown_of(tree: Step) -> list[str]:
    """The records of a page that are shown whole, the newest first."""
    found = []
    at: Step | None = tree
    while at is not None and at.what in ("answer's record", "previous record"):
        found.append(str(at.cid))
        at = next((part for part in at.parts if part.what.startswith("previous record")), None)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 9])
def test_a_long_chain_comes_in_pages(store: EvidenceStore, size: int) -> None:
    """Each page goes on before the oldest record of the one before, to the first; none is left out, none is twice."""
    with closing(ProvenanceLog(store.database, gather_seconds=LONG)) as log:
        chain = [log.record(ASKED, InferenceOutput(str(number))).cid for number in range(7)][::-1]
    pages: list[list[str]] = [shown_of(trace(store, chain[0], size))]
    while pages[-1][-1] != chain[-1]:
        page = trace(store, chain[0], size, after=pages[-1][-1])
        assert page.ok
        pages.append(shown_of(page))
    assert [cid for page in pages for cid in page] == chain
    assert all(len(page) == size for page in pages[:-1])


def test_a_page_goes_on_only_behind_the_cid_that_is_known(store: EvidenceStore) -> None:
    """What is no record behind it, and what is the first of all, is an error that says so."""
    with closing(ProvenanceLog(store.database, gather_seconds=LONG)) as log:
        first, second, third = (log.record(ASKED, InferenceOutput(str(number))).cid for number in range(3))
    with pytest.raises(EvidenceNotFoundError, match=f"{third} is none of the records behind {second}"):
        trace(store, second, after=third)
    with pytest.raises(EvidenceNotFoundError, match=f"{first} is the first record"):
        trace(store, third, after=first)
    with store.database.transaction("exclusive") as connection:
        connection.execute("UPDATE provenance SET data = x'00' WHERE cid = ?", (second,))
    page = trace(store, third, after=second)
    assert (page.cid, page.state) == (second, "damaged")
