"""Other libraries, each in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
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


def install() -> None:
    """Make every environment that is not there yet. One that cannot be made is said and left out."""
    for peer, packages in PEERS.items():
        folder = VENVS / peer
        if _ready(peer).exists():
            continue
        print(f"installing {', '.join(packages)} into {folder}", file=sys.stderr)
        try:
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            pip = [str(_python(peer)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *packages], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"{peer} is left out: {error}", file=sys.stderr)
        else:
            _ready(peer).touch()


def installed() -> Mapping[str, str]:
    """The Python of each peer whose environment is there."""
    return {peer: str(_python(peer)) for peer in PEERS if _ready(peer).exists()}


def _python(peer: str) -> Path:
    return VENVS / peer / "bin" / "python"


def _ready(peer: str) -> Path:
    return VENVS / peer / "ready"


def contenders(function: str, **settings: object) -> list[Contender]:
    """Every peer that is there and has this function."""
    here = Path(__file__).parent / "contenders"
    return [
        Contender(peer, f"with_{peer}", function, settings, python, peer=True)
        for peer, python in installed().items()
        if f"def {function}(" in (here / f"with_{peer}.py").read_text(encoding="utf-8")
    ]


def yardsticks(urls: Urls) -> list[Contender]:
    """What every comparison of single calls has beside it."""
    return [
        Contender("requests", "with_requests", "call", {"base": urls.fast}),
        Contender("http.client", "with_http_client", "call", {"base": urls.fast}),
    ]
