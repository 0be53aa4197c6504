"""What an answer rests on: the documents and the evidence that a model was shown, and what it says that it cites."""

from __future__ import annotations

from typing import Literal

from complaint_llm.named_tuples import NamedTuple


class Shown(NamedTuple):
    """A document, or evidence, that a call named, and how the model that answered was shown it.

    ``shown`` is "document" (the file itself), "text" (what was read in it), "image", or "no" (only cited). ``sha256``
    is of its bytes, ``text_sha256`` of the text that was shown, made by ``reader``. ``pages`` are those that were shown
    as text, ``image_pages`` as images, both counted from 1; empty where the format has none. Of a file ``pages`` are
    all, ``image_pages`` those that have no text.
    """

    cid: str
    shown: Literal["text", "document", "image", "no"]
    name: str = ""
    media_type: str = ""
    sha256: str = ""
    pages: tuple[int, ...] = ()
    image_pages: tuple[int, ...] = ()
    text_sha256: str | None = None
    reader: str | None = None
    evidence: bool = False
    """Whether it is evidence, named by its CID."""


class Citation(NamedTuple):
    """What a provider says that a part of its answer rests on.

    ``start`` and ``end`` are the part of ``content``, as a slice, where the provider tells it; ``cited_text`` the words
    of the source. Of a document that this call showed, ``source`` is the CID, ``page`` the page, and ``state`` what
    looking for the words in it found (see ``quotes``); of anything else ``url`` and ``title`` say what it is, and
    ``state`` is None: nothing was looked up.
    """

    cited_text: str | None = None
    source: str | None = None
    url: str | None = None
    title: str | None = None
    page: int | None = None
    start: int | None = None
    end: int | None = None
    state: str | None = None
