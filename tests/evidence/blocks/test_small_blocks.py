"""Small leaves are rows, other blocks files, and nobody who reads, deletes or verifies can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from complaint_llm.evidence import Block, EvidenceStore
from complaint_llm.evidence.blocks.small_blocks import SMALL
from complaint_llm.evidence.car.car import write_car
from complaint_llm.evidence.ipld.cid import DAG_PB, RAW, Cid, cid_of
from complaint_llm.exceptions import EvidenceCorruptedError, EvidenceError

CHUNK = 262_144


def rows(store: EvidenceStore) -> int:
    """How many blocks are rows."""
    with store.database.transaction("read") as connection:
        (count,) = connection.execute("SELECT count(*) FROM blocks").fetchone()
    return int(count)


def files(store: EvidenceStore) -> int:
    """How many blocks are files."""
    return len(list(store.path.glob("blocks/?/b*")))


@pytest.mark.parametrize(
    ("size", "places"),
    [
        (0, (1, 0)),
        (1, (1, 0)),
        (SMALL, (1, 0)),
        (SMALL + 1, (0, 1)),
        (CHUNK, (0, 1)),
        (CHUNK + 1, (1, 2)),  # the last leaf is a row; the node above is a file, however small
        (CHUNK + SMALL, (1, 2)),
        (CHUNK + SMALL + 1, (0, 3)),
    ],
)
def test_size_and_kind_decide_where_a_block_is(
    store: EvidenceStore, content: Callable[[int], bytes], size: int, places: tuple[int, int]
) -> None:
    """On each side of the boundary, alone and as the last leaf of a longer content; deleting leaves neither."""
    cid = store.submit_evidence(content(size), "document")["cid"]
    assert (rows(store), files(store)) == places
    assert store.retrieve_evidence(cid) == content(size)
    found = store.verify()
    assert found.ok
    assert found.blocks == sum(places)
    assert store.delete_evidence(cid)["blocks"] == sum(places)
    assert (rows(store), files(store)) == (0, 0)


def test_a_short_content_that_is_also_a_last_leaf_is_kept_once(store: EvidenceStore) -> None:
    """Both contents have it; it goes with the second of them."""
    tail = b"the same end"
    short = store.submit_evidence(tail, "document")["cid"]
    long = store.submit_evidence(b"a" * CHUNK + tail, "document")["cid"]
    assert (rows(store), files(store)) == (1, 2)
    assert store.delete_evidence(short)["blocks"] == 0
    assert store.retrieve_evidence(long) == b"a" * CHUNK + tail
    assert store.delete_evidence(long)["blocks"] == 3
    assert store.gc()["blocks"] == 0


def test_rows_are_made_with_their_record_or_not_at_all(store: EvidenceStore) -> None:
    """What fails on its way leaves no row."""

    class Torn(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the cable came loose")

    with pytest.raises(EvidenceError, match="the cable came loose"):
        store.submit_evidence_stream(Torn(), "document")
    assert rows(store) == 0


def test_many_small_leaves_do_not_keep_other_writers_waiting(store: EvidenceStore, tmp_path: Path) -> None:
    """An archive of small leaves is taken in by groups; between them others write, and gc leaves the groups alone."""
    leaves = [b"%06d" % number * 2000 for number in range(200)]
    cids = [cid_of(RAW, leaf) for leaf in leaves]
    with store.database.transaction("shared") as connection:
        blocks = store.blocks(connection)

        def given() -> Iterator[Block]:
            for number, leaf in enumerate(leaves):
                if number == len(leaves) - 1:
                    # The import is under way, two groups are written, and nobody waits for it.
                    with store.database.transaction("shared", 0.0) as other:
                        other.execute("INSERT INTO pins VALUES ('x')")
                    assert rows(store) >= 100
                    with (
                        pytest.raises(EvidenceError, match="in use by others"),
                        store.database.transaction("exclusive", 0.0),
                    ):
                        pass
                yield Block(cids[number], leaf)

        blocks.put(given())
        assert [blocks.get(cid) for cid in cids] == leaves
    assert rows(store) == len(leaves)
    assert store.gc()["blocks"] == len(leaves)


def test_an_archives_small_roots_are_rows(store: EvidenceStore, tmp_path: Path) -> None:
    """Imported is as submitted: the same block has the same place."""
    data = b"a note"
    root = cid_of(RAW, data)
    with (tmp_path / "in.car").open("wb") as file:
        write_car(file, [root], [Block(root, data)])
    (record,) = store.import_car(tmp_path / "in.car")
    assert store.retrieve_evidence(record["cid"]) == data
    assert (rows(store), files(store)) == (1, 0)
    store.submit_evidence(data, "document")
    assert (rows(store), files(store)) == (1, 0)


def test_a_name_of_another_codec_does_not_find_a_row(store: EvidenceStore) -> None:
    """The digest alone is not the name: a node's CID over the same bytes is another block."""
    store.submit_evidence(b"a note", "document")
    with pytest.raises(EvidenceError, match="is not in"):
        store.local_block(cid_of(DAG_PB, b"a note"))


def test_a_damaged_row_is_named(
    store: EvidenceStore, flip_row: Callable[..., None], blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """By whoever reads it and by verification, with the evidence that needs it."""
    cid = store.submit_evidence(b"a note", "document")["cid"]
    assert [str(each) for each in blocks_of(store)] == [cid]
    flip_row(store, cid, 3)
    with pytest.raises(EvidenceCorruptedError, match=cid):
        store.retrieve_evidence(cid)
    assert {(fault.kind, fault.name) for fault in store.verify().faults} == {("block", cid), ("evidence", cid)}
