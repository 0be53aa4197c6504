"""Reading a document by readers."""

from __future__ import annotations

from typing import Any

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.pages import ReadDocument
from complaint_llm.documents.reading import DocumentReaders

CRASHES = '''
import os, signal, sys, time, resource
from complaint_llm import hookimpl
from complaint_llm.documents.pages import Page, PageImage, ReadDocument
from complaint_llm.documents.readers.unreadable import UnreadableError

def made(words, image=None):
    return ReadDocument((Page(1, words, "extracted", image=image),), "x/y", "theirs", "1", 1, False)

def read(file, limits, pages):
    """Does what the file says."""
    return eval(file.read().decode())

def fail(error):
    raise error

def spin():
    while True:
        pass

def opened(path, mode):
    with open(path, mode) as file:
        file.write("x")
        file.flush()
    return made("written")

@hookimpl
def complaint_llm_document_readers():
    return {"x/y": read}
'''


def read(readers: DocumentReaders, data: bytes | str, media_type: str = "x/y", **more: Any) -> ReadDocument:
    more = {"deadline": Deadline(120), "cancel": CancelToken(), **more}
    content = data if isinstance(data, bytes) else data.encode()
    return readers.read(content, media_type, "lease.pdf", **more)
