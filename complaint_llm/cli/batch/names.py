"""Names of clients from a batch's own columns, for the guards that hide them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.cli.batch.options import Asker, BatchOptions, NotDoneError

if TYPE_CHECKING:
    from complaint_llm.cli.batch.input import BatchSource


def with_name_columns(mediator: Asker, source: BatchSource, options: BatchOptions) -> BatchOptions:
    """The options with the columns whose cells are names of the item.

    Raises NotDoneError where IN has them not: without its names an item would be sent as written.
    """
    columns = tuple(mediator.calls.name_columns)
    missing = [column for column in columns if column not in source.lines.columns]
    if missing:
        there = ", ".join(source.lines.columns) or "none: it is no table"
        raise NotDoneError(
            f"a guard takes names from the column {missing[0]!r} of IN (GUARDS, names), which has: {there}; "
            "nothing was sent"
        )
    return options._replace(name_columns=columns)
