"""What tests with Dask and pools ask: importable by worker processes."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from complaint_llm.exceptions import ServerError
from complaint_llm.messages import InferenceOutput


class UnmakeableError(ServerError):
    """Like many errors of plugins: a pickle of it makes something else, so that only what is no pickle brings it."""

    def __reduce__(self):
        return int, ("not a number",)


class OpenAsk:
    """Opens an ``ask`` in a worker; notes process and close in a folder."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds

    def __call__(self) -> Ask:
        (self.folder / f"opened-{os.getpid()}").touch()
        return Ask(self)


class Ask:
    def __init__(self, made_by: OpenAsk) -> None:
        self.made_by = made_by

    def __call__(self, prompt, params):
        time.sleep(self.made_by.seconds)
        died = self.made_by.folder / "died"
        if prompt == "die once" and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if str(prompt).startswith("die each time"):
            os.kill(os.getpid(), signal.SIGKILL)
        if prompt == "fail":
            raise ServerError("overloaded", backend="b", status=503)
        if prompt == "unmakeable":
            raise UnmakeableError("overloaded")
        if prompt == "odd":
            raise LookupError(lambda: None)
        return InferenceOutput(f"<{prompt}>", metadata={"pid": os.getpid()})

    def close(self) -> None:
        (self.made_by.folder / f"closed-{os.getpid()}").touch()
