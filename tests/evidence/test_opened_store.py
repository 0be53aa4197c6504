"""A store as it is opened: its folder, its settings, a block store of a plugin, and many threads on one."""

from __future__ import annotations

import logging
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import (
    ConfigError,
    EvidenceCorruptedError,
    EvidenceError,
)

BIG = 600_000


def test_the_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    """Clients' data: for the owner alone, never committed by accident; a mode that was chosen later stays."""
    folder = tmp_path / "deep" / "evidence"
    EvidenceStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"
    folder.chmod(0o750)
    EvidenceStore(folder).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_folders_that_are_made_for_the_store_are_private_too(tmp_path: Path) -> None:
    """``.complaint_llm`` above it has mode 0700 and is never committed; what was there stays as it is."""
    with EvidenceStore(tmp_path / "there" / ".complaint_llm" / "evidence"):
        for name in ("there", "there/.complaint_llm", "there/.complaint_llm/evidence"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700
            assert (tmp_path / name / ".gitignore").read_text() == "*\n"


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


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match="cannot be made a store"):
        EvidenceStore(tmp_path / "file" / "evidence")


def test_settings_that_cannot_be_used_are_config_errors(tmp_path: Path) -> None:
    """The config's own key is named."""
    with pytest.raises(ConfigError, match="/EVIDENCE/profile: 'v3' is none of unixfs-v1, unixfs-v1-2025"):
        EvidenceStore(tmp_path, profile="v3")


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
