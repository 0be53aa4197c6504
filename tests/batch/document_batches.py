"""Documents for batches: PDFs, pictures and workbooks that a test writes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("pypdfium2", reason="reads PDF")
canvas = pytest.importorskip("reportlab.pdfgen.canvas", reason="writes the PDFs")
openpyxl = pytest.importorskip("openpyxl", reason="writes the workbooks")
Run = Callable[..., Result]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)


def pdf(*pages: str) -> bytes:
    """A PDF of these pages."""
    file = io.BytesIO()
    drawn = canvas.Canvas(file, invariant=1)
    for text in pages:
        drawn.drawString(72, 700, text)
        drawn.showPage()
    drawn.save()
    return file.getvalue()


def workbook(path: Path, **sheets: list[list[Any]]) -> None:
    """A workbook of these sheets."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
