"""The store: what is submitted comes back whole, once, verified, with what was said about it."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import Block, EvidenceStore
from complaint_llm.evidence.ipld.cid import RAW, Cid, cid_of
from complaint_llm.exceptions import (
    ConfigError,
    EvidenceCorruptedError,
    EvidenceError,
    EvidenceNotFoundError,
)

HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
BIG = 600_000


def test_the_record_says_what_was_given_and_found(tmp_path: Path) -> None:
    """Every field of the contract, with the CID that IPFS tools give the same bytes."""
    with EvidenceStore(tmp_path / "e", clock=lambda: 1_700_000_000.25) as store:
        record = store.submit_evidence(
            b"hello world\n",
            "document",
            description="Performance review",
            claim_type="wrongful_termination",
            claim_element="pretext",
            user_id="u-1",
            metadata={"page": 3, "tags": ["a", "é"], "nested": {"x": None}},
        )
    assert record == {
        "cid": HELLO,
        "size": 12,
        "sha256": "a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447",
        "mime_type": "text/plain",
        "detected_type": "text/plain",
        "declared_type": None,
        "file_name": None,
        "record_id": record["record_id"],
        "record_created": True,
        "created": "2023-11-14T22:13:20.250000Z",
        "imported": None,
        "evidence_type": "document",
        "description": "Performance review",
        "claim_type": "wrongful_termination",
        "claim_element": "pretext",
        "user_id": "u-1",
        "metadata": {"page": 3, "tags": ["a", "é"], "nested": {"x": None}},
    }


@pytest.mark.parametrize("size", [0, 1, 262_144, 262_145, BIG])
def test_content_comes_back_whole(store: EvidenceStore, size: int, content: Callable[[int], bytes]) -> None:
    """One chunk or many, and none at all."""
    record = store.submit_evidence(content(size), "document")
    assert store.retrieve_evidence(record["cid"]) == content(size)
    assert store.get_evidence_by_cid(record["cid"])["size"] == size


def test_the_same_submission_is_the_same_record(store: EvidenceStore) -> None:
    """Equal bytes and statements: the record that is there, with its first time."""
    first = store.submit_evidence(b"x", "document", description="a", user_id="u")
    again = store.submit_evidence(b"x", "document", description="a", user_id="u")
    assert again == {**first, "record_created": False}
    assert len(store.list_evidence()) == 1


def test_the_same_content_said_otherwise_is_a_second_record(
    store: EvidenceStore, blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """One content, two records; the newest answers by CID."""
    first = store.submit_evidence(b"x", "document", description="a", user_id="u")
    second = store.submit_evidence(b"x", "document", description="b", user_id="v")
    assert second["cid"] == first["cid"]
    assert second["record_created"]
    assert second["record_id"] != first["record_id"]
    assert store.get_evidence_by_cid(first["cid"])["description"] == "b"
    assert [record["description"] for record in store.get_user_evidence("u")] == ["a"]
    assert len(blocks_of(store)) == 1


def test_a_users_records_come_oldest_first(store: EvidenceStore) -> None:
    """And only that user's; an unknown user has none."""
    for number in range(3):
        store.submit_evidence(b"%d" % number, "document", user_id="u")
    store.submit_evidence(b"3", "document", user_id="v")
    store.submit_evidence(b"4", "document")
    assert [store.retrieve_evidence(record["cid"]) for record in store.get_user_evidence("u")] == [b"0", b"1", b"2"]
    assert store.get_user_evidence("w") == []


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (("text", "document"), TypeError, "encode a text first"),
        ((b"", ""), ValueError, "evidence_type is empty"),
        ((b"", None), TypeError, "evidence_type is a text"),
        ((b"", "d", None), TypeError, "description is a text"),
        ((b"", "d", "", 3), TypeError, "claim_type is a text, not int"),
        ((b"", "d", "", None, None, None, [1]), TypeError, "metadata is a mapping, not list"),
        ((b"", "d", "", None, None, None, {1: 2}), TypeError, "keys are text"),
        ((b"", "d", "", None, None, None, {"a": float("nan")}), ValueError, "not finite"),
        ((b"", "d", "", None, None, None, {"a": object()}), TypeError, "cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_is_refused_before_anything_is_stored(
    store: EvidenceStore,
    blocks_of: Callable[[EvidenceStore], list[Cid]],
    arguments: Any,
    error: type[Exception],
    match: str,
) -> None:
    """The caller's mistakes are named; nothing is left behind."""
    with pytest.raises(error, match=match):
        store.submit_evidence(*arguments)
    assert blocks_of(store) == []


