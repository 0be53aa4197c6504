"""The command line on a terminal of its own, with somebody who reads what it says and then types."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS_TO_ANSWER = 60.0


class Session:
    """What stood on the terminal, and the exit code."""

    def __init__(self, shown: str, code: int) -> None:
        self.shown = shown
        self.code = code


def at_terminal(
    folder: Path, arguments: Sequence[str], typed: Sequence[tuple[str, str]], environ: Mapping[str, str]
) -> Session:
    """Run the program in a folder; ``typed`` are pairs of words to wait for and keys to type then."""
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _IN_OWN_SESSION, *arguments],
            cwd=folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
    finally:
        os.close(slave)
    try:
        shown, seen = b"", 0
        until = time.monotonic() + SECONDS_TO_ANSWER
        waiting = list(typed)
        while time.monotonic() < until:
            while waiting and waiting[0][0].encode() in shown[seen:]:
                seen = shown.index(waiting[0][0].encode(), seen) + len(waiting[0][0].encode())
                os.write(master, waiting.pop(0)[1].encode())
            if select.select([master], [], [], 0.2)[0]:
                try:
                    piece = os.read(master, 65536)
                except OSError:
                    break  # Linux's way of saying that the other end is gone
                if not piece:
                    break
                shown += piece
        assert not waiting, f"never shown: {waiting[0][0]!r} in {shown.decode(errors='replace')}"
        code = process.wait(SECONDS_TO_ANSWER)
        return Session(shown.decode(errors="replace").replace("\r\n", "\n"), code)
    finally:
        process.kill()
        process.wait()
        os.close(master)


# The terminal becomes the session's own, so that a key that is not shown is read from there.
_IN_OWN_SESSION = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "sys.argv[0] = 'complaint-llm'; from complaint_llm.__main__ import main; main()"
)
