"""OUT is replaced only if it is ours and as we wrote it, and what it answers is not asked again."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.chat_server import ChatServer, read_out, run_command, write_config, write_lines

QUESTIONS = ({"id": "1", "prompt": "q"}, {"prompt": "r"}, {"prompt": "r"}, {"id": "4", "prompt": "s"})
COMMAND = ("in.jsonl", "-o", "out.jsonl")
TABLE = ("in.csv", "-o", "out.csv", "--prompt-template", "Claims: {n}")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat: ChatServer) -> Path:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "in.jsonl", *QUESTIONS)
    (tmp_path / "in.csv").write_text("id,n,note\n1,q,x\n2,r,=1+1\n", encoding="utf-8")
    write_config(tmp_path, chat.backend())
    return tmp_path


FOREIGN = [
    b"precious notes\n",
    b'{"client": "Ann"}\n{"client": "Bob"}\n',
    b"{}\n",
    b"[]\n",
    b'{"id": "1", "text": "x"}\n',
    b"id,narrative\n1,x\n",
    b"\xff\xfe\x00bytes",
    b'"text","state"\r\n"x","answered"\r\n',
    b"\n",
    b"PK\x03\x04",
    b'{"prompt": "q", "id": "1"}\n',
    b"null\n",
]


@pytest.mark.rows(4)
@pytest.mark.parametrize("data", FOREIGN)
@pytest.mark.parametrize("command", [COMMAND, TABLE])
def test_a_file_that_is_not_ours_is_left_as_it_is(
    here: Path, chat: ChatServer, command: tuple[str, ...], data: bytes
) -> None:
    out = here / command[2]
    out.write_bytes(data)
    result = run_command(here, *command)
    assert result.exit_code == 2
    assert "was not written by this command" in result.stderr
    assert (out.read_bytes(), chat.bodies) == (data, [])
    assert run_command(here, *command, "--fresh").exit_code == 2
    assert run_command(here, *command, "--force").exit_code == 0
    assert out.read_bytes() != data


def test_an_empty_file_is_nobodys(here: Path) -> None:
    (here / "out.jsonl").touch()
    assert run_command(here, *COMMAND).exit_code == 0


EDITS: list[Callable[[bytes], bytes]] = [
    lambda data: data.replace(b"m None q", b"EDITED BY THE LAWYER", 1),
    lambda data: data + b"\n",
    lambda data: data[:-1],
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: b"".join(data.splitlines(keepends=True)[::-1]),
    lambda data: b"".join(data.splitlines(keepends=True)[:-1]),
    lambda data: data.replace(b"answered", b"failed", 1),
    lambda data: b"my notes\n",
    lambda data: b"\xef\xbb\xbf" + data.removeprefix(b"\xef\xbb\xbf"),
    lambda data: data.upper(),
    lambda data: data.replace(b"m None q", b"m  None q", 1),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("command", [COMMAND, TABLE])
def test_a_file_that_was_edited_is_left_as_it_is(
    here: Path, chat: ChatServer, command: tuple[str, ...], edit: Callable[[bytes], bytes]
) -> None:
    assert run_command(here, *command).exit_code == 0
    out, asked = here / command[2], len(chat.bodies)
    before = out.read_bytes()
    changed = edit(before)
    out.write_bytes(changed)
    if changed == before:
        return
    for option in ((), ("--fresh",), ("--accept-changes",)):
        result = run_command(here, *command, *option)
        assert result.exit_code == 2
        assert "was changed since it was written" in result.stderr
        assert (out.read_bytes(), len(chat.bodies)) == (changed, asked)
    assert run_command(here, *command, "--force").exit_code == 0
    assert (out.read_bytes(), len(chat.bodies)) == (before, asked)


@pytest.mark.parametrize("command", [COMMAND, TABLE])
def test_without_its_journal_what_it_answers_is_not_asked_again(
    here: Path, chat: ChatServer, command: tuple[str, ...]
) -> None:
    assert run_command(here, *command).exit_code == 0
    out, asked = here / command[2], len(chat.bodies)
    texts = out.read_bytes()
    os.remove(f"{out}.journal")
    result = run_command(here, *command)
    assert result.exit_code == 0, result.stderr
    assert "count as answered" in result.stderr
    assert len(chat.bodies) == asked
    if command is TABLE:
        assert out.read_bytes() == texts
    else:
        old = [json.loads(line) for line in texts.splitlines()]
        assert read_out(out) == old
    os.remove(f"{out}.journal")
    assert run_command(here, *command, "--fresh").exit_code == 0
    assert len(chat.bodies) == 2 * asked


def test_without_its_journal_changed_and_new_items_are_told_apart(here: Path, chat: ChatServer) -> None:
    """By what was asked, not by the place in the file: an answer never comes to stand beside another prompt."""
    assert run_command(here, *COMMAND).exit_code == 0
    os.remove("out.jsonl.journal")
    write_lines(here / "in.jsonl", {"prompt": "new"}, {"prompt": "r"}, {"id": "4", "prompt": "s"})
    assert run_command(here, *COMMAND).exit_code == 0
    assert [line["text"] for line in read_out(here / "out.jsonl")] == ["m None new", "m None r", "m None s"]
    assert chat.prompts() == ["new", "q", "r", "r", "s"]
    os.remove("out.jsonl.journal")
    write_lines(here / "in.jsonl", {"id": "4", "prompt": "changed"})
    result = run_command(here, *COMMAND)
    assert result.exit_code == 1
    assert "changed under the same id" in str(result.exception)


def test_what_failed_in_it_is_asked_without_its_journal(here: Path, chat: ChatServer) -> None:
    chat.status = 400
    assert run_command(here, *COMMAND).exit_code == 1
    os.remove("out.jsonl.journal")
    chat.status = 200
    assert run_command(here, *COMMAND).exit_code == 0
    assert [line["state"] for line in read_out(here / "out.jsonl")] == ["answered"] * 4


def test_answers_that_cannot_be_told_apart_are_neither_paid_again_nor_guessed(here: Path, chat: ChatServer) -> None:
    """The first version wrote no digests: without an id, nobody can say which prompt a line answers."""
    run_command(here, *COMMAND)
    lines = read_out(here / "out.jsonl")
    for line in lines:
        for name in ("digest", "state", "parsed", "task", "matter"):
            del line[name]
    write_lines(here / "out.jsonl", *lines)
    os.remove("out.jsonl.journal")
    result = run_command(here, *COMMAND)
    assert (result.exit_code, len(chat.bodies)) == (2, 4)
    assert "2 answers without an id" in result.stderr
    write_lines(here / "out.jsonl", *(line for line in lines if line["id"]))
    write_lines(here / "in.jsonl", QUESTIONS[0], QUESTIONS[3])
    assert run_command(here, *COMMAND).exit_code == 0
    assert len(chat.bodies) == 4


def test_out_and_journal_are_their_owners_and_a_file_that_was_there_keeps_its_mode(here: Path) -> None:
    before = os.umask(0o022)
    try:
        for out in ("out.jsonl", "out.csv"):
            assert run_command(here, "in.jsonl", "-o", out).exit_code == 0
            assert stat.S_IMODE(os.stat(out).st_mode) == 0o600
            assert stat.S_IMODE(os.stat(f"{out}.journal").st_mode) == 0o600
            os.chmod(out, 0o640)
            assert run_command(here, "in.jsonl", "-o", out, "--fresh").exit_code == 0
            assert stat.S_IMODE(os.stat(out).st_mode) == 0o640
    finally:
        os.umask(before)


def table_of(path: Path) -> list[dict[str, str]]:
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'=1", "=cmd|'/c calc'!A1", "\uff1d1", "''-1", "==", "+"]
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(here: Path, chat: ChatServer, cell: str) -> None:
    """In the answer and in the input's own columns; --raw-csv leaves it."""
    chat.text = cell + " said"
    with (here / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "n", "note"], ["1", "q", cell]])
    assert run_command(here, *TABLE).exit_code == 0
    (row,) = table_of(here / "out.csv")
    assert (row["note"], row["text"]) == (f"'{cell}", f"'{cell} said")
    assert run_command(here, *TABLE[:2], "raw.csv", *TABLE[3:], "--raw-csv").exit_code == 0
    (row,) = table_of(here / "raw.csv")
    assert (row["note"], row["text"]) == (cell, f"{cell} said")
    os.remove("out.csv.journal")
    asked = len(chat.bodies)
    assert run_command(here, *TABLE).exit_code == 0
    assert (table_of(here / "out.csv")[0]["text"], len(chat.bodies)) == (f"'{cell} said", asked)


