"""What each target is shown of a call's documents: the file itself, the text in it, or why it cannot be shown it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.checks.answer_checks import marks_quotes
from complaint_llm.documents.as_text import image_pages, is_blank, page_range, text_form
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Message, Part, Shown, TextPart

if TYPE_CHECKING:
    from complaint_llm.checks.quote_search import SearchableText
    from complaint_llm.documents.attached import AttachedDocument
    from complaint_llm.documents.pages import ReadDocument
    from complaint_llm.request import DocumentMode, FormTarget, Request

FILE_PAGE_TOKENS = 1_500
"""Tokens of a page that is given as a file beside its text: it is looked at as an image, too. The lower end of what
Anthropic's documentation of PDF support says of a page (July 2025)."""
_CHARACTERS_A_TOKEN = 4


class _Abilities(NamedTuple):
    """What of a target decides on the form: targets with the same abilities are shown the same."""

    may_see_evidence: bool
    host: str | None
    """Only where the evidence may not go there."""
    sees_images: bool
    mode: DocumentMode
    reads: tuple[bool, ...]


class _Form(NamedTuple):
    """The messages and what goes with them; ``reason`` is why there are none."""

    messages: tuple[Message, ...] = ()
    shown: tuple[Shown, ...] = ()
    file_tokens: int = 0
    searchable: bool = True
    reason: str | None = None


class _ShownPart(NamedTuple):
    parts: tuple[Part, ...]
    shown: Shown
    file_tokens: int = 0
    has_text: bool = True


class CannotBeShownError(Exception):
    """Why a target cannot be shown a document, as a phrase."""


class CallForms:
    """``documents`` are those of the request's parts, by the identity of the part. See ``request.Forms``."""

    def __init__(self, request: Request, documents: Mapping[int, AttachedDocument], *, show: str) -> None:
        self._request = request
        self._documents = documents
        self._show_anywhere = show == "any"
        self._has_evidence = any(each.evidence for each in documents.values())
        self._forms: dict[_Abilities, _Form] = {}
        self._texts: tuple[SearchableText, ...] | None = None

    def lacks(self, target: FormTarget) -> str | None:
        """Why this target must not or cannot be shown the documents, as a phrase, or None."""
        return self._form(target).reason

    def request_to(self, target: FormTarget, request: Request) -> Request:
        """What this target is asked. Raises InvalidRequestError where ``lacks`` says something."""
        form = self._form(target)
        if form.reason is not None:
            raise InvalidRequestError(f"cannot serve this request: {form.reason}", sent=False)
        checks = request.checks
        if checks is not None and marks_quotes(checks.schema):
            texts = (*checks.texts, *self._searchable_texts())
            checks = checks._replace(texts=texts, searchable=checks.searchable and form.searchable)
        return request._replace(
            messages=form.messages,
            shown=form.shown,
            file_tokens=form.file_tokens,
            checks=checks,
            forms=None,
        )

    def length_in_words(self) -> str:
        """How long the documents are, and what to do about it."""
        said = []
        for document in self._documents.values():
            content = document.content_if_readable()
            if content is not None:
                tokens = _tokens(sum(len(page.text) for page in content.pages))
                pages = f"{len(content.pages)} pages, " if content.has_pages else ""
                said.append(f"{document.name} has {pages}about {tokens} tokens")
        choose = "choose some of its pages with pages=, or ask for less at once"
        return f"{'; '.join(said)}: {choose}" if said else choose

    def _form(self, target: FormTarget) -> _Form:
        may_see = self._show_anywhere or not self._has_evidence or target.local
        abilities = _Abilities(
            may_see_evidence=may_see,
            host=None if may_see else target.host,
            sees_images=target.sees_images,
            mode=self._request.documents or target.document_mode,
            reads=tuple(target.reads(each.media_type) for each in self._documents.values()),
        )
        known = self._forms.get(abilities)
        if known is None:
            try:
                known = self._made_form(abilities)
            except CannotBeShownError as why:
                known = _Form(reason=str(why))
            self._forms[abilities] = known
        return known

    def _made_form(self, abilities: _Abilities) -> _Form:
        if not abilities.may_see_evidence:
            where = f"to {abilities.host}" if abilities.host else "beyond this machine"
            raise CannotBeShownError(
                f'the evidence would go {where}: cite= only records it; EVIDENCE "show": "any" allows it'
            )
        reads = dict(zip(self._documents, abilities.reads, strict=True))
        shown: dict[int, _ShownPart] = {
            place: _shown_part(document, reads[place], abilities) for place, document in self._documents.items()
        }
        return _Form(
            messages=tuple(_with_parts(message, shown) for message in self._request.messages),
            shown=tuple(each.shown for each in shown.values()),
            file_tokens=sum(each.file_tokens for each in shown.values()),
            searchable=all(each.has_text for each in shown.values()),
        )

    def _searchable_texts(self) -> Sequence[SearchableText]:
        """The texts of all documents that have one, folded once for all targets."""
        if self._texts is None:
            from complaint_llm.documents.searchable import searchable_text  # cold start: checks

            read = [(each, each.content_if_readable()) for each in self._documents.values() if not each.is_image]
            self._texts = tuple(searchable_text(content, each.cid) for each, content in read if content is not None)
        return self._texts


def _with_parts(message: Message, shown: Mapping[int, _ShownPart]) -> Message:
    if isinstance(message.content, str):
        return message
    parts: list[Part] = []
    for part in message.content:
        parts += shown[id(part)].parts if isinstance(part, Document) else (part,)
    if all(isinstance(part, TextPart) for part in parts):
        # A text is what every backend takes.
        return message._replace(content="\n\n".join(part.text for part in parts if isinstance(part, TextPart)))
    return message._replace(content=tuple(parts))


def _shown_part(document: AttachedDocument, reads: bool, abilities: _Abilities) -> _ShownPart:
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
        return _ShownPart((image,), about._replace(shown="image"), has_text=False)
    if reads and abilities.mode != "text" and document.pages is None:
        return _as_file(document, about)
    if abilities.mode == "native":
        why = "pages= needs its text" if reads else f"it takes no files of {document.media_type}"
        raise CannotBeShownError(f'{document.name!r} cannot be given as a file ("documents": "native"): {why}')
    return _as_text(document, about, abilities)


def _as_file(document: AttachedDocument, about: Shown) -> _ShownPart:
    part = Document(data=document.data, media_type=document.media_type, name=document.name)
    content = document.content_if_readable()
    if content is None:
        return _ShownPart((part,), about, has_text=False)
    characters = sum(len(page.text) for page in content.pages)
    tokens = _tokens(characters) + FILE_PAGE_TOKENS * (len(content.pages) if content.has_pages else 0)
    numbers = tuple(page.number for page in content.pages) if content.has_pages else ()
    # The same text is kept with the record: that is what quotes are looked for in.
    form = text_form(content, document.name, document.sha256[:8])
    shown = about._replace(pages=numbers, text_sha256=form.text_sha256, reader=_reader(content))
    return _ShownPart((part,), shown, file_tokens=tokens, has_text=not form.image_pages)


def _as_text(document: AttachedDocument, about: Shown, abilities: _Abilities) -> _ShownPart:
    try:
        content = document.content()
    except InvalidRequestError as fault:
        raise CannotBeShownError(fault.message) from fault
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
    return _ShownPart(form.parts, shown, has_text=not scanned)


def _reader(content: ReadDocument) -> str:
    return f"{content.reader} {content.version}".strip()


def _tokens(characters: int) -> int:
    return characters // _CHARACTERS_A_TOKEN
