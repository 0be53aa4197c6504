"""A process that has imported the program already, and forks for each command that is asked for (Linux).

Started by ``tests.forked`` with one end of a socket as its only argument. What it is asked comes as one message of JSON
with four descriptors: standard input, output and error, and the line on which process id and exit status are said.
It ends when the other end is closed. Not a module of tests: it must import nothing but the program.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import locale
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import termios
import time
import types
from typing import Any

LARGEST = 1 << 18
"""Bytes of a request."""
LEFT_OUT = ("complaint_llm.__main__", "complaint_llm.batch.dask")
"""What is not imported beforehand: the start of the program itself, and a cluster, which few commands need."""


def import_program() -> None:
    """All of it that has what it needs; an extra may not be installed."""
    for name in ("complaint_llm", "complaint_llm_plugins"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}.", onerror=lambda _: None):
            if not module.name.startswith(LEFT_OUT):
                with contextlib.suppress(ImportError):
                    importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def next_request(asked: socket.socket) -> dict[str, Any]:
    """In a child that is to run a command: what is asked, with the descriptors in place."""
    running: dict[int, tuple[int, int]] = {}
    while True:
        for ended in select.select([asked, *running], [], [])[0]:
            if ended is not asked:
                child, line = running.pop(ended)
                _say(line, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                os.close(line)
                os.close(ended)
                continue
            message, numbers, _, _ = socket.recv_fds(asked, LARGEST, 4)
            if not message:
                os._exit(0)
            child = os.fork()
            if child == 0:
                last = max([*numbers, *running, asked.detach()])
                request: dict[str, Any] = json.loads(message)
                for at, number in enumerate(numbers[:3]):
                    os.dup2(number, at)
                os.closerange(3, last + 1)
                return request
            running[os.pidfd_open(child)] = child, numbers[3]
            _say(numbers[3], child)
            for number in numbers[:3]:
                os.close(number)


def _say(line: int, number: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # who asked is gone
        os.write(line, b"%d\n" % number)


def become(request: dict[str, Any]) -> None:
    """Be what a fresh interpreter would be: streams, signals, environment, folder, locale and zone."""
    for each in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    if request["terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    locale.setlocale(locale.LC_CTYPE, "")
    kind, what = request["program"]
    sys.path[0] = {"-m": os.getcwd(), "-c": ""}.get(kind, os.path.dirname(os.path.abspath(what)))
    sys.argv = [what if kind == "file" else kind, *request["arguments"]]
    for name, number, errors in (("stdin", 0, "strict"), ("stdout", 1, "strict"), ("stderr", 2, "backslashreplace")):
        old = getattr(sys, name)
        unbuffered = number > 0 and old.write_through  # PYTHONUNBUFFERED
        raw: Any = open(number, "rb" if number == 0 else "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        by_line = not unbuffered and (number == 2 or os.isatty(number))
        new = io.TextIOWrapper(raw, old.encoding, errors, line_buffering=by_line, write_through=unbuffered)
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


class End:
    """The last thing that a command does: what a process holds that ends is not taken apart object by object. The
    interpreter does that where it is to find what was left open (``-X dev``), and what is no usual end."""

    code: int | None = None

    def __call__(self) -> None:
        """Called after whatever else waits for the end."""
        if self.code is None or sys.flags.dev_mode:
            return
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            return
        os._exit(self.code)


def execute(kind: str, what: str) -> None:
    """As the main module: a module by its name (``-m``), text (``-c``) or a file."""
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    elif kind == "-c":
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(what, "<string>", "exec"), main.__dict__)
    else:
        runpy.run_path(what, run_name="__main__")


if __name__ == "__main__":
    end = End()
    atexit.register(end)  # the first to be registered is the last to be called
    import_program()
    request = next_request(socket.socket(fileno=int(sys.argv[1])))
    become(request)
    try:
        execute(*request["program"])
    except SystemExit as leaving:
        end.code = leaving.code if isinstance(leaving.code, int) else None
        raise
    end.code = 0
