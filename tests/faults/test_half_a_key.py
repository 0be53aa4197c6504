"""Texts are cut after the secrets in them are: a key that lies across the cut would show its first half."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import CommandBackend, CommandLine, OpenAIBackend, Request
from complaint_llm.backends.command import ProgramResult
from complaint_llm.backends.process import MAX_ERRORS
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import InferenceOutput
from complaint_llm.testing import FaultyServer

KEY = "sk-canary-" + "0123456789" * 10
SHOWN = 4096
"""How much of a body ``verbose`` logs."""


class Shell(CommandBackend):
    """Runs a script with the prompt on its standard input."""

    type = "shell"
    default_command = "sh"

    def __init__(self, script: str, **keys: Any) -> None:
        super().__init__(**keys)
        self.script = script

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        return CommandLine(("-c", self.script), request.messages[0].text)

    def read_answer(self, finished: ProgramResult, folder: Path, request: Request) -> InferenceOutput | None:
        return InferenceOutput(finished.stdout.decode()) if finished.code == 0 else None


@pytest.mark.parametrize("before", [SHOWN - 60, SHOWN - 110, SHOWN - 150])
def test_verbose_shows_no_half_of_a_key(before: int, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever the cut falls, in what is sent and in what comes back."""
    prompt = f"{'x' * before}{KEY}{'y' * 200}"
    caplog.set_level(logging.DEBUG, "complaint_llm")
    with Shell("cat", api_key=KEY, verbose=True) as program:
        assert program.generate(prompt) == prompt
    with (
        FaultyServer() as server,
        OpenAIBackend(base_url=f"{server.url}/v1", api_key=KEY, model="m", verbose=True) as api,
    ):
        assert api.generate(prompt) == prompt
    assert len([record for record in caplog.records if "xxxx" in record.getMessage()]) == 4
    assert KEY[:16] not in caplog.text


@pytest.mark.parametrize("tail", [40, 70, 100])
def test_errors_of_which_only_the_end_is_kept_do_not_begin_with_half_a_key(tail: int) -> None:
    """A program that wrote more than is kept: the cut falls into a key that it wrote before."""
    prompt = f"{KEY}{'x' * (MAX_ERRORS - tail)}"
    with Shell("cat >&2; exit 3", api_key=KEY, max_retries=0) as program, pytest.raises(BackendError) as caught:
        program.generate(prompt)
    assert "exit code 3 and no answer: xxx" in str(caught.value)
    assert KEY[-8:] not in str(caught.value)
