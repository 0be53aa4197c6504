"""How many items of a journal are in which state, kept beside them so that nobody has to go through them.

The database itself counts, by triggers: in the transaction that writes an item, whichever release wrote it.
"""

from __future__ import annotations

import sqlite3

_STATES = {
    "answered": "{0}.kind IS 1 AND {0}.sends = {0}.settled",
    "failed": "{0}.kind IS 0 AND {0}.sends = {0}.settled",
    "in_doubt": "{0}.sends > {0}.settled OR {0}.doubt",
}
"""What makes an item count, see ``entries.SCHEMA``; one that failed and may have been received is of two states."""


def keep_totals(db: sqlite3.Connection) -> None:
    """Have the totals kept from now on, in the caller's transaction; what is there already is counted once."""
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'totals'").fetchone() is not None:
        return
    sums = ", ".join(f"coalesce(sum({state.format('items')}), 0) AS {name}" for name, state in _STATES.items())
    db.execute(f"CREATE TABLE totals AS SELECT {sums} FROM items")  # noqa: S608 - names of columns
    for event, gained, lost in (("INSERT", "NEW", ""), ("DELETE", "", "OLD"), ("UPDATE", "NEW", "OLD")):
        changes = []
        for name, state in _STATES.items():
            plus = f" + ({state.format(gained)})" if gained else ""
            minus = f" - ({state.format(lost)})" if lost else ""
            changes.append(f"{name} = {name}{plus}{minus}")
        db.execute(
            f"CREATE TRIGGER totals_at_{event.lower()} AFTER {event} ON items"  # noqa: S608 - names of columns
            f" BEGIN UPDATE totals SET {', '.join(changes)}; END"
        )


def totals(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Answered, failed, in doubt."""
    answered, failed, in_doubt = db.execute(f"SELECT {', '.join(_STATES)} FROM totals").fetchone()  # noqa: S608
    return answered, failed, in_doubt
