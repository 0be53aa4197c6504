"""What grows with use: a journal's rows, a store's records, a config's backends; each beside its limit.

The slope is how the cost grows with the number: 0 is not at all, 1 is in proportion to it.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, islice
from math import log
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure
from benchmarks.report import Limit, Options, Table, run
from complaint_llm import Mediator, load_config
from complaint_llm.batch.journal.entries import ANSWERED, JournalEntry
from complaint_llm.batch.journal.journal import Journal
from complaint_llm.batch.journal.shape import Shape
from complaint_llm.evidence import EvidenceStore

ROWS = (1_000, 1_000_000)
RECORDS = (100, 2_000)
BACKENDS = (1, 1_000)
CALLS = 200
STRATEGIES = ("fallback", "round_robin", "least_loaded", "lowest_cost", "weighted", "lowest_latency")
KINDS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    **{strategy: ({}, {"strategy": strategy}) for strategy in STRATEGIES},
    "private": ({}, {"privacy": "local"}),
    "with requirements": ({}, {"requires": {"trains": False}}),
    "under a budget": ({"pricing": {"input": 1, "output": 1}, "max_tokens": 100}, {"budget": 100_000}),
    "looked up in the cache": ({"cache_enabled": True}, {}),
    "looked up in the cache, round_robin": ({"cache_enabled": True}, {"strategy": "round_robin"}),
}
"""What a call is, and the keys of its backends and of its Mediator."""
_NUMBERS = count()
Seconds = Callable[[], float]
"""Does it once and says how long it took."""


def tables(options: Options) -> Sequence[Table]:
    with tempfile.TemporaryDirectory(prefix="complaint-llm-bench-") as name:
        folder = Path(name)
        found = [_journal(folder, options), *_evidence(folder, options), _load(folder, options)]
        return [*found, *(_call(folder, options, kind) for kind in KINDS)]


def _journal(folder: Path, options: Options) -> Table:
    figures = []
    for rows in ROWS:
        path = folder / f"journal-{rows}"
        with Journal(path) as journal:
            journal.begin_run()
            shape = journal.add_shape(Shape("b", {"model": "m"}))
            numbers = iter(range(rows))
            while group := [*islice(numbers, 10_000)]:
                journal.write([_answered(journal.new_row(), number, shape) for number in group])
        figures.append(_figure(f"{rows:,} rows", options, lambda path=path: _timed(lambda: _opened(path))))
    limit = Limit(figures[-1].name, 20, of="figure")
    return _table("A journal is opened: totals, settings, a run begun", "ms", 1e3, ROWS, figures, limit)


def _answered(row: int, number: int, shape: str) -> JournalEntry:
    return JournalEntry(
        row,
        f"d:{number:032x}",
        run_number=1,
        position=number,
        sends=1,
        settled=1,
        kind=ANSWERED,
        shape=shape,
        record='{"content":"yes"}',
    )


def _opened(path: Path) -> None:
    with Journal(path) as journal:
        journal.counts()
        journal.answer_shapes()
        journal.begin_run()


def _evidence(folder: Path, options: Options) -> Iterator[Table]:
    deleted, listed = [], []
    for records in RECORDS:
        source = folder / f"files-{records}"
        source.mkdir()
        files = [source / f"{number}.txt" for number in range(records)]
        for file in files:
            file.write_text(file.name * 1000)
        with EvidenceStore(folder / f"evidence-{records}") as store:
            for _ in store.submit_evidence_files(files):
                pass

            def delete_one(store: EvidenceStore = store) -> float:
                cid = store.submit_evidence(b"letter " * 100_000, "letter")["cid"]
                return _timed(lambda: store.delete_evidence(cid))

            def list_some(store: EvidenceStore = store) -> float:
                return _timed(lambda: [*islice(store.iter_records(), 20)])

            deleted.append(_figure(f"{records:,} records", options, delete_one))
            listed.append(_figure(f"{records:,} records", options, list_some))
    for title, figures in (("A file of 700 kB is deleted", deleted), ("The first 20 records are read", listed)):
        yield _table(title, "ms", 1e3, RECORDS, figures, Limit(figures[-1].name, 2.0))


def _config(folder: Path, number: int, kind: str) -> Path:
    path = folder / f"{kind}-{number}.json"
    keys, settings = KINDS[kind]
    backends = [
        {"id": f"b{each}", "type": "mock", "echo": True, "weight": 1 + each % 3, **keys} for each in range(number)
    ]
    mediator = {"backends": [each["id"] for each in backends], **settings}
    path.write_text(json.dumps({"BACKENDS": backends, "MEDIATOR": mediator}), encoding="utf-8")
    return path


def _load(folder: Path, options: Options) -> Table:
    sizes = (100, 1_000)
    paths = [_config(folder, number, "fallback") for number in sizes]
    load_config(paths[0])  # the imports
    figures = [
        _figure(f"{number:,} backends", options, lambda path=path: _timed(lambda: load_config(path)))
        for number, path in zip(sizes, paths, strict=True)
    ]
    return _table("A config is loaded", "ms", 1e3, sizes, figures, Limit(figures[-1].name, 12.0))


def _call(folder: Path, options: Options, kind: str) -> Table:
    few, many = (_config(folder, number, kind) for number in BACKENDS)
    with _warm(few, BACKENDS[0]) as one, _warm(many, BACKENDS[1]) as thousand:
        rounds = [(_per_call(one), _per_call(thousand)) for _ in range(3 * options.rounds)]
    taken = zip(BACKENDS, zip(*rounds, strict=True), strict=True)
    figures = [Figure(f"{n:,} backends", statistics.median(row), min(row), max(row)) for n, row in taken]
    ratio = statistics.median(more / less for less, more in rounds)
    limit = Limit(figures[-1].name, 1.3)
    return _table(f"A call, {kind}", "µs", 1e6, BACKENDS, figures, limit, ratio)


@contextmanager
def _warm(path: Path, number: int) -> Iterator[Mediator]:
    """One whose backends have all had their turn: none is met for the first time."""
    with Mediator.from_config(path) as mediator:
        mediator.load()
        for _ in range(2 * number // CALLS + 1):
            _per_call(mediator)
        yield mediator


def _per_call(mediator: Mediator) -> float:
    start = time.process_time()
    for _ in range(CALLS):
        mediator.infer(f"hello {next(_NUMBERS)}")
    return (time.process_time() - start) / CALLS


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _figure(name: str, options: Options, seconds: Seconds) -> Figure:
    taken = sorted(seconds() for _ in range(options.rounds))
    return Figure(name, statistics.median(taken), taken[0], taken[-1])


def _table(
    title: str,
    unit: str,
    scale: float,
    sizes: Sequence[int],
    figures: Sequence[Figure],
    limit: Limit,
    ratio: float | None = None,
) -> Table:
    """Two figures, of few and of many; the ratio is that of the medians, if no other is given."""
    few, many = figures
    ratio = many.median / few.median if ratio is None else ratio
    slope = log(ratio) / log(sizes[1] / sizes[0])
    return Table(f"{title} (slope {slope:.2f})", unit, scale, (few, many._replace(ratio=ratio)), (limit,))


if __name__ == "__main__":
    run(__doc__ or "", tables)
