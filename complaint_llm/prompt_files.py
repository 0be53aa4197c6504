"""The one way in which a file that a prompt names is looked at and read.

What a path leads to is not known: a pipe that nobody writes into, a device without an end, a key that somebody wants to
see sent. So it is opened without waiting, must be a file with something in it, is never read beyond a bound, and its
first bytes must say that it is of a kind that is sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from complaint_llm.exceptions import InvalidRequestError

MAX_IMAGE_BYTES = 64 * 1024 * 1024
"""A larger file is refused before it is read; every provider's own limit is below it."""

MAX_DOCUMENT_BYTES = 64 * 1024 * 1024
"""The same of a document."""

_SIGNATURES: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF87a", 0, "image/gif"),
    (b"GIF89a", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypheic", 4, "image/heic"),
    (b"ftypheif", 4, "image/heif"),
    (b"ftypmif1", 4, "image/heif"),
    (b"ftypavif", 4, "image/avif"),
    (b"II*\0", 0, "image/tiff"),
    (b"MM\0*", 0, "image/tiff"),
)
"""First bytes, their offset, the media type. Source: the formats' own specifications and RFC 9649 (WebP)."""

_HEAD = 16
"""Bytes in which every signature stands."""


def image_kind(data: bytes) -> str | None:
    """The media type that the first bytes show, None if they show none."""
    for signature, offset, media_type in _SIGNATURES:
        if data.startswith(signature, offset):
            return media_type
    return None


def check_image(path: str | os.PathLike[str], media_type: str | None = None) -> None:
    """Raises InvalidRequestError, as ``read_image`` would, without reading more than the first bytes."""
    with _open_file(Path(path)) as file:
        _check_kind(Path(path), file.read(_HEAD), media_type)


def read_image(path: str | os.PathLike[str], media_type: str | None = None) -> bytes:
    """The bytes of an image file.

    Raises InvalidRequestError if it cannot be read, is no file, is empty or too large, or is of no known kind of image
    or of another than ``media_type``.
    """
    place = Path(path)
    data = _read(place, "image", MAX_IMAGE_BYTES)
    _check_kind(place, data, media_type)
    return data


def check_document_file(path: str | os.PathLike[str]) -> None:
    """Raises InvalidRequestError, as ``read_document_file`` would, without reading it."""
    with _open_file(Path(path), "document", MAX_DOCUMENT_BYTES):
        pass


def read_document_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a document's file. Raises InvalidRequestError if it cannot be read, is no file, is empty or too
    large."""
    return _read(Path(path), "document", MAX_DOCUMENT_BYTES)


def _read(place: Path, what: str, most: int) -> bytes:
    with _open_file(place, what, most) as file:
        try:
            data = file.read(most + 1)
        except OSError as cause:
            raise _bad(f"the {what} {place.name!r} cannot be read: {type(cause).__name__}") from cause
    if len(data) > most:
        raise _bad(f"the {what} {place.name!r} has more than {most} bytes; no more are sent")
    return data


def file_below(path: str | os.PathLike[str], folder: Path) -> Path:
    """Where a path leads (relative ones from ``folder``), links and ``..`` resolved.

    Raises InvalidRequestError unless that is below ``folder``.
    """
    try:
        found = Path(os.path.realpath(folder / path))
        base = Path(os.path.realpath(folder))
    except (OSError, ValueError) as cause:
        raise _bad(f"the file {Path(path).name!r} cannot be read: {type(cause).__name__}") from cause
    if base not in found.parents:
        raise _bad(f"the file {Path(path).name!r} is not below the folder {str(folder)!r}: it is not sent")
    return found


@contextmanager
def _open_file(path: Path, what: str = "image", most: int = MAX_IMAGE_BYTES) -> Iterator[BinaryIO]:
    try:
        # NONBLOCK: to open a pipe would wait for a writer; NOCTTY: a terminal must not become ours.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as cause:
        reason = "no such file" if isinstance(cause, FileNotFoundError) else type(cause).__name__
        raise _bad(f"the {what} {path.name!r} cannot be read: {reason}") from cause
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise _bad(f"{path.name!r} is no {what} file: a folder, a pipe or a device")
        if found.st_size == 0:  # files of /proc, too
            raise _bad(f"the {what} {path.name!r} is empty")
        if found.st_size > most:
            raise _bad(f"the {what} {path.name!r} has {found.st_size} bytes; at most {most} are sent")
        with os.fdopen(number, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(number)


def _check_kind(path: Path, data: bytes, media_type: str | None) -> None:
    kind = image_kind(data)
    if kind is None:
        raise _bad(f"{path.name!r} is no image: its bytes are of no kind that is sent, whatever its name or type says")
    if media_type is not None and media_type.lower() not in (kind, _SYNONYMS.get(kind)):
        raise _bad(f"{path.name!r} is said to be {media_type}, and its bytes are {kind}")


_SYNONYMS = {"image/jpeg": "image/jpg", "image/heif": "image/heic", "image/heic": "image/heif"}


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
