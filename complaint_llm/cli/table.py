"""Tables on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from complaint_llm.cli.terminal import write_cells


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print columns as wide as their longest cell; the last one runs on."""
    table = [tuple(heads), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    for place, row in enumerate(table):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        line = "  ".join([*cells, row[-1]]).rstrip()
        write_cells(line, bold=place == 0)
