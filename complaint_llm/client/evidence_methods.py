"""The methods for evidence that a client with a store has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Unpack, cast

if TYPE_CHECKING:
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.evidence.typed import Deletion, EvidenceRecord, EvidenceStatements


class EvidenceMethods(ABC):
    """What scripts call for evidence; the rest is on ``evidence``. Any thread may call it."""

    @property
    @abstractmethod
    def evidence(self) -> EvidenceStore:
        """The store of evidence."""

    def submit_evidence(
        self, data: bytes, evidence_type: str, **statements: Unpack[EvidenceStatements]
    ) -> EvidenceRecord:
        """Store evidence and its record; see ``EvidenceStore.submit_evidence``.

        >>> record = mediator.submit_evidence(letter, "document", user_id="client-17")  # doctest: +SKIP
        >>> record["cid"]  # doctest: +SKIP
        """
        return cast("EvidenceRecord", self.evidence.submit_evidence(data, evidence_type, **statements))

    def submit_evidence_file(
        self, path: str | Path, evidence_type: str = "document", **statements: Unpack[EvidenceStatements]
    ) -> EvidenceRecord:
        """Store a file of any size; see ``EvidenceStore.submit_evidence_file``."""
        return cast("EvidenceRecord", self.evidence.submit_evidence_file(path, evidence_type, **statements))

    def get_evidence_by_cid(self, cid: str) -> EvidenceRecord:
        """The newest record of this content. Raises EvidenceNotFoundError."""
        return cast("EvidenceRecord", self.evidence.get_evidence_by_cid(cid))

    def retrieve_evidence(self, cid: str) -> bytes:
        """The content, every block verified. Raises EvidenceNotFoundError, EvidenceCorruptedError."""
        return self.evidence.retrieve_evidence(cid)

    def get_user_evidence(self, user_id: str) -> list[EvidenceRecord]:
        """The records of one user."""
        return cast("list[EvidenceRecord]", self.evidence.get_user_evidence(user_id))

    def delete_evidence(self, cid: str) -> Deletion:
        """Forget the records of this content. Raises EvidenceNotFoundError."""
        return cast("Deletion", self.evidence.delete_evidence(cid))
