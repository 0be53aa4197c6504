"""A newcomer in a terminal (tmux), by a script: from a clone to a page of claims, and on to a config of their own.

``python scripts/newcomer.py`` types each line below, waits for what the screen shall show, and prints keystrokes and
seconds; with ``--write`` into docs/getting-started.md. It needs tmux, git and make. What mends a mistake is read off
the screen. A server of this machine answers, by the plain rules of the demonstration.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from complaint_llm.tasks.demonstration import demonstrate
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.server import Received

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "getting-started.md"
BEGIN, END = "<!-- newcomer: made by scripts/newcomer.py --write -->\n", "<!-- end of newcomer -->\n"
CTRL_C, UP = "Ctrl-C", "\N{UPWARDS ARROW}"
KEPT = ("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE")
SHOWN = {"repository": "REPOSITORY", "server": "http://127.0.0.1:PORT"}
"""What stands in the page for what is another each time."""
PROMPT = r"^(\(\.venv\) )?\$\Z"
"""The shell waits: the last line is its prompt."""
UNTIL_INTERRUPTED = 3
"""Claims that the server answers before it waits for Ctrl-C, so that something is left on any machine."""


class Step(NamedTuple):
    """A line of keys, and what the screen shows below it in the end (a pattern; its named groups fill later lines).

    ``<name>`` in keys is such a group, or where the repository or the server is. Enter ends each but Ctrl-C.
    """

    keys: str
    shows: str = PROMPT


class Chapter(NamedTuple):
    """What the newcomer wants, and how."""

    title: str
    steps: Sequence[Step]


CLONE = Chapter(
    "from a clone to a page of claims",
    (
        Step("git clone -q <repository> office && cd office"),
        Step("make run", rf"the page is named above\n{PROMPT}"),
        Step(". .venv/bin/activate"),
    ),
)
CONFIG = '{"BACKENDS": [{"id": "office", "type": "vllm", "base_url": "<server>/v1", "modell": "small"}]}'
CHAPTERS = (
    Chapter(
        "a mistake in the config, mended by its message alone",
        (
            Step(f"echo '{CONFIG}' > config.json"),
            Step(
                "complaint-llm check",
                r'json:(?P<line>\d+):\d+: \S+/(?P<wrong>\w+): unknown key; did you mean "(?P<right>\w+)"\?\n.*\$\Z',
            ),
            Step("sed -i '<line>s/<wrong>/<right>/' config.json"),
            Step("complaint-llm check --connect", rf"reached in .*\n{PROMPT}"),
        ),
    ),
    Chapter(
        "a chat",
        (
            Step("complaint-llm chat", r"^>\Z"),
            Step("My landlord shut off the heat in November.", r"^My landlord shut off .*\n>\Z"),
            Step("/usage", r"1 answer, \d+ tokens in.*\n>\Z"),
            Step("/exit"),
        ),
    ),
    Chapter(
        "a batch, interrupted and resumed, and its page",
        (
            Step("complaint-llm batch examples/intakes --task claims -o claims.csv -w 2", r"Send them\? \[y/N\]:\Z"),
            Step("y", rf"\b{UNTIL_INTERRUPTED}/\d+ "),
            Step(CTRL_C, rf"\d+ of \d+ left; run the same command again to go on\n{PROMPT}"),
            Step(UP, rf"answered, 0 failed(.*\n)+.*[1-9]\d* answers were recorded before this run\n(.*\n)*{PROMPT}"),
            Step("complaint-llm report claims.csv -o page.html", rf"page\.html(.*\n)+{PROMPT}"),
        ),
    ),
    Chapter(
        "`init` in an empty folder, to a first answer",
        (
            Step("mkdir ../first && cd ../first"),
            Step("complaint-llm init", r"^ +(?P<other>\d+)  another server(.*\n)+Number or type \[1\]:\Z"),
            Step("<other>", r"^Address .*:\Z"),
            Step("<server>/v1", r"^Key.*:\Z"),
            Step("", r"^Model.*:\Z"),
            Step("small", r"\[y/N\]:\Z"),
            Step("y", r"^Folder for evidence .*:\Z"),
            Step("", rf'complaint-llm generate "Say hello in one word\."\n{PROMPT}'),
            Step('complaint-llm generate "Say hello in one word."', rf"^Say hello in one word\.\n{PROMPT}"),
        ),
    ),
)


class Took(NamedTuple):
    """What a chapter took: the lines as typed, and seconds from its first key to what its last line showed."""

    title: str
    lines: tuple[str, ...]
    seconds: float


class OfficeServer(FaultyServer):
    """Answers claims by the plain rules, the most once ``go_on`` is set, and all else by its own words."""

    def __init__(self) -> None:
        super().__init__(Reply(delay=0.2))
        self.go_on = threading.Event()
        self._left = threading.Semaphore(UNTIL_INTERRUPTED)

    def take(self, received: Received) -> Reply:
        """Note a request; how to answer it."""
        reply = super().take(received)
        schema = _schema_in(received.body)
        if schema is None:
            return reply
        if not self._left.acquire(blocking=False):
            self.go_on.wait(60)
        return reply._replace(text=json.dumps(demonstrate(schema, _material(received.body))))


def _schema_in(body: Any) -> Mapping[str, Any] | None:
    form = body.get("response_format") if isinstance(body, Mapping) else None
    return form["json_schema"]["schema"] if form else None


def _material(body: Mapping[str, Any]) -> str:
    """What stands between the marks of a task and of documents in the last message."""
    content = body["messages"][-1]["content"]
    said = content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
    found = [each[1] for each in re.findall(r"^<<<MATERIAL (\w+)\n(.*?)\nMATERIAL \1>>>", said, re.M | re.S)]
    found += re.findall(r"^\[document .*?\]\n(.*?)^\[end of document", said, re.M | re.S)
    return re.sub(r"^\[.*\]\n", "", "\n\n".join(found), flags=re.M)


class Terminal:
    """A shell in a tmux server of its own, which this object ends. ``path`` comes first among its folders."""

    def __init__(self, folder: Path, path: str = "", *, columns: int = 120, patience: float = 60.0) -> None:
        self._patience = patience
        self._socket = folder / "tmux"
        kept = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PIP_")}
        folders = os.pathsep.join(filter(None, (path, kept["PATH"])))
        words = {**kept, "LC_ALL": "C.UTF-8", "PS1": "$ ", "PATH": folders}
        shell = ["env", "-i", "TERM=tmux-256color", *(f"{name}={value}" for name, value in words.items())]
        command = shlex.join([*shell, "bash", "--norc", "--noprofile"])
        size = ("-x", str(columns), "-y", "40")
        self._tmux("-f", "/dev/null", "new-session", "-d", *size, "-c", str(folder), command)
        self.wait_for(PROMPT, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._tmux("kill-server")

    def type(self, keys: str) -> None:
        """A line of keys."""
        if keys == CTRL_C:
            self._tmux("send-keys", "C-c")
            return
        if keys == UP:
            self._tmux("send-keys", "Up")
        elif keys:
            self._tmux("send-keys", "-l", "--", keys)
        self._tmux("send-keys", "Enter")

    def text(self, *, colours: bool = False) -> str:
        """All that was shown and still stands; with its colours as it was drawn, else with broken lines joined."""
        return self._tmux("capture-pane", "-p", "-e" if colours else "-J", "-S", "-").rstrip()

    def wait_for(self, pattern: str, before: str) -> re.Match[str]:
        """Wait until what follows ``before`` has this. Raises TimeoutError with what is there instead."""
        ends = time.monotonic() + self._patience
        while True:
            text = self.text()
            pairs = enumerate(zip(before, text, strict=False))
            same = next((place for place, (old, new) in pairs if old != new), len(before))
            lines = "\n".join(line.rstrip() for line in text[same:].splitlines())
            if (found := re.search(pattern, lines, re.M)) is not None:
                return found
            if time.monotonic() > ends:
                raise TimeoutError(f"{pattern!r} was not shown in {self._patience:g} s, but:\n{lines}")
            time.sleep(0.05)

    def _tmux(self, *arguments: str) -> str:
        command = [shutil.which("tmux") or "tmux", "-S", str(self._socket), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if done.returncode:
            raise RuntimeError(f"tmux {arguments[0]}: {done.stderr.strip()}")
        return done.stdout


def walk(terminal: Terminal, server: OfficeServer, chapters: Sequence[Chapter]) -> Iterator[Took]:
    """Type every line; what each chapter took, when it is done. Raises TimeoutError where nothing comes of one."""
    known = {"repository": str(ROOT), "server": server.url}
    for chapter in chapters:
        began = time.monotonic()
        lines = []
        for step in chapter.steps:
            before = terminal.text()
            terminal.type(fill(step.keys, known))
            if step.keys == CTRL_C:
                server.go_on.set()
            known |= terminal.wait_for(step.shows, before).groupdict(default="")
            lines.append(fill(step.keys, {**known, **SHOWN}))
        yield Took(chapter.title, tuple(lines), time.monotonic() - began)


def fill(keys: str, known: Mapping[str, str]) -> str:
    """The keys with what is known in the place of ``<name>``."""
    return re.sub(r"<(\w+)>", lambda found: known[found[1]], keys)


def keystrokes(line: str) -> int:
    """How many keys are pressed for a line, Enter among them."""
    return 1 if line == CTRL_C else 2 if line == UP else len(line) + 1


def run(chapters: Sequence[Chapter], *, installed: bool, columns: int = 120) -> tuple[list[Took], str]:
    """Walk through chapters in a new folder; what each took, and all that the terminal showed, with its colours.

    ``installed``: the program is that of this Python, and the examples lie in the folder, a part of the intakes.
    """
    with tempfile.TemporaryDirectory() as scratch, OfficeServer() as server:
        folder = Path(scratch)
        if installed:
            folder = folder / "office"
            (folder / "examples" / "intakes").mkdir(parents=True)
            for intake in sorted((ROOT / "examples" / "intakes").glob("*.txt"))[:8]:
                shutil.copy(intake, folder / "examples" / "intakes")
        path = str(Path(sys.executable).parent) if installed else ""
        with Terminal(folder, path, columns=columns, patience=60 if installed else 600) as terminal:
            return list(walk(terminal, server, chapters)), terminal.text(colours=True)


def page_part(took: Sequence[Took]) -> str:
    """What stands in the page: a table, and every line that was typed."""
    rows = [
        f"| {each.title} | {len(each.lines)} | {sum(map(keystrokes, each.lines))} | {each.seconds:.1f} |\n"
        for each in took
    ]
    lines = [f"# {each.title}\n" + "\n".join(line or "(Enter)" for line in each.lines) for each in took]
    day, cores, load = datetime.now(UTC).date().isoformat(), os.cpu_count(), os.getloadavg()[0]
    table, typed = "".join(rows), "\n\n".join(lines)
    return f"""| what | lines | keystrokes | seconds |
| --- | ---: | ---: | ---: |
{table}
Seconds until the screen showed what it should, without thinking and typing: {day}, {cores} cores, load {load:.0f},
packages from pip's cache. Typed was:

```text
{typed}
```
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="A newcomer in a terminal, by a script.")
    parser.add_argument("--write", action="store_true", help="write what it took into docs/getting-started.md")
    parser.add_argument(
        "--installed", action="store_true", help="begin after the installation, with this Python's program"
    )
    asked = parser.parse_args()
    took, _ = run(CHAPTERS if asked.installed else (CLONE, *CHAPTERS), installed=asked.installed)
    part = page_part(took)
    if asked.write:
        head, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
        DOCUMENT.write_text(f"{head}{BEGIN}\n{part}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    else:
        sys.stdout.write(part)


if __name__ == "__main__":
    main()
