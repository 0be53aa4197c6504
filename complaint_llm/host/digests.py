"""SHA-256 of a plugin's files, in hex, without importing any of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from complaint_llm.exceptions import PluginError

MOST_FILES = 10_000
"""A folder of more files is no plugin."""


def digest_of(path: Path) -> str:
    """The digest of a file; of a folder that of the lines ``digest  path`` of all files below, by path, as
    ``sha256sum`` prints them. What Python makes itself (``__pycache__``) is none of them.

    Raises PluginError if something cannot be read.
    """
    try:
        if not path.is_dir():
            return _of_file(path)
        lines = [f"{_of_file(path / name)}  {name}\n" for name in sorted(_files_below(path))]
    except OSError as cause:
        raise PluginError(f"{cause.filename or path}: cannot be read: {cause.strerror or cause}") from cause
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def installed_path(module: str) -> Path | None:
    """The file of a module, or the folder of the outermost package that it is in; None where there is no file."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.origin is not None and Path(spec.origin).is_file():
        file = Path(spec.origin)
        return file.parent if spec.submodule_search_locations is not None else file
    for folder in spec.submodule_search_locations or ():
        found = Path(folder).joinpath(*rest)
        if found.is_dir():
            return found
        if found.with_suffix(".py").is_file():
            return found.with_suffix(".py")
    return None


def module_file(module: str) -> Path | None:
    """The source file of an installed module, by where its package lies; None where there is none."""
    path = installed_path(module)
    if path is None or path.is_file():
        return path
    _, *rest = module.split(".")
    for found in (path.joinpath(*rest, "__init__.py"), path.joinpath(*rest).with_suffix(".py"), path / "__init__.py"):
        if found.is_file():
            return found
    return path


def _files_below(folder: Path) -> Iterator[str]:
    count = 0
    for root, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        folders[:] = [each for each in folders if each != "__pycache__"]
        for name in files:
            count += 1
            if count > MOST_FILES:
                raise PluginError(f"{folder}: more than {MOST_FILES} files: this is no plugin")
            yield (Path(root) / name).relative_to(folder).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
