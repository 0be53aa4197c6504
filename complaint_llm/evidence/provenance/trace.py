"""The tree behind a CID: what an answer rests on, each part verified or named as what it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from complaint_llm.evidence.index.forgotten import Forgotten, forgotten_names
from complaint_llm.evidence.ipld.cid import DAG_CBOR, Cid, parse_cid
from complaint_llm.evidence.provenance.guards import guards_in_words
from complaint_llm.evidence.provenance.record import decode_provenance
from complaint_llm.evidence.provenance.remembered import Remembered, remember
from complaint_llm.evidence.provenance.shown import NOT_SHOWN, shown_in_words
from complaint_llm.evidence.records import Record
from complaint_llm.evidence.store import EvidenceStore
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError, EvidenceNotFoundError

State = Literal["verified", "digest only", "missing", "damaged", "forgotten"]
HowShown = Literal["text", "document", "image", "no"]
_DETAILS = ("time", "backend", "model", "parameters", "finish_reason", "usage", "cost", "config_sha256", "plugins")


class Step(NamedTuple):
    """A part of the tree: what it is, its CID (None for a fact inside the record above it), its state, and its parts.

    ``digest only`` is a text that was not kept: its digest is part of the record, the text itself can be compared.
    ``forgotten`` is what was removed with its matter: nothing but its name is left.
    ``shown`` says of evidence and of documents how the model was shown them, "no" where they were only cited; None of
    all else.
    """

    what: str
    cid: str | None
    state: State
    detail: str = ""
    parts: tuple[Step, ...] = ()
    shown: HowShown | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing here or below is missing or damaged."""
        return self.fault is None

    @property
    def fault(self) -> Step | None:
        """The first part that is missing or damaged, this one included."""
        if self.state in ("missing", "damaged"):
            return self
        return next((fault for part in self.parts if (fault := part.fault)), None)


def trace(
    store: EvidenceStore, cid: str, depth: int = 1, *, after: str | None = None, all_of_it: bool = False
) -> Step:
    """The tree of a provenance record, or of evidence. Reads this store only; every bit on the way is verified.

    The ``depth`` newest records are shown whole; those before them are verified as well and summed up, with the first
    that is not as it was. What the last verification found whole of these is not looked at again, but for their links
    and whether anything of them was changed, unless ``all_of_it`` is asked for. ``after`` is the CID of the oldest
    record of a page that was shown: the next page begins with the one before it, and the links from ``cid`` to it are
    followed. Raises EvidenceError for what is no CID, EvidenceNotFoundError if it is not here, or ``after`` is none of
    the records behind it or the first of all.

    >>> trace(store, output.provenance).ok  # doctest: +SKIP
    True
    """
    root = parse_cid(cid)
    if root.codec != DAG_CBOR:
        step = _evidence(store, root)
        if step.state == "missing" and not step.parts and not store.records_of(root):
            raise EvidenceNotFoundError(f"{cid} is not in {store.path}")
        return step
    return _Tracer(store, all_of_it).record(root, max(depth, 1), None if after is None else parse_cid(after))


