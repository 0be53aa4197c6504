"""Where answers came from: a record for each, named by its hash, each linking to the one before it.

The records show change only against a CID that was kept elsewhere; they are not signed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from queue import SimpleQueue
from threading import Event, Lock, Thread
from types import MappingProxyType, NoneType
from typing import Any, Literal
from weakref import finalize

from complaint_llm.evidence.cid import DAG_CBOR, Cid, name_of, parse_cid
from complaint_llm.evidence.dagcbor import encode, encode_link, link_to
from complaint_llm.evidence.database import Database, StoreBusyError
from complaint_llm.evidence.provenance_record import Draft, RequestFacts, Text, draft, field
from complaint_llm.evidence.records import moment
from complaint_llm.exceptions import ConfigError, EvidenceError, EvidenceNotFoundError
from complaint_llm.messages import InferenceOutput
from complaint_llm.secrets import Secret

GATHER_SECONDS = 0.05
"""How long the writer collects records before it commits them together; a crash can lose those."""

_FIXED = (str, int, float, NoneType)
_Entry = tuple[bytes, bytes, Sequence[Text]]


class ProvenanceLog:
    """The records of one Mediator. Any thread may call it.

    A record is made in the caller's thread; a lock covers linking it to the one before. A thread of its own writes
    them in groups; ``flush`` and ``close`` wait until they are on disk. Once a write failed, every further call raises
    EvidenceError. A forked child goes on with a chain and a thread of its own.

    The first record links to the newest that the store has. ``level`` is ``"digests"`` or ``"full"`` (prompts and
    answers are kept too); ``config_sha256`` is the digest of the config without secrets (``config_digest``);
    ``plugins`` are the versions of what took part; ``clock`` gives Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        level: Literal["digests", "full"] = "digests",
        config_sha256: bytes | None = None,
        plugins: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if level not in ("digests", "full"):
            raise ConfigError(f'/MEDIATOR/provenance: {level!r} is none of false, "digests", "full"')
        self._database = database
        self._full = level == "full"
        self._clock = clock
        self._plugins = field("plugins", dict(plugins or {}))
        self._config = field("config_sha256", config_sha256)
        self._second = (-1, b"")
        self._last: tuple[Mapping[str, Any] | None, bytes] = (None, b"")
        self._chain = _Chain(database)

    def cited(self, cids: Iterable[str]) -> tuple[Cid, ...]:
        """The evidence that a request cites, checked before it is sent. Raises EvidenceError for what is not here."""
        cited = tuple(parse_cid(cid) for cid in cids)
        with self._database.transaction("read") as connection:
            for cid in cited:
                if connection.execute("SELECT 1 FROM records WHERE cid = ?", (cid.name,)).fetchone() is None:
                    raise EvidenceNotFoundError(f"{cid} is not in the evidence store: submit it before it is cited")
        return cited

    def record(self, facts: RequestFacts, output: InferenceOutput) -> str:
        """The CID of this answer's record, which is written soon after. Raises EvidenceError if that cannot be."""
        chain = self._chain
        if chain.process != os.getpid():
            chain = self._chain = _Chain(self._database)
        try:
            drafted = draft(facts, output, self._time(), self._sent(facts.parameters), self._plugins, self._config)
        except (TypeError, ValueError) as error:
            raise EvidenceError(f"the provenance of this answer cannot be recorded: {error}") from error
        return chain.append(drafted, self._full)

    def flush(self) -> None:
        """Wait until all that was recorded is on disk. Raises EvidenceError if it could not be written."""
        self._chain.flush()

    def close(self) -> None:
        """Write what waits and end the thread. May be called again. Raises EvidenceError if it could not be written."""
        self._chain.close()

    def _sent(self, parameters: Mapping[str, Any]) -> bytes:
        """The parameters as an encoded field. A backend's own are the same object in every request: encoded once, if
        nothing in them can change."""
        last, encoded = self._last
        if parameters is not last:
            encoded = field("parameters", parameters)
            if isinstance(parameters, MappingProxyType) and all(isinstance(v, _FIXED) for v in parameters.values()):
                self._last = (parameters, encoded)
        return encoded

    def _time(self) -> bytes:
        """The time as an encoded text; the part that changes once a second is kept."""
        now = self._clock()
        whole = int(now)
        second, start = self._second
        if whole != second:
            start = encode(moment(whole))[:-7]
            self._second = (whole, start)
        return b"%b%06dZ" % (start, int((now - whole) * 1e6))


