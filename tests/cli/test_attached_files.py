"""``generate`` with documents, images and evidence, as they arrive at a server."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from complaint_llm import Mediator
from complaint_llm.cli.attached_files import file_parts, with_parts
from complaint_llm.cli.main import cli
from complaint_llm.messages import Document, ImagePart, Message, Part, TextPart
from tests.batch.chat_server import ChatServer, write_config
from tests.batch.conftest import chat
from tests.batch.document_batches import PNG, pdf

__all__ = ["chat"]


@pytest.fixture
def server(chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChatServer:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, chat.backend(location="local"), EVIDENCE={"path": "evidence"})
    Path("lease.pdf").write_bytes(pdf("The rent is 900.", "No pets."))
    Path("photo.png").write_bytes(PNG)
    Path("note.txt").write_text("A note of the landlord.")
    return chat


def generate(*args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["generate", *args], input=stdin)


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    ("args", "stdin", "said"),
    [
        (("Pets?", "-f", "lease.pdf"), None, ["The rent is 900.", "No pets.", "Pets?"]),
        (("Pets?", "--file", "lease.pdf", "--pages", "2"), None, ["No pets.", "Pets?"]),
        (("-f", "lease.pdf"), None, ["The rent is 900.", "No pets."]),
        (
            ("Pets?", "-f", "note.txt", "-f", "lease.pdf"),
            None,
            ["A note of the landlord.", "The rent is 900.", "Pets?"],
        ),
        (("Pets?", "-f", "photo.png"), None, ["image_url", "Pets?"]),
        (("-f", "photo.png", "-f", "lease.pdf"), None, ["image_url", "The rent is 900."]),
        (("-f", "lease.pdf"), "Piped.", ["The rent is 900.", "Piped."]),
        (("Pets?", "-f", "lease.pdf"), "Piped.", ["The rent is 900.", "Piped.", "Pets?"]),
        (("Pets?", "-f", "lease.pdf", "--documents", "text"), None, ["The rent is 900.", "Pets?"]),
        (("Pets?", "-f", "lease.pdf", "--stream"), None, ["The rent is 900.", "Pets?"]),
    ],
)
def test_files_go_before_the_prompt(
    server: ChatServer, args: tuple[str, ...], stdin: str | None, said: list[str]
) -> None:
    """In the order in which they are given; only the pages that are chosen."""
    if "--stream" in args:
        server.status = 400  # what was asked is looked at, not the answer
    generate(*args, stdin=stdin)
    sent = json.dumps(server.bodies[0]["messages"])
    places = [sent.index(each) for each in said]
    assert places == sorted(places)
    assert ("The rent is 900." in sent) == ("The rent is 900." in said)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("q", "-f", "nowhere.pdf"), "no such file"),
        (("q", "-f", "."), "no document file"),
        (("q", "-f", "/dev/zero"), "no document file"),
        (("q", "-f", "fifo.pdf"), "no document file"),
        (("q", "-f", "empty.pdf"), "is empty"),
        (("q", "-f", "liar.pdf"), "is no PDF"),
        (("q", "-f", "old.doc"), "save it as .docx"),
        (("q", "-f", "lease.pdf", "-f", "liar.pdf"), "is no PDF"),
        (("q", "-f", "cut.pdf"), "cut.pdf"),
        (("q", "-f", "lease.pdf", "--pages", "3"), "page 3"),
        (("q", "-f", "lease.pdf", "--pages", "2-1"), "ends before it begins"),
        (("q", "-f", "lease.pdf", "--pages", "all"), "is no page"),
        (("q", "-f", "lease.pdf", "-f", "note.txt", "--pages", "1"), "with one -f"),
        (("q", "-f", "photo.png", "--pages", "1"), "with one -f"),
        (("q", "--pages", "1"), "with one -f"),
        (("q", "-f", "lease.pdf", "--documents", "native"), "cannot be given as a file"),
        (("q", "-f", "lease.pdf", "--documents", "paper"), "paper"),
    ],
)
def test_what_cannot_go_is_an_error_of_usage(server: ChatServer, args: tuple[str, ...], words: str) -> None:
    """Exit code 2, why and which file in one line, and nothing is sent."""
    Path("empty.pdf").touch()
    Path("liar.pdf").write_text("words")
    Path("old.doc").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    Path("cut.pdf").write_bytes(pdf("x")[:200])
    os.mkfifo("fifo.pdf")
    done = generate(*args)
    assert done.exit_code == 2
    assert words in done.output.splitlines()[-1]
    assert server.bodies == []


def test_evidence_is_read_and_cited_evidence_is_not(server: ChatServer, tmp_path: Path) -> None:
    """``--evidence`` puts its text into the prompt, ``--cite`` only names it in the record."""
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        shown, cited = (
            mediator.submit_evidence(text, "document")["cid"] for text in (b"Shown words.", b"Words of the cited.")
        )
    write_config(
        tmp_path,
        server.backend(location="local"),
        EVIDENCE={"path": "evidence"},
        MEDIATOR={"provenance": "full"},
    )
    done = generate("q", "--evidence", shown, "--cite", cited, "--json")
    assert done.exit_code == 0, done.output
    sent = json.dumps(server.bodies)
    assert "Shown words." in sent
    assert "Words of the cited." not in sent
    assert json.loads(done.stdout)["provenance"]


def test_parts_stand_before_what_the_user_said_last() -> None:
    """Whatever stands before it stays; without a turn of the user's they make one."""
    parts: tuple[Part, ...] = (Document(data=b"x"), ImagePart(data=PNG))
    assert with_parts("q", ()) == "q"
    assert with_parts("q", parts) == [Message("user", (*parts, TextPart("q")))]
    assert with_parts(" ", parts) == [Message("user", parts)]
    turns = [Message("user", "a"), Message("assistant", "b"), Message("user", (TextPart("c"),))]
    assert with_parts(turns, parts) == [*turns[:2], Message("user", (*parts, TextPart("c")))]
    assert with_parts([Message("system", "s")], parts) == [Message("system", "s"), Message("user", parts)]


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """What is asked later is what was looked at: the file may change or go meanwhile."""
    path = tmp_path / "a.txt"
    path.write_text("before")
    (part,) = file_parts([str(path)])
    path.unlink()
    assert part == Document(data=b"before", media_type="text/plain", name="a.txt")
    with pytest.raises(click.UsageError):
        file_parts([str(path)])
