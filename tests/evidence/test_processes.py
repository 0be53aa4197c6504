"""Several processes on one store, and processes that are killed: nothing returned is lost, nothing half is kept."""

from __future__ import annotations

import os
import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails, trace
from complaint_llm.messages import InferenceOutput, Message
from tests import forked

KILLING = Path(__file__).resolve().parents[2] / "benchmarks" / "evidence_kill.py"
ADDING = """
import sys
from complaint_llm.evidence import EvidenceStore

path, name = sys.argv[1:]
with EvidenceStore(path) as store:
    for number in range(12):
        # Every second file is the same in all processes, and all large ones share their first chunk.
        owner = "all" if number % 2 else name
        data = b"\\0" * 262144 + f"{owner} {number}".encode() * (number * 900)
        record = store.submit_evidence(data, "document", user_id=owner)
        assert store.retrieve_evidence(record["cid"]) == data
        print(record["cid"], record["record_created"])
        if number == 7:
            store.gc()
"""


def test_eight_processes_add_overlapping_files_and_collect(tmp_path: Path) -> None:
    """No corruption, no lost record, each shared record created by exactly one; collectors in between harm nothing."""
    processes = [
        forked.Popen(
            [sys.executable, "-c", ADDING, str(tmp_path / "e"), f"p{number}"], stdout=subprocess.PIPE, text=True
        )
        for number in range(8)
    ]
    lines = []
    for process in processes:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        lines += [line.split() for line in out.splitlines()]
    with EvidenceStore(tmp_path / "e") as store:
        assert len(lines) == 8 * 12
        assert len(store.get_user_evidence("all")) == 6
        assert sum(len(store.get_user_evidence(f"p{number}")) for number in range(8)) == 8 * 6
        assert sum(created == "True" for _, created in lines) == 6 + 8 * 6
        found = {record["cid"] for record in store.list_evidence()}
        assert {cid for cid, _ in lines} == found
        assert store.verify().ok


@pytest.mark.rows(2)
@pytest.mark.parametrize("seed", range(10))
def test_a_process_that_is_killed_while_adding_loses_nothing_that_it_returned(seed: int, tmp_path: Path) -> None:
    """Every CID that was handed out reads back whole; the store verifies; what was unfinished is collected.

    Two hundred of these: ``python -m benchmarks.evidence_kill --runs 200``.
    """
    kill_once = runpy.run_path(str(KILLING))["kill_once"]
    assert kill_once(tmp_path / "e", random.Random(seed)) == []


RECORDING = """
import sys
from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails
from complaint_llm.messages import InferenceOutput, Message

store = EvidenceStore(sys.argv[1])
log = ProvenanceLog(store.database, level="full")
number = 0
while True:
    number += 1
    cid = log.record(RequestDetails((Message("user", str(number)),)), InferenceOutput(f"answer {number}")).cid
    if number % 50 == 0:
        log.flush()
        print(cid, flush=True)
"""


def test_a_process_that_is_killed_while_recording_keeps_what_was_flushed(tmp_path: Path) -> None:
    """The chain up to the last flush is whole."""
    process = forked.Popen(
        [sys.executable, "-c", RECORDING, str(tmp_path / "e")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    flushed = [process.stdout.readline().strip() for _ in range(5)]
    process.kill()
    process.communicate(timeout=30)
    with EvidenceStore(tmp_path / "e") as store:
        assert trace(store, flushed[-1]).ok
        assert store.verify().ok


def test_what_was_recorded_is_written_when_the_program_ends_without_close(tmp_path: Path) -> None:
    """An answer's provenance outlives a script that forgot to close."""
    program = (
        RECORDING.replace("while True:", "for _ in range(3):")
        .replace("number % 50 == 0", "True")
        .replace("        log.flush()\n", "")
    )
    done = forked.run(
        [sys.executable, "-c", program, str(tmp_path / "e")], capture_output=True, text=True, timeout=60, check=True
    )
    with EvidenceStore(tmp_path / "e") as store:
        assert [trace(store, cid).ok for cid in done.stdout.split()] == [True] * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_has_connections_and_a_chain_of_its_own(
    store: EvidenceStore, content: Callable[[int], bytes]
) -> None:
    """SQLite handles do not cross a fork; parent and child go on adding and recording."""
    cid = store.submit_evidence(content(300_000), "document")["cid"]
    log = ProvenanceLog(store.database)
    facts = RequestDetails((Message("user", "a prompt"),))
    first = log.record(facts, InferenceOutput("before")).cid
    log.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert store.retrieve_evidence(cid) == content(300_000)
            store.submit_evidence(b"of the child", "document", user_id="child")
            log.record(facts, InferenceOutput("of the child"))
            log.close()
            code = 0
        finally:
            os._exit(code)
    mine = log.record(facts, InferenceOutput("of the parent")).cid
    store.submit_evidence(b"of the parent", "document", user_id="parent")
    assert os.waitpid(child, 0)[1] == 0
    log.close()
    assert len(store.get_user_evidence("child")) == 1
    assert trace(store, mine, depth=2).parts[-1].cid == first
    verified = store.verify()
    assert verified.ok
    assert verified.provenance == 3


def test_a_collector_waits_for_one_who_adds(store: EvidenceStore, tmp_path: Path) -> None:
    """Blocks whose record is not written yet are not taken from under another process."""
    program = f"""
import sys
from complaint_llm.evidence import EvidenceStore

class Slow:
    def __init__(self): self.pieces = [b"a" * 262144, b"b" * 262144, b"c"]
    def read(self, size):
        print("reading", flush=True)
        sys.stdin.readline()
        return self.pieces.pop(0) if self.pieces else b""

store = EvidenceStore({str(store.path)!r})
print(store.submit_evidence_stream(Slow(), "document")["cid"])
"""
    process = forked.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):  # two chunks are stored, the record is not
        assert process.stdout.readline() == "reading\n"
        process.stdin.write("\n")
    assert process.stdout.readline() == "reading\n"
    collector = forked.Popen(
        [
            sys.executable,
            "-c",
            f"from complaint_llm.evidence import EvidenceStore as S; print(S({str(store.path)!r}).gc())",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        collector.communicate(timeout=1)
    process.stdin.write("\n" * 5)
    cid = process.communicate(timeout=30)[0].split()[-1]
    assert "'blocks': 0" in collector.communicate(timeout=30)[0]
    assert len(store.retrieve_evidence(cid)) == 524_289


def test_a_killed_collector_and_a_killed_writer_leave_no_lock(tmp_path: Path) -> None:
    """Locks end with the process that held them."""
    program = f"""
import time
from complaint_llm.evidence import EvidenceStore
with EvidenceStore({str(tmp_path / "e")!r}).database.transaction("KIND"):
    print("locked", flush=True)
    time.sleep(60)
"""
    for kind in ("shared", "exclusive"):
        process = forked.Popen(
            [sys.executable, "-c", program.replace("KIND", kind)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        with EvidenceStore(tmp_path / "e") as store:
            store.submit_evidence(kind.encode(), "document")
            store.gc()
