"""A program run once, to its end: text in, bytes out, and nothing of it left behind.

POSIX only: a program that starts others can be ended as a whole only by its process group.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError, ResponseFormatError
from complaint_llm.secrets import Secret

MAX_OUTPUT = 64 * 1024 * 1024
"""Bytes of standard output that are read; a program that writes more is ended."""

MAX_ERRORS = 64 * 1024
"""Bytes of standard error that are kept: the last ones."""

_CHUNK = 65536
_LOOK = 0.02
"""Seconds between looks at whether the program ended, where the system does not tell."""


class ProgramResult(NamedTuple):
    """A program that ended. ``code`` is its exit code, negative for the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes


def run_program(
    command: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str | Secret],
    folder: Path,
    deadline: Deadline,
    cancel: CancelToken,
    limit: int = MAX_OUTPUT,
) -> ProgramResult:
    """Run the program in ``folder`` with exactly this environment, in a process group of its own.

    The whole group is dead when this returns or raises. Any thread may call it; the calling thread owns the process.
    Raises BackendTimeoutError at the deadline, CancelledError, ResponseFormatError past ``limit`` bytes of output, and
    BackendError if the program cannot be started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - the config names the program; no shell reads the arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={name: value.reveal() if isinstance(value, Secret) else value for name, value in environment.items()},
            start_new_session=True,
        )
    except (OSError, ValueError) as cause:
        # Without its frames: they hold the environment, and a key in it.
        why = cause.strerror if isinstance(cause, OSError) else "its arguments or its environment hold a null byte"
        raise BackendError(f"cannot start {command[0]}: {why}", sent=False) from cause.with_traceback(None)
    # A cancellation may come from any thread: it only wakes the one that owns the process.
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    wake = _Wake(waker)
    try:
        cancel.attach(wake)
        with _Pipes(process, stdin, limit, woken) as pipes:
            pipes.communicate(deadline, cancel)
            return ProgramResult(process.returncode, bytes(pipes.stdout), bytes(pipes.stderr))
    finally:
        cancel.detach(wake)
        woken.close()
        waker.close()


class _Wake:
    def __init__(self, waker: socket.socket) -> None:
        self._waker = waker

    def __call__(self) -> None:
        try:
            self._waker.send(b"x")
        except OSError:
            return  # the run ended in the meantime: nobody is left to be woken


class _Pipes:
    """The program's three pipes, and its end. Used by one thread; leaving the context ends the whole group."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, limit: int, woken: socket.socket) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._limit = limit
        self._ended = False
        self._left = memoryview(stdin)
        self._pipes = (process.stdin, process.stdout, process.stderr)
        self._selector = selectors.DefaultSelector()
        self.stdout = bytearray()
        self.stderr = bytearray()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
        self._selector.register(process.stdin, selectors.EVENT_WRITE, self._write)
        self._selector.register(process.stdout, selectors.EVENT_READ, self._read_output)
        self._selector.register(process.stderr, selectors.EVENT_READ, self._read_errors)
        self._selector.register(woken, selectors.EVENT_READ, None)
        self._exit = _exit_of(process)
        if self._exit is not None:
            self._selector.register(self._exit, selectors.EVENT_READ, None)

    def __enter__(self) -> _Pipes:
        return self

    def __exit__(self, *exc: object) -> None:
        self._kill_group()
        self._selector.close()
        if self._exit is not None:
            os.close(self._exit)
        for pipe in self._pipes:
            try:
                pipe.close()
            except BrokenPipeError:
                pass  # what the program did not read of its input

    def communicate(self, deadline: Deadline, cancel: CancelToken) -> None:
        while not self._has_ended():
            self._wait(deadline, cancel)
        self._kill_group()
        self._drain()

    def _wait(self, deadline: Deadline, cancel: CancelToken) -> None:
        self._check(deadline, cancel)
        left = max(0.0, deadline.remaining())
        for key, _ in self._selector.select(left if self._exit is not None else min(_LOOK, left)):
            if key.data is not None:
                key.data()

    @staticmethod
    def _check(deadline: Deadline, cancel: CancelToken) -> None:
        if cancel.cancelled:
            raise CancelledError(cancel.reason or "cancelled", maybe_received=True)
        if deadline.remaining() <= 0:
            raise BackendTimeoutError("no answer before the deadline; the program was ended", maybe_received=True)

    def _write(self) -> None:
        pipe = self._pipes[0]
        try:
            self._left = self._left[os.write(pipe.fileno(), self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            # It reads no further; what it makes of that is in its answer and its exit code.
            self._left = self._left[:0]
        if not self._left:
            self._selector.unregister(pipe)
            pipe.close()

    def _read_output(self) -> None:
        chunk = self._read(1)
        if chunk:
            self.stdout += chunk
            if len(self.stdout) > self._limit:
                raise ResponseFormatError(f"the program wrote more than {self._limit} bytes", maybe_received=True)

    def _read_errors(self) -> None:
        chunk = self._read(2)
        if chunk:
            self.stderr += chunk
            del self.stderr[:-MAX_ERRORS]

    def _read(self, place: int) -> bytes:
        pipe = self._pipes[place]
        try:
            chunk = os.read(pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return b""
        if not chunk:
            self._selector.unregister(pipe)
        return chunk

    def _drain(self) -> None:
        """Read what is in the pipes already; only a process that left the group can hold them open now."""
        readers = (self._read_output, self._read_errors)
        while ready := [key.data for key, _ in self._selector.select(0) if key.data in readers]:
            for read in ready:
                read()

    def _has_ended(self) -> bool:
        """Whether the program itself ended. It is not reaped yet where that can be: its id stays taken for killpg."""
        if hasattr(os, "waitid"):
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        return self._process.poll() is not None

    def _kill_group(self) -> None:
        """Kill the group, whoever of it still lives, and reap the program. Idempotent."""
        if self._ended:
            return
        self._ended = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass  # all of it is gone; macOS says PermissionError of a group of zombies
        self._process.wait()


def _exit_of(process: subprocess.Popen[bytes]) -> int | None:
    """A descriptor that becomes readable when the program ends; None where the system has none (not Linux)."""
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return None


__all__ = ["MAX_ERRORS", "MAX_OUTPUT", "ProgramResult", "run_program"]