class _Tracer:
    """One walk; remembers evidence that it looked at, which many answers may cite."""

    def __init__(self, store: EvidenceStore, all_of_it: bool) -> None:
        self._store = store
        self._seen: dict[Cid, Step] = {}
        self._remembered = Remembered(store) if not all_of_it else None
        with store.database.transaction("read") as connection:
            self._forgotten = forgotten_names(connection)

    def record(self, root: Cid, depth: int, after: Cid | None = None) -> Step:
        """The tree of the record, or of those before ``after``, from the oldest that is shown whole to the newest."""
        shown: list[tuple[Cid, dict[str, Any] | Forgotten]] = []
        last: Step | None = None
        at: Cid | None = root
        foreign = False
        if after is not None:
            begun = self._before(root, after)
            if isinstance(begun, Step):
                return begun
            at, foreign = begun
        while at is not None and len(shown) < depth:
            found = self._read(at, foreign)
            if isinstance(found, Step):
                last = found
                break
            record, foreign = found
            shown.append((at, record))
            at = _previous(record)
        if not shown and last is not None and last.state == "missing":
            raise EvidenceNotFoundError(f"{root} is not in {self._store.path}: no provenance record of this name")
        if last is None and at is not None:
            last = self._summed_up(at, foreign)
        for cid, record in reversed(shown):
            below = () if last is None else (last,)
            what = "answer's record" if cid == root else "previous record"
            if isinstance(record, Forgotten):
                last = Step(what, cid.name, "forgotten", record.detail, below)
                continue
            parts = tuple(self._parts(record)) + below
            last = Step(what, cid.name, "verified", detail=str(record["time"]), parts=parts)
        assert last is not None
        return last

    def _before(self, root: Cid, after: Cid) -> tuple[Cid, bool] | Step:
        """The record before ``after`` on the way back from ``root``, and whether it was imported; or what is in the
        way."""
        at: Cid | None = root
        foreign = False
        while at is not None:
            found = self._read(at, foreign)
            if isinstance(found, Step):
                return found
            record, foreign = found
            previous = _previous(record)
            if at == after and previous is not None:
                return previous, foreign
            if at == after:
                raise EvidenceNotFoundError(f"{after} is the first record: there is none before it")
            at = previous
        raise EvidenceNotFoundError(f"{after} is none of the records behind {root}")

    def _summed_up(self, cid: Cid, foreign: bool) -> Step:
        known = {} if self._remembered is None else self._remembered.counts
        count, forgotten, at = 0, 0, cid
        evidence: set[Cid] = set() if self._remembered is None else set(self._remembered.evidence)
        while True:
            if at in known:
                count += known[at]
                break
            found = self._read(at, foreign)
            if isinstance(found, Step):
                if found.state == "digest only":
                    return Step("previous records", cid.name, found.state, f"{count} verified, then: {found.detail}")
                return Step("previous record", at.name, found.state, f"after {count} verified: {found.detail}")
            record, foreign = found
            if isinstance(record, Forgotten):
                forgotten += 1
                if record.previous is None:
                    break
                at = record.previous
                continue
            fault = next((fault for part in self._parts(record) if (fault := part.fault)), None)
            if fault is not None:
                above = Step("previous record", at.name, "verified", detail=str(record["time"]), parts=(fault,))
                detail = f"{count} verified, then one is not"
                return Step("previous records", cid.name, "verified", detail=detail, parts=(above,))
            count += 1
            evidence.update(record["evidence"])
            if record["previous"] is None:
                break
            at = record["previous"]
        if cid not in known and not forgotten:
            remember(self._store, cid, count, evidence)
        words = f"{count} verified, back to the first" + (f"; {forgotten} forgotten" if forgotten else "")
        return Step("previous records", cid.name, "verified", words)

    def _read(self, cid: Cid, foreign: bool) -> tuple[dict[str, Any] | Forgotten, bool] | Step:
        """A record, or what is left of it, and whether it was imported; ``foreign`` is whether the one that names it
        was."""
        with self._store.database.transaction("read") as connection:
            row = connection.execute("SELECT data, source FROM provenance WHERE cid = ?", (cid.name,)).fetchone()
        if row is None and cid.name in self._forgotten:
            return self._forgotten[cid.name], foreign
        if row is None and foreign:
            return Step("previous record", cid.name, "digest only", "it did not come with the archive")
        if row is None:
            return Step("previous record", cid.name, "missing", "it is not in this store")
        try:
            return decode_provenance(cid.name, row[0]), row[1] is not None
        except EvidenceCorruptedError as error:
            return Step("previous record", cid.name, "damaged", str(error))

    def _parts(self, record: dict[str, Any]) -> Iterator[Step]:
        for name in ("answer", "reasoning", "tool_calls", "prompt"):
            if record[name] is not None:
                yield self._text(name.replace("_", " "), record[name])
        if record["demo"]:
            yield Step("demo", None, "verified", "answered by a mock, not by a model")
        if record["cached"]:
            yield Step("cached", None, "verified", "given from the cache")
        for name in _DETAILS:
            yield Step(name.replace("_", " "), None, "verified", _value_text(record[name]))
        if "guards" in record:
            yield from _guards(record["guards"])
        if "matter" in record:
            yield Step("matter", None, "verified", record["matter"])
        # Records of before say nothing of it: then evidence was never shown.
        shown = {entry["cid"]: entry for entry in record.get("shown", ())}
        for cid in record["evidence"]:
            if cid not in self._seen:
                self._seen[cid] = self._evidence(cid)
            step, entry = self._seen[cid], shown.pop(cid.name, None)
            said = f"cited, {NOT_SHOWN}" if entry is None or entry["shown"] == "no" else shown_in_words(entry)
            yield step._replace(detail=f"{step.detail}; {said}", shown="no" if entry is None else entry["shown"])
        for entry in shown.values():
            yield _document(entry)

    def _evidence(self, cid: Cid) -> Step:
        step = _evidence(self._store, cid)
        if step.state == "missing" and cid.name in self._forgotten:
            return step._replace(state="forgotten", detail=self._forgotten[cid.name].detail)
        return step

    def _text(self, what: str, cid: Cid) -> Step:
        with self._store.database.transaction("read") as connection:
            row = connection.execute("SELECT data FROM texts WHERE cid = ?", (cid.name,)).fetchone()
        if row is None:
            return Step(what, cid.name, "digest only", "the text was not kept")
        if not cid.matches(row[0]):
            return Step(what, cid.name, "damaged", "the kept text is not what it is named by")
        return Step(what, cid.name, "verified", f"{len(row[0])} bytes kept")


