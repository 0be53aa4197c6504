"""``forget`` finds every place, deletes what belongs to the matter and nothing else, and can be cut short anywhere."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.batch import Journal
from complaint_llm.evidence import EvidenceStore, trace
from complaint_llm.exceptions import BatchError
from complaint_llm.matters.holder import Place, find_matter, forget_matter
from tests import forked
from tests.matters.holdings import KEPT, MINE, OTHER, SECRET, command, files_with, make_office
from tests.sampled import ALL


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The office's folder, made once."""
    folder = tmp_path_factory.mktemp("office")
    make_office(folder)
    return folder


@pytest.fixture
def office(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "office"))


def forgotten(office: Path, *more: str, matter: str = MINE) -> dict[str, Any]:
    """What the command says."""
    code, said = command(office, "forget", "--matter", matter, "--json", str(office), *more)
    read: dict[str, Any] = json.loads(said)
    assert code == (1 if read["problems"] else 0)
    return read


def newest_answer(office: Path) -> str:
    """The name of the newest answer's record."""
    with EvidenceStore(office / "evidence") as store, store.database.transaction("read") as connection:
        ((name,),) = connection.execute("SELECT cid FROM provenance ORDER BY seq DESC LIMIT 1").fetchall()
        return str(name)


def test_every_place_is_listed_and_nothing_is_changed(office: Path) -> None:
    """Without --yes it only looks."""
    before = files_with(office, SECRET)
    said = forgotten(office)
    places = {(place["kind"], Path(place["where"]).name, place["number"], place["what"]) for place in said["places"]}
    assert places == {
        ("results", "out.jsonl", 2, "lines"),
        ("results", "out.csv", 2, "lines"),
        ("journal", "out.jsonl.journal", 2, "items"),
        ("journal", "out.csv.journal", 2, "items"),
        ("page", "page.html", 1, "page, whole"),
        ("cache", "cache.db", 3, "answers"),
        ("evidence", "evidence", 2, "records"),
        ("provenance", "evidence", 5, "answers"),
    }
    assert files_with(office, SECRET) == before
    assert {"out.jsonl", "out.csv", "out.jsonl.journal", "page.html", "state/cache.db"} <= set(before)


def test_what_belongs_to_the_matter_is_gone_and_the_rest_stands(office: Path) -> None:
    """No byte of it in any file; the other matter's lines byte for byte; what rests on it verified."""
    kept_lines = [line for line in (office / "out.jsonl").read_text().splitlines() if KEPT in line]
    kept_rows = [line for line in (office / "out.csv").read_text().splitlines() if SECRET not in line]
    newest = newest_answer(office)
    assert forgotten(office, "--yes")["problems"] == []
    assert files_with(office, SECRET) == []
    assert (office / "out.jsonl").read_text().splitlines() == kept_lines
    assert (office / "out.csv").read_text().splitlines() == kept_rows
    with EvidenceStore(office / "evidence") as store:
        assert store.verify().ok
        tree = trace(store, newest, depth=50)
    assert tree.ok
    states = {step.state for step in steps(tree)}
    assert "forgotten" in states
    assert not states & {"missing", "damaged"}
    assert forgotten(office)["places"] == []
    assert forgotten(office, matter=OTHER)["places"] != []


def steps(step: Any) -> Sequence[Any]:
    """A tree's steps."""
    return [step, *(below for part in step.parts for below in steps(part))]


def test_a_batch_goes_on_after_it(office: Path) -> None:
    """OUT is still the command's own, and what stayed is not asked again."""
    forgotten(office, "--yes")
    rest = [line for line in (office / "in" / "in.jsonl").read_text().splitlines(True) if KEPT in line]
    (office / "in" / "in.jsonl").write_text("".join(rest))
    arguments = ["batch", str(office / "in" / "in.jsonl"), "-o", str(office / "out.jsonl"), "--matter", OTHER, "--json"]
    code, said = command(office, *arguments)
    assert code == 0, said
    with Journal(office / "out.jsonl.journal") as journal:
        assert [entry.sends for entry in journal.entries_of_matter(OTHER)] == [1, 1]


def test_an_edited_file_stays_one_that_was_edited(office: Path) -> None:
    """Taking lines out is no leave to replace what somebody wrote into it."""
    out = office / "out.jsonl"
    out.write_text(out.read_text() + '{"note": "of my own"}\n')
    forgotten(office, "--yes")
    assert out.read_text().endswith('{"note": "of my own"}\n')
    assert SECRET not in out.read_text()
    code, said = command(office, "batch", str(office / "in" / "in.jsonl"), "-o", str(out), "--matter", OTHER)
    assert code == 2
    assert "was changed since it was written" in said


