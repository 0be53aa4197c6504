"""Damage to a store on a disk, at random: afterwards everything that is missing is named, and what can be is back.

The oracle knows what was submitted and looks at the files itself.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails
from complaint_llm.exceptions import EvidenceError
from complaint_llm.messages import InferenceOutput, Message

SEEDS_HERE, SEEDS_OF_ENDURANCE = range(20), range(20, 220)


class Known(NamedTuple):
    """What was submitted, by CID: the content, and how its records were described."""

    contents: dict[str, bytes]
    described: dict[str, set[str]]


def fill(store: EvidenceStore, source: random.Random, known: Known, number: int) -> None:
    """Some pieces of evidence, short and long, some about the same bytes, and some answers."""
    for step in range(number):
        size = source.choice([3, 200, 9_000, 16_384, 16_385, 40_000, 262_145, 600_000])
        data = source.randbytes(size) if source.random() < 0.8 or not known.contents else None
        data = data or source.choice(list(known.contents.values()))
        description = f"exhibit {number}-{step}."
        cid = store.submit_evidence(data, "document", description, user_id=f"u{step % 3}")["cid"]
        known.contents[cid] = data
        known.described.setdefault(cid, set()).add(description)
    log = ProvenanceLog(store.database, level="full")
    cited = log.check_evidence(source.sample(sorted(known.contents), 2))
    for step in range(3):
        log.record(RequestDetails((Message("user", f"p{step}"),), evidence=cited), InferenceOutput(f"a{number}-{step}"))
    log.close()


def files_of(top: Path) -> list[Path]:
    return sorted(path for path in top.rglob("*") if path.is_file() and path.name not in (".gitignore", "lock.db"))


def remove_files(top: Path, yesterday: Path, source: random.Random) -> None:
    there = files_of(top)
    for path in source.sample(there, min(len(there), source.randint(1, 4))):
        path.unlink()


def flip_bytes(top: Path, yesterday: Path, source: random.Random) -> None:
    for _ in range(source.randint(1, 4)):
        path = source.choice(files_of(top))
        data = bytearray(path.read_bytes())
        if data:
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
            path.write_bytes(data)


def lose_the_index(top: Path, yesterday: Path, source: random.Random) -> None:
    for path in top.glob("store.db*"):
        path.unlink()


def lose_the_log(top: Path, yesterday: Path, source: random.Random) -> None:
    (top / "records.log").unlink()


def cut_a_file(top: Path, yesterday: Path, source: random.Random) -> None:
    path = source.choice(files_of(top))
    path.write_bytes(path.read_bytes()[: source.randrange(path.stat().st_size + 1)])


def restore_the_index(top: Path, yesterday: Path, source: random.Random) -> None:
    lose_the_index(top, yesterday, source)
    for path in yesterday.glob("store.db*"):
        shutil.copy2(path, top)


def restore_the_log(top: Path, yesterday: Path, source: random.Random) -> None:
    shutil.copy2(yesterday / "records.log", top)


def restore_the_blocks(top: Path, yesterday: Path, source: random.Random) -> None:
    shutil.rmtree(top / "blocks")
    shutil.copytree(yesterday / "blocks", top / "blocks")


def restore_one_file(top: Path, yesterday: Path, source: random.Random) -> None:
    path = source.choice(files_of(yesterday))
    (top / path.relative_to(yesterday)).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, top / path.relative_to(yesterday))


def lose_a_folder(top: Path, yesterday: Path, source: random.Random) -> None:
    shutil.rmtree(source.choice([path for path in (top / "blocks").iterdir() if len(path.name) == 1]))


DAMAGES: list[Callable[[Path, Path, random.Random], None]] = [
    remove_files,
    flip_bytes,
    lose_the_index,
    lose_the_log,
    cut_a_file,
    restore_the_index,
    restore_the_log,
    restore_the_blocks,
    restore_one_file,
    lose_a_folder,
]


def readable(store: EvidenceStore, known: Known) -> set[str]:
    """The contents that read back as they were submitted."""
    found = set()
    for cid, data in known.contents.items():
        with suppress(EvidenceError):
            if store.retrieve_evidence(cid) == data:
                found.add(cid)
    return found


def listed(store: EvidenceStore) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for record in store.list_evidence(lambda _: None):
        found.setdefault(record["cid"], set()).add(record["description"])
    return found


def left_of(top: Path, known: Known) -> dict[str, set[str]]:
    """What is left of each content, and so can be known of: words of its records in the index or the log, its block.

    Where both are of an older day, or lost, nothing can know of a short text that stood only there.
    """
    rest = b"".join(path.read_bytes() for path in (top / "records.log", *top.glob("store.db*")) if path.exists())
    left = {}
    for cid, described in known.described.items():
        left[cid] = {text for text in described if text.encode() in rest}
        if not left[cid] and next(top.glob(f"blocks/?/{cid}"), None) is not None:
            left[cid] = {"a block"}
    return left


def survive(top: Path, seed: int) -> None:
    """Fill a store, keep a copy, fill it further, delete something, do damage; then verify, rebuild, and collect."""
    source = random.Random(seed)
    known = Known({}, {})
    store_path, yesterday = top / "store", top / "yesterday"
    with EvidenceStore(store_path) as store:
        fill(store, source, known, 6)
    shutil.copytree(store_path, yesterday)
    with EvidenceStore(store_path) as store:
        fill(store, source, known, 5)
        gone = source.choice(sorted(known.contents))
        store.delete_evidence(gone)
        known.contents.pop(gone)
        known.described.pop(gone)
    damages = source.sample(DAMAGES, source.randint(1, 3))
    for damage in damages:
        with suppress(FileNotFoundError, IndexError):
            damage(store_path, yesterday, source)
    left = left_of(store_path, known)
    what = f"seed {seed}: {', '.join(damage.__name__ for damage in damages)}"

    with EvidenceStore(store_path) as store:
        found = store.verify()
        text = "\n".join(f"{fault.kind} {fault.name}: {fault.reason}" for fault in found.faults)
        try:
            there = listed(store)
        except EvidenceError:
            there = {}
        whole = readable(store, known)
        lost_to_both = set()
        for cid in known.contents:
            missing = left[cid] - there.get(cid, set()) if cid in whole else left[cid]
            if missing and cid not in text and not any_kind(found.faults, "database"):
                lost_to_both.add(cid)
        assert not lost_to_both, f"{what}: not named: {lost_to_both}\n{text}"

        rebuilt = store.rebuild()
        there, after = listed(store), readable(store, known)
        assert after >= whole, f"{what}: rebuild made {whole - after} unreadable"
        said = {cid for cid in after if left[cid] - {"a block"} - there.get(cid, set())}
        for cid in said:
            # A record may only be missing if no whole copy of it is anywhere: then verify says that records were lost.
            faults = store.verify().faults
            named = any(cid in f"{fault.name} {fault.reason}" for fault in faults)
            assert named or any_kind(faults, "database"), f"{what}: nobody names {cid}"
        faults = store.verify().faults
        text = "\n".join(f"{fault.kind} {fault.name}: {fault.reason}" for fault in faults)
        for cid in set(known.contents) - after:
            has_record = cid in there
            assert cid in text or not has_record, f"{what}: {cid} is not whole, has a record, and is not named\n{text}"
        assert not any_kind(faults, "log"), text

        before = {cid: known.contents[cid] for cid in after if cid in there}
        with suppress(EvidenceError):
            store.gc()
        with suppress(EvidenceError):
            store.gc(force=True)
        for cid, data in before.items():
            assert store.retrieve_evidence(cid) == data, f"{what}: gc took what a record names"
        if gone not in listed(store) and not any("restore" in damage.__name__ for damage in damages):
            with pytest.raises(EvidenceError):
                store.retrieve_evidence(gone)
    assert rebuilt.records >= len(before)
    with EvidenceStore(store_path) as store:
        assert readable(store, known) >= set(before), what


def any_kind(faults: Any, *kinds: str) -> bool:
    return any(fault.kind in kinds for fault in faults)


@pytest.mark.rows(4)
@pytest.mark.parametrize("seed", SEEDS_HERE)
def test_a_damaged_store_names_what_is_missing_and_takes_back_what_can_be(tmp_path: Path, seed: int) -> None:
    """Files removed, flipped, cut, restored from an older day, the index or the log lost; one to three of these."""
    survive(tmp_path, seed)


@pytest.mark.endurance
@pytest.mark.timeout(3600)
def test_two_hundred_damages(tmp_path: Path) -> None:
    """The same, two hundred times."""
    for seed in SEEDS_OF_ENDURANCE:
        survive(tmp_path / str(seed), seed)
        shutil.rmtree(tmp_path / str(seed))
