"""Evidence records: who submitted what for which claim. Immutable, each named by what was given.

A record's body is DAG-CBOR. Its ``record_id`` is the CID of the part that was given (the content's CID included), so
the same submission is the same record; the body adds what was found out and when, and has a digest of its own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from complaint_llm.evidence.ipld.cid import DAG_CBOR, Cid, cid_of
from complaint_llm.evidence.ipld.dagcbor import decode, encode
from complaint_llm.evidence.media import declared_by, media_type
from complaint_llm.exceptions import EvidenceCorruptedError

KIND = "complaint_llm/evidence/1"
_FOUND: Mapping[str, type] = {"content": Cid, "size": int, "sha256": bytes, "detected_type": str, "created": str}


class Given(NamedTuple):
    """What the submitter says about a piece of evidence."""

    evidence_type: str
    description: str = ""
    claim_type: str | None = None
    claim_element: str | None = None
    user_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    file_name: str | None = None
    declared_type: str | None = None
    matter: str | None = None

    def check(self) -> Given:
        """This, if it can be recorded: TypeError or ValueError naming the field if not."""
        for name, value in self._asdict().items():
            kind = Mapping if name == "metadata" else str
            if not isinstance(value, kind) and (value is not None or name in ("evidence_type", "description")):
                what = "a mapping" if kind is Mapping else "a text"
                raise TypeError(f"{name} is {what}, not {type(value).__name__}")
        if not self.evidence_type:
            raise ValueError("evidence_type is empty; say what it is, such as 'document'")
        try:
            encode(_given_fields(self))
        except (TypeError, ValueError) as error:
            raise type(error)(f"what is given with evidence cannot be recorded: {error}") from error
        return self

    def of_file(self, path: Path) -> Given:
        """This about a file: its name and the type that the name declares, where they were not given."""
        # A name that is no text on this system is recorded with U+FFFD in place of its strange bytes.
        name = os.fsencode(path.name).decode("utf-8", "replace") if self.file_name is None else self.file_name
        return self._replace(file_name=name, declared_type=self.declared_type or declared_by(name))


class Content(NamedTuple):
    """What was found out about the bytes."""

    cid: Cid
    size: int
    sha256: bytes
    detected_type: str


class Imported(NamedTuple):
    """Where a record came from that was not made here: the archive's name, and when it says that it was made there."""

    source: str
    created: str | None


class Record(NamedTuple):
    """One record, made by ``record_of``. ``created`` is when it was made here: UTC, RFC 3339 with microseconds."""

    given: Given
    content: Content
    created: str
    record_id: str
    imported: Imported | None = None

    def encode(self) -> bytes:
        """The body as DAG-CBOR; it links to the content."""
        content = self.content
        found = {"content": content.cid, "size": content.size, "sha256": content.sha256}
        rest = {"detected_type": content.detected_type, "created": self.created, "kind": KIND}
        origin = {} if self.imported is None else {"imported": self.imported._asdict()}
        return encode({**_given_fields(self.given), **found, **rest, **origin})

    def as_dict(self) -> dict[str, Any]:
        """The record as users see it: JSON values only."""
        content = self.content
        return {
            "cid": str(content.cid),
            "size": content.size,
            "sha256": content.sha256.hex(),
            "mime_type": media_type(content.detected_type, self.given.declared_type),
            "detected_type": content.detected_type,
            "record_id": self.record_id,
            "created": self.created,
            "imported": None if self.imported is None else self.imported._asdict(),
            **self.given._asdict(),
            "metadata": dict(self.given.metadata or {}),
        }


def record_of(given: Given, content: Content, created: str) -> Record:
    """The record, named by the CID of what was given."""
    name = cid_of(DAG_CBOR, encode({"content": content.cid, **_given_fields(given)})).name
    return Record(given, content, created, name)


def decode_record(body: bytes) -> Record:
    """The record with this body; ValueError if it is none."""
    data = decode(body)
    if not isinstance(data, dict) or data.pop("kind", None) != KIND:
        raise ValueError(f"it is no {KIND} record")
    for name, kind in _FOUND.items():
        if not isinstance(data.get(name), kind):
            raise ValueError(f"it is no complete record: {name} is missing or of the wrong type")
    content = Content(*(data.pop(name) for name in ("content", "size", "sha256", "detected_type")))
    created = data.pop("created")
    origin = data.pop("imported", None)
    try:
        imported = None if origin is None else Imported(**origin)
        if imported is not None and not all(isinstance(value, (str, type(None))) for value in imported):
            raise ValueError("it is no complete record: where it came from is no text")
        return record_of(Given(**data).check(), content, created)._replace(imported=imported)
    except TypeError as error:
        raise ValueError(f"it is no complete record: {error}") from error


def verify_row(row: tuple[Any, ...]) -> Record:
    """The record of a row of the table if every bit of it is as it was written.

    Raises EvidenceCorruptedError naming the record.
    """
    _seq, record_id, cid, user_id, body, digest = row
    try:
        if sha256(body).digest() != digest:
            raise ValueError("its body is not what was written")
        record = decode_record(body)
        if record_id != record.record_id:
            raise ValueError(f"its body belongs to record {record.record_id}")
        if cid != str(record.content.cid) or user_id != record.given.user_id:
            raise ValueError("its index says otherwise than its body")
    except (TypeError, ValueError) as error:
        raise EvidenceCorruptedError(f"record {record_id} of {cid} is damaged: {error}") from error
    return record


def rfc3339(seconds: float) -> str:
    """A Unix time as UTC text."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _given_fields(given: Given) -> dict[str, Any]:
    """What was given, without what was left out: a field that later versions add does not rename older records."""
    return {key: value for key, value in given._asdict().items() if value}
