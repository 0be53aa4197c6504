"""Office files that are damaged, encrypted or made to do harm are refused in one line, within bounds."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from complaint_llm.documents.pages import Limits, ReadDocument
from complaint_llm.documents.readers.unreadable import UnreadableError
from tests.documents.readers.files import part_of, read_word, read_workbook, with_parts, word_bytes, workbook_bytes

WORD = word_bytes(lambda document: document.add_paragraph("hello"))
BOOK = workbook_bytes(lambda book: book.active.append(["hello"]))
BODY = "word/document.xml"
SHEET = "xl/worksheets/sheet1.xml"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
Reader = Callable[[bytes, Limits], ReadDocument]


def zip_of(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def twice(data: bytes, name: str) -> bytes:
    file = io.BytesIO(data)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"<x/>")
    return file.getvalue()


def with_flag(data: bytes) -> bytes:
    """All parts are said to be encrypted."""
    found = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = found.find(mark)
        while at >= 0:
            found[at + place] |= 1
            at = found.find(mark, at + 4)
    return bytes(found)


def with_size(data: bytes, size: int) -> bytes:
    """The directory lies about how long each part is when unpacked."""
    found = bytearray(data)
    at = found.find(b"PK\x01\x02")
    while at >= 0:
        found[at + 24 : at + 28] = struct.pack("<I", size)
        at = found.find(b"PK\x01\x02", at + 4)
    return bytes(found)


def body(xml: str | bytes) -> bytes:
    return with_parts(WORD, {BODY: xml.encode() if isinstance(xml, str) else xml})


def declared(doctype: str, text: str = "&x;") -> bytes:
    source = part_of(WORD, BODY).decode()
    return body(source.replace("?>", f"?>{doctype}", 1).replace("hello", text))


LAUGHS = "".join(f'<!ENTITY x{at} "{f"&x{at - 1};" * 10}">' for at in range(1, 10))


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (OLE + "EncryptedPackage".encode("utf-16-le") + b"\0" * 500, "is encrypted"),
        (OLE + b"\0" * ((1 << 20) - 20) + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
        (OLE + b"\0" * 600, "before 2007"),
        (with_flag(WORD), "is encrypted"),
        (with_flag(BOOK), "is encrypted"),
        (WORD[:200], "is damaged or cut"),
        (WORD[:-30], "is damaged or cut"),
        (b"", "is damaged or cut"),
        (b"PK\x03\x04", "is damaged or cut"),
        (b"hello", "is damaged or cut"),
        (WORD[:3000] + b"\0" * 300 + WORD[3300:], "damaged"),
        (zip_of({"a": b"b"}), "is no "),
        (twice(WORD, BODY), "two parts of one name"),
        (twice(WORD, "word/styles.xml"), "two parts"),
        (lambda: zip_of({f"{at}": b"" for at in range(20_001)}), "more than 20,000 parts"),
        (body(b"not xml"), "no XML"),
        (body(part_of(WORD, BODY)[:-20]), "no XML"),
        (body(b"<?xml version='1.0' encoding='klingon'?><a/>"), "no XML"),
        (body("<a>" * 300 + "</a>" * 300), "nested more than 256 deep"),
        (body("<a>" * 20_000), "nested more than 256 deep"),
        (with_parts(WORD, {BODY: None}), "is no Word file"),
        (BOOK.replace(b"xl/", b"xy/"), "is no"),
    ],
)
def test_broken_packages_are_refused_in_a_line(data: bytes | Callable[[], bytes], words: str) -> None:
    """The line says what to do and holds nothing of the file."""
    data = data() if callable(data) else data
    for read in (read_word, read_workbook):
        with pytest.raises(UnreadableError) as raised:
            read(data)
        assert "\n" not in str(raised.value)
        assert "hello" not in str(raised.value)
    reader = read_workbook if data.startswith(BOOK[:40]) else read_word
    with pytest.raises(UnreadableError, match=words):
        reader(data)


@pytest.mark.parametrize(
    "data",
    [
        declared('<!DOCTYPE a [<!ENTITY x "y">]>'),
        declared('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]>'),
        declared('<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]>'),
        declared('<!DOCTYPE a [<!ENTITY x PUBLIC "p" "file:///etc/hostname">]>'),
        declared('<!DOCTYPE a SYSTEM "file:///etc/hostname">', "hello"),
        declared('<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/hostname"> %p;]>', "hello"),
        declared(f'<!DOCTYPE a [<!ENTITY x0 "ha">{LAUGHS}]>', "&x9;"),
        declared(f'<!DOCTYPE a [<!ENTITY x "{"a" * 50_000}">]>', "&x;" * 5_000),
        declared("<!DOCTYPE a>", "hello"),
        declared('<!DOCTYPE a [<!ATTLIST a b CDATA "c">]>', "hello"),
        declared('<!DOCTYPE a [<!NOTATION n SYSTEM "n"><!ENTITY x SYSTEM "file:///dev/zero" NDATA n>]>', "hello"),
        body(
            part_of(declared('<!DOCTYPE a [<!ENTITY x "y">]>'), BODY)
            .decode()
            .replace("UTF-8", "UTF-16")
            .encode("utf-16")
        ),
    ],
)
def test_no_entity_is_ever_looked_at(data: bytes) -> None:
    """A document type is refused where it begins: no office program writes one."""
    with pytest.raises(UnreadableError, match="document type"):
        read_word(data)


@pytest.mark.parametrize(
    ("read", "data", "name", "size"),
    [
        (read_word, WORD, BODY, None),
        (read_word, WORD, BODY, 100),
        (read_word, WORD, "word/styles.xml", None),
        (read_word, WORD, "word/numbering.xml", None),
        (read_word, WORD, "_rels/.rels", None),
        (read_word, WORD, "[Content_Types].xml", 5),
        (read_word, WORD, "word/_rels/document.xml.rels", None),
        (read_workbook, BOOK, SHEET, None),
        (read_workbook, BOOK, SHEET, 1),
        (read_workbook, BOOK, "xl/_rels/workbook.xml.rels", None),
        (read_workbook, BOOK, "xl/styles.xml", 7),
        (read_workbook, BOOK, "xl/workbook.xml", None),
    ],
)
def test_bombs_are_stopped_while_they_unpack(read: Reader, data: bytes, name: str, size: int | None) -> None:
    """What is unpacked is counted, whatever the zip says; no memory is taken for it."""
    bomb = with_parts(data, {name: part_of(data, name) + b" " * (3 << 20)})
    bomb = bomb if size is None else with_size(bomb, size)
    assert len(bomb) < 100_000
    tracemalloc.start()
    with pytest.raises(UnreadableError):
        read(bomb, Limits(file_bytes=256 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\x",
        "word/../../x",
        "word/\nx",
        "a" * 3_000,
        "\u202edocx",
        ".",
        "x/",
    ],
)
def test_names_of_parts_lead_nowhere(name: str) -> None:
    """Parts are looked up in the package alone, and nothing is ever unpacked to a file."""
    assert read_word(with_parts(WORD, {name: b"evil"})).pages[0].text == "hello"
    relations = part_of(WORD, "word/_rels/document.xml.rels").decode()
    if name.isprintable() and "\\" not in name:
        leading = relations.replace('Target="styles.xml"', f'Target="{name}"')
        assert read_word(with_parts(WORD, {"word/_rels/document.xml.rels": leading.encode()})).pages[0].text == "hello"


@pytest.mark.parametrize("kind", ["template.main+xml", "document.macroEnabled.main+xml"])
def test_macros_and_templates_are_read_as_their_text(kind: str) -> None:
    """A file with macros is read; they are not looked at."""
    types = part_of(WORD, "[Content_Types].xml").decode()
    for prefix in ("vnd.openxmlformats-officedocument.wordprocessingml.", "vnd.ms-word."):
        other = types.replace("vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml", prefix + kind)
        data = with_parts(WORD, {"[Content_Types].xml": other.encode(), "word/vbaProject.bin": b"\0macro"})
        assert read_word(data).pages[0].text == "hello"


def test_strict_files_are_read_as_the_others() -> None:
    """The standard's own namespaces, which Word writes when it is asked to."""
    body_xml = part_of(WORD, BODY).decode()
    for old, new in (
        (
            "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
            "http://purl.oclc.org/ooxml/wordprocessingml/main",
        ),
        (
            "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            "http://purl.oclc.org/ooxml/officeDocument/relationships",
        ),
    ):
        body_xml = body_xml.replace(old, new)
    assert read_word(body(body_xml)).pages[0].text == "hello"


@pytest.mark.parametrize("part", range(0, len(WORD), len(WORD) // 12))
def test_a_flipped_byte_is_read_or_refused(part: int) -> None:
    """Damage anywhere ends in the text or in a line, never in another exception."""
    for data, read in ((WORD, read_word), (BOOK, read_workbook)):
        broken = bytearray(data)
        broken[part % len(data)] ^= 0xFF
        try:
            assert read(bytes(broken)).pages[0].text in ("hello", "")
        except UnreadableError:
            continue
