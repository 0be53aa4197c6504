"""Text from outside is harmless on a terminal: each command shows it by one way out, which escapes what would act."""

from __future__ import annotations

import ast
import json
import logging
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm.harmless import HarmlessFormatter, harmless, harmless_line
from tests import forked
from tests.transport.faulty import REQUEST, FaultyServer, ok

CLI = Path(__file__).resolve().parents[2] / "complaint_llm" / "cli"
ESCAPES = [
    "\x1b]0;owned\x07", "\x1b[2J", "\x1b[31m", "\x1b[1;1H", "\x1b]8;;http://x\x1b\\", "\x1bP+q\x1b\\", "\x9b31m",
    "\x9d0;x\x9c",
]  # fmt: skip
CONTROLS = [chr(code) for code in (*range(0x09), *range(0x0B, 0x20, 2), 0x0E, 0x1A, 0x1C, 0x7F, 0x80, 0x85, 0x9F)]
BIDI = [chr(code) for code in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)]
TAGS = ["\U000e0001", "\U000e0041", "\ufff9", "\ufffb"]
LINES = [
    "\rERROR all is well", "\x0bWARNING", "a\x08\x08b", "\x1b7\x1b8", "\x1b[6n", "\x1bc", "\x1b[?1049h", "\x90q\x9c",
    "\x1b#8", "\x1b(0", "\x1b[5m", "\x1b[8m",
]  # fmt: skip
HOSTILE = [*ESCAPES, *CONTROLS, *BIDI, *TAGS, *LINES]
EVIL = "before " + " ".join(HOSTILE) + " after"
ACTING = {character for text in HOSTILE for character in text if harmless(character) != character}


BAR = re.compile(r"\r|\x1b\[\?25[lh]|\x1b\[K")
"""What a bar of ours is drawn with."""
SIGN = re.compile(r"\r(?:getting ready|asking [\w ]+) \.\.\.(?: \d+ s)? *|\r +\r")
"""What shows that an answer is waited for, and how it is taken away."""
BESIDE = {"print", "echo", "click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write"}


