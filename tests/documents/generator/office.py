"""Word files, workbooks, mails, HTML and plain text."""

from __future__ import annotations

import html
import io
import random
from email.message import EmailMessage
from email.policy import SMTP

import docx
import openpyxl

from tests.documents.generator import pdfs
from tests.documents.generator.generated import GeneratedDocument, cells, on_page, paragraphs, wrapped


def word_file(chance: random.Random, name: str, *, language: str = "english") -> GeneratedDocument:
    """Paragraphs, a table, more paragraphs; a head and a foot that are not among the blocks."""
    first, rows, last = paragraphs(chance, 4, language), cells(chance, 12), paragraphs(chance, 3, language)
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Letter of the landlord"
    document.sections[0].footer.paragraphs[0].text = "Ash Street 12"
    for words in first:
        paragraph = document.add_paragraph()
        for place, each in enumerate(words):
            # Word cuts a sentence into runs wherever somebody once changed it.
            paragraph.add_run(each if place == 0 else f" {each}")
    table = document.add_table(rows=4, cols=3)
    for number, words in enumerate(rows):
        table.cell(number // 3, number % 3).text = " ".join(words)
    for words in last:
        document.add_paragraph(" ".join(words))
    file = io.BytesIO()
    document.save(file)
    blocks = on_page([*first, *rows, *last])
    return GeneratedDocument("Word", name, file.getvalue(), blocks, source="extracted")


def workbook(chance: random.Random, name: str) -> GeneratedDocument:
    """Two sheets of texts."""
    book = openpyxl.Workbook()
    every = []
    for number, title in enumerate(("Payments", "Repairs")):
        sheet = book.active if number == 0 else book.create_sheet()
        sheet.title = title
        for row in range(1, 31):
            for column, words in enumerate(cells(chance, 3), 1):
                sheet.cell(row, column, " ".join(words))
                every.append(words)
    file = io.BytesIO()
    book.save(file)
    return GeneratedDocument("workbook", name, file.getvalue(), on_page(every), source="extracted")


def mail(
    chance: random.Random, name: str, *, attached: tuple[str, ...] = (), quoted: bool = False
) -> GeneratedDocument:
    """A mail and what is attached to it; ``quoted``: with an older mail below, each line after a mark."""
    body = paragraphs(chance, 4)
    text = "\n\n".join("\n".join(wrapped(words, 72)) for words in body)
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Ana Strand <ana@example.org>", "Dale <dale@example.org>"
    message["Subject"], message["Date"] = "The heat at Ash Street", "Tue, 24 Nov 2026 10:11:12 +0000"
    message.set_content(text + "\n")
    blocks = [*on_page(body)]
    for number, kind in enumerate(attached):
        if kind == "pdf":
            made = pdfs.plain(chance, f"lease-{number}.pdf", pages=2)
            message.add_attachment(made.data, maintype="application", subtype="pdf", filename=made.name)
        else:
            made = word_file(chance, f"letter-{number}.docx")
            subtype = "vnd.openxmlformats-officedocument.wordprocessingml.document"
            message.add_attachment(made.data, maintype="application", subtype=subtype, filename=made.name)
        blocks += [block._replace(source=made.source) for block in made.blocks]
    return GeneratedDocument("mail", name, message.as_bytes(), tuple(blocks), source="extracted")


def web_page(chance: random.Random, name: str, *, language: str = "english") -> GeneratedDocument:
    """Paragraphs, a list and a table, words in bold and links among them; a hidden paragraph."""
    first, items, rows = paragraphs(chance, 4, language), paragraphs(chance, 2, language), cells(chance, 12)

    def marked(words: tuple[str, ...]) -> str:
        tags = ("<b>{}</b>", '<a href="https://example.org/">{}</a>', "<span>{}</span>", "<i>{}</i>")
        return " ".join(
            chance.choice(tags).format(html.escape(each)) if chance.random() < 0.1 else html.escape(each)
            for each in words
        )

    hidden = "this paragraph is shown to nobody at all"
    text = (
        '<!doctype html><html><head><meta charset="utf-8"><title>Page</title></head><body>'
        + "".join(f"<p>{marked(words)}</p>\n" for words in first)
        + f'<p style="display:none">{hidden}</p><ul>'
        + "".join(f"<li>{marked(words)}</li>" for words in items)
        + "</ul><table>"
        + "".join(
            "<tr>" + "".join(f"<td>{marked(words)}</td>" for words in rows[start : start + 3]) + "</tr>"
            for start in range(0, 12, 3)
        )
        + "</table></body></html>"
    )
    blocks = on_page([*first, *items, *rows])
    return GeneratedDocument("HTML", name, text.encode(), blocks, source="extracted", hidden=(hidden,))


def plain_text(chance: random.Random, name: str, *, encoding: str, language: str = "english") -> GeneratedDocument:
    """Paragraphs in lines, in an encoding."""
    blocks = paragraphs(chance, 8, language)
    text = "\r\n\r\n".join("\r\n".join(wrapped(words, 76)) for words in blocks)
    return GeneratedDocument("text", name, text.encode(encoding), on_page(blocks), source="extracted")
