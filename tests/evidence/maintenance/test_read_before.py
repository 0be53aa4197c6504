"""A verification reads what came and changed since the last one, says what it did not read, and misses no change."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from complaint_llm.cli.evidence import evidence as command
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.maintenance.read_before import FILE_NAME

LETTER = 300_000
"""Bytes: a root and two leaves, each a file."""


def later() -> float:
    """A clock by which no file was changed just now."""
    return time.time() + 60


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EvidenceStore]:
    with EvidenceStore(tmp_path / "e", clock=later) as made:
        for number in range(10):
            made.submit_evidence(os.urandom(LETTER), "letter", description=f"letter {number}")
        yield made


def leaves(store: EvidenceStore) -> list[Path]:
    return sorted(path for path in store.path.glob("blocks/?/bafkrei*"))


def bytes_read(work: Callable[[], object]) -> int:
    """What the process reads meanwhile, as the kernel counts it."""

    def counted() -> int:
        return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])

    before = counted()
    work()
    return counted() - before


def test_what_did_not_change_is_not_read_again(store: EvidenceStore) -> None:
    first = store.verify(all_of_it=False)
    assert (first.unread_blocks, first.unread_bytes, first.since) == (0, 0, None)
    everything = 10 * LETTER
    assert bytes_read(lambda: store.verify(all_of_it=False)) < everything / 2
    again = store.verify(all_of_it=False)
    assert again.ok
    assert (again.blocks, again.bytes, again.records) == (first.blocks, first.bytes, first.records)
    assert (again.unread_blocks, again.unread_bytes) == (len(leaves(store)), everything)
    assert again.since is not None
    assert bytes_read(store.verify) > everything
    assert store.verify().since is None


def test_what_came_since_is_read_and_the_oldest_reading_is_told(store: EvidenceStore) -> None:
    store.verify(all_of_it=False)
    since = store.verify(all_of_it=False).since
    store.submit_evidence(os.urandom(LETTER), "letter")
    found = store.verify(all_of_it=False)
    assert (found.unread_bytes, found.since) == (10 * LETTER, since)
    found = store.verify(all_of_it=False)
    assert (found.unread_bytes, found.since) == (11 * LETTER, since)
    store.verify()  # reads all: that is the oldest reading now
    renewed = store.verify(all_of_it=False).since
    assert renewed is not None
    assert since is not None
    assert renewed > since


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _flip_with_the_old_times(path: Path) -> None:
    status = path.stat()
    _flip(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.rename(path)


def _replace_with_the_old_times(path: Path) -> None:
    status = path.stat()
    _replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _remove(path: Path) -> None:
    path.unlink()


def _link_to_another(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    path.unlink()
    os.link(other, path)


def _map_and_write(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(5)
        byte = file.read(1)
        file.seek(5)
        file.write(bytes([byte[0] ^ 255]))


def _swap(path: Path) -> None:
    other = next(each for each in path.parent.parent.glob("?/bafkrei*") if each != path)
    third = path.with_name("third")
    path.rename(third)
    other.rename(path)
    third.rename(other)


DAMAGES = (
    _flip, _flip_with_the_old_times, _replace, _replace_with_the_old_times, _truncate, _lengthen, _empty, _remove,
    _link_to_another, _map_and_write, _swap,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_that_somebody_changed_is_read_again(store: EvidenceStore, damage: Callable[[Path], None]) -> None:
    store.verify(all_of_it=False)
    assert store.verify(all_of_it=False).unread_blocks == len(leaves(store))
    damage(leaves(store)[3])
    for _ in range(2):  # what is damaged is never taken for read
        found = store.verify(all_of_it=False)
        assert not found.ok
        assert found.faults == store.verify().faults


def test_a_store_that_was_copied_or_restored_is_read_whole(store: EvidenceStore, tmp_path: Path) -> None:
    store.verify(all_of_it=False)
    shutil.copytree(store.path, tmp_path / "copy", copy_function=shutil.copy2)
    with EvidenceStore(tmp_path / "copy", clock=later) as copy:
        assert copy.verify(all_of_it=False).unread_blocks == 0


@pytest.mark.parametrize("place", [0, 1, 10, 40, 60, -1, -10, -32, -33, -60])
def test_a_byte_of_what_is_remembered_that_changed_makes_it_worth_nothing(store: EvidenceStore, place: int) -> None:
    store.verify(all_of_it=False)
    path = store.path / FILE_NAME
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert store.verify(all_of_it=False).unread_blocks == 0


def test_a_file_that_was_changed_a_moment_ago_is_read_the_next_time_too(tmp_path: Path) -> None:
    """It could be changed again without a sign of it in its times."""
    with EvidenceStore(tmp_path / "e") as store:
        store.submit_evidence(os.urandom(LETTER), "letter")
        store.verify(all_of_it=False)
        assert store.verify(all_of_it=False).unread_blocks == 0


def test_the_command_says_what_it_did_not_read_and_reads_it_with_all(store: EvidenceStore, tmp_path: Path) -> None:
    class App:
        def open_store(self, **_: object) -> EvidenceStore:
            return EvidenceStore(tmp_path / "e", clock=later)

    store.verify()
    said = CliRunner().invoke(command, ["verify"], obj=App())
    assert "20 blocks (3,000,000 bytes) were not read now" in said.output.replace("\n", " ")
    assert "--all reads them again" in said.output
    assert "not read" not in CliRunner().invoke(command, ["verify", "--all"], obj=App()).output
