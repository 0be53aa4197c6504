"""A folder of files as items: one a file, or one a folder inside of it, the id its path below the folder.

A text file is a plain prompt, as it is in any other input; every other file that is read is a document of its item.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from complaint_llm.batch.input.items import BatchItem, LineError, is_blank
from complaint_llm.batch.input.lines import Line, Lines
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, Message
from complaint_llm.prompt_files import check_document_file
from complaint_llm.text_encodings import find_encoding

TEXT_SUFFIXES = (".txt", ".md")
"""Files that are prompts as they are, where an item is a file."""

DOCUMENT_SUFFIXES = (
    *(".pdf", ".docx", ".docm", ".xlsx", ".xlsm", ".eml", ".html", ".htm", ".xhtml", ".markdown", ".text"),
    *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff"),
)
"""Files that are documents of their item, and images."""

OLD_SUFFIXES = (".doc", ".dot", ".xls", ".xlsb", ".msg", ".odt", ".ods", ".odp", ".ppt", ".pptx", ".rtf", ".pages")
"""Documents that must be saved as another kind first: each is an item, whose error says so."""

MAX_FILE = 16 * 1024 * 1024
"""Bytes of a text file: no model reads more."""

CheckKind = Callable[[bytes, str], object]

_HEAD = 64 * 1024
_NAMED = 5


class FolderItem(NamedTuple):
    """What becomes an item: its id, and its files in the order of their paths."""

    id: str
    paths: tuple[Path, ...]


class FolderFiles(NamedTuple):
    """What is in a folder.

    ``kinds`` counts by suffix the files of kinds that are not read, ``links`` are folders elsewhere that are not
    followed, ``loose`` the files that lie beside the folders that are items.
    """

    items: tuple[FolderItem, ...]
    kinds: Mapping[str, int]
    links: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What is not read, a line for each reason."""
        said = []
        if self.kinds:
            each = ", ".join(f"{kind} {count:,}" for kind, count in Counter(self.kinds).most_common())
            said.append(f"{_files(sum(self.kinds.values()))} of kinds that are not read: {each}")
        if self.links:
            said.append(f"{_files(len(self.links), 'folder')} behind links, not followed: {_some(self.links)}")
        if self.loose:
            said.append(f"{_files(len(self.loose))} in no folder of an item, not read: {_some(self.loose)}")
        return said


def folder_files(folder: Path, *, grouped: bool = False) -> FolderFiles:
    """The files in a folder and below it, by name; hidden ones are left out. ``grouped``: each folder in it is an item
    with all that is in it and below it."""
    paths: list[Path] = []
    kinds: Counter[str] = Counter()
    links: list[str] = []
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links += [_id(folder, Path(root, name)) for name in folders if Path(root, name).is_symlink()]
        for name in files:
            suffix = Path(name).suffix.lower()
            if name.startswith((".", "~$")):
                continue
            if suffix in (*TEXT_SUFFIXES, *DOCUMENT_SUFFIXES, *OLD_SUFFIXES):
                paths.append(Path(root, name))
            else:
                kinds[suffix or "without a suffix"] += 1
    paths.sort(key=lambda path: _id(folder, path))
    if not grouped:
        items = tuple(FolderItem(_id(folder, path), (path,)) for path in paths)
        return FolderFiles(items, kinds, tuple(links))
    groups: dict[str, list[Path]] = {each.name: [] for each in sorted(folder.iterdir()) if _is_group(each)}
    loose = []
    for path in paths:
        name, *below = path.relative_to(folder).parts
        if below:
            groups[name].append(path)
        else:
            loose.append(name)
    items = tuple(FolderItem(name, tuple(found)) for name, found in groups.items())
    return FolderFiles(items, kinds, tuple(links), tuple(loose))


def read_folder(
    folder: Path, encoding: str | None = None, *, grouped: bool = False, check_kind: CheckKind = lambda head, name: None
) -> Lines:
    """The items of ``folder_files``. One with a file that cannot be read is a LineError in its place, with its id.

    ``check_kind`` is asked about the first bytes of each document, and raises InvalidRequestError for one that is none.
    """
    return Lines(encoding or "utf-8", _items(folder, encoding, grouped, check_kind), columns=("id",))


def _items(folder: Path, encoding: str | None, grouped: bool, check_kind: CheckKind) -> Iterator[Line]:
    for each in folder_files(folder, grouped=grouped).items:
        item: BatchItem | LineError
        try:
            if not each.paths:
                raise ValueError("nothing to read: the folder holds no file of a kind that is read")
            if not grouped and each.paths[0].suffix.lower() in TEXT_SUFFIXES:
                item = BatchItem(_text(each.paths[0], folder, encoding), each.id)
            else:
                item = BatchItem([Message("user", _documents(each.paths, folder, grouped, check_kind))], each.id)
        except (OSError, ValueError, InvalidRequestError) as error:
            reason = _reason(error)
            item = LineError(0, reason if reason.startswith(each.id) else f"{each.id}: {reason}", each.id)
        yield Line(item, {"id": each.id})


def _text(path: Path, folder: Path, encoding: str | None) -> str:
    _check_place(path, folder)
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ValueError(f"more than {MAX_FILE // 1024 // 1024} MiB")
        file.seek(0)
        name = encoding or find_encoding(file)
    try:
        text = data.decode(name).removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"not {name} at byte {error.start + 1}: save it as UTF-8, or give --encoding") from error
    if is_blank(text):
        raise ValueError("nothing to read: the file is empty")
    return text


def _documents(paths: Sequence[Path], folder: Path, grouped: bool, check_kind: CheckKind) -> tuple[Document, ...]:
    """The files as parts, each looked at: what shows in a file's first bytes is told before anything is sent."""
    parts = []
    for path in paths:
        name = "/".join(path.relative_to(folder).parts[1:]) if grouped else path.name
        try:
            _check_place(path, folder)
        except ValueError as error:
            raise ValueError(f"{name}: {error}" if grouped else str(error)) from error
        check_document_file(path)
        with path.open("rb") as file:
            check_kind(file.read(_HEAD), name)
        parts.append(Document(path=str(path), name=name))
    return tuple(parts)


def _check_place(path: Path, folder: Path) -> None:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError("a link out of the folder is not followed")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no file, but a folder, a pipe or a device")


def _is_group(path: Path) -> bool:
    return not path.name.startswith(".") and path.is_dir() and not path.is_symlink()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return error.message if isinstance(error, InvalidRequestError) else str(error)


def _id(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _files(count: int, what: str = "file") -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
