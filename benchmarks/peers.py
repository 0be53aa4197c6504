"""Other libraries, each in an environment of its own that is made when it is first asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Contender
from benchmarks.server import Urls

VENVS = Path(__file__).parent / ".venvs"
# Environment: what is installed into it.
PEERS = {
    "openai": ("openai",),
    "litellm": ("litellm",),
    "any_llm": ("any-llm-sdk[openai]",),
    "langchain": ("langchain-openai",),
}


def python_of(peer: str) -> str:
    """The Python of a peer's environment, which is made now if it is not there yet."""
    folder = VENVS / peer
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if not ready.exists():
        print(f"installing {', '.join(PEERS[peer])} into {folder.relative_to(Path.cwd())}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PEERS[peer]], check=True)
        ready.touch()
    return str(python)


def contenders(function: str, **settings: object) -> list[Contender]:
    """Every peer that has this function."""
    here = Path(__file__).parent / "contenders"
    return [
        Contender(peer, f"with_{peer}", function, settings, python_of(peer), peer=True)
        for peer in PEERS
        if f"def {function}(" in (here / f"with_{peer}.py").read_text(encoding="utf-8")
    ]


def yardsticks(urls: Urls) -> list[Contender]:
    """What every comparison of single calls has beside it."""
    return [
        Contender("requests", "with_requests", "call", {"base": urls.fast}),
        Contender("http.client", "with_http_client", "call", {"base": urls.fast}),
    ]
