"""Commands of the program in processes of their own that need not start an interpreter and import it: they are forked
from one that has. Descriptors, environment, folder, signals and exit code are real; how a start goes is not.

``run`` and ``Popen`` take what those of ``subprocess`` take. Scripts and texts (``-c``) for the same interpreter are
run in the same way, with all of the product imported already. What is neither, and what a fork could not imitate, they
hand to ``subprocess``.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, CalledProcessError, CompletedProcess, TimeoutExpired
from typing import IO, Any, NamedTuple

from tests.usual_signals import usual_signals

SERVER = Path(__file__).with_name("fork_server.py")
CAN_FORK = sys.platform == "linux"


class Words(NamedTuple):
    """Of a command line: options of the interpreter, how the program is named and by what, and its arguments."""

    options: Sequence[str]
    program: tuple[str, str]
    arguments: Sequence[str]

    @classmethod
    def of(cls, command: Sequence[Any]) -> Words | None:
        """None where it is not our interpreter with ``-m complaint_llm``, ``-c TEXT`` or a file."""
        interpreter, *words = map(str, command)
        if interpreter != sys.executable:
            return None
        at = 0
        while at < len(words) and words[at] in ("-X", "-W"):
            at += 2
        options, rest = words[:at], words[at:]
        if rest[:2] == ["-m", "complaint_llm"] or rest[:1] == ["-c"]:
            return cls(options, (rest[0], rest[1]), rest[2:])
        if rest and rest[0].endswith(".py"):
            return cls(options, ("file", rest[0]), rest[1:])
        return None


class Forked:
    """A command that runs, by the names of ``subprocess.Popen``. Owns its pipes."""

    def __init__(
        self,
        command: Sequence[Any],
        *,
        words: Words,
        stdin: Any = None,
        stdout: Any = None,
        stderr: Any = None,
        cwd: Any = None,
        env: Mapping[str, str] | None = None,
        text: bool = False,
        encoding: str | None = None,
        bufsize: int = -1,
        start_new_session: bool = False,
        takes_terminal: bool = False,
    ) -> None:
        self.args = command
        self.returncode: int | None = None
        self._by_line = bufsize == 1
        self._encoding = encoding or ("utf-8" if text else None)
        self._collected: dict[int, bytes] = {}
        self._readers: list[threading.Thread] = []
        env = dict(os.environ if env is None else env)
        opened: list[int] = []
        self.stdin, first = self._stream(stdin, 0, opened)
        self.stdout, second = self._stream(stdout, 1, opened)
        self.stderr, third = (None, second) if stderr == STDOUT else self._stream(stderr, 2, opened)
        self._line, theirs = socket.socketpair()
        request = {
            "program": words.program, "arguments": words.arguments, "env": env, "cwd": os.fspath(cwd or os.getcwd()),
            "session": start_new_session, "terminal": takes_terminal,
        }  # fmt: skip
        server = _server(os.getpid(), tuple(words.options), _read_at_start(env))
        with theirs:
            socket.send_fds(server, [json.dumps(request).encode()], [first, second, third, theirs.fileno()])
        for number in opened:
            os.close(number)
        self._said = self._line.makefile("rb", buffering=0)
        self.pid = self._number()

    def _stream(self, given: Any, number: int, opened: list[int]) -> tuple[IO[Any] | None, int]:
        """Our end where it is a pipe, and the number of theirs."""
        if given is None:
            return None, number
        if given == DEVNULL:
            opened.append(os.open(os.devnull, os.O_RDWR))
            return None, opened[-1]
        if given != PIPE:
            return None, given if isinstance(given, int) else given.fileno()
        reading, writing = os.pipe()
        ours, theirs = (writing, reading) if number == 0 else (reading, writing)
        opened.append(theirs)
        raw: IO[Any] = open(ours, "wb" if number == 0 else "rb")  # noqa: SIM115 - who asked for it closes it
        if self._encoding is None:
            return raw, theirs
        return io.TextIOWrapper(raw, self._encoding, line_buffering=self._by_line), theirs  # type: ignore[arg-type]

    def _number(self) -> int:
        said = self._said.readline()
        assert said, f"the process that forks has ended: {self.args}"
        return int(said)

    def poll(self) -> int | None:
        """The exit code, negative for a signal, None while it runs."""
        if self.returncode is None and select.select([self._line], [], [], 0)[0]:
            self._take_end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, when it ended. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise TimeoutExpired(self.args, timeout or 0)
            self._take_end()
        assert self.returncode is not None
        return self.returncode

    def _take_end(self) -> None:
        self.returncode = self._number()
        self._said.close()
        self._line.close()

    def send_signal(self, number: int) -> None:
        """To it, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """By SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """By SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """What it writes until it ends. Raises TimeoutExpired; then call it again."""
        until = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [
                threading.Thread(target=work, args=args, daemon=True)
                for work, args in (
                    *([(self._feed, (input,))] if self.stdin is not None else []),
                    *((self._collect, (at, each)) for at, each in ((1, self.stdout), (2, self.stderr)) if each),
                )
            ]
            for each in self._readers:
                each.start()
        for each in self._readers:
            each.join(None if until is None else max(0.0, until - time.monotonic()))
            if each.is_alive():
                raise TimeoutExpired(self.args, timeout or 0)
        self.wait(None if until is None else max(0.0, until - time.monotonic()))
        return self._text(1, self.stdout), self._text(2, self.stderr)

    def _feed(self, given: Any) -> None:
        assert self.stdin is not None
        try:
            with self.stdin:
                if given:
                    self.stdin.write(given)
        except BrokenPipeError:
            pass  # as in subprocess: who does not read need not

    def _collect(self, at: int, stream: IO[Any]) -> None:
        with stream:
            self._collected[at] = stream.read()

    def _text(self, at: int, stream: IO[Any] | None) -> Any:
        return None if stream is None else self._collected[at]

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *exc: object) -> None:
        for each in (self.stdout, self.stderr, self.stdin):
            if each is not None:
                try:
                    each.close()
                except BrokenPipeError:
                    pass
        self.wait()


