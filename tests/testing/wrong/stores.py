"""Stores that are wrong in one thing each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from complaint_llm import hookimpl
from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.evidence.ipld.dag_pb import Block

FOLDERS: dict[str, dict[Cid, bytes]] = {}


class Right:
    """Keeps blocks as long as the process runs."""

    def __init__(self, url: str) -> None:
        self.blocks = FOLDERS.setdefault(url, {})

    def get(self, cid: Cid) -> bytes | None:
        return self.blocks.get(cid)

    def put(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self.blocks[block.cid] = block.data

    def has(self, cid: Cid) -> bool:
        return cid in self.blocks

    def delete(self, cid: Cid) -> None:
        self.blocks.pop(cid, None)

    def list(self) -> Iterator[Cid]:
        return iter(tuple(self.blocks))

    def sweep(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is held open."""


class KeepsTheFirst(Right):
    def put(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self.blocks.setdefault(block.cid, block.data)


class DeletesNothing(Right):
    def delete(self, cid: Cid) -> None:
        pass


class EmptyForNone(Right):
    def get(self, cid: Cid) -> bytes | None:
        return self.blocks.get(cid, b"") if len(self.blocks) == 0 else self.blocks.get(cid)


class ListsFew(Right):
    def list(self) -> Iterator[Cid]:
        return iter(tuple(self.blocks)[:100])


class SweepsAll(Right):
    def sweep(self) -> int:
        count = len(self.blocks)
        self.blocks.clear()
        return count


@hookimpl
def complaint_llm_block_stores() -> Any:
    return {
        "right": Right,
        "first": KeepsTheFirst,
        "undeleted": DeletesNothing,
        "empty": EmptyForNone,
        "few": ListsFew,
        "sweeps": SweepsAll,
    }
