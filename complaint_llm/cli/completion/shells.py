"""Answers to a shell that asks what could be completed: click's protocol, kept quiet and short.

``$_COMPLAINT_LLM_COMPLETE`` says that a shell asks. Nothing but the answer is written, whatever plugins print or raise,
and after ``SECONDS`` the process ends without one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

VARIABLE = "_COMPLAINT_LLM_COMPLETE"
PROGRAM = "complaint-llm"
SECONDS = 3.0
"""A person waits for it with a finger on a key."""


class _Quiet(ShellComplete):
    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Nothing, where anything goes wrong: to say it is for the command itself."""
        with _silence():
            try:
                return super().get_completions(args, incomplete)
            except (Exception, SystemExit):  # noqa: BLE001 - a plugin may raise whatever it likes
                return []


class _Bash(_Quiet, BashComplete):
    pass


class _Zsh(_Quiet, ZshComplete):
    # click's own registers nothing when it is autoloaded: the second Tab of a session would complete nothing.
    source_template = ZshComplete.source_template.replace(
        '    %(complete_func)s "$@"\n', '    compdef %(complete_func)s %(prog_name)s\n    %(complete_func)s "$@"\n'
    )


class _Fish(_Quiet, FishComplete):
    pass


SHELLS = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def answer_shells() -> None:
    """Have click answer by the classes above, within SECONDS."""
    for name, kind in SHELLS.items():
        add_completion_class(kind, name)
    ending = threading.Timer(SECONDS, os._exit, (0,))
    ending.daemon = True
    ending.start()


@contextmanager
def _silence() -> Iterator[None]:
    """Standard output and error lead nowhere until the block ends."""
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, before in enumerate(kept, 1):
            os.dup2(before, number)
            os.close(before)
        os.close(nowhere)
