"""What each target is shown of a call's documents: the file itself, the text in it, or why it cannot be shown it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from complaint_llm.checks.answer_checks import AnswerChecks, marks_quotes
from complaint_llm.checks.quote_search import SearchableText
from complaint_llm.client.guarded_form import TargetForm, guarded_form, kind_of, restored_answer
from complaint_llm.client.shown_parts import (
    Abilities,
    CannotBeShownError,
    ShownPart,
    estimated_tokens,
    part_as_shown,
)
from complaint_llm.messages import Citation, Document, InferenceOutput, Message, Part, TextPart
from complaint_llm.routing.eligible import first_able
from complaint_llm.routing.turns import alike_targets

if TYPE_CHECKING:
    from complaint_llm.documents.attached import AttachedDocument
    from complaint_llm.guards.chain import CallGuards
    from complaint_llm.request import FormTarget, Request
    from complaint_llm.routing.target import EventStream
    from complaint_llm.routing.target import Target as FormRoute


class DocumentForms:
    """``documents`` are those of the request's parts, by the identity of the part. See ``request.Forms``.

    ``guards`` change what is shown, and are asked once for each form.
    """

    def __init__(
        self,
        request: Request,
        documents: Mapping[int, AttachedDocument],
        *,
        show: str,
        guards: CallGuards | None = None,
    ) -> None:
        self._request = request
        self._documents = documents
        self._guards = guards
        self._show_anywhere = show == "any"
        self._has_evidence = any(each.evidence for each in documents.values())
        # Only there do services take files.
        self._in_user_turns = documents.keys() - {
            id(part) for message in request.messages if message.role != "user" for part in _documents_of(message)
        }
        self._forms: dict[Abilities, TargetForm] = {}
        self._texts: tuple[SearchableText, ...] | None = None

    def lacks(self, target: FormTarget) -> str | None:
        """Why this target must not or cannot be shown the documents, as a phrase, or None."""
        return self._form(target).reason

    def request_to(self, target: FormTarget, request: Request) -> Request:
        """What this target is asked. Raises InvalidRequestError where ``lacks`` says something."""
        return self._form(target).in_place_of(request)

    def prepare(self, routes: Sequence[FormRoute]) -> Request:
        """The request with its forms; where there are guards each is made that somebody may be asked.

        Raises GuardError, before anything is looked up or sent.
        """
        request = self._request._replace(forms=self)
        if self._guards is not None:
            for alike in alike_targets(routes):
                first_able(alike, request)
        return request

    def guard_report(self, target: FormTarget) -> Sequence[Mapping[str, Any]]:
        """Which guards stand before this target, and what they counted so far."""
        return () if self._guards is None else self._guards.report(kind_of(target))

    def hand_out(self, target: FormTarget, output: InferenceOutput) -> InferenceOutput:
        """The answer of this target as the caller gets it: names in their places again, and checked by the texts that
        the caller gave. Raises GuardError, which has the answer as it came."""
        kind = kind_of(target)
        if output.citations:
            output = output._replace(citations=self._looked_up_citations(output))
        if self._guards is not None and self._guards.applies_to(kind):
            output = restored_answer(self._guards, kind, output)
        elif not output.metadata.get("cached"):
            return output
        checks = self._form(target).own_checks
        return output if checks is None else checks.examine(output)

    def restored_stream(self, target: FormTarget, stream: EventStream) -> EventStream:
        """Its pieces as the caller gets them; its last event is as the target gave it."""
        kind = kind_of(target)
        if self._guards is None or not self._guards.applies_to(kind):
            return stream
        from complaint_llm.guards.stream import RestoredStream  # cold start: guards

        is_json = self._request.response_format is not None
        return RestoredStream(stream, partial(self._guards.pieces, kind), is_json=is_json)

    def length_in_words(self) -> str:
        """How long the documents are, and what to do about it."""
        said = []
        for document in self._documents.values():
            content = document.content_if_readable()
            if content is not None:
                tokens = estimated_tokens(sum(len(page.text) for page in content.pages))
                pages = f"{len(content.pages)} pages, " if content.has_pages else ""
                said.append(f"{document.name} has {pages}about {tokens} tokens")
        choose = "choose some of its pages with pages=, or ask for less at once"
        return f"{'; '.join(said)}: {choose}" if said else choose

    def _form(self, target: FormTarget) -> TargetForm:
        may_see = self._show_anywhere or not self._has_evidence or target.local
        kind = kind_of(target)
        barred = self._guards is not None and self._guards.bars(kind, "file") is not None
        abilities = Abilities(
            kind=kind,
            may_see_evidence=may_see,
            host=None if may_see else target.host,
            sees_images=target.sees_images,
            mode=self._request.documents or target.document_mode,
            reads=tuple(not barred and target.reads(each.media_type) for each in self._documents.values()),
        )
        known = self._forms.get(abilities)
        if known is None:
            try:
                shown = self._request_with(abilities)
            except CannotBeShownError as why:
                known = TargetForm(None, reason=str(why))
            else:
                known = TargetForm(shown, shown.checks)
                if self._guards is not None:
                    known = guarded_form(shown, self._guards, kind)
            self._forms[abilities] = known
        return known

    def _request_with(self, abilities: Abilities) -> Request:
        """The request with its documents as such a target is shown them."""
        if not abilities.may_see_evidence:
            where = f"to {abilities.host}" if abilities.host else "beyond this machine"
            raise CannotBeShownError(
                f'the evidence would go {where}: cite= only records it; EVIDENCE "show": "any" allows it'
            )
        reads = dict(zip(self._documents, abilities.reads, strict=True))
        shown: dict[int, ShownPart] = {
            place: part_as_shown(document, self._file_fault(place, document, reads[place]), abilities)
            for place, document in self._documents.items()
        }
        used = tuple(each.shown for each in shown.values())
        cids = {each.cid for each in used}
        searchable = all(each.has_text for each in shown.values())
        request = self._request
        return request._replace(
            messages=tuple(_with_parts(message, shown) for message in request.messages),
            checks=self._checks(searchable=searchable),
            shown=(*used, *(each for each in request.shown if each.cid not in cids)),
            file_tokens=sum(each.file_tokens for each in shown.values()),
        )

    def _checks(self, *, searchable: bool) -> AnswerChecks | None:
        checks = self._request.checks
        if checks is None or not self._documents or not marks_quotes(checks.schema):
            return checks
        return checks._replace(documents=self._searchable_texts(), searchable=checks.searchable and searchable)

    def _file_fault(self, place: int, document: AttachedDocument, reads: bool) -> str | None:
        """Why a document cannot be given as a file, or None."""
        if place not in self._in_user_turns:
            return "files stand in a user's messages only"
        if document.pages is not None:
            return "pages= needs its text"
        return None if reads else f"it takes no files of {document.media_type}"

    def _looked_up_citations(self, output: InferenceOutput) -> tuple[Citation, ...]:
        from complaint_llm.client.citations import look_up_citations  # cold start: checks

        texts = self._searchable_texts() if any(each.source for each in output.citations) else ()
        return look_up_citations(output.citations, texts, output.shown)

    def _searchable_texts(self) -> tuple[SearchableText, ...]:
        """The texts of all documents that have one, folded once for all targets."""
        if self._texts is None:
            from complaint_llm.documents.searchable import searchable_text  # cold start: checks

            read = [(each, each.content_if_readable()) for each in self._documents.values() if not each.is_image]
            self._texts = tuple(searchable_text(content, each.cid) for each, content in read if content is not None)
        return self._texts


def _documents_of(message: Message) -> tuple[Document, ...]:
    if isinstance(message.content, str):
        return ()
    return tuple(part for part in message.content if isinstance(part, Document))


def _with_parts(message: Message, shown: Mapping[int, ShownPart]) -> Message:
    if isinstance(message.content, str):
        return message
    parts: list[Part] = []
    for part in message.content:
        parts += shown[id(part)].parts if isinstance(part, Document) else (part,)
    if all(isinstance(part, TextPart) for part in parts):
        # A text is what every backend takes.
        return message._replace(content="\n\n".join(part.text for part in parts if isinstance(part, TextPart)))
    return message._replace(content=tuple(parts))
