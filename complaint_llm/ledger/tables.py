"""The tables of a ledger's file. Read them through the views ``calls`` and ``attempts``, and the table ``batches``.

Times are in seconds since 1970 (UTC), money is in US dollars; NULL means unknown or not there. A call's row is written
when it has ended: one that was under way when its process was killed has none.

What many calls share is kept once, in ``contexts`` and ``names``, and an attempt that answered at once within its
call's row: so a row costs the least when it is written, and each filter of ``logs`` has an index.
"""

from __future__ import annotations

APPLICATION_ID = 0x434C4C31  # "CLL1"
VERSION = 2
OLDEST = 1
"""The oldest version whose views can be read as they are."""

CONTEXT = (
    *("kind", "backend", "model", "asked", "task", "error", "status", "finish_reason", "cached", "demo", "guards"),
)
"""The columns of ``contexts``, in their order."""

CALL_NAME = "coalesce(call, printf('%011x%05x', entries.id / 1000000, entries.id % 1000000))"
"""A call's name: where nobody has asked for it, when its row says that it began."""

SCHEMA = f"""
CREATE TABLE contexts (
    id INTEGER PRIMARY KEY,
    {", ".join(CONTEXT)}
);
CREATE INDEX contexts_backend ON contexts (backend, model);
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    call TEXT,
    context INTEGER NOT NULL,
    matter INTEGER,
    batch INTEGER,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL,
    seconds REAL NOT NULL,
    first_piece REAL,
    digest INTEGER,
    tried REAL
);
CREATE INDEX entries_context ON entries (context);
CREATE INDEX entries_matter ON entries (matter) WHERE matter IS NOT NULL;
CREATE INDEX entries_batch ON entries (batch) WHERE batch IS NOT NULL;
CREATE TABLE tries (
    call INTEGER NOT NULL,
    number INTEGER NOT NULL,
    backend TEXT NOT NULL,
    model TEXT,
    error TEXT,
    seconds REAL NOT NULL,
    sent INTEGER NOT NULL,
    maybe_received INTEGER NOT NULL,
    PRIMARY KEY (call, number)
) WITHOUT ROWID;
CREATE TABLE batches (
    batch TEXT PRIMARY KEY,
    began REAL NOT NULL,
    ended REAL,
    counts TEXT,
    cost REAL,
    seconds REAL
);
CREATE TABLE gaps (time REAL NOT NULL, events INTEGER NOT NULL);
CREATE VIEW calls AS
    SELECT entries.id AS id, {CALL_NAME} AS call, entries.id / 1e9 AS time, kind, backend, model, asked, task,
        matters.name AS matter, input_tokens, output_tokens, cost, seconds, first_piece, error, status, finish_reason,
        cached, demo, guards, iif(digest IS NULL, NULL, printf('%016x', digest)) AS digest, runs.name AS batch
    FROM entries JOIN contexts ON contexts.id = context
    LEFT JOIN names AS matters ON matters.id = matter
    LEFT JOIN names AS runs ON runs.id = batch;
CREATE VIEW attempts AS
    SELECT call, number, backend, model, error, seconds, sent, maybe_received FROM tries
    UNION ALL
    SELECT entries.id, 1, backend, model, NULL, tried, 1, 0 FROM entries JOIN contexts ON contexts.id = context
    WHERE tried IS NOT NULL
"""  # noqa: S608 - names of our own
"""``calls``: ``id`` is when it began in nanoseconds since 1970 (some later where that was taken), ``call`` the name
that errors and spans have too, ``kind`` infer, stream or embed, ``backend`` and ``model`` who answered or failed last,
``asked`` the backend that the call named, ``first_piece`` the seconds until the first piece of a stream, ``error`` a
class, ``status`` of HTTP, ``cached`` that it was answered and paid for before, ``demo`` that the answer is no model's,
``guards`` their names with commas between, ``digest`` of the texts that were asked, ``batch`` as in ``batches``.

``attempts``: ``call`` is ``calls.id``, ``number`` from 1; ``sent`` 0 was passed over; ``maybe_received``: no answer,
and the provider may have done the work.

``batches``: ``ended`` NULL is under way, or was killed; ``counts`` is a JSON object, results by state.

``gaps``: so many events could not be written before this time."""
