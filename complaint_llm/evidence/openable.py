"""Whether a store of evidence could be opened and written, before it is needed: nothing is made or changed."""

from __future__ import annotations

from pathlib import Path

from complaint_llm.evidence.index.database import index_fault
from complaint_llm.evidence.index.record_log import RecordLog
from complaint_llm.private_folder import folder_fault, is_private_folder


def store_fault(path: Path) -> str | None:
    """Why a store of evidence could not be opened and written there; None where nothing shows.

    Contents are not looked at: ``complaint-llm evidence verify`` does that.
    """
    try:
        found = folder_fault(path)
        if found is not None or not path.is_dir() or not any(path.iterdir()):
            return found
        if not is_private_folder(path):
            return f"{path} is in use for something else: give evidence a folder of its own"
        for name in ("blocks", "trash"):
            if (path / name).exists() and (found := folder_fault(path / name)) is not None:
                return found
        return index_fault(path) or _log_fault(path)
    except OSError as fault:
        return f"{path} cannot be used: {fault.strerror or fault}"


def _log_fault(path: Path) -> str | None:
    log = RecordLog(path / "records.log")
    if log.path.is_dir():
        return f"{log.path} is a folder, where a file is wanted: move it away"
    if log.path.exists() and not log.key():
        return f"{log.path} is damaged: `complaint-llm evidence rebuild` writes it again"
    return None
