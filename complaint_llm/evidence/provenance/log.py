"""Where answers came from: a record for each, named by its hash, each linking to the one before it.

The records show change only against a CID that was kept elsewhere; they are not signed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType, NoneType
from typing import Any, Literal
from weakref import finalize

from complaint_llm.evidence.index.database import Database
from complaint_llm.evidence.ipld.cid import Cid, parse_cid
from complaint_llm.evidence.ipld.dagcbor import Encoded, encode
from complaint_llm.evidence.provenance.chain import GATHER_SECONDS, MAX_UNWRITTEN, Chain, ProvenanceRef
from complaint_llm.evidence.provenance.record import Answered, Draft, LateDraft, LogSetup, RequestDetails, draft
from complaint_llm.exceptions import ConfigError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput
from complaint_llm.secrets import Secret

_FIXED = (str, int, float, NoneType)


class ProvenanceLog:
    """The records of one Mediator. Any thread may call it.

    What a record says, and its owner may change, is gathered in the caller's thread; it is made when somebody asks for
    its CID, at the latest by the thread that writes records in groups. ``flush`` and ``close`` wait until they are on
    disk. Once a write failed, every further call raises EvidenceError. A forked child goes on with a chain and a thread
    of its own.

    The first record links to the newest that the store has. ``level`` is ``"digests"`` or ``"full"`` (prompts and
    answers are kept too); ``config_sha256`` is the digest of the config without secrets (``config_digest``);
    ``plugins`` are the versions of what took part; ``clock`` gives Unix seconds. The writer gathers records for
    ``gather_seconds``, and pauses by ``sleep`` so that callers go first; with ``max_unwritten`` of them made and not on
    disk, whoever adds one waits.

    >>> log = ProvenanceLog(store.database, level="full")  # doctest: +SKIP
    >>> cid = log.record(RequestDetails((Message("user", "a prompt"),)), output).cid  # doctest: +SKIP
    """

    def __init__(
        self,
        database: Database,
        *,
        level: Literal["digests", "full"] = "digests",
        config_sha256: bytes | None = None,
        plugins: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        gather_seconds: float = GATHER_SECONDS,
        max_unwritten: int = MAX_UNWRITTEN,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if level not in ("digests", "full"):
            raise ConfigError(f'/MEDIATOR/provenance: {level!r} is none of false, "digests", "full"')
        self._database = database
        self._full = level == "full"
        self._clock = clock
        self._gather_seconds = gather_seconds
        self._max_unwritten = max_unwritten
        self._sleep = sleep
        self._setup = LogSetup(plugins=Encoded(encode(dict(plugins or {}))), config_sha256=config_sha256)
        self._last: tuple[Mapping[str, Any] | None, Encoded] = (None, Encoded())
        self._chain = self._new_chain()

    def check_evidence(self, cids: Iterable[str]) -> tuple[Cid, ...]:
        """The evidence that a request cites, checked before it is sent. Raises EvidenceError for what is not here."""
        cited = tuple(parse_cid(cid) for cid in cids)
        with self._database.transaction("read") as connection:
            for cid in cited:
                if connection.execute("SELECT 1 FROM records WHERE cid = ?", (cid.name,)).fetchone() is None:
                    raise EvidenceNotFoundError(f"{cid} is not in the evidence store: submit it before it is cited")
        return cited

    @property
    def queue_length(self) -> int:
        """Records that nobody has begun to write yet."""
        return self._chain.queue_length

    def record(self, details: RequestDetails, output: InferenceOutput) -> ProvenanceRef:
        """Record this answer; the result gives the CID. Raises EvidenceError if it cannot be recorded."""
        try:
            made = self._draft(details, self._answer_now(output))
        except (TypeError, ValueError) as error:
            raise EvidenceError(f"the provenance of this answer cannot be recorded: {error}") from error
        return self._put_in_line(made)

    def record_later(self, details: Callable[[], RequestDetails], output: InferenceOutput) -> ProvenanceRef:
        """The same, where nobody can change what ``details`` gives, or ``output``: it is called when the record is
        made, by whichever thread that does. What cannot be recorded shows there."""
        return self._put_in_line(LateDraft(self._draft, details, self._answer_now(output)))

    def flush(self) -> None:
        """Wait until all that was recorded is on disk. Raises EvidenceError if it could not be written."""
        self._chain.flush()

    def close(self) -> None:
        """Write what waits and end the thread. May be called again. Raises EvidenceError if it could not be written."""
        self._chain.close()

    def _put_in_line(self, made: Draft | LateDraft) -> ProvenanceRef:
        chain = self._chain
        if chain.process != os.getpid():
            chain = self._chain = self._new_chain()
        ref = ProvenanceRef(chain, made)
        chain.append(ref)
        return ref

    def _answer_now(self, output: InferenceOutput) -> Answered:
        about = output.metadata
        return Answered(output, self._clock(), bool(about.get("demo")), bool(about.get("cached")))

    def _draft(self, details: RequestDetails, answered: Answered) -> Draft:
        parameters = self._encode_parameters(details.parameters)
        return draft(details, answered, parameters=parameters, setup=self._setup)

    def _encode_parameters(self, parameters: Mapping[str, Any]) -> Encoded:
        """A backend's own parameters are the same object in every request: encoded once, if nothing in them can
        change."""
        last, encoded = self._last
        if parameters is not last:
            encoded = Encoded(encode(parameters))
            if isinstance(parameters, MappingProxyType) and all(isinstance(v, _FIXED) for v in parameters.values()):
                self._last = (parameters, encoded)
        return encoded

    def _new_chain(self) -> Chain:
        chain = Chain(
            self._database,
            full=self._full,
            gather_seconds=self._gather_seconds,
            max_unwritten=self._max_unwritten,
            sleep=self._sleep,
        )
        finalize(self, chain.end).atexit = False  # a chain with a thread closes itself when the program ends
        return chain


def config_digest(config: Any) -> bytes:
    """The sha256 of a config's data as DAG-CBOR, secrets replaced by ``***``: equal for equal configs."""
    return sha256(encode(_without_secrets(config))).digest()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _without_secrets(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_secrets(item) for item in value]
    return value
