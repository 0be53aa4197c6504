"""The records that the log knows, read beside the index to see what the index lacks."""

from __future__ import annotations

from collections.abc import Container

from complaint_llm.evidence.index.record_log import (
    DELETED,
    FOREIGN_PROVENANCE,
    FORGOTTEN,
    PROVENANCE,
    RECORD,
    RecordLog,
)
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.records import Record, decode_record


class LoggedRecords:
    """One reading of the log: ``records`` by their names, but for deleted ones and those whose bodies have ``known``
    digests; the names of ``provenance`` records; ``damaged`` places. Raises OSError."""

    def __init__(self, log: RecordLog, known: Container[bytes] = ()) -> None:
        self.records: dict[str, Record] = {}
        self.provenance: list[str] = []
        self.damaged: list[int] = []
        self.names: set[tuple[int, bytes]] = set()
        for at, frame in log.frames():
            if frame is None or not frame.is_intact:
                self.damaged.append(at)
                continue
            self.names.add((frame.cid.codec, frame.cid.digest))
            if frame.kind == DELETED:
                self.records.pop(frame.cid.name, None)
            elif frame.kind == FORGOTTEN:
                self.provenance = [name for name in self.provenance if name != frame.cid.name]
            elif frame.kind in (PROVENANCE, FOREIGN_PROVENANCE):
                self.provenance.append(frame.cid.name)
            elif frame.kind == RECORD and frame.cid.digest not in known:
                try:
                    record = decode_record(frame.data)
                except ValueError:
                    continue  # of a later version
                self.records[record.record_id] = record

    def has(self, cid: Cid) -> bool:
        """Whether there is a whole frame of this block."""
        return (cid.codec, cid.digest) in self.names