def test_files_and_streams_are_the_same_content(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """A file's name declares its type and is in the record; progress counts every byte."""
    file = tmp_path / "Bescheid über Leistung.pdf"
    file.write_bytes(b"%PDF-1.7 " + content(BIG))
    seen: list[int] = []
    record = store.submit_evidence_file(file, "letter", progress=seen.append)
    assert record["file_name"] == file.name
    assert (record["mime_type"], record["declared_type"]) == ("application/pdf", "application/pdf")
    assert sum(seen) == record["size"] == BIG + 9
    with file.open("rb") as stream:
        assert store.submit_evidence_stream(stream, "letter")["cid"] == record["cid"]
    assert b"".join(store.iter_evidence(record["cid"])) == file.read_bytes()


def test_what_is_no_readable_file_is_named(store: EvidenceStore, tmp_path: Path) -> None:
    """A folder, a pipe that would block, a missing file."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "missing"):
        with pytest.raises(EvidenceError, match=str(path)):
            store.submit_evidence_file(path)


def test_a_source_that_fails_leaves_no_record(store: EvidenceStore, content: Callable[[int], bytes]) -> None:
    """A read error in the middle is raised; what came before is collected."""

    class Failing(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 300_000:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(EvidenceError, match="Input/output error"):
        store.submit_evidence_stream(Failing(content(BIG)), "document")
    assert store.list_evidence() == []
    assert store.verify().ok
    assert store.gc()["blocks"] == 0


def test_a_full_disk_is_one_error_and_harms_nothing(tmp_path: Path) -> None:
    """The block that did not fit is not there in part; what fits is stored afterwards."""
    program = f"""
import resource
from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import EvidenceError

with EvidenceStore({str(tmp_path / "e")!r}) as store:
    before = store.submit_evidence(b"before", "document")["cid"]
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    try:
        store.submit_evidence(bytes(range(256)) * 1024 * 5, "document")
    except EvidenceError as error:
        print(error)
    store.submit_evidence(b"after", "document")
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert store.verify().ok
    assert len(store.list_evidence()) == 2
    assert store.gc()["unfinished"] == 0
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'e'} cannot store evidence: File too large\n"


@pytest.mark.parametrize("cid", [HELLO, "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o"])
def test_what_is_not_here_is_not_found(store: EvidenceStore, cid: str) -> None:
    """Reading, deleting and looking up say so in the same way."""
    for ask in (store.retrieve_evidence, store.get_evidence_by_cid, store.delete_evidence):
        with pytest.raises(EvidenceNotFoundError, match=cid):
            ask(cid)


def test_what_is_no_cid_is_said(store: EvidenceStore) -> None:
    """A path, a hash, a typing error."""
    with pytest.raises(EvidenceError, match="is no CID"):
        store.retrieve_evidence("../../etc/passwd")


def test_deleting_removes_only_what_nothing_else_needs(store: EvidenceStore, content: Callable[[int], bytes]) -> None:
    """Blocks that other evidence shares stay; the rest is gone from the disk at once."""
    short = store.submit_evidence(content(300_000), "document")
    long = store.submit_evidence(content(BIG), "document")
    assert store.delete_evidence(long["cid"]) == {"cid": long["cid"], "records": 1, "blocks": 3}
    assert store.retrieve_evidence(short["cid"]) == content(300_000)
    with pytest.raises(EvidenceNotFoundError):
        store.retrieve_evidence(long["cid"])
    assert store.verify().ok
    assert store.gc()["blocks"] == 0


def test_what_is_deleted_is_nowhere_in_the_folder(store: EvidenceStore) -> None:
    """Neither in a block, nor in a free page of the database, nor in its log."""
    kept = store.submit_evidence(b"kept", "document")
    cid = store.submit_evidence(b"SECRETTEXT", "document", description="SECRETNAME", user_id="SECRETNAME")["cid"]
    store.delete_evidence(cid)
    for path in store.path.rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()
    assert store.retrieve_evidence(kept["cid"]) == b"kept"


def test_many_files_are_stored_in_groups_and_each_has_its_answer(
    store: EvidenceStore, tmp_path: Path, content: Callable[[int], bytes]
) -> None:
    """Small ones together, large ones alone; one that cannot be read costs no other its record."""
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(250):
        (folder / f"{number:03}.txt").write_bytes(b"%d" % (number % 200))
    (folder / "150.txt").unlink()
    (folder / "150.txt").mkdir()
    (folder / "large").write_bytes(content(9_000_000))
    paths = sorted(folder.iterdir())
    outcomes = dict(store.submit_evidence_files(paths, "letter", user_id="u"))
    assert list(outcomes) == paths
    errors = {path: str(found) for path, found in outcomes.items() if isinstance(found, EvidenceError)}
    assert list(errors) == [folder / "150.txt"]
    assert "is not a file" in errors[folder / "150.txt"]
    for path, found in outcomes.items():
        if not isinstance(found, EvidenceError):
            assert store.retrieve_evidence(found["cid"]) == path.read_bytes()
            assert found["file_name"] == path.name
    assert len(store.get_user_evidence("u")) == 250
    assert store.verify().ok


