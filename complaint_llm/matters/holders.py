"""What keeps records of matters here, by a config and by the files that are named; and what is out of reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.assembly import EVIDENCE_PATH
from complaint_llm.chats import CHATS_PATH
from complaint_llm.ledger.file import ledger_path
from complaint_llm.matters.batch_files import batch_holders, put_aside
from complaint_llm.matters.chats import chat_holders
from complaint_llm.matters.holder import Holder
from complaint_llm.matters.stores import CacheHolder, EvidenceHolder, LedgerHolder

if TYPE_CHECKING:
    from complaint_llm.config import Config
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.mediator import Mediator

ALWAYS = (
    "backups and snapshots, and what a file system or a disk keeps of what was deleted",
    "programs that are running now, with what they have in memory, and workers of a Dask cluster",
    "what was read (files of batches, documents), and what was copied, exported, printed or mailed",
)
"""What no command of this program reaches, wherever it runs."""


def holders_of(
    config: Config | None, paths: Sequence[Path], open_store: Callable[[], EvidenceStore]
) -> list[Holder]:
    """The files of batches among ``paths`` (files, or folders), then the conversations, the cache, the ledger and the
    store of the config; without one, those of the working directory."""
    holders: list[Holder] = batch_holders(paths)
    holders += chat_holders((Path() if config is None else config.path.parent) / CHATS_PATH)
    cache = None if config is None else (config.mediator.get("cache") or {}).get("path")
    if cache is not None:
        holders.append(CacheHolder(Path(cache)))
    holders.append(LedgerHolder(ledger_path(config)))
    holders.append(EvidenceHolder(evidence_path(config), open_store))
    return holders


def evidence_path(config: Config | None) -> Path:
    """The folder of evidence, whether it is there or not."""
    if config is None:
        return EVIDENCE_PATH
    return Path(config.evidence.get("path") or config.path.parent / EVIDENCE_PATH)


def out_of_reach(config: Config | None, paths: Sequence[Path], mediator: Mediator | None) -> list[str]:
    """What may hold something of any matter and cannot be deleted from here, in words."""
    lines = [f"{path}: a damaged file that was put aside: nobody can tell whose it is" for path in put_aside(paths)]
    if config is not None:
        lines += [
            f"{path}: a damaged index that was put aside" for path in evidence_path(config).glob("store.db.damaged-*")
        ]
        settings: Any = config.mediator
        if settings.get("shared"):
            lines.append("Redis: cached answers there carry no matter; they end with cache_ttl")
        if config.evidence.get("ipfs_api"):
            node = config.evidence["ipfs_api"]
            lines.append(f"the IPFS node {node}: contents are unpinned; other nodes may have copies")
        if config.evidence.get("blocks"):
            lines.append("the block store of a plugin: blocks are deleted in it; what it keeps of them is its own")
    if mediator is not None:
        lines += _providers(mediator)
    return [*lines, *ALWAYS]


def _providers(mediator: Mediator) -> list[str]:
    """Each provider that may have been asked, with what is known of what it keeps."""
    found: dict[str, None] = {}
    member: Any = mediator.as_member()
    for route in [*member.leaves(), *(leaf for each in getattr(member, "others", ()) for leaf in each.leaves())]:
        backend = route.target.made
        if backend is not None and not backend.local:
            host = f" ({backend.host})" if backend.host else ""
            found[f"the provider of {backend.id}{host}: {backend.handling().line()}"] = None
    return list(found)