def test_no_command_writes_beside_the_one_way_out() -> None:
    """``print``, ``echo`` and the streams are used in terminal.py and streams.py alone, of all folders of commands."""
    beside = []
    for path in sorted(CLI.rglob("*.py")):
        if path.name in ("terminal.py", "streams.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if named in BESIDE or named.startswith(("sys.stdout.buffer", "sys.stderr.buffer")):
                beside.append(f"{path.relative_to(CLI)}:{getattr(node, 'lineno', 0)}: {named}")
    assert beside == []


def test_there_are_at_least_64_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 64


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_would_act_is_shown_as_an_escape(text: str) -> None:
    shown = harmless(text)
    assert not ACTING & set(shown)
    assert shown.isascii()


@given(st.text())
@settings(max_examples=200)
def test_text_of_people_stays_and_nothing_that_acts_is_left(text: str) -> None:
    """Letters of any script, line breaks and tabs are as they were; harmless twice is harmless once."""
    shown = harmless(text)
    assert harmless(shown) == shown
    assert all(character in "\n\t" or character.isprintable() or ord(character) > 0x9F for character in shown)
    assert "\n" not in harmless_line(text)
    printable = "".join(character for character in text if character.isprintable())
    assert harmless(printable) == printable or any(harmless(c) != c for c in printable)


def test_a_log_line_from_outside_is_one_line() -> None:
    record = logging.LogRecord("x", logging.WARNING, "f", 1, "said: %s", ("a\nERROR b\x1b[2J",), None)
    assert HarmlessFormatter("%(levelname)s %(message)s").format(record) == "WARNING said: a\\nERROR b\\x1b[2J"


def on_a_terminal(folder: Path, *arguments: str, term: str = "xterm", no_colour: str = "1") -> tuple[int, str]:
    """Run the program with standard output and standard error on one pseudo-terminal: exit code and what it showed."""
    main, other = pty.openpty()
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": term, "COLUMNS": "4000", "NO_COLOR": no_colour}
    command = [sys.executable, "-m", "complaint_llm", *arguments]
    process = forked.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment
    )
    os.close(other)
    shown = b""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if select.select([main], [], [], 0.2)[0]:
            try:
                piece = os.read(main, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
    os.close(main)
    text = shown.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    return process.wait(timeout=60), SIGN.sub("", text)


def check_harmless(shown: str) -> None:
    """Only line breaks and tabs of all that a terminal acts on."""
    assert {character for character in shown if character in ACTING} == set()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with evidence whose every field and name is hostile, and a config that names it."""
    folder = tmp_path_factory.mktemp("hostile")
    name = "letter\x1b[2J\u202etxt.pdf"
    (folder / name).write_text(EVIL, encoding="utf-8")
    (folder / "bad\x1b]0;x\x07.json").write_text("{", encoding="utf-8")
    from complaint_llm import Mediator

    (folder / "config.json").write_text(json.dumps({"BACKENDS": [{"id": "m", "type": "mock", "echo": True}]}))
    told = {"description": EVIL, "claim_type": "a\u202eb", "user_id": "u\x9b1m"}
    with Mediator.from_config(folder / "config.json") as mediator:
        mediator.submit_evidence_file(folder / name, "docu\x1b[31mment", **told)
    return folder


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("arguments", "shows"),
    [
        (("evidence", "list"), "docu\\x1b"),
        (("evidence", "list", "--json"), "docu"),
        (("evidence", "verify"), ""),
        (("-c", "bad\x1b]0;x\x07.json", "check"), "bad\\x1b"),
        (("-c", "no\u202ething.json", "generate", "q"), "no\\u202e"),
        (("generate", "q", "--wrong\x1b[2J"), "\\x1b"),
        (("wrong\x1b[2J",), "\\x1b"),
        (("generate", "q", "-b", "a\x9b31mb"), ""),
        (("evidence", "get", "no\x1b[2Jcid"), ""),
        (("verify", "no\x1b[2Jcid"), ""),
        (("batch", "no\x1b[2J.jsonl", "-o", "o.jsonl"), "\\x1b"),
        (("config", "show", "no\u202e"), "\\u202e"),
        (("embed", "q\x1b[2J", "-b", "n\x1b[2J"), ""),
        (("explain", "q\x1b[2J"), ""),
        (("plugins",), "mock"),
        (("check",), "mock"),
    ],
    ids=ascii,
)
def test_what_a_command_shows_of_files_names_and_evidence_is_harmless(
    place: Path, arguments: tuple[str, ...], shows: str
) -> None:
    _, shown = on_a_terminal(place, *arguments)
    check_harmless(BAR.sub("", shown) if "verify" in arguments else shown)
    assert shows in shown


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    ("term", "no_colour", "styled"), [("xterm", "", True), ("xterm", "1", False), ("dumb", "", False)]
)
def test_heads_are_bold_only_where_that_is_wanted(place: Path, term: str, no_colour: str, styled: bool) -> None:
    """NO_COLOR and a dumb terminal are obeyed."""
    _, shown = on_a_terminal(place, "check", term=term, no_colour=no_colour)
    assert ("\x1b[1m" in shown) is styled


def write_config(folder: Path, port: int, **more: Any) -> None:
    url = f"http://127.0.0.1:{port}/v1"
    entry = {"id": "a", "type": "openai", "base_url": url, "api_key": "sk-0123456789", "model": "m", "max_retries": 0}
    (folder / "config.json").write_text(json.dumps({"BACKENDS": [entry], **more}), encoding="utf-8")


def answer(content: str) -> bytes:
    body = {
        "id": "c", "object": "chat.completion", "created": 1, "model": EVIL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
    return ok(json.dumps(body).encode())


@pytest.mark.rows(1)
@pytest.mark.parametrize("more", [("--no-stream",), ("--json",)])
def test_an_answer_is_harmless_on_a_terminal_and_as_it_is_in_a_pipe(tmp_path: Path, more: tuple[str, ...]) -> None:
    with FaultyServer([REQUEST, answer(EVIL)], [REQUEST, answer(EVIL)]) as server:
        write_config(tmp_path, server.port)
        code, shown = on_a_terminal(tmp_path, "generate", "q", *more)
        assert code == 0
        check_harmless(shown)
        assert "before" in shown
        command = [sys.executable, "-m", "complaint_llm", "generate", "q", *more]
        piped = forked.run(command, cwd=tmp_path, capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    text = piped.decode()
    assert (json.loads(text)["content"] if "--json" in more else text) == (EVIL if "--json" in more else EVIL + "\n")


def test_a_providers_error_is_harmless(tmp_path: Path) -> None:
    body = json.dumps({"error": {"message": EVIL, "code": "x\x1b[2J"}}).encode()
    head = b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with FaultyServer([REQUEST, head + body]) as server:
        write_config(tmp_path, server.port, LOG={"level": "DEBUG"})
        code, shown = on_a_terminal(tmp_path, "generate", "q")
    assert code == 1
    check_harmless(shown)
    assert "before" in shown


def test_a_batch_whose_lines_and_answers_are_hostile_is_harmless(tmp_path: Path) -> None:
    lines = [{"id": "one\x1b[2J", "prompt": "q"}, {"id": "two\u202e", "promt\x1b[2J": "q"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    with FaultyServer([REQUEST, answer(EVIL)]) as server:
        write_config(tmp_path, server.port)
        code, shown = on_a_terminal(tmp_path, "batch", "in.jsonl", "-o", "-", term="dumb")
    assert code == 1
    check_harmless(shown)
    assert "before" in shown
