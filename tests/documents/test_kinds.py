"""What kind of document a file is."""

from __future__ import annotations

import io
import zipfile

import pytest

from complaint_llm.documents.kinds import HTML, KINDS, MAIL, MARKDOWN, PDF, TEXT, WORD, WORKBOOK, document_kind
from complaint_llm.documents.registry import READERS
from complaint_llm.exceptions import InvalidRequestError

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(30)
BINARY = bytes(range(256))


def archive(*names: str, first: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        if first:
            made.writestr("mimetype", first)
        for name in names:
            made.writestr(name, b"x")
    return file.getvalue()


DOCX = archive("[Content_Types].xml", "_rels/.rels", "word/document.xml")
XLSX = archive("[Content_Types].xml", "xl/workbook.xml")


@pytest.mark.parametrize(
    ("head", "name", "declared", "kind"),
    [
        (b"%PDF-1.4\n", "lease.pdf", None, PDF),
        (b"\xef\xbb\xbf\r\n%PDF-1.4", "lease", None, PDF),
        (b"junk before" + b"%PDF-1.4", "lease.pdf", None, PDF),
        (b"%PDF-1.4", "scan", "application/pdf; charset=binary", PDF),
        (b"%PDF-1.4", "scan", "application/octet-stream", PDF),
        (DOCX, "letter.docx", None, WORD),
        (DOCX, "letter", None, WORD),
        (DOCX, "letter.docm", None, WORD),
        (XLSX, "rents.xlsx", None, WORKBOOK),
        (archive("data"), "odd.docx", None, WORD),
        (b"From: a\nTo: b\n\nhi", "a.eml", None, MAIL),
        (b"Received: from x\n", "mail", None, MAIL),
        (b"From: a\nTo: b\nSubject: c\n\n", "mail", None, MAIL),
        (b"From: the tenant\nDear sir", "note.txt", None, TEXT),
        (b"From: the tenant\nDear sir", "note", None, TEXT),
        (b"<!-- x --><!DOCTYPE html><p>", "page", None, HTML),
        (b"<p>x", "page.HTM", None, HTML),
        (b"<html>", "page.txt", None, TEXT),
        (b"# Title", "readme.md", None, MARKDOWN),
        (b"# Title", "readme", "text/x-markdown", MARKDOWN),
        ("Straße".encode("utf-16"), "note.txt", None, TEXT),
        (b"about %PDF-1.4 files", "note.txt", None, TEXT),
        (b"", "empty.txt", None, TEXT),
        (b"a,b", "table.csv", None, TEXT),
        (PNG, "photo.png", None, "image/png"),
        (BINARY, "scan.bin", "image/x-scan", "image/x-scan"),
    ],
)
def test_bytes_tell_the_kind_and_names_where_bytes_cannot(
    head: bytes, name: str, declared: str | None, kind: str
) -> None:
    """By its first bytes, else by what it is declared to be, else by its suffix."""
    assert document_kind(head, name, declared) == kind


@pytest.mark.parametrize(
    ("head", "name", "declared", "words"),
    [
        (DOCX, "notes.pdf", None, "notes.pdf is no PDF: its bytes are of a Word file"),
        (XLSX, "a.docx", None, "a.docx is no Word file: its bytes are of an Excel file"),
        (b"%PDF-1.4", "a.txt", None, "a.txt is no text file: its bytes are of a PDF"),
        (b"%PDF-1.4", "a", "text/html", "a is no HTML file: its bytes are of a PDF"),
        (PNG, "a.pdf", None, "a.pdf is no PDF: its bytes are of an image (image/png)"),
        (b"plain", "a.pdf", None, "a.pdf is no PDF: its bytes are of a text"),
        (b"plain", "a.docx", None, "a.docx is no Word file: its bytes are of a text"),
        (BINARY, "a.pdf", None, "a.pdf is no PDF: its bytes are of no known kind"),
        (archive("x"), "a.eml", None, "a.eml is no mail: its bytes are of a ZIP archive"),
        (archive("x"), "a.zip", None, "a.zip is a ZIP archive: unpack it"),
        (archive("ppt/x.xml"), "a.pptx", None, "a.pptx is a PowerPoint file: save it as PDF"),
        (archive("xl/workbook.bin"), "a.xlsb", None, "a.xlsb is a binary Excel file: save it as .xlsx"),
        (archive(first=b"application/vnd.oasis.opendocument.text"), "a.odt", None, "save it as .docx"),
        (archive(first=b"application/vnd.oasis.opendocument.spreadsheet"), "a", None, "save it as .xlsx"),
        (OLE, "a.doc", None, "a.doc is an old Word file: save it as .docx"),
        (OLE, "a.xls", None, "a.xls is an old Excel file: save it as .xlsx"),
        (OLE, "a.msg", None, "a.msg is an Outlook message: save it as .eml"),
        (OLE + "WordDocument".encode("utf-16-le"), "a", None, "a is an old Word file"),
        (OLE, "a.docx", None, "a.docx is encrypted: save it without a password"),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a", None, "a is encrypted"),
        (b"{\\rtf1", "a.rtf", None, "a.rtf is an RTF file: save it as .docx"),
        (b"From x", "a.mbox", None, "save each mail as .eml"),
        (BINARY, "a.bin", None, "a.bin cannot be read: its bytes are of no kind"),
        (BINARY, "a.txt", None, "a.txt cannot be read: its bytes are of no kind"),
        (BINARY, "a", "application/octet-stream", "a cannot be read"),
    ],
)
def test_a_name_that_lies_or_must_be_saved_anew_is_told(
    head: bytes, name: str, declared: str | None, words: str
) -> None:
    """One line: what it is, and what to do."""
    with pytest.raises(InvalidRequestError) as caught:
        document_kind(head, name, declared)
    assert words in str(caught.value)
    assert not caught.value.sent


def test_every_kind_has_a_reader() -> None:
    """What is told apart is read."""
    assert READERS.keys() == KINDS.keys()
