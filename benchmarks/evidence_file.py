"""A file of 1 GiB into the evidence store: wall time beside sha256sum and a copy of the same file, and peak memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import randbytes

from benchmarks.measure import figures
from benchmarks.report import Limit, Options, Table, run

SIZE = 1 << 30
YARDSTICK = "sha256sum, then cp"
OURS = "submit_evidence_file"
PROGRAM = """
import resource, sys
from complaint_llm.evidence import EvidenceStore
with EvidenceStore(sys.argv[1]) as store:
    assert store.submit_evidence_file(sys.argv[2])["size"] == int(sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def tables(options: Options) -> Sequence[Table]:
    seconds: dict[str, list[float]] = {YARDSTICK: [], "the same, and synced": [], OURS: []}
    peaks: list[float] = []
    # Nothing is deleted until the end: file systems are slow to reuse what was just freed.
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(SIZE // (1 << 20)):
                file.write(randbytes(1 << 20))
        for number in range(min(options.rounds, 2)):
            copy, store = Path(folder) / f"copy{number}", Path(folder) / f"store{number}"
            subprocess.run(["sync"], check=True)
            hashed = _timed(partial(_command, "sha256sum", str(source)))
            copied = _timed(partial(_command, "cp", str(source), str(copy)))
            synced = _timed(partial(_command, "sync", str(copy)))
            subprocess.run(["sync"], check=True)
            ours = _timed(partial(_ours, store, source, peaks))
            for name, taken in zip(seconds, (hashed + copied, hashed + copied + synced, ours), strict=True):
                seconds[name].append(taken)
    return [
        Table("1 GiB into the evidence store, durable: wall", "s", 1, figures(seconds, YARDSTICK), [Limit(OURS, 1.6)]),
        Table(
            "1 GiB into the evidence store: peak memory of the process",
            "MiB",
            1 / 1024,
            figures({OURS: peaks}, None),
            [Limit(OURS, 100, of="figure")],
        ),
    ]


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _command(*words: str) -> None:
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def _ours(store: Path, source: Path, peaks: list[float]) -> None:
    words = [sys.executable, "-c", PROGRAM, str(store), str(source), str(SIZE)]
    peaks.append(float(subprocess.run(words, check=True, capture_output=True, text=True).stdout))


if __name__ == "__main__":
    run(__doc__ or "", tables)
