"""What kind of file some bytes are: from their first bytes, and from a name.

The signatures are those of https://www.iana.org/assignments/media-types and the formats' own specifications.
"""

from __future__ import annotations

from collections.abc import Sequence
from mimetypes import MimeTypes

HEAD = 8192
"""How many bytes at most ``detect`` looks at."""

UNKNOWN = "application/octet-stream"
TEXT = "text/plain"
FOLDER = "inode/directory"
"""The media type of a folder, as file managers call it."""
_CONTAINERS = frozenset((UNKNOWN, TEXT, "application/zip", "application/x-ole-storage", "text/xml", "application/gzip"))

# offset, bytes, type
_SIGNATURES: Sequence[tuple[int, bytes, str]] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"OggS", "application/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"<?xml", "text/xml"),
)
# Python's own table, without the files that systems differ in, and what it lacks of clients' documents.
_names = MimeTypes(())
for _ending, _type in (
    (".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (".xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (".pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (".odt", "application/vnd.oasis.opendocument.text"),
    (".ods", "application/vnd.oasis.opendocument.spreadsheet"),
    (".eml", "message/rfc822"),
    (".msg", "application/vnd.ms-outlook"),
    (".heic", "image/heic"),
    (".m4a", "audio/mp4"),
):
    _names.add_type(_type, _ending)


def detect(head: bytes) -> str:
    """The media type that the first bytes show; ``text/plain`` for UTF-8, else ``application/octet-stream``."""
    for offset, magic, media_type in _SIGNATURES:
        if head.startswith(magic, offset):
            return media_type
    if b"\0" not in head:
        start = head[:512].lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return "text/html"
        try:
            head.decode()
        except UnicodeDecodeError as error:
            # A letter that the end of the head cuts in two is still text.
            if len(head) < HEAD or error.start < len(head) - 3:
                return UNKNOWN
        return TEXT if head else UNKNOWN
    return UNKNOWN


def declared_by(file_name: str) -> str | None:
    """The media type that a file's name claims, if any."""
    return _names.guess_type(file_name, strict=False)[0]


def media_type(detected: str, declared: str | None) -> str:
    """The type to go by: the bytes win, except that a name says more of plain text, archives and unknown bytes."""
    return declared if declared is not None and detected in _CONTAINERS else detected
