"""The corpus: forty documents, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tests.documents.generator import office, other_pdfs, pdfs
from tests.documents.generator.generated import GeneratedDocument

Maker = Callable[[random.Random, str], GeneratedDocument]

MAKERS: Sequence[tuple[str, Maker]] = (
    ("plain-1.pdf", lambda chance, name: pdfs.plain(chance, name)),
    ("plain-2.pdf", lambda chance, name: pdfs.plain(chance, name, face=pdfs.VERA)),
    ("plain-3.pdf", lambda chance, name: pdfs.plain(chance, name, face="Times-Roman", by_word=True)),
    ("hyphens-1.pdf", lambda chance, name: pdfs.hyphenated(chance, name)),
    ("hyphens-2.pdf", lambda chance, name: pdfs.hyphenated(chance, name, face=pdfs.VERA)),
    ("columns-1.pdf", lambda chance, name: pdfs.in_columns(chance, name, across=False)),
    ("columns-2.pdf", lambda chance, name: pdfs.in_columns(chance, name, across=True)),
    ("columns-3.pdf", lambda chance, name: pdfs.in_columns(chance, name, across=False, hyphens=True)),
    ("columns-4.pdf", lambda chance, name: pdfs.in_columns(chance, name, across=True, hyphens=True)),
    ("turned-90.pdf", lambda chance, name: pdfs.turned(chance, name, turn=90)),
    ("turned-180.pdf", lambda chance, name: pdfs.turned(chance, name, turn=180)),
    ("turned-270.pdf", lambda chance, name: pdfs.turned(chance, name, turn=270)),
    ("sideways.pdf", lambda chance, name: pdfs.turned(chance, name, turn=90, declared=False)),
    ("hebrew-1.pdf", lambda chance, name: pdfs.right_to_left(chance, name, language="hebrew")),
    ("hebrew-2.pdf", lambda chance, name: pdfs.right_to_left(chance, name, language="hebrew", turn=90)),
    ("arabic-1.pdf", lambda chance, name: pdfs.right_to_left(chance, name, language="arabic")),
    ("arabic-2.pdf", lambda chance, name: pdfs.right_to_left(chance, name, language="arabic")),
    ("ligatures.pdf", lambda chance, name: pdfs.ligatures(chance, name)),
    ("table-1.pdf", lambda chance, name: pdfs.table(chance, name, ruled=True)),
    ("table-2.pdf", lambda chance, name: pdfs.table(chance, name, ruled=False)),
    ("heads-1.pdf", lambda chance, name: pdfs.heads_and_feet(chance, name)),
    ("heads-2.pdf", lambda chance, name: pdfs.heads_and_feet(chance, name, pages=7)),
    ("hidden.pdf", lambda chance, name: pdfs.with_hidden_text(chance, name)),
    ("scan-1.pdf", lambda chance, name: pdfs.scan(chance, name, text_layer=True)),
    ("scan-2.pdf", lambda chance, name: pdfs.scan(chance, name, text_layer=True, under=True)),
    ("scan-3.pdf", lambda chance, name: pdfs.scan(chance, name, text_layer=False)),
    ("fpdf-1.pdf", lambda chance, name: other_pdfs.by_fpdf(chance, name)),
    ("fpdf-2.pdf", lambda chance, name: other_pdfs.by_fpdf(chance, name, language="spanish")),
    ("browser.pdf", lambda chance, name: other_pdfs.by_chromium(chance, name, language="arabic")),
    ("letter-1.docx", lambda chance, name: office.word_file(chance, name)),
    ("letter-2.docx", lambda chance, name: office.word_file(chance, name, language="arabic")),
    ("book-1.xlsx", lambda chance, name: office.workbook(chance, name)),
    ("book-2.xlsx", lambda chance, name: office.workbook(chance, name)),
    ("mail-1.eml", lambda chance, name: office.mail(chance, name)),
    ("mail-2.eml", lambda chance, name: office.mail(chance, name, attached=("pdf",))),
    ("mail-3.eml", lambda chance, name: office.mail(chance, name, attached=("docx", "pdf"))),
    ("page-1.html", lambda chance, name: office.web_page(chance, name)),
    ("page-2.html", lambda chance, name: office.web_page(chance, name, language="hebrew")),
    ("notes-1.txt", lambda chance, name: office.plain_text(chance, name, encoding="utf-8", language="spanish")),
    ("notes-2.txt", lambda chance, name: office.plain_text(chance, name, encoding="utf-16")),
)
"""A name and its maker each; a document's words depend on the seed and its name alone."""


def generated_document(name: str, seed: int) -> GeneratedDocument:
    """One of the forty, by its name."""
    return dict(MAKERS)[name](random.Random(f"{seed} {name}"), name)
