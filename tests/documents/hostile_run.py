"""Reads hostile documents by eight threads, and prints as JSON what came of each, and what it took.

A program of its own, and a small one: the memory of its ended children is that of reading processes alone. Arguments:
a folder of files and the list of them, and seconds that a file may take.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.pages import Limits
from complaint_llm.documents.reading import DocumentReaders
from tests.documents.tiny_pdf import pdf, text

_LETTER = pdf(text("Dear tenant", 60, 700))


def main() -> None:
    folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
    readers = DocumentReaders(Limits(seconds=seconds, text_characters=5_000_000))

    def read(document: list[str]) -> dict[str, Any]:
        name, media_type, words = document
        began = time.monotonic()
        error = kind = None
        try:
            readers.read((folder / name).read_bytes(), media_type, name, deadline=Deadline(600), cancel=CancelToken())
        except Exception as found:
            error, kind = str(found), type(found).__name__
        # A letter after each: the rest of a batch goes on.
        after = readers.read(
            _LETTER,
            "application/pdf",
            "letter.pdf",
            deadline=Deadline(600),
            cancel=CancelToken(),
        )
        return {
            "name": name,
            "kind": kind,
            "error": error,
            "words": words,
            "seconds": time.monotonic() - began,
            "after": after.pages[0].text,
        }

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, json.loads((folder / "list.json").read_text(encoding="utf-8"))))
    readers.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"documents": found, "megabytes": peak}))


if __name__ == "__main__":
    main()
