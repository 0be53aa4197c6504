"""Bytes of a text as text, by what is declared and by what the bytes themselves show; faults are told."""

from __future__ import annotations

import codecs
import io

from complaint_llm.text_encodings import find_encoding

_MARKED = frozenset(("utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"))
"""Encodings that bytes show beyond doubt, whatever is declared."""
_NO_CHARSETS = frozenset(("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "utf-7"))
"""Codecs of Python by which nobody may declare a text to be written: they are slow, or let markup through."""
_WINDOWS_1252 = frozenset(("ascii", "iso8859-1"))
"""Source: WHATWG, Encoding: a text that is declared so is read as windows-1252."""


def decode_text(data: bytes, declared: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The text without a byte order mark and with its lines ended by line feeds; and what was wrong with it."""
    notes: list[str] = []
    shown = find_encoding(io.BytesIO(data))
    encoding = shown
    if declared and shown not in _MARKED:
        wanted = codec_of(declared)
        if wanted is None:
            notes.append(f"the character set {declared[:40]!r} is not known; it was read as {shown}")
        elif not (shown == "utf-8" and wanted == "ascii"):
            encoding = "cp1252" if wanted in _WINDOWS_1252 else wanted
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    faults = text.count("\ufffd") - data.count("\ufffd".encode())
    if faults > 0:
        places = "1 place is" if faults == 1 else f"{faults:,} places are"
        notes.append(f"{places} no {encoding.removesuffix('-sig')} and shown as \ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n"), tuple(notes)


def codec_of(charset: str) -> str | None:
    """Python's name of a character set of mails and pages; None if there is none."""
    try:
        codec = codecs.lookup(charset.strip().strip("\"'"))
        "".encode(codec.name)
    except (LookupError, ValueError):
        return None
    return None if codec.name.replace("_", "-") in _NO_CHARSETS else codec.name
