"""Tables on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from complaint_llm.cli.terminal import columns, write_cells

_LAST = 12
"""The fewest columns in which the last cell, which runs on, can be read."""


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as their longest cell; the last one runs on.

    On a terminal that has no room for them each cell has a line, and each row a paragraph.
    """
    table = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    room = columns()
    if room is not None and sum(width + 2 for width in widths[:-1]) + min(widths[-1], _LAST) > room:
        _print_paragraphs(table)
        return
    for place, row in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        line = "  ".join([*cells, row[-1]]).rstrip()
        write_cells(line, bold=place == 0)


def _print_paragraphs(table: Sequence[Sequence[str]]) -> None:
    heads, *rows = table
    for place, row in enumerate(rows):
        if place:
            write_cells("")
        for head, cell in zip(heads, row, strict=False):
            if cell:
                write_cells(f"{head}: {cell}" if head else cell)
