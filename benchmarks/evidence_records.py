"""Small pieces of evidence beside as many fsyncs on the same disk in the same run."""

from __future__ import annotations

import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run
from complaint_llm.evidence import EvidenceStore

RECORDS = 2_500
SLICE = 250
YARDSTICK = "appends, an fsync each"
NEW_FILES = "new files, an fsync each"
ONE = "submit_evidence, one after the other"
THREADS = "submit_evidence from 4 threads"
FILES = "submit_evidence_files, small files"


def tables(options: Options) -> Sequence[Table]:
    # Nothing is deleted until the end: file systems are slow to reuse what was just freed.
    with tempfile.TemporaryDirectory() as folder:
        seconds: dict[str, list[float]] = {}
        for number in range(min(options.rounds, 2)):
            for name, taken in _round(Path(folder) / str(number)).items():
                seconds.setdefault(name, []).append(taken)
    title = f"{RECORDS:,} records of 300 bytes, each durable when it is returned: wall"
    limits = [Limit(ONE, 4), Limit(THREADS, 4), Limit(FILES, 4)]
    return [Table(title, "s", 1, figures(seconds, YARDSTICK), limits)]


def _round(here: Path) -> dict[str, float]:
    """Slices of all in turn, so that a disk that is busy for a while is busy for all of them."""
    source, new = here / "source", here / "new"
    for folder in (source, new):
        folder.mkdir(parents=True)
    for number in range(RECORDS):
        (source / f"{number:05}").write_bytes(_data(number))
    os.sync()
    appended = os.open(here / "appended", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    taken = dict.fromkeys((YARDSTICK, NEW_FILES, ONE, THREADS, FILES), 0.0)
    with (
        EvidenceStore(here / "one") as one,
        EvidenceStore(here / "threads") as shared,
        EvidenceStore(here / "files") as files,
        ThreadPoolExecutor(4) as threads,
    ):
        work: dict[str, Callable[[range], None]] = {
            YARDSTICK: lambda numbers: _append(appended, numbers),
            NEW_FILES: lambda numbers: _write_new(new, numbers),
            ONE: lambda numbers: _all(map(partial(_submit, one), numbers)),
            THREADS: lambda numbers: _all(threads.map(partial(_submit, shared), numbers)),
            FILES: lambda numbers: _submit_files(files, [source / f"{number:05}" for number in numbers]),
        }
        for first in range(0, RECORDS, SLICE):
            for name, each in work.items():
                start = time.perf_counter()
                each(range(first, first + SLICE))
                taken[name] += time.perf_counter() - start
    os.close(appended)
    return taken


def _append(handle: int, numbers: range) -> None:
    for number in numbers:
        os.write(handle, _data(number))
        os.fsync(handle)


def _write_new(folder: Path, numbers: range) -> None:
    for number in numbers:
        handle = os.open(folder / str(number), os.O_CREAT | os.O_WRONLY, 0o600)
        os.write(handle, _data(number))
        os.fsync(handle)
        os.close(handle)


def _all(calls: Iterable[None]) -> None:
    deque(calls, 0)


def _submit(store: EvidenceStore, number: int) -> None:
    store.submit_evidence(_data(number), "document", user_id=f"user {number % 50}")


def _submit_files(store: EvidenceStore, paths: list[Path]) -> None:
    for _, record in store.submit_evidence_files(paths):
        if not isinstance(record, dict):
            raise record


def _data(number: int) -> bytes:
    return b"%08d" % number + b"a short note of a client " * 12


if __name__ == "__main__":
    run(__doc__ or "", tables)
