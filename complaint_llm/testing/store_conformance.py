"""What every store of evidence's blocks must do, as a pytest class: subclass it, name the plugin and give a URL.

>>> class TestMine(BlockStoreConformance):
...     plugin = "my_package.plugin"
...     def url(self, folder): return f"mine://{folder}"
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from complaint_llm.evidence import BlockStore
from complaint_llm.evidence.ipld.cid import RAW, cid_of
from complaint_llm.evidence.ipld.dag_pb import Block
from complaint_llm.testing.expectations import in_threads
from complaint_llm.testing.offer_conformance import OfferConformance


class BlockStoreConformance(OfferConformance):
    """The suite. ``name`` is the scheme; ``url`` that of an empty store, made anew for each test."""

    hook = "complaint_llm_block_stores"

    def url(self, folder: Path) -> str:
        """The URL of an empty store; ``folder`` is there for it alone."""
        return f"{self.offer_name()}://{folder}"

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for one store."""
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)

    @contextmanager
    def store(self, folder: Path) -> Iterator[BlockStore]:
        """The store of the folder, opened."""
        opened: BlockStore = self.offer()(self.url(folder))
        try:
            yield opened
        finally:
            opened.close()

    def test_what_is_put_is_got(self) -> None:
        """Byte for byte, an empty block and a large one too."""
        blocks = [_block(b""), _block(b"one"), _block(bytes(1024 * 1024))]
        with self.folder() as folder, self.store(folder) as store:
            store.put(blocks)
            assert [store.get(block.cid) for block in blocks] == [block.data for block in blocks]

    def test_what_is_not_there_is_none(self) -> None:
        """Not an error: it may be elsewhere."""
        with self.folder() as folder, self.store(folder) as store:
            missing = _block(b"missing").cid
            assert store.get(missing) is None
            assert store.has(missing) is False

    def test_it_knows_what_it_has(self) -> None:
        """``has`` and ``list`` say the same."""
        blocks = [_block(b"%d" % number) for number in range(20)]
        with self.folder() as folder, self.store(folder) as store:
            store.put(blocks)
            assert all(store.has(block.cid) for block in blocks)
            assert sorted(map(str, store.list())) == sorted(str(block.cid) for block in blocks)

    def test_a_deleted_block_is_gone(self) -> None:
        """And only that one; deleting what is not there does nothing."""
        one, other = _block(b"one"), _block(b"other")
        with self.folder() as folder, self.store(folder) as store:
            store.put([one, other])
            store.delete(one.cid)
            store.delete(one.cid)
            assert store.get(one.cid) is None
            assert store.get(other.cid) == b"other"

    def test_a_damaged_block_is_mended(self) -> None:
        """Putting a block again replaces what is kept under its name."""
        good = _block(b"good")
        with self.folder() as folder, self.store(folder) as store:
            store.put([Block(good.cid, b"bad!")])
            store.put([good])
            assert store.get(good.cid) == b"good", "a damaged block stays damaged"

    def test_a_stream_may_be_long(self) -> None:
        """``put`` takes an iterator once, and keeps all of it."""
        with self.folder() as folder, self.store(folder) as store:
            store.put(_block(b"%d" % number) for number in range(300))
            assert sum(1 for _ in store.list()) == 300

    def test_it_is_there_when_it_is_opened_again(self) -> None:
        """Durable when ``put`` returns."""
        block = _block(b"kept")
        with self.folder() as folder:
            with self.store(folder) as store:
                store.put([block])
            with self.store(folder) as store:
                assert store.get(block.cid) == b"kept", "what was put is gone after closing"

    def test_two_may_have_it_open(self) -> None:
        """What one puts the other gets: evidence is added in one process and shown in another."""
        block = _block(b"shared")
        with self.folder() as folder, self.store(folder) as one, self.store(folder) as other:
            one.put([block])
            assert other.get(block.cid) == b"shared"

    def test_many_threads_may_use_it(self) -> None:
        """Sixteen at once, some of them with the same block."""
        with self.folder() as folder, self.store(folder) as store:

            def keeps(number: int) -> bool:
                block = _block(b"%d" % (number // 2))
                store.put([block])
                return store.get(block.cid) == block.data

            assert all(in_threads(keeps))

    def test_sweeping_keeps_what_is_whole(self) -> None:
        """It says how much it removed."""
        block = _block(b"whole")
        with self.folder() as folder, self.store(folder) as store:
            store.put([block])
            assert store.sweep() >= 0
            assert store.get(block.cid) == b"whole"


def _block(data: bytes) -> Block:
    return Block(cid_of(RAW, data), data)
