"""What kind of document a file is: by its bytes first, by its name or its declared type where bytes cannot tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.prompt_files import image_kind

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAIL = "message/rfc822"
HTML = "text/html"
MARKDOWN = "text/markdown"
TEXT = "text/plain"

KINDS: Mapping[str, str] = {
    PDF: "PDF",
    WORD: "Word file",
    WORKBOOK: "Excel file",
    MAIL: "mail",
    HTML: "HTML file",
    MARKDOWN: "Markdown file",
    TEXT: "text file",
}
"""The media types that are read without a plugin, and what a person calls such a file."""

_SUFFIXES: Mapping[str, str] = {
    "pdf": PDF,
    "docx": WORD,
    "docm": WORD,
    "xlsx": WORKBOOK,
    "xlsm": WORKBOOK,
    "eml": MAIL,
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "md": MARKDOWN,
    "markdown": MARKDOWN,
    "txt": TEXT,
    "text": TEXT,
}
_SYNONYMS: Mapping[str, str] = {
    "application/x-pdf": PDF,
    "application/vnd.ms-word.document.macroenabled.12": WORD,
    "application/vnd.ms-excel.sheet.macroenabled.12": WORKBOOK,
    "application/xhtml+xml": HTML,
    "text/x-markdown": MARKDOWN,
}
_OF_TEXT = frozenset((MAIL, HTML, MARKDOWN, TEXT))
_SAVE_AS: Mapping[str, str] = {
    "doc": "is an old Word file: save it as .docx",
    "dot": "is an old Word file: save it as .docx",
    "xls": "is an old Excel file: save it as .xlsx",
    "xlsb": "is a binary Excel file: save it as .xlsx",
    "msg": "is an Outlook message: save it as .eml",
    "odt": "is an OpenDocument text: save it as .docx",
    "ods": "is an OpenDocument table: save it as .xlsx",
    "odp": "is an OpenDocument presentation: save it as PDF",
    "ppt": "is an old PowerPoint file: save it as PDF",
    "pptx": "is a PowerPoint file: save it as PDF",
    "rtf": "is an RTF file: save it as .docx",
    "pages": "is a Pages file: save it as .docx",
    "zip": "is a ZIP archive: unpack it, and name the files in it",
    "mbox": "is a mailbox of many mails: save each mail as .eml",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""First bytes of a compound file: old Office formats, Outlook messages, encrypted new ones. Source: [MS-CFB] 2.2."""
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PDF_HEADER_IN = 1024
"""Source of the number: PDF 1.7, implementation note 13: readers accept the header in the first 1,024 bytes."""
_HTML_BEGINS = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S
)
_MAIL_FIELD = re.compile(
    rb"(?:return-path|received|delivered-to|mime-version|message-id|from|to|subject|date|reply-to|x-[a-z-]+|dkim-"
    rb"signature|arc-[a-z-]+|authentication-results|content-type):",
    re.I,
)
_TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def document_kind(head: bytes, name: str, declared: str | None = None) -> str:
    """The media type of a document, without parameters, in small letters; an image's where it is one.

    ``head`` are its first bytes, 64 KiB or all of them. ``name`` is shown in errors, and its suffix and ``declared``
    decide between texts, which bytes cannot tell apart. Raises InvalidRequestError in a line: a name or a declared type
    that the bytes do not bear out, a kind that must be saved as another first.
    """
    suffix = name.rpartition(".")[2].lower() if "." in name else ""
    wanted = _declared_kind(declared) or _SUFFIXES.get(suffix)
    found = _kind_of_bytes(head, name, suffix, wanted)
    if found is not None:
        if wanted is not None and wanted != found:
            raise _bad(f"{name} is no {KINDS[wanted]}: its bytes are of {_with_article(found)}")
        return found
    if suffix in _SAVE_AS and declared is None:
        raise _bad(f"{name} {_SAVE_AS[suffix]}")
    if wanted is not None and wanted not in _OF_TEXT:
        raise _bad(f"{name} is no {KINDS[wanted]}: its bytes are of {'a text' if _is_text(head) else 'no known kind'}")
    if not _is_text(head):
        # A plugin may read it: it is what it is said to be.
        other = _plain_type(declared)
        if other is not None and other not in KINDS and other != "application/octet-stream":
            return other
        raise _bad(f"{name} cannot be read: its bytes are of no kind that is read here")
    if wanted is not None:
        return wanted
    if _HTML_BEGINS.match(head):
        return HTML
    return MAIL if _is_mail(head) else TEXT