def Popen(
    command: Sequence[Any],
    *,
    preexec_fn: Callable[[], None] | None = None,
    takes_terminal: bool = False,
    **how: Any,
) -> Any:
    """``subprocess.Popen``, forked where that is the same. With ``takes_terminal`` standard input becomes the terminal
    that controls its session."""
    words = Words.of(command)
    usual = preexec_fn is None or preexec_fn is usual_signals
    if CAN_FORK and words is not None and usual and _same_tree(how.get("env")):
        return Forked(command, words=words, takes_terminal=takes_terminal, **how)
    return start(command, preexec_fn=preexec_fn, takes_terminal=takes_terminal, **how)


def start(
    command: Sequence[Any],
    *,
    preexec_fn: Callable[[], None] | None = None,
    takes_terminal: bool = False,
    **how: Any,
) -> subprocess.Popen[Any]:
    """The same, in any case as a program that starts."""
    return subprocess.Popen(command, preexec_fn=_take_terminal if takes_terminal else preexec_fn, **how)


def run(
    command: Sequence[Any],
    *,
    input: Any = None,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    **how: Any,
) -> CompletedProcess[Any]:
    """``subprocess.run``, forked where that is the same."""
    if capture_output:
        how |= {"stdout": PIPE, "stderr": PIPE}
    if input is not None:
        how["stdin"] = PIPE
    with Popen(command, **how) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    if check and process.returncode:
        raise CalledProcessError(process.returncode, command, out, err)
    return CompletedProcess(command, process.returncode, out, err)


def _same_tree(env: Mapping[str, str] | None) -> bool:
    """Whether modules are looked for where we look: PYTHONPATH is not another one."""
    return env is None or env.get("PYTHONPATH") == os.environ.get("PYTHONPATH")


def _read_at_start(env: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What an interpreter reads when it starts, so that it cannot be changed in a fork."""
    return tuple(sorted((k, v) for k, v in env.items() if k.startswith(("PYTHON", "LC_")) or k in ("LANG", "LANGUAGE")))


@cache
def _server(parent: int, options: tuple[str, ...], variables: tuple[tuple[str, str], ...]) -> socket.socket:
    """Where a process listens that was started with these. Each process that asks has its own."""
    assert parent == os.getpid()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, *options, str(SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdin=DEVNULL, preexec_fn=usual_signals, cwd="/",
            env={"PATH": os.environ["PATH"], **dict(variables)},
        )  # fmt: skip

    def end() -> None:
        ours.close()
        process.wait(10)

    atexit.register(end)
    return ours


def _take_terminal() -> None:
    import fcntl
    import termios

    usual_signals()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
