"""Where a collection puts the blocks that no evidence has: for 30 days they can come back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from complaint_llm.evidence.blocks.file_blocks import FileBlocks
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.ipld.dag_pb import Block

KEPT_DAYS = 30
_KEPT_SECONDS = KEPT_DAYS * 24 * 3600.0


class Trash:
    """A folder of blocks. A file's time of change is when it came here. Nothing is held open between calls."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = FileBlocks(folder)

    def get(self, cid: Cid) -> bytes | None:
        """The bytes kept under this name, unverified; None if there are none."""
        return self._files.get(cid)

    def put(self, blocks: Iterable[Block], now: float) -> list[Cid]:
        """Take blocks, durably; their names. ``now`` is in Unix seconds."""
        taken: list[Cid] = []

        def note_names() -> Iterator[Block]:
            for block in blocks:
                taken.append(block.cid)
                yield block

        self._files.put(note_names())
        for cid in taken:
            os.utime(self._files.path(cid), (now, now))
        return taken

    def delete(self, cid: Cid) -> None:
        """Forget a block; nothing happens if it is not here."""
        self._files.delete(cid)

    def names(self) -> list[Cid]:
        """The names of all blocks here."""
        return list(self._files.list())

    def expired_blocks(self, now: float) -> list[Cid]:
        """The blocks that came 30 days before ``now`` or earlier."""
        return [cid for cid in self.names() if self._files.path(cid).stat().st_mtime <= now - _KEPT_SECONDS]