def _evidence(store: EvidenceStore, cid: Cid) -> Step:
    try:
        what, size = store.size_of(cid)
        records = store.records_of(cid)
    except EvidenceNotFoundError as error:
        return Step("evidence", str(cid), "missing", str(error))
    except EvidenceError as error:
        return Step("evidence", str(cid), "damaged", str(error))
    parts = tuple(
        Step("record", record.record_id, "verified", f"{record.given.evidence_type}, {record.created}{_origin(record)}")
        for record in records
    )
    if not parts:
        return Step("evidence", str(cid), "missing", "its bytes are here but no record about them")
    detail = f"{size} bytes" if what == "file" else f"a folder, {size} bytes"
    return Step("evidence", str(cid), "verified", detail=detail, parts=parts)


def _guards(entry: dict[str, Any]) -> Iterator[Step]:
    """Which guards changed what was sent, and the digests of what the caller gave and got."""
    for said in guards_in_words(entry):
        yield Step("guard", None, "verified", said)
    yield Step("prompt before guards", entry["prompt"].name, "digest only", "as the caller gave it; it is not kept")
    yield Step("answer after guards", entry["answer"].name, "digest only", "as the caller got it; it is not kept")


def _document(entry: dict[str, Any]) -> Step:
    """A document that was shown and is no evidence: the record has its digest."""
    known = (entry.get("name"), entry.get("media_type"), f"sha256 {entry.get('sha256', b'').hex()}")
    detail = f"{', '.join(filter(None, known))}; {shown_in_words(entry)}"
    return Step("document", entry["cid"], "digest only", detail=detail, shown=entry["shown"])


def _origin(record: Record) -> str:
    """Where a record came from, if not from here, as words to add."""
    if record.imported is None:
        return ""
    made = f", which says {record.imported.created}" if record.imported.created else ""
    return f", imported from {record.imported.source}{made}"


def _value_text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value_text(item)}" for key, item in value.items()) or "none"
    return str(value)


def _previous(record: Mapping[str, Any] | Forgotten) -> Cid | None:
    """The record before this one."""
    before: Cid | None = record.previous if isinstance(record, Forgotten) else record["previous"]
    return before
