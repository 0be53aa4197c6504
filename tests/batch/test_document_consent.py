"""Where the bytes of documents go: to another machine only after somebody has said yes."""

from __future__ import annotations

import os
import pty
import signal
import sys
import time
from pathlib import Path

import pytest

from tests import forked
from tests.batch.chat_server import ChatServer, write_config, write_lines
from tests.batch.document_batches import PNG, Run, pdf, workbook
from tests.pseudo_terminal import PseudoTerminal, program


@pytest.fixture
def remote(tmp_path: Path, chat: ChatServer) -> ChatServer:
    """The server as a target that is not on this machine."""
    write_config(tmp_path, chat.backend())
    return chat


# -- where the bytes go --------------------------------------------------------------------------------------------


def test_without_a_terminal_documents_go_to_no_other_machine(remote: ChatServer, run: Run, letters: Path) -> None:
    """It says how many, how much and to which host, and that --yes sends them; with --yes it says so and goes on."""
    refused = run("in", "-o", "out.jsonl")
    assert refused.exit_code == 2
    assert "3 files, " in refused.output
    assert "would go to 127.0.0.1" in refused.output
    assert "--yes" in refused.output
    assert remote.bodies == []
    assert not Path("out.jsonl").exists()
    sent = run("in", "-o", "out.jsonl", "--yes")
    assert sent.exit_code == 0
    assert "would go to 127.0.0.1" in sent.output
    assert len(remote.bodies) == 3


@pytest.mark.parametrize(("limit", "said"), [(1, "1 file, "), (2, "2 files, "), (9, "3 files, ")])
def test_only_what_is_read_is_asked_about(
    remote: ChatServer, run: Run, letters: Path, limit: int, said: str
) -> None:
    """``--limit`` bounds what is sent, and so what is agreed to."""
    refused = run("in", "-o", "out.jsonl", "--limit", str(limit))
    assert refused.exit_code == 2
    assert said in refused.output
    assert run("in", "-o", "out.jsonl", "--limit", str(limit), "--yes").exit_code == 0
    assert len(remote.bodies) == min(limit, 3)


def test_a_resumed_batch_does_not_ask_again_unless_the_host_is_another(
    remote: ChatServer, run: Run, letters: Path, tmp_path: Path
) -> None:
    """What was agreed to is kept with the journal, for these hosts alone."""
    assert run("in", "-o", "out.jsonl", "--yes").exit_code == 0
    (letters / "new.pdf").write_bytes(pdf("New."))
    assert run("in", "-o", "out.jsonl").exit_code == 0
    assert len(remote.bodies) == 4
    other = remote.backend("b", base_url=remote.url.replace("127.0.0.1", "localhost"))
    write_config(tmp_path, remote.backend(), other)
    (letters / "newer.pdf").write_bytes(pdf("Newer."))
    refused = run("in", "-o", "out.jsonl")
    assert refused.exit_code == 2
    assert "localhost" in refused.output
    assert len(remote.bodies) == 4


ASKS: list[tuple[str, ...]] = [
    ("in",),
    ("in", "--group", "folder"),
    ("in", "-s", "Summarise."),
    ("in", "--limit", "1"),
    ("plain.jsonl", "-f", "in/a.pdf"),
    ("plain.jsonl", "-f", "photo.png"),
    ("plain.txt", "-f", "in/a.pdf"),
    ("table.csv", "--prompt-template", "{q}", "-f", "in/a.pdf"),
    ("table.xlsx", "--prompt-template", "{q}", "-f", "in/a.pdf"),
    ("in", "-b", "a"),
]


@pytest.mark.parametrize("given", ["files.jsonl", "images.jsonl"])
def test_files_that_lines_name_are_told_and_not_asked_about(
    remote: ChatServer, run: Run, letters: Path, tmp_path: Path, given: str
) -> None:
    """Each was chosen by who wrote its line."""
    inputs(tmp_path)
    done = run(given, "-o", "out.jsonl")
    assert done.exit_code == 0
    assert "would go to 127.0.0.1" in done.output
    assert remote.bodies != []