@pytest.mark.parametrize("cell", ["a-b", "1=1", " =1", "x@y", "'quoted'", "5", "", "(1)", "\u2212", "caf\u00e9"])
def test_other_cells_stay_as_they_are(here: Path, cell: str) -> None:
    (here / "in.csv").write_text(f"id,n,note\n1,q,{cell}\n", encoding="utf-8")
    assert run_command(here, *TABLE).exit_code == 0
    assert table_of(here / "out.csv")[0]["note"] == cell


def test_a_table_has_the_inputs_columns_then_the_results(here: Path, chat: ChatServer) -> None:
    """Every row of the input has one, whatever became of it; nothing in it is JSON."""
    text = "id;n;text\n1;q;mine\n2;;other\n3;r\n4;\u00e9t\u00e9, x;y\n"
    (here / "in.csv").write_bytes(text.encode("cp1252"))
    result = run_command(here, *TABLE)
    assert result.exit_code == 1
    assert "read as Windows-1252" in result.stderr
    data = (here / "out.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(data, newline=""), delimiter=";"))
    assert list(rows[0]) == [
        *("id", "n", "text", "text_answer", "state", "error"),
        *("finish_reason", "backend", "model", "cost", "demo", "digest"),
    ]
    assert [(row["id"], row["text"], row["state"]) for row in rows] == [
        ("1", "mine", "answered"),
        ("2", "other", "not_read"),
        ("3", "", "not_read"),
        ("4", "y", "answered"),
    ]
    assert rows[3]["text_answer"] == "m None Claims: \u00e9t\u00e9, x"
    assert rows[1]["error"] == "line 3: nothing to read: the cell of column 'n' is empty"
    assert "{" not in data


def test_columns_that_no_prompt_has_are_carried_to_json_lines(here: Path) -> None:
    assert run_command(here, "in.csv", "-o", "out.jsonl", *TABLE[3:]).exit_code == 0
    assert [line["columns"] for line in read_out(here / "out.jsonl")] == [{"note": "x"}, {"note": "=1+1"}]
    piped = run_command(here, "in.csv", *TABLE[3:])
    assert [json.loads(line)["columns"] for line in piped.stdout.splitlines()] == [{"note": "x"}, {"note": "=1+1"}]


def test_a_table_from_a_pipe_keeps_its_columns(here: Path) -> None:
    data = (here / "in.csv").read_bytes()
    command = ("-", "--format", "csv", "-o", "out.csv", *TABLE[3:])
    assert run_command(here, *command, stdin=data).exit_code == 0
    assert [row["note"] for row in table_of(here / "out.csv")] == ["x", "'=1+1"]


def test_no_cell_comes_to_stand_beside_another_rows_answer(here: Path, chat: ChatServer) -> None:
    """Rows are added, removed and reordered between runs, also of the same id-less content."""
    (here / "in.csv").write_text("n,note\na,1\nb,2\nc,3\n", encoding="utf-8")
    assert run_command(here, *TABLE).exit_code == 0
    (here / "in.csv").write_text("n,note\nd,4\nc,3\na,1\na,5\n", encoding="utf-8")
    assert run_command(here, *TABLE).exit_code == 0
    rows = [(row["text"].rpartition(" ")[2], row["note"]) for row in table_of(here / "out.csv")]
    assert rows == [("d", "4"), ("c", "3"), ("a", "1"), ("a", "5")]
    (here / "in.csv").write_text("n,note\nx,9\nd,4\n", encoding="utf-8")
    assert run_command(here, *TABLE, "--limit", "1", "--max-cost", "1").exit_code in (0, 1)
    assert {row["note"] for row in table_of(here / "out.csv") if row["text"].endswith("x")} <= {"9"}


STATES = [
    ("stop", 200, "answered", 0),
    ("tool_calls", 200, "answered", 0),
    ("length", 200, "cut", 1),
    ("content_filter", 200, "refused", 1),
    ("stop", 400, "failed", 1),
    ("stop", 401, "failed", 1),
    ("stop", 503, "failed", 1),
]


@pytest.mark.rows(4)
@pytest.mark.parametrize(("finish", "status", "state", "code"), STATES)
def test_any_state_but_answered_ends_with_1(
    here: Path, chat: ChatServer, finish: str, status: int, state: str, code: int
) -> None:
    chat.finish, chat.status = finish, status
    result = run_command(here, *COMMAND)
    assert (result.exit_code, {line["state"] for line in read_out(here / "out.jsonl")}) == (code, {state})
    assert f"4 {state}" in result.stderr
    again = run_command(here, *COMMAND, "--json")
    assert (again.exit_code, json.loads(again.stdout)[state]) == (code, 4)


def test_what_could_not_be_read_is_a_state_of_its_own(here: Path, chat: ChatServer) -> None:
    write_lines(here / "in.jsonl", {"id": "a", "prompt": " "}, {"id": "b", "promt": "x"}, {"id": "c", "prompt": "q"})
    result = run_command(here, *COMMAND)
    assert result.exit_code == 1
    assert [(each["id"], each["state"]) for each in read_out(here / "out.jsonl")] == [
        ("a", "not_read"),
        ("b", "not_read"),
        ("c", "answered"),
    ]
    assert chat.prompts() == ["q"]
    assert "1 answered, 0 failed, 2 not read" in result.stderr
