"""Writing a folder that was stored to the disk again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.ipld.unixfs import read_file
from complaint_llm.evidence.ipld.unixfs_folder import is_folder, walk_folder
from complaint_llm.exceptions import EvidenceError
from complaint_llm.private_folder import open_private

_FORBIDDEN = frozenset(("", ".", ".."))
_SEPARATORS = frozenset("/\\\0")


def write_folder(root: Cid, get: Callable[[Cid], bytes], target: Path) -> list[str]:
    """Write a folder under a temporary name, each block verified by ``get``, and rename it when it is whole.

    In words, what is not in it: links, and names that mean another place than the folder. Raises EvidenceError.
    """
    if not is_folder(root, get):
        raise EvidenceError(f"{root} is a file, not a folder")
    if target.exists():
        raise EvidenceError(f"{target} is there already: name a folder that is not")
    left_out: list[str] = []
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        try:
            temporary.mkdir(mode=0o700)
            for item in walk_folder(root, get):
                path = temporary.joinpath(*item.names)
                if item.kind == "link":
                    left_out.append(f"{item.path} is a symbolic link")
                elif any(name in _FORBIDDEN or _SEPARATORS & set(name) for name in item.names):
                    left_out.append(f"{item.path!r} is no name that can be written")
                elif item.kind == "folder":
                    path.mkdir(mode=0o700, exist_ok=True)
                elif path.exists():
                    left_out.append(f"{item.path} is there a second time")
                else:
                    with open(path, "xb", opener=open_private) as file:
                        file.writelines(read_file(item.cid, get))
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    except OSError as error:
        raise EvidenceError(f"{target} cannot be written: {error.strerror or error}") from error
    return left_out
