"""``embed``: what it reads, in how many requests it asks, and what it writes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from complaint_llm.cli.main import cli
from complaint_llm.exceptions import ServerError
from tests.cli.loopback import Handler, Loopback
from tests.end_to_end.everything import write_config

Run = Callable[..., Result]


class Embedder(Loopback):
    """Gives each text its length as a vector; fails from the request on that ``fails_at`` says."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.asked: list[list[str]] = []
        embedder = self

        class Embedding(Handler):
            def do_POST(self) -> None:
                texts = json.loads(self.read())["input"]
                embedder.asked.append(texts)
                rows = [{"index": n, "embedding": [float(len(text)), 0.5]} for n, text in enumerate(texts)]
                body = {"data": rows, "model": "e", "usage": {"prompt_tokens": 2, "total_tokens": 2}}
                fails = fails_at is not None and len(embedder.asked) > fails_at
                self.answer(json.dumps(body).encode(), status=500 if fails else 200)

        super().__init__(Embedding)

    def config(self, folder: Path, **keys: Any) -> None:
        base = {"id": "a", "type": "openai", "base_url": f"{self.url}/v1", "api_key": "sk-x", "embedding_model": "e"}
        write_config(folder, [{**base, "max_retries": 0, **keys}])


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("COMPLAINT_LLM_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> Result:
        done = CliRunner().invoke(cli, ["embed", *arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    return called


READ: dict[str, tuple[str, str, tuple[str, ...], list[tuple[str, str]]]] = {
    "a text": ("note.txt", "Two\nlines\n", (), [("note.txt", "Two\nlines\n")]),
    "markdown": ("note.md", "# Two\n", (), [("note.md", "# Two\n")]),
    "a text with a mark": ("note.txt", "\ufeffTwo", (), [("note.txt", "Two")]),
    "its lines": ("note.txt", "one\n\ntwo\r\n", ("--lines",), [("note.txt:1", "one"), ("note.txt:3", "two")]),
    "a table": ("t.csv", 'id,text\n7,one\n8,"two, and\nmore"\n', (), [("7", "one"), ("8", "two, and\nmore")]),
    "a table without ids": ("t.csv", "text\none\n", (), [("t.csv:2", "one")]),
    "tabs": ("t.tsv", "id\ttext\nx\ta,b\n", (), [("x", "a,b")]),
    "other columns": ("t.csv", "case,story\n7,one\n", ("--id", "case", "--text", "story"), [("7", "one")]),
    "JSON lines": (
        "t.jsonl",
        '{"id": 7, "text": "one"}\n\n{"text": "two"}\n',
        (),
        [("7", "one"), ("t.jsonl:3", "two")],
    ),
    "JSON texts": ("t.ndjson", '"one"\n', (), [("t.ndjson:1", "one")]),
}


@pytest.mark.parametrize("kind", READ)
def test_each_kind_of_file_is_read(run: Run, tmp_path: Path, kind: str) -> None:
    """Ids and texts, to standard output as JSON lines."""
    name, content, options, wanted = READ[kind]
    (tmp_path / name).write_bytes(content.encode())
    with Embedder() as embedder:
        embedder.config(tmp_path)
        done = run("-f", name, *options)
    assert embedder.asked == [[text for _, text in wanted]]
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [{"id": id, "embedding": [float(len(text)), 0.5]} for id, text in wanted]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"id,story\n1,x\n", "no column 'text'; there are: id, story: choose one by --text"),
        ("t.csv", b"", "no column 'text'; there are: nothing"),
        ("t.csv", b'text\n"cut', "t.csv: no table that can be read"),
        ("t.csv", b"id,text\n1,\n", "t.csv:2: no text under 'text'"),
        ("t.jsonl", b"{", "t.jsonl:1: no JSON"),
        ("t.jsonl", b'{"id": 1}\n', "t.jsonl:1: no text under 'text'"),
        ("t.jsonl", b"[1]\n", "t.jsonl:1: no text under 'text'"),
        ("t.jsonl", b'{"text": 5}\n', "t.jsonl:1: no text under 'text'"),
        ("t.pdf", b"%PDF\xff\xfe", "no text in UTF-8"),
        ("t.txt", b" \n", "t.txt: the file is empty"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_place(
    run: Run, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    """Usage: exit code 2, and nothing is asked."""
    (tmp_path / name).write_bytes(content)
    with Embedder() as embedder:
        embedder.config(tmp_path)
        done = run("-f", name)
    assert (done.exit_code, embedder.asked) == (2, [])
    assert words in done.stderr


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
def test_many_texts_go_in_batches_into_a_file(run: Run, tmp_path: Path, output: str) -> None:
    (tmp_path / "t.txt").write_text("".join(f"text {n}\n" for n in range(7)))
    with Embedder() as embedder:
        embedder.config(tmp_path)
        done = run("-f", "t.txt", "--lines", "-o", output, "--batch-size", "3", "-u")
    assert [len(texts) for texts in embedder.asked] == [3, 3, 1]
    assert done.stdout == ""
    assert done.stderr.startswith("a (e): 7 vectors, 6 tokens, ")
    with (tmp_path / output).open(newline="") as file:
        if output.endswith(".csv"):
            rows = [{**row, "embedding": json.loads(row["embedding"])} for row in csv.DictReader(file)]
        else:
            rows = [json.loads(line) for line in file]
    assert rows == [{"id": f"t.txt:{n + 1}", "embedding": [6.0, 0.5]} for n in range(7)]


IDS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1", "'=1", "''@x", "=cmd|' /C calc'!A0", "-2+3", "plain", "7")


def test_the_file_is_its_owners_and_runs_nothing_in_a_spreadsheet(run: Run, tmp_path: Path) -> None:
    """Vectors say much of a text, and ids name clients; an id that a spreadsheet would run gets an apostrophe."""
    lines = "".join(json.dumps({"id": id, "text": "x"}) + "\n" for id in IDS)
    (tmp_path / "t.jsonl").write_text(lines, encoding="utf-8")
    with Embedder() as embedder:
        embedder.config(tmp_path)
        for output in ("out.csv", "out.jsonl"):
            run("-f", "t.jsonl", "-o", output)
            assert (tmp_path / output).stat().st_mode & 0o777 == 0o600
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        found = [row["id"] for row in csv.DictReader(file)]
    assert found == [id if id in ("plain", "7") else f"'{id}" for id in IDS]
    assert [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()] == [*IDS]


def test_what_was_paid_for_is_kept_where_a_later_request_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("".join(f"text {n}\n" for n in range(7)))
    with Embedder(fails_at=2) as embedder:
        embedder.config(tmp_path)
        with pytest.raises(ServerError):
            run("-f", "t.txt", "--lines", "-o", "out.jsonl", "--batch-size", "3")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 6


def test_an_earlier_file_is_kept_where_nothing_came(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("before")
    with Embedder(fails_at=0) as embedder:
        embedder.config(tmp_path)
        with pytest.raises(ServerError):
            run("one", "-o", "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before"


def test_texts_have_numbers_for_ids(run: Run, tmp_path: Path) -> None:
    with Embedder() as embedder:
        embedder.config(tmp_path)
        done = run("one", "three", "--json")
        assert run("one", "-f", "config.json").exit_code == 2
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows == [{"id": "1", "embedding": [3.0, 0.5]}, {"id": "2", "embedding": [5.0, 0.5]}]


def test_privacy_keeps_texts_on_this_machine(run: Run, tmp_path: Path) -> None:
    """A backend that is not declared local is never asked."""
    with Embedder() as embedder:
        embedder.config(tmp_path)
        with pytest.raises(Exception, match="local"):
            run("one", "--privacy", "local")
    assert embedder.asked == []
