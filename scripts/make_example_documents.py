"""Make the PDF, Word and mail files of examples/intakes from the texts in examples/document-texts.

It needs reportlab, python-docx and Pillow. The same libraries give the same bytes: no file has the time in it.
"""

from __future__ import annotations

import io
import textwrap
import zipfile
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from pathlib import Path

import docx
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TEXTS = EXAMPLES / "document-texts"

PDFS = (
    *("ben-004-unemployment-repay", "con-007-repossessed-van", "emp-009-sales-commission"),
    *("hou-008-bedbugs", "hou-009-notice-after-inspection"),
)
SCANS = ("con-008-movers-storage",)
WORD = ("ben-005-disability-review", "emp-010-pallet-injury", "hou-010-ground-floor-request")
MAILS = {
    "con-009-gym-membership": ("Anselm Bjorkqvist <anselm@mail.example>", "A gym that does not let me go"),
    "emp-011-last-paycheck": ("Lerato Mbeki-Lawson <lerato@mail.example>", "My father's last pay"),
}
MADE = datetime(2026, 9, 1, 9, 0, tzinfo=UTC)


def main() -> None:
    """Write all of them."""
    for folder, data in documents().items():
        (EXAMPLES / "intakes" / folder).write_bytes(data)


def documents() -> dict[str, bytes]:
    """The files by their names."""
    made = {f"{name}.pdf": pdf(text_of(name)) for name in PDFS}
    made |= {f"{name}.pdf": scan(text_of(name)) for name in SCANS}
    made |= {f"{name}.docx": word(text_of(name)) for name in WORD}
    made |= {f"{name}.eml": mail(text_of(name), *about) for name, about in MAILS.items()}
    return made


def text_of(name: str) -> str:
    """What is to stand in a document."""
    return (TEXTS / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")


def pdf(text: str) -> bytes:
    """A typed letter."""
    file, style = io.BytesIO(), getSampleStyleSheet()["BodyText"]
    page = SimpleDocTemplate(file, pagesize=LETTER, leftMargin=80, rightMargin=80, invariant=1)
    page.build([each for part in text.split("\n\n") for each in (Paragraph(escape(part), style), Spacer(1, 8))])
    return file.getvalue()


def scan(text: str) -> bytes:
    """A page that was typed, printed and scanned: an image a little askew, and no text."""
    page = Image.new("L", (1275, 1650), 255)
    draw, font, top = ImageDraw.Draw(page), ImageFont.load_default(24), 160
    for part in text.split("\n\n"):
        for line in textwrap.wrap(part, 78):
            draw.text((140, top), line, fill=20, font=font)
            top += 36
        top += 24
    file = io.BytesIO()
    askew = page.rotate(0.7, fillcolor=255).convert("1", dither=Image.Dither.NONE)
    askew.save(file, "PDF", resolution=150, creationDate=MADE.timetuple(), modDate=MADE.timetuple())
    return file.getvalue()


def word(text: str) -> bytes:
    """A Word file whose first paragraph is its heading."""
    document, (head, *rest) = docx.Document(), text.split("\n\n")
    document.core_properties.created = document.core_properties.modified = MADE
    document.core_properties.author = ""
    document.add_heading(head, level=1)
    for part in rest:
        document.add_paragraph(part)
    file, made = io.BytesIO(), io.BytesIO()
    document.save(file)
    with zipfile.ZipFile(file) as written, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as again:
        for entry in written.infolist():
            again.writestr(
                zipfile.ZipInfo(entry.filename, MADE.timetuple()[:6]), written.read(entry), zipfile.ZIP_DEFLATED
            )
    return made.getvalue()


def mail(text: str, sender: str, subject: str) -> bytes:
    """A mail, as text and as HTML."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, "intake@legalaid.example", subject
    message["Date"], message["Message-ID"] = MADE, f"<{abs(len(text))}@mail.example>"
    message.set_content(text, cte="quoted-printable")
    paragraphs = "".join(f"<p>{escape(part, quote=False)}</p>\n" for part in text.split("\n\n"))
    message.add_alternative(f"<html><body>\n{paragraphs}</body></html>\n", subtype="html", cte="quoted-printable")
    message.set_boundary("example-of-a-mail")
    return message.as_bytes()


if __name__ == "__main__":
    main()