def _kind_of_bytes(head: bytes, name: str, suffix: str, wanted: str | None) -> str | None:
    """The kind that bytes alone tell; None for text and for what has no mark."""
    if head.lstrip(b"\xef\xbb\xbf \t\r\n\0").startswith(b"%PDF-") or (
        wanted == PDF and b"%PDF-" in head[:_PDF_HEADER_IN]
    ):
        return PDF
    if head.startswith(_ZIP):
        return _kind_in_zip(head, name, suffix, wanted)
    if head.startswith(_OLE):
        raise _bad(f"{name} {_old_office(head, suffix)}")
    if head.startswith(b"{\\rtf"):
        raise _bad(f"{name} {_SAVE_AS['rtf']}")
    return image_kind(head)


def _kind_in_zip(head: bytes, name: str, suffix: str, wanted: str | None) -> str:
    for part, kind in ((b"word/", WORD), (b"xl/workbook.bin", None), (b"xl/", WORKBOOK), (b"ppt/", None)):
        if part in head:
            if kind is None:
                raise _bad(f"{name} {_SAVE_AS['xlsb' if part.startswith(b'xl') else 'pptx']}")
            return kind
    found = re.match(
        rb".{26}\x08\0..mimetypeapplication/vnd\.oasis\.opendocument\.(text|spreadsheet|[a-z]+)", head, re.S
    )
    if found is not None:
        kinds = {b"text": "odt", b"spreadsheet": "ods"}
        raise _bad(f"{name} {_SAVE_AS[kinds.get(found[1], 'odp')]}")
    if wanted in (WORD, WORKBOOK):
        return wanted
    if wanted is not None:
        raise _bad(f"{name} is no {KINDS[wanted]}: its bytes are of a ZIP archive")
    raise _bad(f"{name} {_SAVE_AS.get(suffix, _SAVE_AS['zip'])}")


def _old_office(head: bytes, suffix: str) -> str:
    """What is to be done with a compound file."""
    if "EncryptedPackage".encode("utf-16-le") in head or suffix in ("docx", "docm", "xlsx", "xlsm"):
        return "is encrypted: save it without a password"
    for stream, kind in (("WordDocument", "doc"), ("Workbook", "xls"), ("__substg1.0_", "msg")):
        if stream.encode("utf-16-le") in head:
            return _SAVE_AS[kind]
    return _SAVE_AS.get(suffix, "is a file of an old Office program: save it as .docx, .xlsx or PDF")


def _is_text(head: bytes) -> bool:
    return head.startswith(_TEXT_MARKS) or b"\0" not in head


def _is_mail(head: bytes) -> bool:
    """Whether it begins as a mail: three lines of a mail's header, or one that only mail programs write."""
    lines = head[:4096].splitlines()
    if lines and lines[0].startswith((b"Return-Path:", b"Received:", b"Delivered-To:")):
        return True
    fields = 0
    for line in lines:
        if _MAIL_FIELD.match(line):
            fields += 1
        elif not (fields and line.startswith((b" ", b"\t"))):
            break
    return fields >= 3


def _declared_kind(declared: str | None) -> str | None:
    plain = _plain_type(declared)
    if plain is None:
        return None
    plain = _SYNONYMS.get(plain, plain)
    return plain if plain in KINDS else None


def _plain_type(declared: str | None) -> str | None:
    return None if declared is None else declared.partition(";")[0].strip().lower()


def _with_article(kind: str) -> str:
    called = KINDS.get(kind) or f"image ({kind})"
    return f"{'an' if called[0] in 'aeiouE' or called.startswith('HTML') else 'a'} {called}"


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
