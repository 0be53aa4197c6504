"""What importing a plugin does: shown in a process of its own, because it happens once."""

from __future__ import annotations

import subprocess
import sys

TRIES = 3
"""How often a slow import is looked at again: a busy machine is slow once."""

_QUIET = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("a connection at import")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from importlib import import_module
module = import_module(sys.argv[1])
for type in getattr(module, "complaint_llm_backend_types", tuple)() or ():
    type.own_schema(), type.own_example(), type.like or type.factory()
"""

_QUICK = """
import sys
from importlib import import_module
from time import perf_counter
began = perf_counter()
import click, jsonschema, requests, yaml, complaint_llm.mediator, complaint_llm.backends, complaint_llm.testing.mock
yardstick = perf_counter() - began
began = perf_counter()
import_module(sys.argv[1])
took = perf_counter() - began
print(f"{took / yardstick:.2f}")
"""


def check_import_is_quiet(plugin: str) -> None:
    """Raises AssertionError if importing the module, its schemas and classes connects anywhere."""
    done = _run_python(_QUIET, plugin)
    assert done.returncode == 0, done.stderr


def check_import_is_quick(plugin: str, most: float = 2.0) -> None:
    """Raises AssertionError if importing the module takes more than ``most`` times what importing this library and what
    it needs takes, in the same process. What is heavy is imported on first use."""
    times = 0.0
    for _ in range(TRIES):
        done = _run_python(_QUICK, plugin)
        assert done.returncode == 0, done.stderr
        times = float(done.stdout.split()[-1])
        if times <= most:
            return
    raise AssertionError(f"importing {plugin} takes {times:.1f} times as long as importing complaint_llm")


def _run_python(program: str, plugin: str) -> subprocess.CompletedProcess[str]:
    start = f"import sys; sys.path += {[folder for folder in sys.path if folder]!r}\n"
    return subprocess.run(  # noqa: S603 - this interpreter, our own text
        [sys.executable, "-c", start + program, plugin], capture_output=True, text=True, timeout=120, check=False
    )
