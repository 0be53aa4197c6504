"""Reads hostile documents by eight threads, and prints as JSON what came of each, and what it took.

A program of its own: the memory of its ended children is that of reading processes alone. Arguments: seconds that a
file may take, and of how many documents one is read.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.pages import Limits
from complaint_llm.documents.reading import DocumentReaders
from tests.documents.hostile import HostileDocument, hostile_documents
from tests.documents.tiny_pdf import pdf, text

_LETTER = pdf(text("Dear tenant", 60, 700))


def main() -> None:
    seconds, every, offset = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    readers = DocumentReaders(Limits(seconds=seconds, text_characters=5_000_000))

    def read(document: HostileDocument) -> dict[str, Any]:
        began = time.monotonic()
        error = kind = None
        try:
            readers.read(
                document.data, document.media_type, document.name, deadline=Deadline(600), cancel=CancelToken()
            )
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
            "name": document.name,
            "kind": kind,
            "error": error,
            "words": document.words,
            "seconds": time.monotonic() - began,
            "after": after.pages[0].text,
        }

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(read, islice(hostile_documents(), offset, None, every)))
    readers.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"documents": found, "megabytes": peak}))


if __name__ == "__main__":
    main()
