"""One process that reads documents, as its owner sees it: given a file, it answers, or it is dead."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import complaint_llm
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.documents.frames import LENGTHS, BrokenFrameError, decode_header, decode_lengths, encode_frame
from complaint_llm.documents.pages import Limits
from complaint_llm.exceptions import ConfigError

IDLE_SECONDS = 60.0
"""A process that was given nothing for so long ends."""

_CODE = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from complaint_llm.documents.child import main
main(sys.argv[2])
"""
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")
"""Variables that Python, the locale and a plugin's program need; whatever else stands in the environment stays here."""
_CHUNK = 1024 * 1024
_ERRORS = 4096
"""Bytes of its standard error that are kept: the last ones."""
_END_SECONDS = 2.0
"""To wait for a process whose pipes are closed."""


class ReaderEndedError(Exception):
    """The process ended without an answer; why, in words that go on from "could not be read: the reader"."""


class ReaderWasIdleError(ReaderEndedError):
    """It had ended before it was given anything: another one may be asked."""


class ReaderAnswer(NamedTuple):
    """What came back: a header and the bytes after it."""

    header: dict[str, Any]
    body: bytes


class ReaderProcess:
    """A reading process. One thread at a time asks it; any thread may kill it. After an error it is dead."""

    def __init__(self, limits: Limits, idle_seconds: float = IDLE_SECONDS) -> None:
        """Start it. Raises ConfigError where that is impossible."""
        if os.name != "posix" or not sys.executable:
            raise ConfigError("documents are read in a process of their own, which needs a POSIX system and its Python")
        self._limits = limits
        self._lock = threading.Lock()
        self._errors = bytearray()
        life, self._life = os.pipe()
        try:
            settings = {"limits": limits._asdict(), "idle": idle_seconds, "life": life}
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-I", "-B", "-c", _CODE, json.dumps(_search_path()), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                env={"HOME": "/", **{name: os.environ[name] for name in _KEPT if name in os.environ}},
                start_new_session=True,
                pass_fds=(life,),
            )
        except (OSError, ValueError) as cause:
            os.close(self._life)
            raise ConfigError(f"the process that reads documents cannot be started: {type(cause).__name__}") from cause
        finally:
            os.close(life)
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._pipes = tuple(pipe for pipe in pipes if pipe is not None)
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked yet."""
        with self._lock:
            return self._process.poll() is None

    def ask(self, header: Mapping[str, Any], data: bytes, deadline: Deadline, cancel: CancelToken) -> ReaderAnswer:
        """What it answers. Raises ReaderEndedError; TimeoutError at the deadline and when cancelled."""
        cancel.attach(self.kill)
        try:
            return self._exchange(encode_frame(header, data), deadline)
        except BaseException:
            self.kill()
            raise
        finally:
            if not cancel.detach(self.kill):
                self.kill()

    def kill(self) -> None:
        """End it and whatever it started, at once."""
        with self._lock:
            if self._process.poll() is None:
                try:
                    os.killpg(self._process.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    self._process.kill()

    def close(self) -> None:
        """Kill it, wait for its end and close the pipes."""
        self.kill()
        self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Close the pipes alone: the process is another's, of which this one was forked."""
        for pipe in self._pipes:
            pipe.close()
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    # -- inside --------------------------------------------------------------------------------------------------

    def _exchange(self, pieces: Sequence[bytes], deadline: Deadline) -> ReaderAnswer:
        requests, answers, errors = self._pipes
        to_send = [memoryview(piece) for piece in pieces if piece]
        answer = _Frame(self._limits)
        with selectors.DefaultSelector() as selector:
            selector.register(requests, selectors.EVENT_WRITE)
            selector.register(answers, selectors.EVENT_READ)
            selector.register(errors, selectors.EVENT_READ)
            while not answer.is_complete:
                left = deadline.remaining()
                if left <= 0:
                    raise TimeoutError
                for key, _ in selector.select(left):
                    if key.fileobj is requests:
                        if not self._send(requests.fileno(), to_send):
                            selector.unregister(requests)
                    elif key.fileobj is errors:
                        if not self._read_errors(errors.fileno()):
                            selector.unregister(errors)
                    elif not answer.receive(answers.fileno()):
                        raise self._end(answer)
        return ReaderAnswer(decode_header(bytes(answer.header)), bytes(answer.body))

    def _send(self, number: int, pieces: list[memoryview]) -> bool:
        """Send as much as the pipe takes; False when there is no more to send."""
        try:
            sent = os.write(number, pieces[0][:_CHUNK])
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False  # it ended: the pipe of answers tells
        pieces[0] = pieces[0][sent:]
        if not pieces[0]:
            del pieces[0]
        return bool(pieces)

    def _read_errors(self, number: int) -> bool:
        try:
            found = os.read(number, _CHUNK)
        except BlockingIOError:
            return True
        self._errors = (self._errors + found)[-_ERRORS:]
        return bool(found)

    def _end(self, answer: _Frame) -> ReaderEndedError:
        """Why it ended: its pipe of answers is closed."""
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return ReaderEndedError("closed its pipe")
        if code == 0 and not answer.has_begun:
            return ReaderWasIdleError("ended")
        if code == -signal.SIGXCPU:
            return ReaderEndedError(time_words(self._limits.seconds))
        if code < 0:
            return ReaderEndedError(f"crashed (signal {-code})")
        return ReaderEndedError(f"ended with exit code {code}")


class _Frame:
    """An answer as it comes in."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lengths = bytearray()
        self._sizes: tuple[int, int] | None = None
        self.header = bytearray()
        self.body = bytearray()

    @property
    def has_begun(self) -> bool:
        return bool(self._lengths)

    @property
    def is_complete(self) -> bool:
        return self._sizes == (len(self.header), len(self.body))

    def receive(self, number: int) -> bool:
        """Take what is there; False at the end of the pipe. Raises BrokenFrameError."""
        if self._sizes is None:
            part, left = self._lengths, LENGTHS.size - len(self._lengths)
        elif len(self.header) < self._sizes[0]:
            part, left = self.header, self._sizes[0] - len(self.header)
        else:
            part, left = self.body, self._sizes[1] - len(self.body)
        try:
            found = os.read(number, min(left, _CHUNK))
        except BlockingIOError:
            return True
        part += found
        if self._sizes is None and len(self._lengths) == LENGTHS.size:
            self._sizes = decode_lengths(bytes(self._lengths), self._limits)
        return bool(found)


def time_words(seconds: float) -> str:
    """That a file took too long."""
    return f"took longer than {seconds:g} s"


def _search_path() -> list[str]:
    """Where modules are looked for, as absolute paths, and where this package is."""
    found = [str(Path(entry or ".").absolute()) for entry in sys.path]
    return list(dict.fromkeys([*found, str(Path(complaint_llm.__file__).resolve().parent.parent)]))


__all__ = ["BrokenFrameError", "ReaderAnswer", "ReaderEndedError", "ReaderProcess", "ReaderWasIdleError", "time_words"]
