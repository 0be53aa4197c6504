"""``batch`` over documents, from folders and files to OUT, against a server that keeps what it was sent."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from complaint_llm import Mediator
from complaint_llm.batch import BatchItem
from complaint_llm.cli.main import cli
from complaint_llm.exceptions import BatchError
from complaint_llm.messages import Document, Message
from complaint_llm.testing import FaultyServer, Reply
from tests import forked
from tests.batch.chat_server import ChatServer, write_config, write_lines
from tests.batch.document_batches import PNG, Run, pdf, workbook


def lines(name: str = "out.jsonl") -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in map(json.loads, Path(name).read_text(encoding="utf-8").splitlines())}


# -- what is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv"])
def test_each_file_is_an_item_and_its_text_is_asked(here: ChatServer, run: Run, letters: Path, out: str) -> None:
    """With marks of its pages; what is not read is said in one line; OUT has a row for each by its path."""
    done = run("in", "-o", out)
    assert done.exit_code == 0, done.output
    assert "in: 1 file of kinds that are not read: .zip 1" in done.output
    prompts = here.prompts()
    assert len(prompts) == 3
    assert "The lock was changed." in prompts
    assert any("page 1 of 2" in each and "900 dollars" in each and "page 2 of 2" in each for each in prompts)
    if out.endswith(".csv"):
        with Path(out).open(encoding="utf-8-sig", newline="") as file:
            rows = [(row["id"], row["state"]) for row in csv.DictReader(file)]
        assert rows == [("a.pdf", "answered"), ("c.txt", "answered"), ("sub/b.pdf", "answered")]
    else:
        assert {id: line["state"] for id, line in lines().items()} == dict.fromkeys(
            ("a.pdf", "c.txt", "sub/b.pdf"), "answered"
        )


def test_a_clients_folder_is_one_question(here: ChatServer, run: Run, tmp_path: Path) -> None:
    """All its papers and pictures go in one request, in the order of their names."""
    folder = tmp_path / "in"
    for name, data in (("lee/1.pdf", pdf("First page.")), ("lee/more/2.png", PNG), ("lee/3.txt", b"Third paper.")):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "ann").mkdir()
    (folder / "ann/x.pdf").write_bytes(pdf("Of somebody else."))
    assert run("in", "--group", "folder", "-o", "out.jsonl", "-w", "1").exit_code == 0
    assert list(lines()) == ["ann", "lee"]
    said = json.dumps(here.bodies[1]["messages"])
    assert said.index("First page.") < said.index("Third paper.") < said.index("image_url")
    assert "somebody else" not in said


def test_broken_files_are_a_line_each_and_the_rest_goes_on(here: ChatServer, run: Run, letters: Path) -> None:
    """In OUT they have a state and why, in one line that names the file; the command ends with 1."""
    (letters / "cut.pdf").write_bytes(pdf("x")[:200])
    (letters / "empty.pdf").touch()
    (letters / "liar.pdf").write_bytes(b"only words")
    (letters / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    (letters / "garbage.docx").write_bytes(b"PK\x03\x04 word/ " + bytes(100))
    os.mkfifo(letters / "fifo.pdf")
    done = run("in", "-o", "out.jsonl")
    assert done.exit_code == 1
    found = lines()
    assert {id: line["state"] for id, line in found.items() if line["state"] != "answered"} == {
        **dict.fromkeys(("empty.pdf", "liar.pdf", "old.doc", "fifo.pdf"), "not_read"),
        **dict.fromkeys(("cut.pdf", "garbage.docx"), "failed"),
    }
    for id in ("cut.pdf", "empty.pdf", "liar.pdf", "old.doc", "garbage.docx", "fifo.pdf"):
        message = found[id]["error"]["message"]
        assert id in message
        assert "\n" not in message
    assert len(here.bodies) == 3


def test_a_changed_file_is_told_and_nothing_else_is_asked_again(here: ChatServer, run: Run, letters: Path) -> None:
    """Unchanged, a second run asks nothing; a changed letter is refused by name until --accept-changes."""
    command = ("in", "-o", "out.jsonl")
    assert [run(*command).exit_code for _ in range(2)] == [0, 0]
    assert len(here.bodies) == 3
    (letters / "a.pdf").write_bytes(pdf("The rent is 950 dollars."))
    refused = CliRunner().invoke(cli, ["batch", *command]).exception
    assert isinstance(refused, BatchError)
    assert "a.pdf" in str(refused)
    assert len(here.bodies) == 3
    assert run(*command, "--accept-changes").exit_code == 0
    assert len(here.bodies) == 4
    assert "950 dollars" in str(here.bodies[3])


def test_a_killed_run_goes_on_where_it_stopped(here: ChatServer, run: Run, tmp_path: Path) -> None:
    """SIGKILL in the middle of documents: nothing whose answer was recorded is asked again."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number:02}.pdf").write_bytes(pdf(f"Letter {number:02}."))
    command = [sys.executable, "-m", "complaint_llm", "batch", "in", "-o", "out.jsonl", "-w", "1"]
    with forked.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        while len(here.bodies) < 5 and process.poll() is None:
            pass_time(process)
        process.send_signal(signal.SIGKILL)
    asked = len(here.bodies)
    assert 5 <= asked < 12
    assert run("in", "-o", "out.jsonl", "-w", "1").exit_code == 0
    assert {line["state"] for line in lines().values()} == {"answered"}
    # Only what was under way when it was killed may be asked a second time.
    assert 12 <= len(here.bodies) <= 14
    again = [prompt for prompt in set(here.prompts()) if here.prompts().count(prompt) > 1]
    assert len(again) <= 2


