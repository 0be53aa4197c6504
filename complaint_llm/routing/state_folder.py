"""A folder for what we keep about a client's work: for its owner alone, and never committed."""

from __future__ import annotations

from pathlib import Path

STATE_PATH = Path(".complaint_llm/state.db")
"""Where budgets are kept: beside the config, or in the working directory where there is none."""


def make_private_folder(folder: Path) -> None:
    """Make ``folder`` with mode 0700 and a ``.gitignore`` of ``*``; one that is there already stays as it is."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="ascii")