def test_files_of_which_nothing_is_left_are_removed(office: Path) -> None:
    """Both matters: no results, no journals, no page."""
    for matter in (MINE, OTHER):
        forgotten(office, "--yes", matter=matter)
    left = {path.name for path in office.iterdir()}
    assert left == {"config.json", "in", "evidence", "state"}
    assert files_with(office, KEPT) == []


def test_what_cannot_be_used_is_named_and_the_rest_is_deleted(office: Path) -> None:
    """A journal that another process uses: exit code 1, its lines stay, all other places are done."""
    with Journal(office / "out.jsonl.journal"):
        said = forgotten(office, "--yes")
    (problem,) = said["problems"]
    assert "out.jsonl.journal" in problem
    assert files_with(office, SECRET) == ["out.jsonl", "out.jsonl.journal"]
    assert forgotten(office, "--yes")["problems"] == []
    assert files_with(office, SECRET) == []


def test_what_is_out_of_reach_is_named(office: Path) -> None:
    """Providers with what they keep, nodes, Redis, backups, other programs."""
    settings = json.loads((office / "config.json").read_text())
    settings["BACKENDS"].append({"id": "gpt", "type": "openai", "api_key": "k", "model": "m"})
    settings["EVIDENCE"]["ipfs_api"] = "http://127.0.0.1:5001"
    (office / "config.json").write_text(json.dumps(settings))
    (office / "out.jsonl.journal.damaged-1").write_text("x")
    said = "\n".join(forgotten(office)["out_of_reach"])
    for words in ("gpt (api.openai.com): trains false, retention_days 30", "IPFS node", "backups", "damaged-1", "Dask"):
        assert words in said


def test_a_holder_that_comes_later_joins_by_its_methods() -> None:
    """What one cannot do keeps no other from it."""

    class Ledger:
        name = "ledger.db"

        def find(self, matter: str) -> Sequence[Place]:
            return [Place("ledger", self.name, 3, "rows")]

        def forget(self, matter: str) -> Sequence[Place]:
            return self.find(matter)

    class Broken(Ledger):
        name = "broken.db"

        def find(self, matter: str) -> Sequence[Place]:
            raise BatchError("in use")

    for work in (find_matter, forget_matter):
        outcome = work([Broken(), Ledger()], MINE)
        assert [place.line() for place in outcome.places] == ["ledger ledger.db: 3 rows"]
        assert outcome.problems == ("broken.db: in use",)


WRITES = range(1, 260, 3)
CUT_SHORT = """
import os, signal, sys
from complaint_llm.cli.main import cli
import complaint_llm.cli.forget
left = int(sys.argv[1])
WRITES = {"execute", "executemany", "write", "pwrite", "fsync", "replace", "rename", "unlink", "ftruncate"}
def before_calls(frame, event, called):
    global left
    if event == "c_call" and called.__name__ in WRITES and "complaint_llm" in frame.f_code.co_filename:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
arguments = ["-c", f"{sys.argv[2]}/config.json", "forget", "--matter", sys.argv[3], "--yes", sys.argv[2]]
sys.setprofile(before_calls)
cli.main(arguments, standalone_mode=False)
sys.setprofile(None)
print("left", left)
"""


@pytest.mark.rows(1)
@pytest.mark.parametrize("writes", WRITES if ALL else WRITES[::18])
def test_killed_anywhere_it_finishes_when_it_is_run_again(made: Path, tmp_path: Path, writes: int) -> None:
    """SIGKILL before some statement or write; then the same command again."""
    office = Path(shutil.copytree(made, tmp_path / "office"))
    newest = newest_answer(office)
    forked.run(
        [sys.executable, "-c", CUT_SHORT, str(writes), str(office), MINE], capture_output=True, check=False, timeout=60
    )
    assert forgotten(office, "--yes")["problems"] == []
    assert files_with(office, SECRET) == []
    with EvidenceStore(office / "evidence") as store:
        assert store.verify().ok
        assert trace(store, newest, depth=50).ok


def test_two_matters_that_asked_the_same_are_both_found_in_the_cache(tmp_path: Path) -> None:
    """The matter is no part of the key, and is noted where an answer is given again."""
    backend = {"id": "m", "type": "mock", "echo": True, "cache_enabled": True}
    config = {"BACKENDS": [backend], "MEDIATOR": {"cache": {"path": "cache.db"}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        first = mediator.infer("the same", matter=MINE)
        second = mediator.infer("the same", matter=OTHER)
    assert not first.metadata.get("cached")
    assert second.metadata.get("cached")
    for matter in (MINE, OTHER):
        (place,) = forgotten(tmp_path, matter=matter)["places"]
        assert (place["kind"], place["number"]) == ("cache", 1)
    forgotten(tmp_path, "--yes")
    assert forgotten(tmp_path, matter=OTHER)["places"] == []
