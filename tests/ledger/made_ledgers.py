"""Ledgers for tests, made row by row."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from complaint_llm.call import Deadline
from complaint_llm.ledger.file import open_ledger
from complaint_llm.ledger.tables import CONTEXT
from complaint_llm.messages import Attempt, TokenUsage
from complaint_llm.observers.call_end import CallEnd, CallStart
from complaint_llm.observers.observer import Kind

CALL = {
    "time": 1_795_800_000.0, "kind": "infer", "backend": "local", "model": "small", "asked": "small", "task": None,
    "matter": None, "input_tokens": 100, "output_tokens": 20, "cost": 0.01, "seconds": 1.5, "first_piece": None,
    "error": None, "status": None, "finish_reason": "stop", "cached": 0, "demo": 0, "guards": None, "digest": None,
    "batch": None,
}  # fmt: skip
ATTEMPT = {"model": None, "error": None, "seconds": 1.0, "sent": 1, "maybe_received": 0}

Row = Mapping[str, Any]


def call_end(
    call: str | None,
    time: float,
    seconds: float = 0.5,
    *,
    kind: Kind = "infer",
    attempts: Sequence[Attempt] = (),
    digest: int | None = None,
    **more: Any,
) -> CallEnd:
    """A call of this name that ended at this time."""
    deadline = Deadline(60.0)
    deadline.known_call_id = call
    start = CallStart(
        kind=kind, deadline=deadline, task=more.pop("task", None), matter=more.pop("matter", None),
        asked=more.pop("asked", None), batch=more.pop("batch", None), texts=digest, began=1000.0,
    )  # fmt: skip
    how = {**dict.fromkeys(CallEnd._fields[4:]), "usage": TokenUsage(), "cached": False, "demo": False, "guards": ()}
    return CallEnd(start=start, ended=1000.0 + seconds, time=time, attempts=attempts, **how | more)  # type: ignore[arg-type]


def make_ledger(path: Path, calls: Iterable[Row], batches: Iterable[Row] = ()) -> Path:
    """A ledger of these calls, each with the defaults of ``CALL`` and a list of ``attempts`` if it names one."""
    with closing(open_ledger(path)) as ledger:
        ledger.execute("BEGIN")
        insert_calls(ledger, calls)
        ledger.executemany(
            "INSERT INTO batches VALUES (:batch, :began, :ended, :counts, :cost, :seconds)",
            ({"ended": None, "counts": None, "cost": None, "seconds": None, **batch} for batch in batches),
        )
        ledger.execute("COMMIT")
    return path


def insert_calls(ledger: sqlite3.Connection, calls: Iterable[Row]) -> None:
    """Write calls and their attempts; of two that began in the same moment the second began a little later."""
    contexts: dict[tuple[Any, ...], int] = {}
    named: dict[str | None, int | None] = {None: None}
    used: set[int] = set()
    entries, tries = [], []
    for number, given in enumerate(calls, 1):
        call = {"call": f"c{number}", **CALL, **given}
        id = int(call["time"] * 1e9)
        while id in used:
            id += 256
        used.add(id)
        context = tuple(call[name] for name in CONTEXT)
        if context not in contexts:
            marks = ", ".join("?" * len(CONTEXT))
            found = ledger.execute(f"INSERT INTO contexts ({', '.join(CONTEXT)}) VALUES ({marks})", context)
            contexts[context] = found.lastrowid or 0
        for name in (call["matter"], call["batch"]):
            if name not in named:
                named[name] = ledger.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid
        entries.append(
            (id, call["call"], contexts[context], named[call["matter"]], named[call["batch"]], call["input_tokens"],
             call["output_tokens"], call["cost"], call["seconds"], call["first_piece"], call["digest"], None)
        )  # fmt: skip
        for place, attempt in enumerate(call.get("attempts", ()), 1):
            each = {**ATTEMPT, **attempt}
            tries.append((id, place, each["backend"], *(each[name] for name in ATTEMPT)))
    ledger.executemany(f"INSERT INTO entries VALUES ({', '.join('?' * 12)})", entries)
    ledger.executemany(f"INSERT INTO tries VALUES ({', '.join('?' * 8)})", tries)


def office_calls(count: int, days: float, seed: int = 1, end: float = 1_795_840_000.0) -> Iterator[dict[str, Any]]:
    """Calls as an office might make them over so many days: prices, fallbacks, failures, cache, some demonstrations."""
    chance = random.Random(seed)
    backends = [
        ("openai", "gpt-5-mini"),
        ("anthropic", "claude-sonnet"),
        ("office-pc", "qwen-14b"),
        ("openrouter", "x/y"),
    ]
    prices = {"openai": 0.004, "anthropic": 0.018, "office-pc": 0.0, "openrouter": None}
    matters = [None, *(f"2026-{number:04}" for number in range(300))]
    errors = ["RateLimitError", "BackendTimeoutError", "ServerError", "BackendConnectionError"]
    for number in range(count):
        backend, model = chance.choices(backends, (5, 3, 4, 1))[0]
        price, size = prices[backend], chance.lognormvariate(0, 0.6)
        call: dict[str, Any] = {
            "time": end - days * 86400 * (1 - number / count) + chance.random(), "backend": backend, "model": model,
            "matter": matters[min(int(chance.expovariate(0.03)), 300)], "task": chance.choice((None, "claims")),
            "cost": None if price is None else price * size, "seconds": 2.5 * size * (1 + (backend == "office-pc") * 3),
            "input_tokens": int(900 * size), "output_tokens": int(300 * size),
            "batch": f"batch-{number * 12 // count}" if chance.random() < 0.5 else None,
        }  # fmt: skip
        tried: list[dict[str, Any]] = [{"backend": backend}]
        kind = chance.random()
        if kind < 0.02:
            error = chance.choice(errors)
            call |= {"error": error, "cost": None, "backend": None, "finish_reason": None}
            tried = [{"backend": each, "error": error, "maybe_received": error == "BackendTimeoutError"}
                     for each in ("openai", "anthropic")]  # fmt: skip
        elif kind < 0.06:
            tried = [{"backend": "openai" if backend != "openai" else "anthropic", "error": errors[0]}, *tried]
        elif kind < 0.1:
            call |= {"cached": 1, "seconds": 0.002}
            tried = []
        elif kind < 0.103:
            call |= {"demo": 1, "backend": "demo", "model": None, "cost": None, "seconds": 0.01}
        yield call | {"attempts": tried}
