"""A folder of text files as items: one a file, its id the path below the folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from complaint_llm.batch.input.items import BatchItem, LineError, is_blank
from complaint_llm.batch.input.lines import Line, Lines
from complaint_llm.text_encodings import find_encoding

SUFFIXES = (".txt", ".md")
"""Files that are read; others are none of the batch's."""

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a file: no model reads more."""


def read_folder(folder: Path, encoding: str | None = None) -> Lines:
    """The text files in a folder and below it, by name; hidden ones and links out of it are left out.

    A file that cannot be read is a LineError in its place, with its id.
    """
    return Lines(encoding or "utf-8", _items(folder, encoding), columns=("id",))


def text_files(folder: Path) -> list[Path]:
    """The files, in the order of their ids."""
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(root, name) for name in files if _is_meant(name)]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def _items(folder: Path, encoding: str | None) -> Iterator[Line]:
    for path in text_files(folder):
        id_ = path.relative_to(folder).as_posix()
        try:
            text = _text(path, folder, encoding)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            yield Line(LineError(0, f"{id_}: {reason}", id_), {"id": id_})
            continue
        item: BatchItem | LineError = BatchItem(text, id_)
        if is_blank(text):
            item = LineError(0, f"{id_}: nothing to read: the file is empty", id_)
        yield Line(item, {"id": id_})


def _text(path: Path, folder: Path, encoding: str | None) -> str:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("a link out of the folder is not followed")
    if not path.is_file():
        raise ValueError("no file")
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE // 1024 // 1024} MiB")
        file.seek(0)
        name = encoding or find_encoding(file)
    try:
        return data.decode(name).removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not {name} at byte {error.start + 1}: save it as UTF-8, or give --encoding") from error


def _is_meant(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)
