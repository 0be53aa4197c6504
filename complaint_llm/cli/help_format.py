"""Help on a terminal of any width."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import click

_NARROW = 60
"""Columns below which what an option means stands under it: beside it there is no room for words."""


class HelpFormatter(click.HelpFormatter):
    """As click's, which lets no help be narrower than 50 columns."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        if width is None and columns < _NARROW:
            width = max(20, columns - 1)
        super().__init__(indent_increment, width, max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Names and what they mean; below each other where there is little room."""
        super().write_dl(list(rows), col_max=2 if self.width < _NARROW else col_max, col_spacing=col_spacing)
