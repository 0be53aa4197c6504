"""What a config keeps on this machine, looked at before the first call needs it: ledger, answers, budgets, evidence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from complaint_llm.assembly import EVIDENCE_PATH, keeps_answers
from complaint_llm.config.parts import entries_within
from complaint_llm.evidence.openable import store_fault
from complaint_llm.ledger.file import ledger_fault, ledger_path
from complaint_llm.routing.cache.sqlite_store import cache_fault
from complaint_llm.routing.policies.budget_book import book_fault
from complaint_llm.routing.policies.state_folder import STATE_PATH

if TYPE_CHECKING:
    from complaint_llm.config import Config
    from complaint_llm.config.problems import Place


def kept_file_faults(config: Config) -> Iterator[tuple[Place, str]]:
    """Where in the config, and why what it keeps there could not be opened or written. Nothing is made or changed."""
    for place, fault in (*_ledger(config), *_cache(config), *_budgets(config), *_evidence(config)):
        if fault is not None:
            yield place, fault


def _ledger(config: Config) -> Iterator[tuple[Place, str | None]]:
    if config.mediator.get("ledger", False) is not False:
        fault = ledger_fault(ledger_path(config))
        yield ("MEDIATOR", "ledger"), fault and f"the ledger cannot be kept: {fault}"


def _cache(config: Config) -> Iterator[tuple[Place, str | None]]:
    path = config.mediator.get("cache", {}).get("path")
    if path is not None and keeps_answers(config.backends):
        fault = cache_fault(Path(path))
        yield ("MEDIATOR", "cache", "path"), fault and f"the cache cannot be kept: {fault}"


def _budgets(config: Config) -> Iterator[tuple[Place, str | None]]:
    entries = (*config.backends, *entries_within(config.backends))
    places: list[Place] = [("MEDIATOR", "budget")] if "budget" in config.mediator else []
    places += [(*entry.place, "budget") for entry in entries if entry.keys.get("budget") is not None]
    if places:
        fault = book_fault(config.path.absolute().parent / STATE_PATH)
        yield places[0], fault and f"the budget cannot be kept, and each call would be refused: {fault}"


def _evidence(config: Config) -> Iterator[tuple[Place, str | None]]:
    provenance = config.mediator.get("provenance", False)
    if not config.evidence and not provenance:
        return
    place: Place = ("EVIDENCE", "path") if "path" in config.evidence else ("EVIDENCE",)
    if not config.evidence:
        place = ("MEDIATOR", "provenance")
    fault = store_fault(Path(config.evidence.get("path") or config.path.absolute().parent / EVIDENCE_PATH))
    refused = ", and each call would be refused" if provenance else ""
    yield place, fault and f"evidence cannot be kept{refused}: {fault}"
