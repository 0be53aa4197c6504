"""Documents that are made to hang, fill or end the program that reads them, or to lead it to other files."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.documents.tiny_pdf import assemble, packed, pdf, stream, text

PDF = "application/pdf"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WORKBOOK = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAIL, HTML, MARKDOWN, TEXT = "message/rfc822", "text/html", "text/markdown", "text/plain"

_HELLO = text("a letter", 60, 700)


class HostileDocument(NamedTuple):
    """A file, and what it is said to be. ``words`` stand in its error, where it must have that one."""

    name: str
    media_type: str
    made: bytes | Callable[[], bytes]
    words: str = ""

    @property
    def data(self) -> bytes:
        """Its bytes; large ones are made now."""
        return self.made if isinstance(self.made, bytes) else self.made()


_Files = Iterator[tuple[str, bytes | Callable[[], bytes], str]]


def hostile_documents() -> Iterator[HostileDocument]:
    """All of them, each made when it is its turn."""
    for name, data, words in (*_pdf_files(), *_pdf_pages()):
        yield HostileDocument(f"{name}.pdf", PDF, data, words)
    for name, data, words in _word_files():
        yield HostileDocument(f"{name}.docx", WORD, data, words)
    for name, data, words in _workbooks():
        yield HostileDocument(f"{name}.xlsx", WORKBOOK, data, words)
    for name, data in _mails():
        yield HostileDocument(f"{name}.eml", MAIL, data)
    for name, data in _html_files():
        yield HostileDocument(f"{name}.html", HTML, data)
    yield HostileDocument("brackets.md", MARKDOWN, b"[" * 1_000_000)
    yield HostileDocument("zeros.txt", TEXT, bytes(1_000_000))
    yield HostileDocument("endless-line.txt", TEXT, lambda: b"a" * 30_000_000)


def _pdf_files() -> _Files:
    """Faults of the file: its table, its tree of pages, its streams."""
    good = pdf(_HELLO)
    yield "empty", b"%PDF-1.7\n%%EOF\n", "is damaged"
    yield "cut", good[: len(good) // 2], "is cut off"
    yield "cut-at-the-end", good[:-8], "is cut off"
    yield "noise", b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"%%EOF", "is damaged"
    yield "no-pages", pdf(), "has no pages"
    yield "encrypted", _encrypted(good), "is encrypted"
    yield "unknown-lock", _with_trailer(b"/Encrypt<</Filter/Unknown/V 9>>"), "is encrypted"
    yield "tree-in-itself", _tree({2: b"<</Type/Pages/Kids[2 0 R]/Count 1>>"}), ""
    yield (
        "tree-in-a-ring",
        _tree({2: b"<</Type/Pages/Kids[6 0 R]/Count 1>>", 6: b"<</Type/Pages/Kids[2 0 R]/Parent 2 0 R/Count 1>>"}),
        "",
    )
    yield (
        "100000-pages",
        _tree({2: b"<</Type/Pages/Kids[%s]/Count 100000>>" % (b"6 0 R " * 100_000), 6: _PAGE}),
        ("has 100,000 pages"),
    )
    yield "count-lies", _tree({2: b"<</Type/Pages/Kids[6 0 R]/Count 2147483647>>", 6: _PAGE}), ""
    yield "negative-count", _tree({2: b"<</Type/Pages/Kids[6 0 R]/Count -5>>", 6: _PAGE}), ""
    deep = {10 + n: b"<</Type/Pages/Kids[%d 0 R]/Parent %d 0 R/Count 1>>" % (11 + n, 9 + n) for n in range(5_000)}
    yield "deep-tree", _tree({2: b"<</Type/Pages/Kids[10 0 R]/Count 1>>", **deep, 5_010: _PAGE}), ""
    yield "table-in-a-ring", _with_trailer(b"/Prev 9"), ""
    yield "table-size-lies", good.replace(b"/Size ", b"/Size 99999999"), ""
    yield "nested-arrays", _with_trailer(b"/X " + b"[" * 200_000 + b"]" * 200_000), ""
    yield "nested-dictionaries", _with_trailer(b"/X " + b"<</A" * 200_000 + b" 1" + b">>" * 200_000), ""
    yield "catalog-is-itself", assemble({1: b"1 0 R"}), ""
    yield "length-in-a-ring", pdf(_HELLO).replace(b"/Length %d" % len(_HELLO), b"/Length 1001 0 R"), ""
    yield "length-lies", pdf(_HELLO).replace(b"/Length %d" % len(_HELLO), b"/Length 999999999"), ""
    yield (
        "objects-in-objects",
        assemble(
            {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[]/Count 0>>"}
            | {
                n: packed(b"%d 0 " % (n + 1) * 200, b"/Type/ObjStm/N 200/First 9/Extends %d 0 R" % (n + 1))
                for n in range(3, 90)
            }
        ),
        "",
    )
    yield "many-objects", _with_trailer(b"/X[" + b"<<>>" * 1_000_000 + b"]"), ""
    yield "names", _with_trailer(b"/" + b"A" * 5_000_000 + b" 1"), ""


def _pdf_pages() -> _Files:
    """Faults of what is drawn."""
    yield "bomb", lambda: _page(_bomb(1_000)), ""
    yield (
        "bomb-of-bombs",
        lambda: _page(
            stream(zlib.compress(zlib.compress(bytes(400_000_000), 9), 9), b"/Filter[/FlateDecode/FlateDecode]")
        ),
        "",
    )
    yield "bomb-of-operators", lambda: _page(packed(b"q " * 30_000_000)), ""
    yield "bomb-of-letters", lambda: _page(packed(b"BT /F1 9 Tf " + b"(aaaaaaaaaaaaaaaa) Tj " * 1_000_000 + b"ET")), ""
    yield "bomb-of-paths", lambda: _page(packed(b"0 0 m 9 9 l S " * 2_000_000)), ""
    yield "ascii-of-ascii", _page(stream(b"61" * 1_000_000 + b">", b"/Filter[" + b"/ASCIIHexDecode" * 500 + b"]")), ""
    yield (
        "run-lengths",
        _page(packed(b"\x81\0" * 5_000_000, b"").replace(b"/FlateDecode", b"[/FlateDecode/RunLengthDecode]")),
        "",
    )
    for name, entries in (
        ("huge-image", b"/Width 1000000000/Height 1000000000/BitsPerComponent 8/ColorSpace/DeviceRGB"),
        ("large-image", b"/Width 30000/Height 30000/BitsPerComponent 8/ColorSpace/DeviceRGB"),
        ("negative-image", b"/Width -5/Height -5/BitsPerComponent 8/ColorSpace/DeviceGray"),
        ("deep-bits", b"/Width 9/Height 9/BitsPerComponent 4096/ColorSpace/DeviceGray"),
        ("jpx", b"/Width 9/Height 9/Filter/JPXDecode"),
        ("jbig2", b"/Width 99/Height 99/BitsPerComponent 1/ColorSpace/DeviceGray/Filter/JBIG2Decode"),
        ("fax", b"/Width 9999/Height 60000/BitsPerComponent 1/Filter/CCITTFaxDecode/DecodeParms<</K -1/Columns 9999>>"),
        ("dct", b"/Width 9/Height 9/BitsPerComponent 8/ColorSpace/DeviceRGB/Filter/DCTDecode"),
        ("palette-of-itself", b"/Width 9/Height 9/BitsPerComponent 8/ColorSpace[/Indexed 7 0 R 255 7 0 R]"),
        ("mask-of-itself", b"/Width 9/Height 9/BitsPerComponent 8/ColorSpace/DeviceGray/SMask 7 0 R"),
    ):  # fmt: skip
        image = stream(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(range(256)) * 8, b"/Type/XObject/Subtype/Image" + entries)
        yield name, _drawing(image), ""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 7 0 R/Y 7 0 R>>/Font<</F1 3 0 R>>>>"
    yield "form-in-itself", _drawing(stream(b"/X Do /Y Do", form)), ""
    forms = {
        n: stream(
            b"/X Do " * 10,
            b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X %d 0 R>>>>" % (n + 1),
        )
        for n in range(7, 40)
    }
    yield "forms-by-tens", _drawing(forms.pop(7), {**forms, 40: stream(b"0 0 m", form)}), ""
    pattern = stream(
        b"/Pattern cs /P scn 0 0 9 9 re f",
        b"/Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 1 1]/XStep 0.00001/YStep 0.00001"
        b"/Resources<</Pattern<</P 7 0 R>>>>",
    )
    tiled = b"/Pattern cs /P scn 0 0 612 792 re f"
    yield "pattern-of-itself", pdf(tiled, resources=b"/Pattern<</P 7 0 R>>", objects={7: pattern}), ""
    yield "huge-page", pdf(b"0 0 9 9 re f", media_box=(0, 0, 1e9, 1e9)), ""
    yield "page-without-size", pdf(b"0 0 9 9 re f", media_box=(0, 0, 0, 0)), ""
    yield "page-of-infinite-size", pdf(b"0 0 9 9 re f", media_box=(-3e38, -3e38, 3e38, 3e38)), ""
    font = b"<</Type/Font/Subtype/Type3/FontBBox[0 0 9 9]/FontMatrix[1 0 0 1 0 0]/CharProcs<</a 8 0 R>>/FirstChar 97"
    font += b"/LastChar 97/Widths[9]/Encoding<</Differences[97/a]>>/Resources<</Font<</F2 4 0 R>>>>>>"
    yield (
        "font-of-itself",
        pdf(b"BT /F2 9 Tf 60 700 Td (aaaa) Tj ET", objects={4: font, 8: stream(b"BT /F2 9 Tf (a) Tj ET")}),
        "",
    )
    broken = b"<</Type/Font/Subtype/TrueType/BaseFont/X/FontDescriptor<</Type/FontDescriptor/FontFile2 8 0 R>>>>"
    yield (
        "broken-font",
        pdf(b"BT /F2 9 Tf 60 700 Td (aaaa) Tj ET", objects={4: broken, 8: stream(b"\0\1\0\0\xff\xff" + bytes(999))}),
        "",
    )
    yield "infinite-matrix", pdf(b"BT /F1 9 Tf 1e38 1e38 1e38 1e38 1e38 1e38 Tm (far away) Tj ET"), ""
    yield (
        "widgets-in-a-ring",
        pdf(
            _HELLO,
            entries=b"/Annots[7 0 R]",
            catalog=b"/AcroForm<</Fields[7 0 R]>>",
            objects={7: b"<</Type/Annot/Subtype/Widget/FT/Tx/T(a)/Rect[9 9 99 99]/Parent 7 0 R/Kids[7 0 R]/V(x)>>"},
        ),
        "",
    )
    yield (
        "many-comments",
        pdf(_HELLO, entries=b"/Annots[" + b"7 0 R " * 500_000 + b"]", objects={7: b"<</Subtype/Text/Contents(x)>>"}),
        "",
    )
    yield "script", pdf(_HELLO, catalog=b"/OpenAction<</S/JavaScript/JS(while(true){})>>"), ""
    yield (
        "other-files",
        pdf(
            _HELLO, catalog=b"/OpenAction<</S/Launch/F(/etc/shadow)>>", entries=b"/AA<</O<</S/GoToR/F(/etc/passwd)>>>>"
        ),
        "",
    )
    yield "stream-of-another-file", _page(stream(b"", b"/F(/etc/shadow)/FFilter/ASCIIHexDecode")), ""


_PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>"


def _tree(objects: dict[int, bytes]) -> bytes:
    return assemble({1: b"<</Type/Catalog/Pages 2 0 R>>", **objects})


def _with_trailer(entries: bytes) -> bytes:
    return assemble(
        {1: b"<</Type/Catalog/Pages 2 0 R>>", 2: b"<</Type/Pages/Kids[6 0 R]/Count 1>>", 6: _PAGE},
        b"/Root 1 0 R" + entries,
    )


def _page(content: bytes) -> bytes:
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 7 0 R/Resources<</Font<</F1 3 0 R>>>>>>"
    font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return _tree({2: b"<</Type/Pages/Kids[6 0 R]/Count 1>>", 3: font, 6: page, 7: content})


def _drawing(thing: bytes, objects: dict[int, bytes] | None = None) -> bytes:
    return pdf(
        b"q 612 0 0 792 0 0 cm /X Do Q", resources=b"/XObject<</X 7 0 R>>", objects={7: thing, **(objects or {})}
    )


def _bomb(megabytes: int) -> bytes:
    """A stream that says the same blank so many million times."""
    packer = zlib.compressobj(1)
    piece = b" " * 1_000_000
    data = b"".join(packer.compress(piece) for _ in range(megabytes)) + packer.flush()
    return stream(data, b"/Filter/FlateDecode")


def _encrypted(data: bytes) -> bytes:
    lock = b"/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (b"ab" * 32, b"cd" * 32)
    return data.replace(b"/Root 1 0 R", b"/Root 1 0 R" + lock)


_CONTENT_TYPES = (
    b'<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    b'wordprocessingml.document.main+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/'
    b'vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
)
_RELATIONS = (
    b'<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    b'<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/'
    b'officeDocument" Target="%s"/></Relationships>'
)
_W = b'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_BODY = b"<w:document " + _W + b"><w:body><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:body></w:document>"
_S = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


_BLANKS = b"@blanks@"
"""Stands for 600 MB of blanks, which are written a megabyte at a time."""


def _package(target: bytes, parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES)
        archive.writestr("_rels/.rels", _RELATIONS % target)
        for name, data in parts.items():
            with archive.open(name, "w") as part:
                before, blanks, after = data.partition(_BLANKS)
                part.write(before)
                for _ in range(600 if blanks else 0):
                    part.write(b" " * 1_000_000)
                part.write(after)
    return file.getvalue()


def _word(body: bytes, **others: bytes) -> bytes:
    return _package(b"word/document.xml", {"word/document.xml": body, **others})


_ENTITIES = b"<!DOCTYPE d [<!ENTITY a 'aaaaaaaaaa'>%s]>" % b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12)
)


def _word_files() -> _Files:
    good = _word(_BODY % b"a letter")
    yield "cut", good[: len(good) // 2], ""
    yield "no-archive", b"PK\x03\x04" + bytes(range(256)) * 9, ""
    yield "bomb", lambda: _word(_BODY % _BLANKS), ""
    yield "entities", _word(_ENTITIES + _BODY % b"&m;"), ""
    yield "other-files", _word(b"<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/shadow'>]>" + _BODY % b"&x;"), ""
    yield "other-hosts", _word(b"<!DOCTYPE d SYSTEM 'http://127.0.0.1:9/x.dtd'>" + _BODY % b"a"), ""
    yield "nested", _word(_BODY % (b"<w:t>" * 100_000 + b"</w:t>" * 100_000)), ""
    yield "nested-archives", _package(b"word/document.xml", {"word/document.xml": good, "a/b.docx": good}), ""
    yield "names", _word(_BODY % b"a", **{"../../../tmp/slipped": b"x", "/etc/cron.d/slipped": b"x"}), ""
    yield "many-parts", _word(_BODY % b"a", **{f"word/part{n}.xml": b"" for n in range(5_000)}), ""


def _workbooks() -> _Files:
    relations = _RELATIONS.replace(b'officeDocument" Target', b'worksheet" Target') % b"worksheets/sheet1.xml"

    def workbook(sheet: bytes) -> bytes:
        book = (
            b'<workbook %s xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>' % _S
        )
        book += b'<sheet name="One" sheetId="1" r:id="r1"/></sheets></workbook>'
        return _package(
            b"xl/workbook.xml",
            {"xl/workbook.xml": book, "xl/_rels/workbook.xml.rels": relations, "xl/worksheets/sheet1.xml": sheet},
        )

    yield (
        "far-cell",
        workbook(
            b'<worksheet %s><sheetData><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
            % _S
        ),
        "",
    )
    yield (
        "bomb",
        lambda: workbook(b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (_S, _BLANKS)),
        "",
    )
    yield "entities", workbook(_ENTITIES + b"<worksheet %s>&m;</worksheet>" % _S), ""
    rows = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (n, n) for n in range(1, 300_000))
    yield "many-rows", workbook(b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (_S, rows)), ""


def _mails() -> Iterator[tuple[str, bytes]]:
    head = b"From: a@example.org\nTo: b@example.org\nSubject: x\nMIME-Version: 1.0\n"
    yield (
        "nested-1000-deep",
        b"".join(
            head + b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\nContent-Type: message/rfc822\n\n' % (n, n)
            for n in range(1_000)
        ),
    )
    yield "many-parts", head + b'Content-Type: multipart/mixed; boundary="b"\n\n' + b"--b\n\nx\n" * 100_000
    yield "endless-header", head + b"X-A: " + b"a" * 20_000_000 + b"\n\nbody"
    yield "many-headers", b"X-A: b\n" * 300_000 + b"\nbody"
    yield "broken-base64", head + b"Content-Transfer-Encoding: base64\n\n" + b"=" * 1_000_000
    yield "unknown-charset", head + b"Content-Type: text/plain; charset=rot13\n\nbody"
    yield "codec-that-is-none", head + b"Content-Type: text/plain; charset=zip\n\nbody"
    yield "boundary-in-itself", head + b'Content-Type: multipart/mixed; boundary=""\n\n' + b"--\n" * 100_000


def _html_files() -> Iterator[tuple[str, bytes]]:
    yield "nested", b"<div>" * 1_000_000
    yield "open-tags", b"<a b='" * 500_000
    yield "entities", b"&amp" * 1_000_000
    yield "comments", b"<!--" * 500_000
    yield "tables", b"<table><tr><td>" * 100_000
    yield "other-files", b'<iframe src="file:///etc/shadow"></iframe><link rel=stylesheet href="file:///etc/passwd">x'
    yield "attributes", b"<p " + b"a=b " * 1_000_000 + b">x"
