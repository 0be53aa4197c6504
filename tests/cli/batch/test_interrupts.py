"""What a stopped batch says where nobody has a terminal: plain lines, how many are left, how to go on."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from complaint_llm.cli.batch.summary import left_line
from tests import forked
from tests.batch.chat_server import ChatServer, write_config
from tests.pseudo_terminal import program
from tests.usual_signals import usual_signals

FORMS = {
    "in.jsonl": "".join(f'{{"prompt": "p{at}"}}\n\n' for at in range(300)),
    "in.txt": "".join(f"p{at}\n \n" for at in range(300)),
    "in.csv": "narrative\n" + "".join(f'"p{at}\nsecond line\nthird"\n' for at in range(300)),
}


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_left_is_counted_in_items_not_in_lines(tmp_path: Path, name: str, number: int) -> None:
    server = ChatServer()
    try:
        write_config(tmp_path, server.backend())
        (tmp_path / name).write_text(FORMS[name])
        more = ("--prompt-template", "{narrative}") if name.endswith(".csv") else ()
        pipe = subprocess.PIPE
        command = program("batch", name, "-o", "out.jsonl", "-w", "1", *more)
        with forked.Popen(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, preexec_fn=usual_signals
        ) as process:
            while len(server.bodies) < 5:
                assert process.poll() is None, process.communicate()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        answered = len((tmp_path / "out.jsonl").read_text().splitlines())
    finally:
        server.close()
    assert (process.returncode, out) == (130, b"")
    assert f"{300 - answered} of 300 left; run the same command again to go on" in err.decode().splitlines()
    assert b"\x1b" not in err
    assert b"\r" not in err


@pytest.mark.parametrize(
    ("total", "answered", "resumable", "line"),
    [
        (10, 4, True, "6 of 10 left; run the same command again to go on"),
        (12000, 0, True, "12,000 of 12,000 left; run the same command again to go on"),
        (10, 10, True, "0 of 10 left; run the same command again to go on"),
        (10, 12, True, "0 of 10 left; run the same command again to go on"),
        (None, 4, True, "the rest is left; run the same command again to go on"),
        (10, 4, False, "6 of 10 left; with a file as OUT you could go on: -o OUT.jsonl"),
        (None, 4, False, "the rest is left; with a file as OUT you could go on: -o OUT.jsonl"),
    ],
)
def test_what_is_left_in_words(total: int | None, answered: int, resumable: bool, line: str) -> None:
    assert left_line(total, answered, resumable=resumable) == line
