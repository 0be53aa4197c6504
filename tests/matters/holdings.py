"""An office's folder in which two matters left something everywhere."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from complaint_llm import Mediator
from complaint_llm.cli.main import cli

MINE, OTHER = "2026-0417", "2026-0001"
SECRET, KEPT = "Lopezqx", "Smithqx"
"""Words that stand in what belongs to the one and to the other."""


def make_office(folder: Path) -> None:
    """Results as lines and as a table, journals, a page, a cache, evidence and answers' records of both matters."""
    (folder / "config.json").write_text(
        json.dumps(
            {
                "BACKENDS": [{"id": "m", "type": "mock", "echo": True, "cache_enabled": True}],
                "MEDIATOR": {"cache": {"path": "state/cache.db"}, "provenance": "full"},
                "EVIDENCE": {"path": "evidence"},
            }
        )
    )
    lines = [
        {"id": "one", "prompt": f"{SECRET} was dismissed", "params": {"matter": MINE}},
        {"id": "two", "prompt": f"{KEPT} was dismissed"},
        {"prompt": f"{SECRET} again", "params": {"matter": MINE}},
        {"prompt": f"{KEPT} again"},
    ]
    (folder / "in").mkdir()
    (folder / "in" / "in.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for out in ("out.jsonl", "out.csv"):
        command(folder, "batch", str(folder / "in" / "in.jsonl"), "-o", str(folder / out), "--matter", OTHER)
    command(folder, "report", str(folder / "out.jsonl"), "-o", str(folder / "page.html"))
    with Mediator.from_config(folder / "config.json") as mediator:
        mine = mediator.submit_evidence(f"letter of {SECRET}".encode(), "letter", matter=MINE)
        other = mediator.submit_evidence(f"letter of {KEPT}".encode(), "letter", matter=OTHER)
        mediator.submit_evidence(SECRET.encode() * 9000, "photo", description=f"of {SECRET}", matter=MINE)
        mediator.infer(f"{KEPT} rests on both", cite=[mine["cid"], other["cid"]], matter=OTHER)
        mediator.infer(f"{SECRET} asks", matter=MINE)
        mediator.infer(f"{KEPT} asks", matter=OTHER)


def command(folder: Path, *arguments: str) -> tuple[int, str]:
    """A command under the config of the folder: its exit code and what it wrote."""
    done = CliRunner().invoke(cli, ["-c", str(folder / "config.json"), *arguments])
    code = done.exit_code
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return code, done.output


def files_with(folder: Path, word: str) -> list[str]:
    """The files below a folder that have this word, but for what was read."""
    found = [path for path in folder.rglob("*") if path.is_file() and word.encode() in path.read_bytes()]
    return sorted(str(path.relative_to(folder)) for path in found if path.parent.name != "in")