def test_deleting_deletes_every_record_about_the_content(store: EvidenceStore) -> None:
    """Also those of other users: the content is what is deleted."""
    cid = store.submit_evidence(b"x", "document", user_id="u")["cid"]
    store.submit_evidence(b"x", "document", user_id="v")
    assert store.delete_evidence(cid)["records"] == 2
    assert store.get_user_evidence("v") == []


def test_deleting_does_not_wait_long_for_one_who_is_adding(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records go at once; the blocks wait for gc, and the answer says so."""
    cid = store.submit_evidence(b"x", "document")["cid"]
    with store.database.transaction("shared"):
        monkeypatch.setattr("complaint_llm.evidence.maintenance.removal.DELETE_TIMEOUT", 0.05)
        assert store.delete_evidence(cid) == {"cid": cid, "records": 1, "blocks": None}
    assert store.gc()["purged"] == 1


def test_gc_takes_what_interrupted_writes_left(store: EvidenceStore) -> None:
    """Unfinished files and blocks without a record; nothing that a record needs, and no one else's files."""
    kept = store.submit_evidence(b"kept", "document")
    with store.database.transaction("shared") as connection:
        store.blocks(connection).put([Block(cid_of(RAW, b"lost" * size), b"lost" * size) for size in (1, 10_000)])
    (store.path / "blocks" / "unfinished" / "1-2-3").write_bytes(b"half")
    (store.path / "blocks" / "a" / "Thumbs.db").write_bytes(b"not ours")
    done = store.gc()
    assert (done["blocks"], done["unfinished"]) == (2, 1)
    assert store.retrieve_evidence(kept["cid"]) == b"kept"
    assert (store.path / "blocks" / "a" / "Thumbs.db").exists()


def test_gc_removes_nothing_while_it_does_not_know_what_is_needed(
    store: EvidenceStore, content: Callable[[int], bytes], blocks_of: Callable[[EvidenceStore], list[Cid]]
) -> None:
    """A missing node hides what is below it: then nothing goes until that evidence is deleted."""
    record = store.submit_evidence(content(BIG), "document")
    before = set(blocks_of(store))
    root = next(cid for cid in before if str(cid) == record["cid"])
    next(store.path.glob(f"blocks/?/{root}")).unlink()
    with pytest.raises(EvidenceCorruptedError, match="nothing was moved"):
        store.gc()
    assert set(blocks_of(store)) == before - {root}
    assert store.delete_evidence(record["cid"])["blocks"] == 4
    assert blocks_of(store) == []


@pytest.mark.parametrize("size", [1, 2000], ids=["row", "file"])
def test_submitting_again_mends_a_damaged_block(
    store: EvidenceStore, flip: Callable[..., None], flip_row: Callable[..., None], size: int
) -> None:
    """Deduplication looks at the bytes, not at the name only."""
    original = b"the original" * size
    cid = store.submit_evidence(original, "document")["cid"]
    if size == 1:
        flip_row(store, cid)
    else:
        flip(next(store.path.glob(f"blocks/?/{cid}")))
    with pytest.raises(EvidenceCorruptedError, match=cid):
        store.retrieve_evidence(cid)
    store.submit_evidence(original, "document")
    assert store.retrieve_evidence(cid) == original
    assert store.verify().ok


def test_the_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    """Clients' data: for the owner alone, never committed by accident; a mode that was chosen later stays."""
    folder = tmp_path / "deep" / "evidence"
    EvidenceStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    folder.chmod(0o750)
    EvidenceStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_folder_that_is_in_use_is_not_taken_over(tmp_path: Path) -> None:
    """A project's folder keeps its mode and its .gitignore; an empty folder is fine."""
    (tmp_path / "project").mkdir(mode=0o755)
    (tmp_path / "project" / ".gitignore").write_text("*.pyc\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a letter").write_text("")
    for name in ("project", "home"):
        with pytest.raises(EvidenceError, match="is in use for something else"):
            EvidenceStore(tmp_path / name)
    assert stat.S_IMODE((tmp_path / "project").stat().st_mode) == 0o755
    (tmp_path / "empty").mkdir()
    EvidenceStore(tmp_path / "empty").close()
    assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o700


def test_names_and_texts_are_never_logged(
    store: EvidenceStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At DEBUG too, and when something fails."""
    caplog.set_level(logging.DEBUG)
    cid = store.submit_evidence(b"SECRETTEXT", "document", description="SECRETNAME", user_id="SECRETNAME")["cid"]
    with store.database.transaction("shared"):
        monkeypatch.setattr("complaint_llm.evidence.maintenance.removal.DELETE_TIMEOUT", 0.05)
        store.delete_evidence(cid)
    assert "until" in caplog.text
    assert "SECRET" not in caplog.text


def test_settings_that_cannot_be_used_are_config_errors(tmp_path: Path) -> None:
    """The config's own key is named."""
    with pytest.raises(ConfigError, match="/EVIDENCE/profile: 'v3' is none of unixfs-v1, unixfs-v1-2025"):
        EvidenceStore(tmp_path, profile="v3")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="cannot be made a store"):
        EvidenceStore(tmp_path / "file" / "evidence")


def test_a_store_of_another_format_is_refused(store: EvidenceStore) -> None:
    """A later version's files are not guessed at."""
    with store.database.transaction("exclusive") as connection:
        connection.execute("PRAGMA store.user_version = 9")
    with pytest.raises(EvidenceError, match="has format 9, this version reads up to 3"):
        EvidenceStore(store.path)


def test_the_chosen_profile_makes_the_cid(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """One megabyte is one block in the profile of 2025."""
    with EvidenceStore(tmp_path / "e", profile="unixfs-v1-2025") as store:
        record = store.submit_evidence(content(1_048_576), "document")
        assert record["cid"] == "bafkreiczaxfyqkyu2jxzaofikq7xjexknkieebuukrysmcoehk4natzpxu"


def test_a_plugins_block_store_takes_the_files_place(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    """Any object with the protocol's methods; what it gives back is verified like a file."""

    class InMemory:
        def __init__(self) -> None:
            self.kept: dict[str, bytes] = {}
            self.closed = False

        def get(self, cid: Any) -> bytes | None:
            return self.kept.get(cid.name)

        def put(self, blocks: Any) -> None:
            self.kept.update((cid.name, data) for cid, data in blocks)

        def has(self, cid: Any) -> bool:
            return cid.name in self.kept

        def delete(self, cid: Any) -> None:
            self.kept.pop(cid.name, None)

        def list(self) -> Any:
            from complaint_llm.evidence import parse_cid

            return iter([parse_cid(name) for name in self.kept])

        def sweep(self) -> int:
            return 0

        def close(self) -> None:
            self.closed = True

    blocks = InMemory()
    with EvidenceStore(tmp_path / "e", blocks=blocks) as store:
        cid = store.submit_evidence(content(BIG), "document")["cid"]
        assert store.retrieve_evidence(cid) == content(BIG)
        assert store.verify().ok
        blocks.kept[cid] = b"a lie"
        with pytest.raises(EvidenceCorruptedError, match=cid):
            store.retrieve_evidence(cid)
        assert store.delete_evidence(cid)["blocks"] == 4
        assert blocks.kept == {}
    assert blocks.closed
    assert not (tmp_path / "e" / "blocks").exists()


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """And closing again is fine."""
    store = EvidenceStore(tmp_path / "e")
    store.close()
    store.close()
    with pytest.raises(EvidenceError, match="is closed"):
        store.submit_evidence(b"x", "document")


def test_threads_share_one_store(store: EvidenceStore, content: Callable[[int], bytes]) -> None:
    """Overlapping submissions from many threads: each record once, all content whole."""
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for number in range(6):
                shared = store.submit_evidence(content(300_000 + number), "document", user_id="all")
                own = store.submit_evidence(f"{name} {number}".encode(), "document", user_id=name)
                assert store.retrieve_evidence(own["cid"]) == f"{name} {number}".encode()
                assert store.retrieve_evidence(shared["cid"]) == content(300_000 + number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store.get_user_evidence("all")) == 6
    assert len(store.list_evidence()) == 6 + 8 * 6
    assert store.verify().ok


def test_folders_that_are_made_for_the_store_are_private_too(tmp_path: Path) -> None:
    """``.complaint_llm`` above it has mode 0700 and is never committed; what was there stays as it is."""
    with EvidenceStore(tmp_path / "there" / ".complaint_llm" / "evidence"):
        for name in ("there", "there/.complaint_llm", "there/.complaint_llm/evidence"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700
            assert (tmp_path / name / ".gitignore").read_text() == "*\n"