def pass_time(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(0.02)
    except subprocess.TimeoutExpired:
        return


def test_a_document_that_is_too_long_says_pages_and_tokens(run: Run, tmp_path: Path) -> None:
    """And what to do; nothing is cut, and the rest is answered."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "long.pdf").write_bytes(pdf(*["many words on a page of a file " * 4] * 200))
    (folder / "short.pdf").write_bytes(pdf("few words"))
    with FaultyServer(Reply("fine")) as server:
        server.script(Reply.error(400, "context_length_exceeded"))
        entry = {"id": "a", "type": "openai", "api_key": "sk-x", "model": "m", "location": "local", "max_retries": 0}
        write_config(tmp_path, {**entry, "base_url": f"{server.url}/v1"})
        assert run("in", "-o", "out.jsonl", "-w", "1").exit_code == 1
    found = lines()
    message = found["long.pdf"]["error"]["message"]
    assert found["long.pdf"]["state"] == "failed"
    assert "long.pdf has 200 pages, about 6150 tokens" in message
    assert "pages=" in message
    assert found["short.pdf"]["state"] == "answered"


# -- files that go with every item ---------------------------------------------------------------------------------


def test_a_file_goes_with_every_item(here: ChatServer, run: Run, tmp_path: Path) -> None:
    """Before the prompt; only the pages that are asked for; an image as an image."""
    (tmp_path / "lease.pdf").write_bytes(pdf("Page of the rent.", "Page of the pets."))
    (tmp_path / "photo.png").write_bytes(PNG)
    write_lines(tmp_path / "in.jsonl", {"prompt": "How much?"}, {"prompt": "May I?"})
    assert run("in.jsonl", "-f", "lease.pdf", "--pages", "2", "-o", "a.jsonl").exit_code == 0
    assert run("in.jsonl", "-f", "lease.pdf", "-f", "photo.png", "-o", "b.jsonl").exit_code == 0
    first, second = here.bodies[:2], here.bodies[2:]
    assert all("Page of the pets." in str(body) and "Page of the rent." not in str(body) for body in first)
    assert all("Page of the rent." in str(body) and "image_url" in str(body) for body in second)
    assert {str(body["messages"][-1]["content"]).rpartition("\n")[2][-9:] for body in first} == {"How much?", "May I?"}


def test_another_file_is_another_question(here: ChatServer, run: Run, tmp_path: Path) -> None:
    """What goes with the items is part of what was asked: a run with another lease asks again."""
    (tmp_path / "lease.pdf").write_bytes(pdf("One."))
    write_lines(tmp_path / "in.jsonl", {"prompt": "How much?"})
    command = ("in.jsonl", "-f", "lease.pdf", "-o", "out.jsonl")
    assert [run(*command).exit_code for _ in range(2)] == [0, 0]
    assert len(here.bodies) == 1
    (tmp_path / "lease.pdf").write_bytes(pdf("Two."))
    assert run(*command).exit_code == 0
    assert len(here.bodies) == 2


# -- other processes -----------------------------------------------------------------------------------------------


def test_the_bytes_travel_to_other_processes(
    here: ChatServer, tmp_path: Path, letters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker for which the path leads nowhere answers all the same; a file that is none is its item's error."""
    monkeypatch.chdir(tmp_path)
    items = [BatchItem([Message("user", (Document(path=f"in/{name}"),))], name) for name in ("a.pdf", "none.pdf")]
    pool = ProcessPoolExecutor(1, get_context("spawn"), initializer=os.chdir, initargs=("/",))
    with Mediator.from_config(tmp_path / "config.json") as mediator, pool:
        found = {result.key: result for result in mediator.batch(items, executor=pool, max_workers=1)}
    assert "900 dollars" in str(here.bodies)
    assert found["a.pdf"].error is None
    assert "none.pdf" in str(found["none.pdf"].error)


# -- Excel ---------------------------------------------------------------------------------------------------------


def test_a_sheet_is_a_table_of_items(here: ChatServer, run: Run, tmp_path: Path) -> None:
    """Rows with their ids and columns carried to OUT; a row that is not sure is an error by its number."""
    rows: list[list[Any]] = [["id", "story", "rent"], ["a", "No heat.", 900], ["b", "=1/0", 1], ["c", None, 2]]
    workbook(tmp_path / "in.xlsx", First=rows, Second=[["story"], ["Other sheet."]])
    done = run("in.xlsx", "--prompt-template", "Sum up: {story}", "-o", "out.csv")
    assert done.exit_code == 1
    assert here.prompts() == ["Sum up: No heat."]
    with Path("out.csv").open(encoding="utf-8-sig", newline="") as file:
        found = {row["id"]: row for row in csv.DictReader(file)}
    assert found["a"]["rent"] == "900"
    assert {id: row["state"] for id, row in found.items()} == {"a": "answered", "b": "not_read", "c": "not_read"}
    assert "line 3: has a formula in B3" in found["b"]["error"]
    assert "'story' is empty" in found["c"]["error"]


@pytest.mark.rows(2)
@pytest.mark.parametrize(("sheet", "asked"), [("Second", "Other."), ("2", "Other."), ("1", "One."), ("First", "One.")])
def test_a_sheet_is_named_or_numbered(here: ChatServer, run: Run, tmp_path: Path, sheet: str, asked: str) -> None:
    """A name comes before a number."""
    workbook(tmp_path / "in.xlsx", First=[["story"], ["One."]], Second=[["story"], ["Other."]])
    done = run("in.xlsx", "--sheet", sheet, "--prompt-template", "{story}", "-o", "out.jsonl")
    assert done.exit_code == 0, done.output
    assert here.prompts() == [asked]


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("in.xlsx", "--sheet", "No"), "no sheet 'No'"),
    (("in.xlsx", "--sheet", "9"), "no sheet '9'"),
    (("in.xlsx", "--sheet", "0"), "no sheet '0'"),
    (("in.xlsx", "--prompt-template", "{nope}"), "the columns are: story"),
    (("in.xlsx",), "needs a prompt template"),
    (("in.xlsx", "--delimiter", ";", "--prompt-template", "{story}"), "--delimiter is for a text file"),
    (("in.xlsx", "--encoding", "utf-8", "--prompt-template", "{story}"), "--encoding is for a text file"),
    (("in.xlsx", "--group", "folder", "--prompt-template", "{story}"), "--group is for a folder"),
    (("liar.xlsx", "--prompt-template", "{story}"), "is no Excel file"),
    (("twice.xlsx", "--prompt-template", "{story}"), "twice"),
    (("plain.txt", "--sheet", "1"), "--sheet is for an Excel file"),
    (("nothing.xlsx", "--prompt-template", "{story}"), "has nothing in sheet"),
    (("folder",), "holds no files"),
    (("folder", "--group", "folder"), "holds no folders"),
    (("folder", "--sheet", "1"), "--sheet is for an Excel file"),
    (("plain.txt", "-f", "nowhere.pdf"), "nowhere.pdf"),
    (("plain.txt", "-f", "liar.xlsx"), "is no Excel file"),
    (("plain.txt", "-f", "folder"), "no document file"),
    (("plain.txt", "-f", "/dev/zero"), "no document file"),
    (("plain.txt", "--pages", "1"), "with one -f"),
    (("plain.txt", "-f", "plain.txt", "-f", "plain.txt", "--pages", "1"), "with one -f"),
    (("plain.txt", "-f", "plain.txt", "--pages", "0"), "counted from 1"),
    (("plain.txt", "-f", "plain.txt", "--pages", "x"), "is no page"),
]


@pytest.mark.rows(2)
@pytest.mark.parametrize(("given", "words"), WRONG, ids=[" ".join(each[0]) for each in WRONG])
def test_what_cannot_be_is_an_error_of_usage(
    here: ChatServer, run: Run, tmp_path: Path, given: tuple[str, ...], words: str
) -> None:
    """Exit code 2, in words, and nothing is sent."""
    workbook(tmp_path / "in.xlsx", First=[["story"], ["One."]])
    workbook(tmp_path / "twice.xlsx", First=[["story", "story"], ["One.", "b"]])
    workbook(tmp_path / "nothing.xlsx", First=[])
    (tmp_path / "liar.xlsx").write_text("words")
    (tmp_path / "plain.txt").write_text("q\n")
    (tmp_path / "folder").mkdir()
    done = run(*given, "-o", "out.jsonl")
    assert done.exit_code == 2
    assert words in done.output.replace("\n", " ")
    assert here.bodies == []
