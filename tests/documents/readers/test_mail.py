"""A mail is read with all that is attached to it; what is not read is named."""

from __future__ import annotations

import base64
import io
from email.message import EmailMessage

import pytest

from complaint_llm.documents.kinds import PDF
from complaint_llm.documents.page_choice import Pages
from complaint_llm.documents.pages import Limits, Page, ReadDocument
from complaint_llm.documents.readers import mail
from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.documents.readers.files import word_bytes, workbook_bytes

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
WORD = ("vnd.openxmlformats-officedocument.wordprocessingml.document", "application")
WORKBOOK = ("vnd.openxmlformats-officedocument.spreadsheetml.sheet", "application")


def letter(text: str | None = "Hello", **headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "a@b.org", "Subject": "Rent", **headers}.items():
        message[name] = value
    if text is not None:
        message.set_content(text)
    return message


def read(message: EmailMessage | bytes, limits: Limits | None = None) -> ReadDocument:
    data = message if isinstance(message, bytes) else message.as_bytes()
    return mail.read(io.BytesIO(data), limits or Limits())


def test_headers_and_text() -> None:
    """The headers that a person looks at, decoded, the date as it is written; then the text."""
    date = "Mon, 05 Jan 2026 10:00:00 +0100"
    found = read(letter("Hello,\n\nyou owe 5 €.\n", To="x@y.org", Cc="z@y.org", Date=date))
    assert found.pages[0].text == (
        "From: a@b.org\nTo: x@y.org\nCc: z@y.org\nDate: Mon, 05 Jan 2026 10:00:00 +0100\nSubject: Rent\n\n"
        "Hello,\n\nyou owe 5 €."
    )
    assert (found.page_count, found.has_pages, found.notes) == (1, False, ())


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"=?utf-8?q?R=C3=A9ponse?=", "Réponse"),
        (b"=?UTF-8?B?UsOpcG9uc2U=?=", "Réponse"),
        (b"=?utf-8?q?one?= =?utf-8?q?_two?=", "one two"),
        (b"=?utf-8?q?one?=\r\n =?utf-8?q?two?=", "onetwo"),
        (b"=?utf-8?b?w6k=?= =?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "é€"),
        (b"=?iso-8859-1?q?caf=E9?= bar", "café bar"),
        (b"Re: =?windows-1255?q?=F9?=", "Re: ש"),
        (b"=?utf-8*en?q?tagged?=", "tagged"),
        (b"plain\r\n folded", "plain folded"),
        (b"=?utf-8?q?unclosed", "=?utf-8?q?unclosed"),
        (b"a =?x?= b", "a =?x?= b"),
    ],
)
def test_subjects_are_decoded(raw: bytes, expected: str) -> None:
    """Encoded words as mail programs write them, also cut within a letter."""
    page = read(b"From: a@b\r\nSubject: " + raw + b"\r\n\r\ntext").pages[0]
    assert page.text == f"From: a@b\nSubject: {expected}\n\ntext"


