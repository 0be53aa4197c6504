"""The documents and the evidence of a call: loaded before anything is sent, and the forms in which they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from complaint_llm.client.once import Once
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document

if TYPE_CHECKING:
    from complaint_llm.documents.attached import AttachedDocument
    from complaint_llm.documents.reading import DocumentReaders
    from complaint_llm.guards.chain import CallGuards
    from complaint_llm.request import Request

Show = Literal["local", "any"]


class EvidenceSource(Protocol):
    """Where evidence is taken from."""

    def retrieve_evidence(self, cid: str) -> bytes:
        """The content, every block verified. Raises EvidenceNotFoundError, EvidenceCorruptedError."""
        ...

    def get_evidence_by_cid(self, cid: str) -> Mapping[str, Any]: ...


def plain_readers() -> DocumentReaders:
    """Readers of the kinds that the package reads."""
    from complaint_llm.documents.reading import DocumentReaders  # cold start: documents

    return DocumentReaders()


class Attachments:
    """Loads what calls attach, and owns the readers, which ``close`` ends. Any thread may call it.

    ``evidence`` opens the store, where there is one; ``show`` says whether evidence may be shown to a model that is not
    on this machine.
    """

    def __init__(
        self,
        readers: Callable[[], DocumentReaders] = plain_readers,
        evidence: Callable[[], EvidenceSource] | None = None,
        show: Show = "local",
    ) -> None:
        self._readers = Once(readers, _close)
        self._evidence = evidence
        self._show = show

    def with_forms(self, request: Request, guards: CallGuards | None = None) -> Request:
        """The request with what each target is to be shown of its documents, and what ``guards`` make of it.

        Raises InvalidRequestError for a document that is none, EvidenceError for evidence that is not there or is
        damaged: before anything is sent.
        """
        from complaint_llm.client.forms import DocumentForms  # cold start: documents

        attached = {id(part): self._load(part, request) for part in documents_of(request)}
        cids = tuple(dict.fromkeys(each.cid for each in attached.values() if each.evidence))
        request = request._replace(evidence=tuple(dict.fromkeys((*request.evidence, *cids))))
        return request._replace(forms=DocumentForms(request, attached, show=self._show, guards=guards))

    def close(self) -> None:
        """End the processes that read."""
        self._readers.close()

    def _load(self, part: Document, request: Request) -> AttachedDocument:
        # cold start: documents
        from complaint_llm.documents.attached import AttachedDocument
        from complaint_llm.documents.kinds import document_kind
        from complaint_llm.prompt_files import read_document_file

        name, declared, cid = part.name, part.media_type, None
        if part.cid is not None and part.data is None:
            from complaint_llm.evidence import parse_cid  # cold start: evidence

            cid = parse_cid(part.cid).name
            data, name, declared = self._evidence_of(cid, name, declared)
        elif part.path is not None:
            data, name = read_document_file(part.path), name or Path(part.path).name
        else:
            data, name = part.data or b"", name or "document"
        try:
            media_type = document_kind(data[:8192], name, declared)
        except (ValueError, InvalidRequestError) as fault:
            why = "" if cid is None else "; cite= only records it"
            raise InvalidRequestError(f"{_line(fault)}{why}", sent=False) from fault
        return AttachedDocument(
            data,
            media_type,
            name,
            cid=cid or content_cid(data),
            read=partial(self._read, data, media_type, name, part.pages, request),
            pages=part.pages,
            evidence=cid is not None,
        )

    def _evidence_of(self, cid: str, name: str | None, declared: str | None) -> tuple[bytes, str, str | None]:
        if self._evidence is None:
            raise InvalidRequestError("there is no store of evidence here: give the file's path or data", sent=False)
        store = self._evidence()
        data = store.retrieve_evidence(cid)
        record = store.get_evidence_by_cid(cid)
        known = record.get("file_name") or (record.get("metadata") or {}).get("file_name")
        return data, name or known or f"evidence {cid[:16]}", declared or record.get("mime_type")

    def _read(self, data: bytes, media_type: str, name: str, pages: str | None, request: Request) -> Any:
        from complaint_llm.documents.page_choice import Pages  # cold start: documents

        try:
            chosen = None if pages is None else Pages.parse(pages)
        except ValueError as fault:
            raise InvalidRequestError(f"{name}: {fault}", sent=False) from fault
        return self._readers.get().read(
            data, media_type, name, pages=chosen, deadline=request.deadline, cancel=request.cancel
        )


def documents_of(request: Request) -> Iterator[Document]:
    """The documents of a request, in their order."""
    for message in request.messages:
        if not isinstance(message.content, str):
            yield from (part for part in message.content if isinstance(part, Document))


def content_cid(data: bytes) -> str:
    """The CID that the bytes have as evidence, whether they are stored or not."""
    # cold start: evidence
    from complaint_llm.evidence.ipld.unixfs import PROFILES, FileTree, chunks_of

    profile = PROFILES["unixfs-v1"]
    tree = FileTree(profile)
    for _ in tree.blocks(chunks_of(BytesIO(data).read, profile.chunk)):
        pass
    assert tree.root is not None
    return tree.root.name


def _line(fault: ValueError | InvalidRequestError) -> str:
    return fault.message if isinstance(fault, InvalidRequestError) else str(fault)


def _close(readers: DocumentReaders) -> None:
    readers.close()
