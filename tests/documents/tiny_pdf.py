"""Small PDFs, written object by object: what is wrong or hidden in them is wrong or hidden on purpose."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>"
FIRST_FREE = 10
"""Object numbers from here on are the caller's."""


def stream(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object's body."""
    return b"<<%s/Length %d>>\nstream\n%s\nendstream" % (entries, len(data), data)


def packed(data: bytes, entries: bytes = b"") -> bytes:
    """A stream object's body, deflated."""
    return stream(zlib.compress(data, 9), entries + b"/Filter/FlateDecode")


def assemble(objects: Mapping[int, bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A file of these objects, with a table that says where each begins."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places = {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start, size = len(out), max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 n \n" % places[number] if number in places else b"0000000000 00000 f \n"
    return bytes(out + b"trailer\n<</Size %d%s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start))


def pdf(
    *contents: bytes,
    entries: bytes = b"",
    resources: bytes = b"",
    catalog: bytes = b"",
    objects: Mapping[int, bytes] | None = None,
    media_box: Sequence[float] = (0, 0, 612, 792),
) -> bytes:
    """A file with a page for each content stream; font F1 is Helvetica. ``entries`` are each page's own."""
    pages = range(1000, 1000 + 2 * len(contents), 2)
    box = b" ".join(b"%g" % side for side in media_box)
    found = {
        1: b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (b" ".join(b"%d 0 R" % each for each in pages), len(contents)),
        3: HELVETICA,
        **(objects or {}),
    }
    for number, content in zip(pages, contents, strict=True):
        found[number] = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Resources<</Font<</F1 3 0 R/F2 4 0 R>>%s>>/Contents %d 0 R%s>>"
            % (box, resources, number + 1, entries)
        )
        found[number + 1] = stream(content)
    return assemble(found)


def text(words: str, x: float, y: float, size: float = 10, before: str = "", font: str = "F1") -> bytes:
    """Operators that write one line; ``before`` are operators inside of the text object."""
    escaped = words.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"BT /{font} {size} Tf {before} 1 0 0 1 {x} {y} Tm ({escaped}) Tj ET\n".encode("cp1252")


def mapped_font(letters: Mapping[str, str]) -> dict[int, bytes]:
    """Font F2, whose letters stand for other ones: ``{"A": "\u05d0"}``."""
    lines = b"".join(
        b"<%02x> <%s>\n" % (ord(code), meaning.encode("utf-16-be").hex().encode()) for code, meaning in letters.items()
    )
    table = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        b"1 begincodespacerange <00> <ff> endcodespacerange\n%d beginbfchar\n%sendbfchar\nendcmap end end"
        % (len(letters), lines)
    )
    return {
        4: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 5 0 R>>",
        5: stream(table),
    }
