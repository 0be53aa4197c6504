"""``check`` tells of a folder of evidence or of models that could not be opened or written."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from complaint_llm_plugins.backends.huggingface.generation import check_cache

from complaint_llm.cli.main import cli
from complaint_llm.evidence import EvidenceStore
from complaint_llm.exceptions import BackendError, ComplaintLLMError
from tests.cli.kept_files import (
    STATES,
    checked,
    evidence,
    file_for_its_folder,
    file_in_its_place,
    left_by_a_crash,
    link_to_nothing,
    snapshot,
)
from tests.end_to_end.everything import write_config
from tests.peers import need_peer


def used_for_something_else(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "letter.txt").write_text("a letter")


def store_with(change: Callable[[Path], None]) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        evidence(path)
        change(path)

    put.__name__ = change.__name__
    return put


def newer_index(path: Path) -> None:
    with closing(sqlite3.connect(path / "store.db")) as db:
        db.execute("PRAGMA user_version = 99")


def index_of_nobody(path: Path) -> None:
    with closing(sqlite3.connect(path / "store.db")) as db:
        db.execute("PRAGMA user_version = 0")


def damaged_index(path: Path) -> None:
    (path / "store.db").write_bytes(b"no database" * 900)


def folder_for_the_index(path: Path) -> None:
    (path / "store.db").unlink()
    (path / "store.db").mkdir()


def damaged_log(path: Path) -> None:
    (path / "records.log").write_bytes(b"x" * 100)


def folder_for_the_log(path: Path) -> None:
    (path / "records.log").unlink()
    (path / "records.log").mkdir()


def file_for_blocks(path: Path) -> None:
    (path / "blocks").rename(path / "away")
    (path / "blocks").write_text("a file")


def damaged_lock(path: Path) -> None:
    (path / "lock.db").write_bytes(b"no database" * 900)


CHANGES = (newer_index, index_of_nobody, damaged_index, folder_for_the_index, damaged_log, folder_for_the_log)
CHANGES += (file_for_blocks, damaged_lock)
STORES = [file_in_its_place, file_for_its_folder, link_to_nothing, used_for_something_else, *map(store_with, CHANGES)]


@pytest.mark.rows(7)
@pytest.mark.parametrize("put", STORES, ids=lambda put: put.__name__)
def test_a_folder_of_evidence_that_could_not_be_used_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], None]
) -> None:
    """The same; with provenance each call would be refused."""
    put(tmp_path / "kept" / "evidence")
    done = checked(tmp_path, monkeypatch, "--json", EVIDENCE={"path": "kept/evidence"}, MEDIATOR={"provenance": "full"})
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("config.json:1:")]
    assert " /EVIDENCE/path: evidence cannot be kept, and each call would be refused: " in line
    assert done.exit_code == 1
    with pytest.raises((ComplaintLLMError, OSError)):
        evidence(tmp_path / "kept" / "evidence")


@pytest.mark.rows(4)
@pytest.mark.parametrize("state", [*STATES, "index lost", "log lost"])
def test_a_folder_of_evidence_that_can_be_used_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """An index that was lost is made again from the log, and a log is begun."""
    path = tmp_path / "kept" / "evidence"
    if state == "empty":
        path.mkdir(parents=True)
    elif state != "missing":
        evidence(path)
    if state in ("index lost", "log lost"):
        (path / {"index lost": "store.db", "log lost": "records.log"}[state]).unlink()
    if state == "left by a crash":
        left_by_a_crash(path / "store.db")
    with EvidenceStore(path if state == "being used" else tmp_path / "other") as store:
        store.submit_evidence(b"y" * 1000, "document")
        done = checked(tmp_path, monkeypatch, EVIDENCE={"path": "kept/evidence"})
    assert done.exit_code == 0
    assert "config.json:" not in done.stderr
    evidence(path)


@pytest.mark.parametrize("options", [(), ("--json",)], ids=" ".join)
@pytest.mark.parametrize("put", [file_in_its_place, file_for_its_folder, link_to_nothing], ids=lambda put: put.__name__)
def test_a_folder_of_models_that_could_not_be_made_is_told_of_its_backend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], None], options: tuple[str, ...]
) -> None:
    """Where the model is not on this machine; one that is fetched to another place is none."""
    for peer in ("torch", "transformers"):
        pytest.importorskip(peer, reason=f"{peer} is not installed: pip install torch transformers")
    put(tmp_path / "models" / "hub")
    monkeypatch.chdir(tmp_path)
    model = {"id": "m", "type": "huggingface", "model": "nobody/none", "device": "cpu"}
    write_config(tmp_path, [{**model, "cache_dir": "models/hub"}, {**model, "id": "n", "cache_dir": "new/hub"}])
    before = snapshot(tmp_path)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", *options])
    assert snapshot(tmp_path) == before
    assert done.exit_code == 1
    assert done.stdout.count("its files could not be fetched: ") == 1
    assert not done.stderr.startswith("config.json")


def test_a_cache_of_the_hub_that_could_not_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file of the Hub that is not on this machine, before a night depends on fetching it."""
    need_peer("xllamacpp")
    constants = pytest.importorskip("huggingface_hub.constants", reason="pip install huggingface-hub")
    (tmp_path / "hub").write_text("a file")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub" / "below"))
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, [{"id": "w", "type": "workstation", "repo": "nobody/none", "filename": "a.gguf"}])
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", "--json"])
    (found,) = json.loads(done.stdout)
    assert found["state"] == "broken"
    assert f"{tmp_path / 'hub'} is a file, where a folder is wanted" in found["note"]
    assert "HF_HOME" in found["note"]


@pytest.mark.parametrize("put", [file_in_its_place, file_for_its_folder, link_to_nothing], ids=lambda put: put.__name__)
def test_where_models_of_transformers_are_kept_is_looked_at(tmp_path: Path, put: Callable[[Path], None]) -> None:
    """As far as that needs no library."""
    put(tmp_path / "models" / "hub")
    with pytest.raises(BackendError, match=r"its files could not be fetched: .* by cache_dir"):
        check_cache(str(tmp_path / "models" / "hub"))
    check_cache(str(tmp_path / "new" / "hub"))
    assert not (tmp_path / "new").exists()
