"""``complaint-llm evidence`` and ``verify``: results on stdout, the rest on stderr, exit codes 0, 1, 2."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.evidence import evidence
from complaint_llm.cli.verify import verify
from complaint_llm.evidence import EvidenceStore, ProvenanceLog, RequestDetails
from complaint_llm.messages import InferenceOutput, Message
from tests.pseudo_terminal import PseudoTerminal, program, screen

HELLO = "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"


class Opener:
    def __init__(self, path: Path) -> None:
        self.path = path

    def open_store(self) -> EvidenceStore:
        return EvidenceStore(self.path)


Run = Callable[..., Result]


@pytest.fixture
def opener(tmp_path: Path) -> Opener:
    return Opener(tmp_path / "store")


@pytest.fixture
def run(opener: Opener) -> Run:
    """Runs a command; errors that are not click's come out as they are."""

    def called(*arguments: str | Path, command: Any = evidence, **more: Any) -> Result:
        return CliRunner().invoke(command, [str(each) for each in arguments], obj=opener, **more)

    return called


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    folder = tmp_path / "letters"
    (folder / "b").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"hello world\n")
    (folder / "b" / "c.pdf").write_bytes(b"%PDF-1.7")
    (folder / "link").symlink_to(folder / "a.txt")
    return folder


def test_a_folder_is_added_file_by_file(run: Run, opener: Opener, letters: Path) -> None:
    """Each file is a record with its name and what was said, and so is the folder; a link is left out and named."""
    done = run("add", letters, "--user", "u", "--claim-type", "eviction", "--metadata", "box=7")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1].endswith(f"  {letters}")
    assert done.stdout.splitlines()[0] == f"{HELLO}  {letters / 'a.txt'}"
    assert "link is a link and was left out" in done.stderr
    with opener.open_store() as store:
        records = store.get_user_evidence("u")
    assert [(r["file_name"], r["claim_type"], r["metadata"]) for r in records] == [
        ("a.txt", "eviction", {"box": "7"}),
        ("c.pdf", "eviction", {"box": "7"}),
        ("letters", "eviction", {"box": "7", "missing": ["link"]}),
    ]


def test_standard_input_is_added(run: Run) -> None:
    """A pipe is evidence too."""
    done = run("add", "-", "--json", input=b"hello world\n")
    assert json.loads(done.stdout)["cid"] == HELLO


def test_what_cannot_be_read_is_reported_and_the_rest_added(run: Run, letters: Path) -> None:
    """Exit code 1: some of the job failed."""
    os.mkfifo(letters / "pipe")
    done = run("add", letters)
    assert done.exit_code == 1
    assert len(done.stdout.splitlines()) == 3
    assert "pipe is not a file" in done.stderr
    assert "2 of 5 were not stored" in done.stderr


