"""To which models evidence may be shown, for ``check``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from complaint_llm.client.evidence_meaning import EVIDENCE_IS_SHOWN, may_be_old_calls

if TYPE_CHECKING:
    from complaint_llm.client.route import Route
    from complaint_llm.mediator import Mediator


def evidence_lines(mediator: Mediator) -> list[str]:
    """Where a config speaks of evidence: which hosts it may go to, and that ``evidence=`` changed its meaning."""
    config = mediator.config
    if config is None or not (config.evidence or config.mediator.get("provenance")):
        return []
    said = []
    if may_be_old_calls(config.mediator.get("provenance"), config.evidence):
        said.append(f"NOTE {EVIDENCE_IS_SHOWN}")
    ids = [entry.id for entry in config.backends]
    beyond = ", ".join(dict.fromkeys(_beyond(mediator, ids)))
    if config.evidence.get("show", "local") == "local":
        said.append(
            f'evidence is shown on this machine only (EVIDENCE "show": "local"): not to {beyond}; cite= only records it'
            if beyond
            else "evidence is shown on this machine only"
        )
    elif beyond and config.mediator.get("privacy") != "local":
        said.append(f'evidence may leave this machine (EVIDENCE "show": "any"): for {beyond}; cite= only records it')
    return said


def _beyond(mediator: Mediator, ids: Sequence[str]) -> Iterator[str]:
    for id in ids:
        with suppress(Exception):  # one whose class fails is told in its own line
            yield from [_with_host(each) for each in mediator.as_member().member(id).leaves() if not each.local]


def _with_host(route: Route) -> str:
    host = route.target.host
    return f"{route.id} ({host})" if host else route.id
