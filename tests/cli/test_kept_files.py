"""``check`` tells of a ledger, a cache, a budget, a folder of evidence or models that could not be opened or written,
as the first call of the night would; it makes and changes nothing."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from complaint_llm_plugins.backends.huggingface.generation import check_cache

from complaint_llm.cli.main import cli
from complaint_llm.evidence import EvidenceStore
from complaint_llm.evidence.openable import store_fault
from complaint_llm.exceptions import BackendError, ComplaintLLMError
from complaint_llm.ledger.file import ledger_fault, open_ledger
from complaint_llm.messages import InferenceOutput
from complaint_llm.private_folder import folder_fault, make_private_folder
from complaint_llm.routing.cache.sqlite_store import CacheFile, answers_of_matter, cache_fault, forget_answers
from complaint_llm.routing.policies.budget_book import BudgetBook, book_fault
from tests.end_to_end.everything import write_config
from tests.peers import need_peer


class Kept(NamedTuple):
    """One thing that is kept: how it is opened for good, how it is looked at, and what of a config has it at a path."""

    open: Callable[[Path], object]
    fault: Callable[[Path], str | None]
    sections: Callable[[str], dict[str, Any]]
    place: str


def ledger(path: Path) -> None:
    with closing(open_ledger(path)) as db:
        db.execute("INSERT INTO gaps VALUES (1, 1)")


def cache(path: Path) -> None:
    forget_answers(path, "a matter")


def budget(path: Path) -> None:
    book = BudgetBook(path)
    try:
        book.record("a", {1: 1}, 0)
    finally:
        book.close()


def evidence(path: Path) -> None:
    with EvidenceStore(path) as store:
        store.submit_evidence(os.urandom(100_000), "document")


FILES = {
    "ledger": Kept(ledger, ledger_fault, lambda path: {"MEDIATOR": {"ledger": {"path": path}}}, "/MEDIATOR/ledger"),
    "cache": Kept(cache, cache_fault, lambda path: {"MEDIATOR": {"cache": {"path": path}}}, "/MEDIATOR/cache/path"),
    "budget": Kept(budget, book_fault, lambda _: {"MEDIATOR": {"budget": 1.0}}, "/MEDIATOR/budget"),
}
STORE = Kept(evidence, store_fault, lambda path: {"EVIDENCE": {"path": path}}, "/EVIDENCE/path")


def path_of(name: str) -> str:
    """Where the test has it; a budget's is no choice of the config."""
    return ".complaint_llm/state.db" if name == "budget" else "kept/below/file.db"


STATES = ("missing", "used", "being used", "left by a crash", "empty")

# -- what is in the way --------------------------------------------------------------------------------------------