def test_a_name_in_another_encoding_is_added(run: Run, opener: Opener, letters: Path) -> None:
    """Folders from old machines have names that are no UTF-8."""
    (letters / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    (letters / "link").unlink()
    assert run("add", letters, "--json").exit_code == 0
    with opener.open_store() as store:
        assert "caf\ufffd.txt" in {record["file_name"] for record in store.list_evidence()}


def damage(store: Path) -> None:
    """One bit of the greeting."""
    with closing(sqlite3.connect(store / "store.db")) as database, database:
        changed = database.execute("UPDATE blocks SET data = ? WHERE data = ?", (b"Hello world\n", b"hello world\n"))
        assert changed.rowcount == 1


def test_content_and_record_are_got(run: Run, letters: Path, tmp_path: Path) -> None:
    """The record as lines or JSON, the content into a file or a pipe."""
    run("add", letters / "a.txt", "--description", "a greeting")
    assert "a greeting" in run("get", HELLO).stdout
    assert json.loads(run("get", HELLO, "--json").stdout)["description"] == "a greeting"
    assert run("get", HELLO, "-o", "-").stdout_bytes == b"hello world\n"
    assert run("get", HELLO, "-o", tmp_path / "out").exit_code == 0
    assert (tmp_path / "out").read_bytes() == b"hello world\n"


def test_damaged_content_is_not_written(run: Run, opener: Opener, letters: Path, tmp_path: Path) -> None:
    """A file appears under its name only if it is whole."""
    run("add", letters / "a.txt")
    damage(opener.path)
    done = run("get", HELLO, "-o", tmp_path / "out")
    assert HELLO in str(done.exception)
    assert not list(tmp_path.glob("*out*"))


def test_records_are_listed(run: Run, letters: Path) -> None:
    """As a table or JSON; by user and by claim."""
    run("add", letters / "a.txt", "--user", "u", "--claim-type", "eviction")
    run("add", letters / "b" / "c.pdf", "--user", "v")
    assert len(run("list").stdout.splitlines()) == 3
    assert [r["user_id"] for r in json.loads(run("list", "--json").stdout)] == ["u", "v"]
    assert [r["user_id"] for r in json.loads(run("list", "--user", "v", "--json").stdout)] == ["v"]
    assert [r["user_id"] for r in json.loads(run("list", "--claim-type", "eviction", "--json").stdout)] == ["u"]


@pytest.mark.rows(4)
@pytest.mark.parametrize("filter", [(), ("--user", "u"), ("--claim-type", "eviction"), ("--matter", "7")])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 6])
def test_a_long_list_comes_in_pages(run: Run, letters: Path, filter: tuple[str, ...], size: int) -> None:
    """Each goes on after the last record of the one before; what is filtered out counts in none."""
    for number in range(5):
        (letters / f"{number}.txt").write_text(str(number))
        run("add", letters / f"{number}.txt", "--user", "u", "--claim-type", "eviction", "--matter", "7")
        run("add", letters / "a.txt", "--user", f"other {number}")
    whole = json.loads(run("list", *filter, "--json", "-n", "0").stdout)
    assert len(whole) == (5 if filter else 10)
    paged: list[Any] = []
    after: tuple[str, ...] = ()
    while page := json.loads(run("list", *filter, "--json", "--limit", size, *after).stdout):
        assert len(page) <= size
        paged += page
        after = ("--after", page[-1]["record_id"])
    assert paged == whole


def test_evidence_is_deleted(run: Run, letters: Path) -> None:
    """Each CID is answered; one that is not here makes the exit code 1."""
    run("add", letters / "a.txt")
    done = run("delete", HELLO, HELLO)
    assert done.exit_code == 1
    assert done.stdout == f"{HELLO}  1 records, 1 blocks\n"
    assert "no record" in done.stderr


def test_the_store_is_verified(run: Run, opener: Opener, letters: Path) -> None:
    """Exit code 0 and counts; 1 and a line for each fault."""
    run("add", letters)
    done = run("verify")
    assert (done.exit_code, "4 blocks" in done.stdout, "all as written" in done.stdout) == (0, True, True)
    damage(opener.path)
    done = run("verify")
    assert done.exit_code == 1
    assert done.stdout.startswith(f"block {HELLO}: ")
    data = json.loads(run("verify", "--json").stdout)
    assert not data["ok"]
    assert {fault["kind"] for fault in data["faults"]} == {"block", "evidence"}


def test_evidence_travels_as_a_car_file(run: Run, opener: Opener, letters: Path, tmp_path: Path) -> None:
    """Out of one store, into another; an existing file is replaced only by --force."""
    run("add", letters, "--user", "u")
    car = tmp_path / "case.car"
    assert run("export", "--all", "-o", car).stdout == f"{car}  3 roots, 3 records, 4 blocks\n"
    assert run("export", HELLO, "-o", car).exit_code == 2
    assert json.loads(run("export", HELLO, "-o", car, "--force", "--json").stdout)["records"] == 1
    opener.path = tmp_path / "other"
    assert run("import", car).stdout == f"{HELLO}  new  a.txt\n"
    assert run("import", car).stdout == f"{HELLO}  there already  a.txt\n"
    assert json.loads(run("get", HELLO, "--json").stdout)["user_id"] == "u"


