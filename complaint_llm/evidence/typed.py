"""What goes into and comes out of a store, as type checkers see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class EvidenceStatements(TypedDict, total=False):
    """What whoever submits evidence says of it."""

    description: str
    claim_type: str | None
    claim_element: str | None
    user_id: str | None
    metadata: Mapping[str, Any] | None
    file_name: str | None
    mime_type: str | None
    matter: str | None


class EvidenceRecord(TypedDict):
    """A record of evidence: what was found out of the content, and what was said of it."""

    cid: str
    size: int
    """Bytes."""
    sha256: str
    """In hex."""
    mime_type: str
    detected_type: str | None
    record_id: str
    record_created: NotRequired[bool]
    """Whether this submission made the record; False where the same one was there."""
    created: str
    """UTC, RFC 3339."""
    imported: Mapping[str, Any] | None
    evidence_type: str
    description: str
    claim_type: str | None
    claim_element: str | None
    user_id: str | None
    file_name: str | None
    declared_type: str | None
    matter: str | None
    metadata: dict[str, Any]


class Deletion(TypedDict):
    """What a deletion removed."""

    cid: str
    records: int
    blocks: int | None
    """How many were removed; None if they go with the next deletion or ``gc``."""
    kept_by: NotRequired[list[str]]
    """Folders that still have the content in them."""
