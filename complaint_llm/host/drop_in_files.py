"""Dropped-in plugins: the direct children of a folder that a config names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from complaint_llm.backends.declared import SUFFIXES
from complaint_llm.drop_in_import import DropInFile
from complaint_llm.exceptions import PluginError
from complaint_llm.host.writers import folder_risk


def find_drop_in_files(folder: Path) -> Iterator[DropInFile]:
    """The plugins among the direct children of a folder, by name. Raises PluginError if there is no such folder, or if
    others may change what lies in it."""
    risk = folder_risk(folder)
    if risk is not None:
        raise PluginError(f"the plugin folder is refused: {risk}")
    try:
        children = sorted(folder.iterdir())
    except OSError as cause:
        raise PluginError(f"the plugin folder {folder} cannot be read: {cause.strerror}") from cause
    for child in children:
        if child.name.startswith((".", "_")):
            continue
        if (child / "plugin.py").is_file():
            yield DropInFile(child.name, "folder", child)
        elif child.suffix == ".py" and child.is_file():
            yield DropInFile(child.stem, "file", child)
        elif child.suffix in SUFFIXES and child.is_file():
            yield DropInFile(child.stem, "declared", child)
