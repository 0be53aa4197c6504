"""Where ``complaint-llm report`` finds the documents of a batch again: below its folders, or in the evidence."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from complaint_llm.batch import Journal
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.pages import ReadDocument
from complaint_llm.documents.reading import DocumentReaders
from complaint_llm.exceptions import ComplaintLLMError, InvalidRequestError
from complaint_llm.prompt_files import read_document_file
from complaint_llm.report.items import journal_beside
from complaint_llm.report.shown_documents import same_document

FOLDERS = "documents are below"
"""Under this name the journal of a batch keeps the folders that its documents came from, absolute."""

_SECONDS = 60.0
"""For reading one document again."""


def note_folders(journal: Path, folders: Iterable[Path]) -> None:
    """Let the journal of a batch know where its documents came from."""
    with Journal(journal) as kept:
        known = kept.metadata(FOLDERS)
        found = {*(json.loads(known) if known else ()), *(str(folder.absolute()) for folder in folders)}
        kept.set_metadata(FOLDERS, json.dumps(sorted(found)))


def noted_folders(out: Path) -> list[Path]:
    """The folders that the journal beside OUT names; none where there is no journal."""
    beside = journal_beside(out)
    if not beside.exists():
        return []
    with Journal(beside) as journal:
        known = journal.metadata(FOLDERS)
    return [Path(folder) for folder in json.loads(known)] if known else []


class DocumentFinder:
    """Reads the documents again that lines of OUT say were shown: only the very bytes count.

    ``retrieve`` gives evidence by its CID. One thread uses it; it owns the readers, which ``close`` ends.
    """

    def __init__(self, folders: Iterable[Path], retrieve: Callable[[str], bytes] | None = None) -> None:
        self._folders = tuple(folders)
        self._retrieve = retrieve
        self._paths: dict[str, list[Path]] | None = None
        self._readers = DocumentReaders()

    def __enter__(self) -> DocumentFinder:
        return self

    def __exit__(self, *exc: object) -> None:
        self._readers.close()

    def read(self, shown: Mapping[str, Any]) -> ReadDocument | None:
        """The document of an entry of ``shown``, the pages that were shown; None where its bytes are not to be had, or
        cannot be read here."""
        try:
            if shown.get("evidence") and self._retrieve is not None:
                return same_document(shown, self._retrieve(str(shown.get("cid"))), self._read)
            for path in self._paths_of(str(shown.get("name") or "")):
                found = same_document(shown, read_document_file(path), self._read)
                if found is not None:
                    return found
        except ComplaintLLMError:
            return None
        return None

    def _paths_of(self, name: str) -> list[Path]:
        if self._paths is None:
            self._paths = defaultdict(list)
            for folder in self._folders:
                for root, _, files in os.walk(folder):
                    for file in files:
                        self._paths[file].append(Path(root, file))
        return self._paths.get(name, [])

    def _read(self, data: bytes, media_type: str, name: str) -> ReadDocument:
        if media_type.startswith("image/"):
            raise InvalidRequestError(f"{name} is an image", sent=False)
        return self._readers.read(data, media_type, name, deadline=Deadline(_SECONDS), cancel=CancelToken())
