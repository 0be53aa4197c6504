"""What a matter has in the cache of answers, in the ledger and in the store of evidence and provenance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.exceptions import EvidenceError
from complaint_llm.ledger.matter import calls_of_matter, forget_calls
from complaint_llm.matters.holder import Place
from complaint_llm.routing.cache.sqlite_store import answers_of_matter, forget_answers

if TYPE_CHECKING:
    from complaint_llm.evidence import EvidenceStore


class CacheHolder(NamedTuple):
    """The file of the cache."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def find(self, matter: str) -> Sequence[Place]:
        return self._place(answers_of_matter(self.path, matter)) if self.path.exists() else ()

    def forget(self, matter: str) -> Sequence[Place]:
        return self._place(forget_answers(self.path, matter)) if self.path.exists() else ()

    def _place(self, count: int) -> Sequence[Place]:
        return (Place("cache", self.name, count, "answers"),) if count else ()


class LedgerHolder(NamedTuple):
    """The file of the ledger."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def find(self, matter: str) -> Sequence[Place]:
        return self._place(calls_of_matter(self.path, matter)) if self.path.exists() else ()

    def forget(self, matter: str) -> Sequence[Place]:
        return self._place(forget_calls(self.path, matter)) if self.path.exists() else ()

    def _place(self, count: int) -> Sequence[Place]:
        return (Place("ledger", self.name, count, "calls"),) if count else ()


class EvidenceHolder(NamedTuple):
    """The folder of evidence, with the provenance of answers; ``open_store`` opens it, and it is closed here."""

    path: Path
    open_store: Callable[[], EvidenceStore]

    @property
    def name(self) -> str:
        return str(self.path)

    def find(self, matter: str) -> Sequence[Place]:
        if not self._is_there():
            return ()
        with self.open_store() as store:
            held = store.matter_holdings(matter)
        if held.damaged:
            raise EvidenceError(f"{self.path}: whose the damaged is cannot be told: {'; '.join(held.damaged)}")
        return self._places(len(held.records), len(held.answers), 0)

    def forget(self, matter: str) -> Sequence[Place]:
        if not self._is_there():
            return ()
        with self.open_store() as store:
            done = store.forget_matter(matter)
        if done.kept_by:
            names = ", ".join(cid.name for cid in done.kept_by)
            raise EvidenceError(f"{self.path}: its content is still part of folders that others handed in: {names}")
        if done.left:
            raise EvidenceError("; ".join(done.left))
        return self._places(done.records, done.answers, done.texts)

    def _is_there(self) -> bool:
        return any((self.path / name).exists() for name in ("store.db", "records.log"))

    def _places(self, records: int, answers: int, texts: int) -> Sequence[Place]:
        counts = (("evidence", records, "records"), ("provenance", answers, "answers"), ("provenance", texts, "texts"))
        return [Place(kind, self.name, count, what) for kind, count, what in counts if count]
