"""What tests of chunks ask in other processes: importable there. A prompt says what becomes of it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from complaint_llm.exceptions import ServerError
from complaint_llm.messages import InferenceOutput


class Odd(Exception):
    """Has a pickle that makes nothing."""

    def __reduce__(self):
        return int, ("no number",)


class NotingAsk:
    """Notes each prompt that it begins with in a folder, then answers at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, prompt, params):
        with (self.folder / f"asked-{os.getpid()}").open("a") as notes:
            notes.write(f"{prompt}\n")
        return answer(prompt, params)

    def asked(self) -> list[str]:
        """Every prompt that was begun, in all processes."""
        return [line for path in self.folder.glob("asked-*") for line in path.read_text().splitlines()]


def answer(prompt, params):
    """Answers at once, but for what the prompt names."""
    word = str(prompt).partition(" ")[0]
    if word == "slow":
        time.sleep(0.05)
    if word == "fail":
        raise ServerError("overloaded", backend="b", status=503)
    if word == "odd":
        raise Odd("cannot travel")
    if word == "exit":
        raise SystemExit("a plugin's way out")
    if word == "unpicklable":
        return InferenceOutput("x", metadata={"lock": threading.Lock()})
    if word == "die" and not Path(str(prompt).partition(" ")[2]).exists():
        Path(str(prompt).partition(" ")[2]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return InferenceOutput(f"<{prompt}>")