def test_gc_and_sync_say_what_they_did(run: Run) -> None:
    """Counts, or why not."""
    said = "0 blocks moved to the trash for 30 days, 0 taken back, 0 removed, 0 unfinished files removed\n"
    assert run("gc").stdout == said
    counts = {"blocks": 0, "moved": [], "restored": 0, "purged": 0, "expired": 0, "unfinished": 0, "days": 30}
    assert json.loads(run("gc", "--json").stdout) == counts
    assert "no IPFS node is configured" in str(run("sync").exception)


@pytest.mark.parametrize(
    "arguments",
    [
        ("add",),
        ("add", "/does/not/exist"),
        ("add", "-", "--metadata", "novalue"),
        ("add", "-", "--type", ""),
        ("get",),
        ("export", "-o", "x.car"),
        ("export", HELLO, "--all", "-o", "x.car"),
        ("delete",),
        ("delete", HELLO, "--user", "u"),
        ("import", "/does/not/exist"),
        ("burn",),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, arguments: tuple[str, ...]) -> None:
    """With the reason on stderr."""
    done = run(*arguments, input=b"")
    assert done.exit_code == 2
    assert "Error: " in done.stderr


def test_every_command_has_help_with_an_example(run: Run) -> None:
    """``--help`` of the group, of each command, and of verify."""
    for name in evidence.commands:
        assert "Example: complaint-llm evidence" in run(name, "--help").stdout
    assert "Example: complaint-llm verify" in run("--help", command=verify).stdout


def test_a_terminal_sees_progress(run: Run, letters: Path, tmp_path: Path) -> None:
    """A line there, nothing in a pipe; what is printed is the same, each on a line of its own."""
    piped = run("add", letters)
    assert "adding" not in piped.stderr
    with PseudoTerminal(tmp_path, *program("evidence", "add", str(letters)), columns=200) as terminal:
        assert terminal.end() == 1
    assert "\radding ..." in terminal.shown
    left = [line.strip() for line in screen(terminal.shown)]
    assert [line for line in left if line.startswith("baf")] == piped.stdout.splitlines()
    assert [line for line in left if "adding" in line] == []


def test_the_tree_of_an_answer(run: Run, opener: Opener) -> None:
    """Every part on a line; exit code 1 and the first fault on stderr once something is not as it was."""
    with opener.open_store() as store:
        cited = store.submit_evidence(b"hello world\n", "letter")["cid"]
        log = ProvenanceLog(store.database)
        facts = RequestDetails((Message("user", "a prompt"),), evidence=log.check_evidence([cited]))
        cids = [
            log.record(facts, InferenceOutput(f"answer {number}", backend="b", model="m")).cid for number in range(3)
        ]
        log.close()
    done = run(cids[2], command=verify)
    assert done.exit_code == 0
    assert f"answer's record {cids[2]}: ok" in done.stdout
    assert f"├─ evidence {HELLO}: ok 12 bytes" in done.stdout
    assert "2 verified, back to the first" in done.stdout
    assert "not signed" in done.stderr
    assert done.stdout.count("previous record ") == 0
    assert run(cids[2], "--depth", "3", command=verify).stdout.count("previous record ") == 2
    page = run(cids[2], "--after", cids[2], command=verify).stdout
    assert page.startswith(f"previous record {cids[1]}: ok")
    assert cids[2] not in page
    data = json.loads(run(cids[2], "--json", command=verify).stdout)
    assert data["ok"]
    assert data["parts"][0]["what"] == "answer"
    with opener.open_store() as store:
        store.delete_evidence(HELLO)
    done = run(cids[2], command=verify)
    assert done.exit_code == 1
    assert f"not verified: evidence {HELLO}" in done.stderr


def test_what_is_not_here_is_an_error_line(run: Run) -> None:
    """The application prints it and exits with 1."""
    assert "no provenance record" in str(
        run("bafyreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", command=verify).exception
    )
