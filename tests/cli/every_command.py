"""Every command of the program, found by walking it, and an office in which the examples of their help can be run."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from fpdf import FPDF

from complaint_llm import Mediator
from complaint_llm.cli.main import cli
from complaint_llm.testing import FaultyServer, Reply
from tests import forked
from tests.usual_signals import usual_signals

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "complaint-llm"
NO_CLAIMS = {
    **{
        name: []
        for name in (
            "languages", "people", "facts", "claims", "amounts", "dates", "stated_deadlines", "time_limit_triggers",
            "documents", "urgent", "missing", "instructions_in_text",
        )
    },
    "no_claims_because": "no_grievance_described",
}  # fmt: skip
"""What fits the schema of the task ``claims``."""
BEFORE = {
    "complaint-llm chat --continue": "complaint-llm chat -s 'Be brief.' -b gpt --save < questions.txt",
    "complaint-llm chat --no-save": "true",
    "complaint-llm init": "rm config.json",
    "complaint-llm config add local": "complaint-llm config remove local",
    "complaint-llm evidence import case-17.car": "complaint-llm evidence export --all -o case-17.car",
    "complaint-llm report claims.csv": "complaint-llm batch narratives.csv --task claims -o claims.csv",
}
"""What must have been done before an example, by how that begins."""


class Found(NamedTuple):
    """A command, and the words that lead to it."""

    path: tuple[str, ...]
    command: click.Command

    @property
    def name(self) -> str:
        """As it is typed."""
        return " ".join(self.path)

    def help_text(self, width: int) -> str:
        """Its help on a terminal of so many columns."""
        parent: click.Context | None = None
        for place, word in enumerate((PROGRAM, *self.path)):
            command = self.command if place == len(self.path) else click.Group(word)
            parent = click.Context(command, parent, word, terminal_width=width, max_content_width=width)
        assert parent is not None
        return self.command.get_help(parent)

    def examples(self) -> list[str]:
        """The command lines that its help shows."""
        lines = (line.strip().removeprefix("Example: ") for line in self.help_text(4000).splitlines())
        return [line for line in lines if re.match(rf"(?:[^ ]+ [^|]*\| *)?{PROGRAM} ", line)]

    def is_called_by(self, example: str) -> bool:
        """Whether the line calls it, or what is in it."""
        return re.search(rf"{' '.join((rf'{PROGRAM}(?: -c [^ ]+)?', *self.path))}\b", example) is not None

    def takes(self, option: str) -> bool:
        """Whether it has this option."""
        return any(option in param.opts for param in self.command.params)


def every_command() -> Iterator[Found]:
    """All of them but the program itself, groups before what is in them."""
    context = click.Context(cli, info_name=PROGRAM)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield from _below((name,), command)


def _below(path: tuple[str, ...], command: click.Command) -> Iterator[Found]:
    yield Found(path, command)
    for name, each in getattr(command, "commands", {}).items():
        yield from _below((*path, name), each)


COMMANDS = {found.name: found for found in every_command()}
ITSELF = Found((), cli)
"""The program, called without a command."""


class Office:
    """A folder with a config, documents, evidence and a batch that was made, and a server on loopback that answers.
    Each ``copy`` of it is used by one test. Owns the server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "office"
        self.folder.mkdir()
        self.server = FaultyServer(Reply(json.dumps(NO_CLAIMS)))
        self._fill()
        programs = folder / "programs"
        programs.mkdir()
        program = programs / PROGRAM
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m complaint_llm "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        home = folder / "home"
        home.mkdir()
        gone = ("COMPLAINT_LLM_CONFIG", "NO_COLOR", "COLUMNS", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
        self.env = {name: value for name, value in os.environ.items() if name not in gone}
        self.env |= {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "SHELL": "/bin/bash"}

    def close(self) -> None:
        """End the server."""
        self.server.close()

    def copy(self, folder: Path) -> Path:
        """The same in a folder of one's own."""
        return Path(shutil.copytree(self.folder, folder / "here", symlinks=True))

    def line(self, example: str) -> str:
        """An example after what must have been done before, with the CIDs of this office for what it leaves out."""
        before = next((first for begin, first in BEFORE.items() if example.startswith(begin)), None)
        example = example if before is None else f"{before} >/dev/null 2>&1 && {example}"
        return example.replace("bafkrei...", self.evidence).replace("bafyrei...", self.answer)

    def run(
        self, line: str, here: Path, *, env: Mapping[str, str] | None = None, stdin: Any = subprocess.DEVNULL
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a line of the shell."""
        return forked.run(
            self.command(line),
            cwd=here, env={**self.env, **(env or {})}, stdin=stdin, capture_output=True, timeout=120, check=False,
            preexec_fn=usual_signals,
        )  # fmt: skip

    def command(self, line: str) -> list[str]:
        """What runs a line: a shell, and the program itself where the line is nothing but its call."""
        if line.startswith(f"{PROGRAM} ") and not re.search(r"[|&;<>$*?~`\\\n]|\.\.\.", line):
            return [sys.executable, "-m", "complaint_llm", *shlex.split(line)[1:]]
        return ["bash", "-o", "pipefail", "-c", line]

    def _fill(self) -> None:
        here = self.folder
        gpt = {
            "id": "gpt",
            "type": "lmstudio",
            "base_url": f"{self.server.url}/v1",
            "api_key": "sk-x",
            "model": "gpt-5",
        }
        gpt |= {"embedding_model": "e", "max_retries": 0}
        document = {
            "MEDIATOR": {"provenance": "full", "ledger": True},
            "BACKENDS": [gpt, {"id": "local", "type": "mock", "echo": True}],
        }
        (here / "config.json").write_text(json.dumps(document, indent=2), encoding="utf-8")
        intakes = sorted((ROOT / "examples" / "intakes").glob("*.txt"))[:2]
        for name in ("intakes", "clients/miller", "letters"):
            (here / name).mkdir(parents=True)
            for each in intakes:
                shutil.copy(each, here / name)
        shutil.copy(intakes[0], here / "intake.txt")
        for name in ("lease.pdf", "review.pdf"):
            pages = FPDF()
            for number in range(1, 4):
                pages.add_page()
                pages.set_font("Helvetica")
                pages.cell(text=f"Page {number}: the lease ends in May.")
            pages.output(str(here / name))
        (here / "questions.txt").write_text("When does the lease end?\n", encoding="utf-8")
        (here / "intakes.csv").write_text("id,story\n1,My landlord kept the deposit.\n", encoding="utf-8")
        rows = "id,narrative\n1,My landlord kept the deposit.\n2,I was not paid for March.\n"
        (here / "narratives.csv").write_text(rows, encoding="utf-8")
        with Mediator.from_config(here / "config.json") as mediator:
            record = mediator.submit_evidence_file(
                here / "review.pdf", "letter", description="Kündigung “im Mai”", matter="2026-0417"
            )
            output = mediator.infer("Is it so?", matter="2026-0417", cite=[record["cid"]], backend="gpt")
        self.evidence = str(record["cid"])
        self.answer = str(output.provenance)