def file_for_its_folder(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.write_text("a file")


def file_above(path: Path) -> None:
    above = path.parent if path.parent.name == ".complaint_llm" else path.parent.parent
    above.write_text("a file")


def link_to_nothing(path: Path) -> None:
    path.parent.parent.mkdir(parents=True, exist_ok=True)
    path.parent.symlink_to(path.parent.parent / "gone" / "away")


def folder_in_its_place(path: Path) -> None:
    path.mkdir(parents=True)


def folder_for_its_log(path: Path) -> None:
    path.with_name(path.name + "-wal").mkdir(parents=True)


def damaged(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database at all " * 400)


def no_file(path: Path) -> None:
    path.parent.mkdir(parents=True)
    os.mkfifo(path)


def damaged_schema(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE answers (x); CREATE TABLE spent (x); CREATE TABLE entries (x);")
    data = bytearray(path.read_bytes())
    data[100:400] = b"\xff" * 300
    path.write_bytes(data)


ANY = [file_for_its_folder, file_above, link_to_nothing, folder_in_its_place, folder_for_its_log, damaged]
ANY += [damaged_schema]


def another_programs(path: Path) -> None:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE answers (x); CREATE VIEW spent AS SELECT 1; PRAGMA application_id = 7;")


def newer(path: Path) -> None:
    ledger(path)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


ROWS = [(name, fault) for name in FILES for fault in ANY]
ROWS += [("ledger", another_programs), ("cache", another_programs), ("ledger", newer)]


def snapshot(folder: Path) -> list[tuple[object, ...]]:
    """All that is there, with content and time of change."""
    found = []
    for each in sorted(folder.rglob("*")):
        state = each.lstat()
        data = each.read_bytes() if each.is_file() else b""
        found.append((str(each), state.st_mode, state.st_mtime_ns, state.st_ino, data))
    return found


def checked(folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str, **sections: Any) -> Result:
    monkeypatch.chdir(folder)
    mock = {"id": "offline", "type": "mock", "echo": True, "cache_enabled": True}
    write_config(folder, [mock], **sections)
    before = snapshot(folder)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", *options])
    if (folder / path_of("budget")).is_file():
        # What is spent is read as each call reads it: SQLite may put its log into the file.
        assert {str(each) for each in folder.rglob("*")} <= {str(name) for name, *_ in before}
    else:
        assert snapshot(folder) == before
    return done


@pytest.mark.rows(10)
@pytest.mark.parametrize(("name", "put"), ROWS, ids=lambda part: part if isinstance(part, str) else part.__name__)
def test_a_file_that_could_not_be_used_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, put: Callable[[Path], None]
) -> None:
    """With its place and what to do, in ``--json`` too; and so it is: opened for good it fails."""
    kept, path = FILES[name], path_of(name)
    put(tmp_path / path)
    for options in ((), ("--json",)):
        done = checked(tmp_path, monkeypatch, *options, **kept.sections(path))
        (line,) = done.stderr.splitlines()
        assert line.startswith("config.json:1:"), line
        assert f" {kept.place}: the {name} cannot be kept" in line
        assert any(word in line for word in ("move it away", "another path", "MEDIATOR.ledger", "remove the link"))
        assert done.exit_code == 1
        assert "offline" in done.stdout
    assert name == "budget" or json.loads(done.stdout)[0]["state"] == "ready"
    with pytest.raises((ComplaintLLMError, sqlite3.Error, OSError)):
        kept.open(tmp_path / path)


@pytest.mark.rows(6)
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("state", STATES)
def test_a_file_that_can_be_used_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, state: str
) -> None:
    """Nothing is said, and nothing is made: neither it nor its folder, nor what SQLite keeps beside it."""
    kept, path = FILES[name], path_of(name)
    file = tmp_path / path
    if state == "empty":
        make_private_folder(file.parent)
        file.touch()
    elif state != "missing":
        kept.open(file)
    with closing(sqlite3.connect(file if state == "being used" else ":memory:", isolation_level=None)) as db:
        if state == "being used":
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE another (x)")
        if state == "left by a crash":
            left_by_a_crash(file)
        done = checked(tmp_path, monkeypatch, **kept.sections(path))
    assert (done.exit_code, done.stderr) == (0, "")
    kept.open(file)


def left_by_a_crash(file: Path) -> None:
    """A log beside it that nobody has put into the file."""
    code = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA journal_mode = WAL'); db.execute('CREATE TABLE left_over (x)'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(file)], check=False)
    assert file.with_name(file.name + "-wal").exists()


def used_for_something_else(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "letter.txt").write_text("a letter")


def file_in_its_place(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("a file")


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


def test_what_a_config_does_not_keep_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept in ``.complaint_llm`` here, and nobody's answers are."""
    (tmp_path / ".complaint_llm").write_text("a file")
    done = checked(tmp_path, monkeypatch, MEDIATOR={"ledger": False})
    assert (done.exit_code, done.stderr) == (0, "")


def test_each_fault_is_a_line_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the file, and the entry that has a budget is named where MEDIATOR has none."""
    (tmp_path / ".complaint_llm").write_text("a file")
    monkeypatch.chdir(tmp_path)
    mock = {"id": "offline", "type": "mock", "echo": True, "budget": 1.0, "cache_enabled": True}
    sections = {"MEDIATOR": {"ledger": True, "cache": {"path": ".complaint_llm/c.db"}, "provenance": "digests"}}
    write_config(tmp_path, [mock], **sections)
    done = CliRunner().invoke(cli, ["-c", "config.json", "check", "--json"])
    said = [line.split(": ")[1] for line in done.stderr.splitlines() if line.startswith("config.json")]
    wanted = ["/BACKENDS/0/budget", "/MEDIATOR/ledger", "/MEDIATOR/cache/path", "/MEDIATOR/provenance"]
    assert sorted(said) == sorted(wanted)


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


@pytest.mark.parametrize("below", ["", "a", "a/b/c"])
@pytest.mark.parametrize("there", ["folder", "file", "nothing"])
def test_a_folder_that_can_be_made_has_no_fault(tmp_path: Path, there: str, below: str) -> None:
    """What is said beforehand is what happens."""
    folder = tmp_path / "x"
    if there == "folder":
        folder.mkdir()
    elif there == "file":
        folder.touch()
    fault = folder_fault(folder / below)
    try:
        make_private_folder(folder / below)
        (folder / below / "file").touch()
    except OSError:
        assert fault is not None
    else:
        assert fault is None


def test_answers_are_still_found_where_a_look_was_taken(tmp_path: Path) -> None:
    """A look while it is written takes nothing from who writes."""
    path = tmp_path / "cache.db"
    kept = CacheFile(path, size=10)
    for number in range(20):
        kept.put(f"k{number}", InferenceOutput("text"), None)
        kept.note_matter(f"k{number}", "m")
        assert cache_fault(path) is None
    kept.close()
    assert answers_of_matter(path, "m") > 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("kept", FILES.values(), ids=FILES)
def test_a_folder_of_another_mode_is_told(tmp_path: Path, kept: Kept) -> None:
    """As far as modes bind who asks."""
    (tmp_path / "away").mkdir(mode=0o500)
    assert "cannot be written by this user" in str(kept.fault(tmp_path / "away" / "file.db"))
