"""PDF files by other producers: fpdf2, and Chromium as a person prints a letter."""

from __future__ import annotations

import html
import random
import subprocess
import tempfile
from pathlib import Path

from fpdf import FPDF

from tests.documents.generator.generated import Block, GeneratedDocument, endless_paragraphs, on_page, paragraphs
from tests.documents.generator.typesetting import HEIGHT, set_in_lines, single_columns
from tests.peers import need_peer


def by_fpdf(chance: random.Random, name: str, *, language: str = "english") -> GeneratedDocument:
    """Paragraphs in a font that every PDF reader has."""
    pdf = FPDF(unit="pt", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_font("Times", size=11)
    setting = set_in_lines(endless_paragraphs(chance, language), single_columns(2), pdf.get_string_width)
    for page in (1, 2):
        pdf.add_page()
        for line in setting.lines:
            if line.page == page:
                pdf.text(line.left, HEIGHT - line.baseline, line.text)
    return GeneratedDocument("fpdf2", name, bytes(pdf.output()), setting.blocks)


def by_chromium(chance: random.Random, name: str, *, language: str = "english") -> GeneratedDocument:
    """A letter that a browser printed: two pages, the second in the language; the browser sets the lines."""
    program = need_peer("chromium")
    need_peer("dejavu")
    first, second = paragraphs(chance, 4), paragraphs(chance, 4, language)
    direction = "rtl" if language in ("arabic", "hebrew") else "ltr"
    sections = "".join(
        f'<section dir="{way}">' + "".join(f"<p>{html.escape(' '.join(words))}</p>" for words in blocks) + "</section>"
        for blocks, way in ((first, "ltr"), (second, direction))
    )
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><style>@page { size: A4; margin: 25mm }'
        "body { font: 11pt/1.4 'DejaVu Sans'; text-align: justify } section { break-after: page }</style>"
        f"<body>{sections}</body></html>"
    )
    with tempfile.TemporaryDirectory() as folder:
        letter, printed = Path(folder, "letter.html"), Path(folder, "letter.pdf")
        letter.write_text(page, encoding="utf-8")
        subprocess.run(
            [
                program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", f"--user-data-dir={folder}/profile", "--no-pdf-header-footer",
                f"--print-to-pdf={printed}", letter.as_uri(),
            ],
            check=True, capture_output=True, timeout=180,
        )  # fmt: skip
        data = printed.read_bytes()
    blocks: tuple[Block, ...] = on_page(first, 1) + on_page(second, 2)
    return GeneratedDocument(f"printed by a browser, {language}", name, data, blocks)
