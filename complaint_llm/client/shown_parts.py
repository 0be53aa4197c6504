"""One document as a target is shown it: the file, the text in it, an image, or why it cannot be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.document_shapes import page_range
from complaint_llm.documents.as_text import image_pages, is_blank, text_form
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Part, Shown

if TYPE_CHECKING:
    from complaint_llm.documents.attached import AttachedDocument
    from complaint_llm.documents.pages import ReadDocument
    from complaint_llm.guards.guard import TargetKind
    from complaint_llm.request import DocumentMode

FILE_PAGE_TOKENS = 1_500
"""Tokens of a page that is given as a file beside its text: it is looked at as an image, too. The lower end of what
Anthropic's documentation of PDF support says of a page (July 2025)."""
_CHARACTERS_A_TOKEN = 4


class Abilities(NamedTuple):
    """What of a target decides on the form: targets with the same abilities are shown the same."""

    kind: TargetKind
    may_see_evidence: bool
    host: str | None
    """Only where the evidence may not go there."""
    sees_images: bool
    mode: DocumentMode
    reads: tuple[bool, ...]


class ShownPart(NamedTuple):
    parts: tuple[Part, ...]
    shown: Shown
    file_tokens: int = 0
    has_text: bool = True


class CannotBeShownError(Exception):
    """Why a target cannot be shown a document, as a phrase."""


def part_as_shown(document: AttachedDocument, file_fault: str | None, abilities: Abilities) -> ShownPart:
    """The same as ``_shown_part``; of evidence that cannot be shown the reason says what else can be done with it."""
    try:
        return _shown_part(document, file_fault, abilities)
    except CannotBeShownError as why:
        if document.evidence:
            raise CannotBeShownError(f"{why}; cite= only records it") from why
        raise


def _shown_part(document: AttachedDocument, file_fault: str | None, abilities: Abilities) -> ShownPart:
    about = Shown(
        cid=document.cid,
        shown="document",
        name=document.name,
        media_type=document.media_type,
        sha256=document.sha256,
        evidence=document.evidence,
    )
    if document.is_image:
        if not abilities.sees_images:
            raise CannotBeShownError("no images")
        image = ImagePart(data=document.data, media_type=document.media_type)
        return ShownPart((image,), about._replace(shown="image"), has_text=False)
    if file_fault is None and abilities.mode != "text":
        return _as_file(document, about)
    if abilities.mode == "native":
        raise CannotBeShownError(f'{document.name!r} cannot be given as a file ("documents": "native"): {file_fault}')
    return _as_text(document, about, abilities)


def _as_file(document: AttachedDocument, about: Shown) -> ShownPart:
    # With its CID: by that a citation is known as one of this document.
    part = Document(data=document.data, cid=document.cid, media_type=document.media_type, name=document.name)
    content = document.content_if_readable()
    if content is None:
        return ShownPart((part,), about, has_text=False)
    characters = sum(len(page.text) for page in content.pages)
    tokens = estimated_tokens(characters) + FILE_PAGE_TOKENS * (len(content.pages) if content.has_pages else 0)
    numbers = tuple(page.number for page in content.pages) if content.has_pages else ()
    # The same text is kept with the record: that is what quotes are looked for in.
    form = text_form(content, document.name, document.sha256[:8])
    shown = about._replace(
        pages=numbers, image_pages=form.image_pages, text_sha256=form.text_sha256, reader=_reader(content)
    )
    return ShownPart((part,), shown, file_tokens=tokens, has_text=not form.image_pages)


def _as_text(document: AttachedDocument, about: Shown, abilities: Abilities) -> ShownPart:
    try:
        content = document.content()
    except (InvalidRequestError, ConfigError) as fault:
        raise CannotBeShownError(str(fault.args[0])) from fault
    if is_blank(content):
        raise CannotBeShownError(f"{document.name!r} holds nothing to read")
    scanned = image_pages(content)
    if scanned and not abilities.sees_images:
        where = page_range(scanned) if content.has_pages else f"{len(scanned)} of the parts"
        raise CannotBeShownError(f"no images, and of {document.name!r} {where} can only be shown as images")
    form = text_form(content, document.name, document.sha256[:8])
    shown = about._replace(
        shown="text" if any(page.text for page in content.pages) else "image",
        pages=form.pages,
        image_pages=form.image_pages,
        text_sha256=form.text_sha256,
        reader=_reader(content),
    )
    return ShownPart(form.parts, shown, has_text=not scanned)


def _reader(content: ReadDocument) -> str:
    return f"{content.reader} {content.version}".strip()


def estimated_tokens(characters: int) -> int:
    """About how many tokens a text of so many characters has."""
    return characters // _CHARACTERS_A_TOKEN
