"""How a finished file gets its name, and how the name stays."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links say (FAT on a stick, some network folders)."""


def name_once(temporary: Path, path: Path) -> None:
    """Give a finished file its name, durably, unless another has it; ``temporary`` is gone then. Raises OSError.

    Of several who try at the same moment one wins. Where there are no hard links, that is the last one.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if not path.exists():
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make new names in a folder durable (where folders can be synced: not on Windows, which needs no such call)."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
