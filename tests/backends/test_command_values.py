"""A value that begins with a dash reaches no program: it would be taken for an option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import ClaudeCLIBackend, CodexBackend, CopilotCLIBackend
from complaint_llm.exceptions import BackendError, InvalidRequestError

DASHED = [
    "-",
    "--",
    "-c",
    "--dangerously-skip-permissions",
    "--allow-all-tools",
    "-m gpt",
    "--model=other",
    "-\n",
    "-é",
    "---",
    "--add-dir=/",
]


def program(folder: Path) -> tuple[Path, Path]:
    """A program that notes that it was run, and with what."""
    note, path = folder / "ran", folder / "program"
    path.write_text(f'#!/bin/sh\ncat >/dev/null\nprintf "%s\\n" "$@" > "{note}"\n')
    path.chmod(0o755)
    return path, note


@pytest.mark.rows(20)
@pytest.mark.parametrize("kind", [ClaudeCLIBackend, CodexBackend, CopilotCLIBackend])
@pytest.mark.parametrize("value", DASHED)
@pytest.mark.parametrize("key", ["model", "reasoning_effort"])
@pytest.mark.parametrize("where", ["config", "call"])
def test_a_dashed_value_is_refused_before_the_program_is_run(
    tmp_path: Path, kind: Any, value: str, key: str, where: str
) -> None:
    """In the config and in a call."""
    path, note = program(tmp_path)
    keys = {key: value}
    backend = kind(command=str(path), api_key="k", **(keys if where == "config" else {}))
    with pytest.raises(InvalidRequestError, match=f"{key} begins with a dash") as caught:
        backend.generate("x", **(keys if where == "call" else {}))
    assert not caught.value.sent
    assert not note.exists()


@pytest.mark.parametrize("kind", [ClaudeCLIBackend, CodexBackend, CopilotCLIBackend])
def test_a_dash_inside_a_name_is_a_name(tmp_path: Path, kind: Any) -> None:
    """As in most models' names."""
    path, note = program(tmp_path)
    with pytest.raises(BackendError):  # it answers nothing
        kind(command=str(path), api_key="k", model="some-model").generate("x")
    assert "some-model" in note.read_text().split("\n")
