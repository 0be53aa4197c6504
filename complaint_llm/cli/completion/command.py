"""``complaint-llm completion``: the script of a shell, shown or put where the shell looks for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import click

from complaint_llm.cli.completion.shells import PROGRAM, SHELLS, VARIABLE
from complaint_llm.cli.main import cli
from complaint_llm.cli.terminal import tell, write


class ScriptPlace(NamedTuple):
    """Where a shell looks for the script of a command, and what it needs beside it."""

    path: Path
    needs: str = ""


@click.command()
@click.argument("shell", required=False, type=click.Choice(list(SHELLS)))
@click.option("--install", is_flag=True, help="Write it where the shell looks for it, and say where that is.")
def completion(shell: str | None, install: bool) -> None:
    """Print the script by which SHELL (otherwise that of $SHELL) completes commands, options, ids, types, tasks,
    models, evidence and paths; --install puts it into the shell's own place for a user's scripts. No other file is
    changed.

    Example: complaint-llm completion bash

    Example: complaint-llm completion --install
    """
    name = shell or Path(os.environ.get("SHELL", "")).name
    if name not in SHELLS:
        raise click.UsageError(f"$SHELL is {name!r}: name one of {', '.join(SHELLS)}")
    script = SHELLS[name](cli, {}, PROGRAM, VARIABLE).source().strip() + "\n"
    if not install:
        write(script, end="")
        return
    place = place_of(name, os.environ)
    place.path.parent.mkdir(parents=True, exist_ok=True)
    there = place.path.exists()
    place.path.write_text(script, encoding="utf-8")
    write(str(place.path))
    tell(f"{'replaced' if there else 'written'}: {name} completes {PROGRAM} in a new session{place.needs}")


def place_of(shell: str, environ: Mapping[str, str]) -> ScriptPlace:
    """The file of a user's own that a shell reads when the command is first completed."""
    home = Path(environ.get("HOME") or Path.home())
    if shell == "fish":
        folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        return ScriptPlace(folder / "fish" / "completions" / f"{PROGRAM}.fish")
    if shell == "zsh":
        start = Path(environ.get("ZDOTDIR") or home)
        folder = start / ".zfunc"
        needs = f"\nif {start / '.zshrc'} has no such line yet: fpath+=({folder}); autoload -Uz compinit; compinit"
        return ScriptPlace(folder / f"_{PROGRAM}", "" if _names(start / ".zshrc", ".zfunc") else needs)
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    folder = Path(environ.get("BASH_COMPLETION_USER_DIR") or data / "bash-completion")
    path = folder / "completions" / PROGRAM
    shared = (environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    there = any(Path(each, "bash-completion", "bash_completion").exists() for each in shared)
    needs = f"\nwithout the package bash-completion, add to {home / '.bashrc'}: . {path}"
    return ScriptPlace(path, "" if there else needs)


def _names(file: Path, text: str) -> bool:
    try:
        return text in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
