"""The package that a Word or Excel file is: a zip of parts and of relations between them, unpacked within bounds."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from complaint_llm.documents.pages import Limits
from complaint_llm.documents.readers.unreadable import UnreadableError
from complaint_llm.documents.readers.xml_elements import elements

_PIECE = 1 << 16
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MOST_PARTS = 20_000
_UNPACKED = 8
"""How many times ``Limits.file_bytes`` all parts together may unpack to, whatever the zip says of its sizes."""


class Relation(NamedTuple):
    """A part that another one refers to."""

    kind: str
    """The last word of the type's address: ``header``, ``image``, ``worksheet``."""
    target: str
    """The part's name in the package."""


class Package:
    """The parts of an Office Open XML file.

    Raises UnreadableError for what is none: encrypted, of before 2007, damaged, or too large when unpacked. What is
    read counts against one bound, in pieces, as it is unpacked.
    """

    def __init__(self, file: BinaryIO, limits: Limits, *, save_as: str) -> None:
        self._left = limits.file_bytes * _UNPACKED
        self._most = self._left
        _check_container(file, save_as)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, OverflowError) as cause:
            raise UnreadableError(f"is damaged or cut: open it and save it as {save_as}") from cause
        self._parts: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            name = entry.filename.replace("\\", "/").lstrip("/").lower()
            if name in self._parts:
                raise UnreadableError("has two parts of one name: it is damaged or made to do harm")
            self._parts[name] = entry

    def has(self, name: str) -> bool:
        """Whether there is a part of this name; case does not count."""
        return name.lower() in self._parts

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of a part, unpacked a piece at a time. Raises UnreadableError where it is missing or too long."""
        entry = self._parts.get(name.lower())
        if entry is None:
            raise UnreadableError("is damaged: a part of it is missing")
        if entry.flag_bits & 1:
            raise UnreadableError("is encrypted: save it without a password")
        try:
            with self._zip.open(entry) as part:
                while piece := part.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise UnreadableError(f"unpacks to more than {self._most // (1024 * 1024)} MB")
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError) as cause:
            raise UnreadableError("is damaged: a part of it cannot be unpacked; open it and save it anew") from cause

    def data(self, name: str, most: int) -> bytes:
        """A part of at most ``most`` bytes. Raises UnreadableError if there are more."""
        found = bytearray()
        for piece in self.pieces(name):
            found += piece
            if len(found) > most:
                raise UnreadableError(f"holds a part of more than {most // (1024 * 1024)} MB")
        return bytes(found)

    def children(self, name: str, *, depth: int = 1, tags: frozenset[str] | None = None) -> Iterator[Element]:
        """The elements of a part that stand ``depth`` deep, one after the other; none if there is no such part."""
        if self.has(name):
            yield from elements(self.pieces(name), depth, tags)

    def relations(self, name: str) -> dict[str, Relation]:
        """What a part refers to inside of the package, by id; ``""`` is the package itself."""
        folder, _, leaf = name.rpartition("/")
        found: dict[str, Relation] = {}
        for each in self.children(f"{folder}/_rels/{leaf}.rels".lstrip("/")):
            if each.get("TargetMode") == "External":
                continue
            target = unquote(each.get("Target", "").partition("#")[0])
            path = target if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
            found[each.get("Id", "")] = Relation(kind=each.get("Type", "").rpartition("/")[2], target=path.lstrip("/"))
        return found

    def related_part(self, name: str, kind: str) -> str | None:
        """The first part of a kind that a part refers to."""
        return next((each.target for each in self.relations(name).values() if each.kind == kind), None)

    @cached_property
    def content_types(self) -> Mapping[str, str]:
        """Media types of parts, by name in lower case, and by ``.ending``."""
        found: dict[str, str] = {}
        for each in self.children("[Content_Types].xml"):
            if (ending := each.get("Extension")) is not None:
                found[f".{ending.lower()}"] = each.get("ContentType", "")
            else:
                found[each.get("PartName", "").lstrip("/").lower()] = each.get("ContentType", "")
        return found


def _check_container(file: BinaryIO, save_as: str) -> None:
    """Raises UnreadableError unless a zip of a bearable number of parts begins here; the file is then at its start."""
    file.seek(0)
    head = file.read(8)
    if head == _OLE:
        file.seek(0)
        if any("EncryptedPackage".encode("utf-16-le") in piece for piece in _overlapping(file)):
            raise UnreadableError("is encrypted: save it without a password")
        raise UnreadableError(f"is of a format of before 2007: open it and save it as {save_as}")
    file.seek(0)
    count = sum(piece.count(b"PK\x01\x02") for piece in iter(lambda: file.read(1 << 20), b""))
    if count > _MOST_PARTS:
        raise UnreadableError(f"holds more than {_MOST_PARTS:,} parts: it is damaged or made to do harm")
    file.seek(0)


def _overlapping(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while piece := file.read(1 << 20):
        yield rest + piece
        rest = piece[-64:]