@pytest.mark.parametrize(
    ("raw", "note"),
    [
        (b"Content-Type: text/plain; charset=klingon\r\n\r\nx", "the character set 'klingon' is not known"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xe9 x \xc3\xa9", "1 place is no utf-8"),
        (b"Content-Type: text/plain; charset=hex\r\n\r\nx", "is not known"),
        (b"Content-Type: text/plain; charset=utf-7\r\n\r\n+AGE-", "is not known"),
        (b"Content-Type: text/plain; charset=punycode\r\n\r\nx", "is not known"),
        (b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8*gd29ybGQ=", "base64 is damaged"),
        (b"Content-Transfer-Encoding: base64\r\n\r\naGVsb", "base64 is damaged"),
        (b"Content-Transfer-Encoding: rot13\r\n\r\nuryyb", "its encoding 'rot13' is not known"),
        (b"Subject: =?utf-8?q?=E9?=\r\n\r\nx", "a header: 1 place is no utf-8"),
        (b"Subject: =?klingon?q?x?=\r\n\r\nx", "a header: the character set 'klingon'"),
        (b"Subject: caf\xe9\r\n\r\nx", "a header holds letters that no standard allows"),
        (b"Subject: " + b"x" * 30_000 + b"\r\n\r\nx", "a header is longer than 20,000"),
    ],
)
def test_faults_of_encoding_are_told(raw: bytes, note: str) -> None:
    """What may be wrong in the text is said."""
    assert any(note in each for each in read(b"From: a@b\r\n" + raw).notes)


def test_text_is_taken_before_html() -> None:
    """Where both say the same there is nothing to note; hidden text of the HTML is told."""
    message = letter("Hello\n\nyou owe 5 EUR")
    message.add_alternative("<p>Hello</p><p>you owe <b>5</b> EUR<p hidden>preview", subtype="html")
    found = read(message)
    assert found.pages[0].text.endswith("Hello\n\nyou owe 5 EUR")
    assert (found.pages[0].hidden, found.notes) == ((("not displayed", "preview"),), ())


def test_text_and_html_that_differ_are_noted() -> None:
    """Two people may have read two letters."""
    message = letter("Please pay 5 EUR by Monday")
    message.add_alternative("<p>Please pay 500 EUR by Monday</p>", subtype="html")
    found = read(message)
    assert found.notes == ("the mail's text and its HTML say different things; the text was read",)
    assert found.pages[0].hidden == (("only in the HTML of the mail", "Please pay 500 EUR by Monday"),)


def test_html_is_read_where_the_text_says_nothing() -> None:
    """Alone, or beside a line that sends the reader to a browser."""
    alone = letter(None)
    alone.set_content("<p>Dear tenant<p>leave", subtype="html")
    assert read(alone).pages[0].text.endswith("\n\nDear tenant\n\nleave")
    beside = letter("View in a browser.")
    beside.add_alternative("<p>" + "Dear tenant, leave by Monday. " * 5, subtype="html")
    found = read(beside)
    assert "Dear tenant" in found.pages[0].text
    assert found.notes == ("the mail's text says less than its HTML, which was read",)


def test_attachments_are_further_pages() -> None:
    """Each is read as what it is, under its own name; pictures are images."""
    message = letter()
    data = word_bytes(lambda document: document.add_paragraph("The lease"))
    message.add_attachment(data, maintype=WORD[1], subtype=WORD[0], filename="lease.docx")
    book = workbook_bytes(lambda book: [book.active.append(["rent", 950]), book.create_sheet("B")])
    message.add_attachment(book, maintype=WORKBOOK[1], subtype=WORKBOOK[0], filename="rent.xlsx")
    message.add_attachment("a note", subtype="plain", filename="note.txt")
    message.add_attachment("<p>a page", subtype="html", filename="page.html")
    message.add_attachment(PNG, maintype="image", subtype="png", filename="photo.png")
    found = read(message)
    assert [(page.number, page.label, page.text) for page in found.pages[1:]] == [
        (2, "lease.docx", "The lease"),
        (3, "rent.xlsx, Sheet", "rent\t950"),
        (4, "rent.xlsx, B", ""),
        (5, "note.txt", "a note\n"),
        (6, "page.html", "a page"),
        (7, "photo.png", ""),
    ]
    assert found.pages[-1].image is not None
    assert found.pages[-1].image.data == PNG
    assert found.page_count == 7
    chosen = mail.read(io.BytesIO(message.as_bytes()), Limits(), Pages.parse("1,5"))
    assert [page.number for page in chosen.pages] == [1, 5]


def test_another_reader_reads_what_is_its_own() -> None:
    """A PDF goes to the reader that is given for it, in the same process."""

    def read_pdf(file: object, limits: Limits, pages: Pages | None) -> ReadDocument:
        found = tuple(Page(number, f"p{number}", "text layer") for number in (1, 2))
        return ReadDocument(found, PDF, "x", "1", 2, has_pages=True, notes=("a form",))

    message = letter()
    message.add_attachment(b"%PDF-1.7\n...", maintype="application", subtype="pdf", filename="lease.pdf")
    found = mail.read(
        io.BytesIO(message.as_bytes()), Limits(), reader_of=lambda kind: read_pdf if kind == PDF else None
    )
    assert [(page.number, page.label, page.source) for page in found.pages[1:]] == [
        (2, "lease.pdf, page 1", "text layer"),
        (3, "lease.pdf, page 2", "text layer"),
    ]
    assert found.notes == ("lease.pdf: a form",)
    without = mail.read(io.BytesIO(message.as_bytes()), Limits(), reader_of=lambda kind: None)
    assert without.notes == ("attachment lease.pdf was not read: no reader for it is installed (PDF)",)


@pytest.mark.parametrize(
    ("data", "kind", "name"),
    [
        (b"\0\0\0\x18ftypheic", "image/heic", "photo.heic"),
        (b"GIF89a\0\0", "image/gif", "a.gif"),
        (b"PK\x03\x04" + b"\0" * 30, "application/zip", "all.zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "application/msword", "old.doc"),
        (b"RIFF\0\0\0\0WAVE\0", "audio/wav", "voice.wav"),
        (b"\0\1\2\3", "application/octet-stream", "data.bin"),
        (b"{\\rtf1 x}", "application/rtf", "letter.rtf"),
        (b"PK\x03\x04word/" + b"\0" * 30, "application/octet-stream", "broken.docx"),
        (b"", "application/pdf", "empty.pdf"),
        (b"hello", "application/pdf", "liar.pdf"),
        (b"%PDF-1.7", "text/plain", "liar.txt"),
        (b"MZ\0\0", "application/x-msdownload", "run.exe"),
    ],
)
def test_what_is_not_read_is_named(data: bytes, kind: str, name: str) -> None:
    """Nobody takes a mail for read of which a photo was left out; the rest of it is read."""
    message = letter()
    maintype, subtype = kind.split("/")
    message.add_attachment(data, maintype=maintype, subtype=subtype, filename=name)
    found = read(message)
    assert len(found.pages) == 1
    assert len(found.notes) == 1
    assert found.notes[0].startswith(f"attachment {name} was not read: ")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("..\\..\\x.txt", "x.txt"),
        ("/etc/x.txt", "x.txt"),
        ("a\tb.txt", "a b.txt"),
        ("é.txt", "é.txt"),
        ("x" * 300 + ".txt", "x" * 200),
    ],
)
def test_names_of_attachments_are_no_paths(name: str, label: str) -> None:
    """A name is shown and leads nowhere."""
    message = letter()
    message.add_attachment(b"text", maintype="text", subtype="plain", filename=name)
    assert read(message).pages[1].label == label


def test_forwarded_mails_are_pages_and_so_is_what_they_hold() -> None:
    """Their names say where they stood."""
    inner = letter("The notice", Subject="Notice")
    inner.add_attachment(b"inside", maintype="text", subtype="plain", filename="n.txt")
    outer = letter("See below")
    outer.add_attachment(inner)
    outer.add_attachment(inner.as_bytes(), maintype="application", subtype="octet-stream", filename="saved.eml")
    found = read(outer)
    assert [page.label for page in found.pages] == [
        "",
        "forwarded mail: Notice",
        "forwarded mail: Notice: n.txt",
        "saved.eml",
        "saved.eml: n.txt",
    ]
    assert found.pages[1].text == "From: a@b.org\nSubject: Notice\n\nThe notice"


def nested(depth: int) -> bytes:
    return b"From: a@b\r\nContent-Type: message/rfc822\r\n\r\n" * depth + b"From: a@b\r\n\r\nend"


def test_mails_in_mails_end() -> None:
    """A few are read, more are named, very many are refused in a line."""
    few = read(nested(5))
    assert [page.text for page in few.pages][-1].endswith("end")
    assert "a mail in more than 5 others" in read(nested(10)).notes[-1]


@pytest.mark.parametrize(
    "data",
    [
        nested(60),
        nested(150),
        nested(1_000),
        nested(100_000),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(100)),
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (at, at) for at in range(1_000)),
        b"From: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 2_500 + b"--b--",
        b"From: a\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n" + b"--b\r\n\r\nFrom: a\r\n\r\nx\r\n" * 2_500,
        b"",
        b"\r\n\r\njust text",
        b"From: a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: application/x; name=y\r\n\r\nx\r\n" * 501,
    ],
)
def test_mails_made_to_do_harm_are_refused(data: bytes) -> None:
    """Depth and count are bounded, and what is no mail is said to be none."""
    with pytest.raises(UnreadableError):
        read(data)


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\nno parts",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ncut",
        b"Content-Type: message/rfc822\r\n\r\n",
        b"Content-Type: ;;;=\r\n\r\ntext",
        b"Content-Type: text/plain; charset*=x'y'%FF\r\n\r\ntext",
        b"Content-Type: text/plain; charset*0=utf; charset*1=-8\r\n\r\ntext",
        b"Content-Disposition: attachment; filename*=klingon''%E9\r\n\r\ntext",
        b'Content-Type: text/html; charset=""\r\n\r\n<p>text',
        b"Content-Transfer-Encoding: uuencode\r\n\r\nbegin 644 x\r\nbroken",
        b"\xff\xfe\xfd: x\r\n\r\ntext",
        b"Subject: =?utf-8?b?!!!?= =?utf-8?q?=ZZ?=\r\n\r\ntext",
    ],
)
def test_damaged_mails_are_read_as_far_as_they_go(body: bytes) -> None:
    """No mail is so broken that the reader is."""
    assert read(b"From: a@b\r\n" + body).pages[0].text.startswith("From: a@b")


def test_what_is_given_back_is_bounded() -> None:
    """Text, pages and images of all parts together."""
    message = letter("x" * 600)
    message.add_attachment("y" * 600, subtype="plain", filename="a.txt")
    message.add_attachment(PNG, maintype="image", subtype="png", filename="a.png")
    with pytest.raises(UnreadableError, match="1,000 characters"):
        read(message, Limits(text_characters=1_000))
    with pytest.raises(UnreadableError, match="more than 2 pages"):
        read(message, Limits(pages=2))
    with pytest.raises(UnreadableError, match="images"):
        read(message, Limits(image_bytes=10))


def test_bytes_of_attachments_are_those_that_were_sent() -> None:
    """Base64 in lines of any length."""
    lines = base64.encodebytes(b"hello " * 100).replace(b"\n", b"\r\n")
    raw = (
        b"From: a@b\r\nContent-Type: text/plain; name=a.txt\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment\r\n\r\n" + lines
    )
    assert read(raw).pages[1].text == "hello " * 100