class _Chain:
    """The records of one process in their order, and the thread that writes them. It starts with the first one."""

    def __init__(self, database: Database) -> None:
        with database.transaction("read") as connection:
            newest = connection.execute("SELECT cid FROM provenance ORDER BY seq DESC LIMIT 1").fetchone()
        self.process = os.getpid()
        self._previous = b"\xf6" if newest is None else encode_link(parse_cid(newest[0]))
        self._lock = Lock()
        self._writer = _Writer(database)
        # Also when the program ends without close(): what was recorded is written.
        self._ending = finalize(self, self._writer.close)

    def append(self, drafted: Draft, full: bool) -> str:
        template, before, after, texts = drafted
        with self._lock:
            data = template % (*before, self._previous, *after)
            digest = sha256(data).digest()
            self._writer.put((digest, data, texts if full else ()))
            self._previous = link_to(DAG_CBOR, digest)
        return name_of(DAG_CBOR, digest)

    def flush(self) -> None:
        if self.process == os.getpid():
            self._writer.flush()

    def close(self) -> None:
        self._ending.detach()
        if self.process == os.getpid():
            self._writer.close()


class _Writer:
    """Writes records in groups, in a thread of its own. ``put`` is called under the chain's lock."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: SimpleQueue[_Entry | Event | None] = SimpleQueue()
        self._hurry = Event()
        self._thread: Thread | None = None
        self._closed = False
        self._error: Exception | None = None

    def put(self, entry: _Entry) -> None:
        if self._error is not None or self._closed or self._thread is None:
            self._check()
            self._begin()
        self._queue.put(entry)

    def _begin(self) -> None:
        if self._closed:
            raise EvidenceError("the provenance log is closed")
        self._thread = Thread(target=self._run, name="complaint_llm-provenance", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        thread = self._thread
        if thread is not None and not self._closed:
            written = Event()
            self._queue.put(written)
            self._hurry.set()
            while not written.wait(1) and thread.is_alive():
                pass
        self._check()

    def close(self) -> None:
        self._closed = True
        if self._thread is not None:
            self._queue.put(None)
            self._hurry.set()
            self._thread.join()
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise EvidenceError(f"provenance could not be written: {self._error}") from self._error

    def _run(self) -> None:
        ending = False
        while not ending:
            group = [self._queue.get()]
            if isinstance(group[0], tuple):
                self._hurry.wait(GATHER_SECONDS)
            self._hurry.clear()
            while not self._queue.empty():
                group.append(self._queue.get())
            ending = None in group
            try:
                self._write([entry for entry in group if isinstance(entry, tuple)])
            except Exception as error:  # noqa: BLE001 - kept: every later call of the log raises it
                self._error = error
            for waiting in group:
                if isinstance(waiting, Event):
                    waiting.set()

    def _write(self, entries: list[_Entry]) -> None:
        while entries and self._error is None:
            try:
                self._commit(entries)
            except StoreBusyError:
                # A long collection is no reason to lose records; whoever closes does not wait for it twice.
                if self._closed:
                    raise
            else:
                return

    def _commit(self, entries: list[_Entry]) -> None:
        with self._database.transaction("shared") as connection:
            connection.executemany(
                "INSERT INTO provenance (cid, data) VALUES (?, ?) ON CONFLICT (cid) DO NOTHING",
                [(name_of(DAG_CBOR, digest), data) for digest, data, _ in entries],
            )
            connection.executemany(
                "INSERT INTO texts (cid, data) VALUES (?, ?) ON CONFLICT (cid) DO NOTHING",
                [(name_of(codec, digest), data) for *_, texts in entries for codec, digest, data in texts],
            )


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