@pytest.mark.rows(1)
@pytest.mark.parametrize("given", ASKS, ids=[" ".join(each) for each in ASKS])
def test_every_way_in_for_documents_is_asked_about(
    remote: ChatServer, run: Run, letters: Path, tmp_path: Path, given: tuple[str, ...]
) -> None:
    """However a file comes into a batch, it goes to another machine only after --yes; --dry-run says it as well."""
    inputs(tmp_path)
    assert run(*given, "-o", "out.jsonl").exit_code == 2
    assert "would go to 127.0.0.1" in run(*given, "-o", "out.jsonl", "--dry-run").output
    assert remote.bodies == []
    assert run(*given, "-o", "out.jsonl", "--yes").exit_code == 0
    assert remote.bodies != []


@pytest.mark.rows(4)
@pytest.mark.parametrize(
    "given",
    [
        ("plain.jsonl",),
        ("plain.txt",),
        ("table.csv", "--prompt-template", "{q}"),
        ("table.xlsx", "--prompt-template", "{q}"),
        ("turns.jsonl",),
    ],
    ids=" ".join,
)
def test_what_has_no_documents_is_asked_as_before(
    remote: ChatServer, run: Run, letters: Path, tmp_path: Path, given: tuple[str, ...]
) -> None:
    """Nobody is asked about prompts."""
    inputs(tmp_path)
    assert run(*given, "-o", "out.jsonl").exit_code == 0
    assert len(remote.bodies) == 1


def inputs(folder: Path) -> None:
    """One item in each form of input."""
    (folder / "photo.png").write_bytes(PNG)
    write_lines(folder / "plain.jsonl", {"prompt": "q"})
    write_lines(folder / "turns.jsonl", {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}]})
    (folder / "plain.txt").write_text("q\n")
    (folder / "table.csv").write_text("q,b\nwhy,1\n")
    workbook(folder / "table.xlsx", One=[["q", "b"], ["why", 1]])
    for name, part in (
        ("files", {"type": "document", "path": "in/a.pdf"}),
        ("images", {"type": "image", "path": "photo.png"}),
    ):
        write_lines(folder / f"{name}.jsonl", {"messages": [{"role": "user", "content": [part]}]})


def test_to_a_target_on_this_machine_nobody_is_asked(here: ChatServer, run: Run, letters: Path) -> None:
    """Nor by the demonstration: nothing leaves."""
    assert run("in", "-o", "out.jsonl").exit_code == 0
    assert "would go" not in run("in", "-o", "out.jsonl", "--dry-run").output


@pytest.mark.rows(1)
@pytest.mark.parametrize(("answer", "code", "sent"), [("y\n", 0, 3), ("n\n", 2, 0), ("\n", 2, 0)])
def test_on_a_terminal_it_asks(
    remote: ChatServer, tmp_path: Path, letters: Path, answer: str, code: int, sent: int
) -> None:
    """Nothing but yes sends anything."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "complaint_llm", "batch", "in", "-o", "out.jsonl"]
    try:
        os.write(master, answer.encode())
        done = forked.run(command, cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, check=False, timeout=60)
        said = os.read(master, 1 << 16).decode()
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == code, said
    assert "Send them?" in said
    assert "3 files" in said
    assert len(remote.bodies) == sent


def interrupt(terminal: PseudoTerminal, by: str) -> None:
    """By a key or a signal, once more after each two seconds: one that comes while the question is drawn waits for the
    next key."""
    sent: list[float] = []

    def is_over(shown: str) -> bool:
        if not sent or time.monotonic() - sent[-1] > 2:
            sent.append(time.monotonic())
            if by.startswith("SIG"):
                terminal.process.send_signal(getattr(signal, by))
            else:
                terminal.press({"Ctrl-C": "\x03", "Ctrl-D": "\x04"}[by])
        return "nothing was sent" in shown

    terminal.wait_for(is_over)


@pytest.mark.rows(2)
@pytest.mark.parametrize("by", ["Ctrl-C", "Ctrl-D", "SIGTERM", "SIGHUP"])
def test_a_question_ends_at_once_with_nothing_sent(remote: ChatServer, tmp_path: Path, letters: Path, by: str) -> None:
    """Nothing is under way that could be waited for; the same command asks again."""
    for _ in range(2):
        with PseudoTerminal(tmp_path, *program("batch", "in", "-o", "out.jsonl"), env={"TERM": "xterm"}) as terminal:
            terminal.wait_for(lambda shown: "Send them?" in shown)
            interrupt(terminal, by)
            assert terminal.end() == 130
        assert "stopping" not in terminal.shown
    assert remote.bodies == []
