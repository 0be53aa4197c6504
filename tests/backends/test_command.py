"""Backends that are programs: what the program gets, and what becomes of it."""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import CommandBackend, CommandLine, Request, WireError
from complaint_llm.backends.command import Failure, ProgramResult
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
    InvalidRequestError,
    RateLimitError,
)
from complaint_llm.messages import InferenceOutput
from complaint_llm.testing.steady_clock import SteadyClock

KEY = "sk-canary-0123456789"


class Shell(CommandBackend):
    """Runs a shell script with the prompt on its standard input."""

    type = "shell"
    default_command = "sh"
    parameters = frozenset(("seed",))
    key_variables = ("SHELL_TEST_KEY",)

    def __init__(self, script: str, **keys: Any) -> None:
        super().__init__(**keys)
        self.script = script

    def command_line(self, request: Request, folder: Path) -> CommandLine:
        environment: dict[str, Any] = {} if self.api_key is None else {"THE_KEY": self.api_key}
        return CommandLine(("-c", self.script, *self.args), request.messages[0].text, environment)

    def read_answer(self, finished: ProgramResult, folder: Path, request: Request) -> InferenceOutput | Failure | None:
        if finished.code == 42:
            return Failure(429, WireError(f"slow down, {KEY}", retry_after=7))
        return InferenceOutput(finished.stdout.decode()) if finished.code == 0 else None


def test_the_prompt_is_on_standard_input() -> None:
    """All of it, also where it is longer than a pipe or an argument list holds."""
    prompt = "naïve " * 500_000
    with Shell("cat") as backend:
        assert backend.generate(prompt) == prompt


def test_it_starts_in_an_empty_folder_that_is_gone_afterwards() -> None:
    """Its temporary files too."""
    with Shell('pwd; ls -A; touch x; echo "$TMPDIR"; touch "$TMPDIR/y"') as backend:
        work, tmp = backend.generate("").split()
    assert Path(work).name == "work"
    assert not Path(work).parent.exists()
    assert not Path(tmp).exists()


def test_its_environment_is_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other secrets of this process are none of its business."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other secret")
    monkeypatch.setenv("SHELL_TEST_KEY", KEY)
    with Shell("env") as backend:
        names = {line.partition("=")[0] for line in backend.generate("x").splitlines()}
    assert {"PATH", "TMPDIR", "THE_KEY"} <= names
    assert not names & {"AWS_SECRET_ACCESS_KEY", "SHELL_TEST_KEY", "PYTHONPATH"}


def test_at_the_deadline_the_whole_group_is_killed(tmp_path: Path, steady_clock: SteadyClock) -> None:
    """What the program started dies with it, in time."""
    started = steady_clock()
    script = f"sleep 60 & echo $! > {tmp_path}/pid; trap '' TERM; sleep 60"
    with Shell(script) as backend, pytest.raises(BackendTimeoutError) as caught:
        backend.generate("x", timeout=2.0)
    assert steady_clock() - started < 2.0 * 1.1 + 0.3
    assert caught.value.maybe_received
    _gone(int((tmp_path / "pid").read_text()))


def test_closing_kills_what_runs(tmp_path: Path) -> None:
    """The waiting caller gets an error that says so."""
    backend = Shell(f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid; sleep 60")
    found: list[BaseException] = []

    def ask() -> None:
        try:
            backend.generate("x")
        except BackendError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    _until(lambda: (tmp_path / "pid").exists())
    backend.close()
    thread.join(30)
    assert not thread.is_alive()
    assert isinstance(found[0], CancelledError)
    assert "was closed" in str(found[0])
    _gone(int((tmp_path / "pid").read_text()))


def test_an_answer_does_not_wait_for_what_the_program_left_behind(tmp_path: Path, steady_clock: SteadyClock) -> None:
    """A child that keeps the output open is killed when the program is done."""
    started = steady_clock()
    with Shell(f"sleep 60 & echo $! > {tmp_path}/pid; echo done") as backend:
        assert backend.generate("x") == "done\n"
    assert steady_clock() - started < 5
    _gone(int((tmp_path / "pid").read_text()))


def test_a_program_that_reads_nothing_is_no_error() -> None:
    """A broken pipe is its own choice; the answer counts."""
    with Shell("exec 0<&-; echo fine") as backend:
        assert backend.generate("x" * 1_000_000) == "fine\n"


def test_an_end_without_an_answer_says_how_and_what_it_said() -> None:
    """Exit code and signal, with the last words, the key cut out."""
    says = r"sh ended with exit code 3 and no answer: unknown option, \*\*\*"
    with (
        Shell(f"echo 'unknown option, {KEY}' >&2; exit 3", api_key=KEY) as backend,
        pytest.raises(BackendError, match=says),
    ):
        backend.generate("x")
    with Shell("kill -9 $$") as backend, pytest.raises(BackendError, match="signal 9"):
        backend.generate("x")


def test_an_error_in_its_format_has_its_class_and_is_retried_as_such() -> None:
    """By the one table of statuses."""
    with Shell("exit 42", api_key=KEY, max_retries=0) as backend, pytest.raises(RateLimitError) as caught:
        backend.generate("x")
    assert caught.value.retry_after == 7
    assert KEY not in str(caught.value)


def test_a_missing_program_and_a_missing_key_are_found_before_anything_runs() -> None:
    """Also by ``check``, which sends no prompt."""

    class Keyed(Shell):
        needs_key = True
        install = "apt install it"

    with Keyed("cat") as backend:
        for act in (lambda: backend.generate("x"), lambda: backend.check(connect=False)):
            with pytest.raises(AuthenticationError, match="set api_key or SHELL_TEST_KEY"):
                act()
    with Keyed("cat", api_key=KEY, command="no-such-program-anywhere") as backend:
        for act in (lambda: backend.generate("x"), lambda: backend.check(connect=False)):
            with pytest.raises(BackendError, match="not installed: apt install it, or set command") as caught:
                act()
            assert caught.value.sent is False


def test_check_asks_for_the_version(tmp_path: Path) -> None:
    """A program that cannot even tell that does not work."""
    program = tmp_path / "program"
    program.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 5\n')
    program.chmod(0o755)
    with Shell("", command=str(program)) as backend:
        backend.check(connect=False)
        with pytest.raises(BackendError, match="program ended with exit code 5"):
            backend.check()


def test_it_is_never_local() -> None:
    """Neither by saying so nor by default: privacy "local" passes it by."""
    with pytest.raises(ConfigError, match="takes no location"):
        Shell("cat", location="local")
    with Mediator([Shell("cat")]) as mediator, pytest.raises(BackendError):
        mediator.generate("x", privacy="local")


def test_keys_that_no_program_can_honour_are_refused() -> None:
    """Nothing is parsed and ignored."""
    for keys in ({"custom_headers": {"a": "b"}}, {"extra_body": {"a": 1}}, {"connection_timeout": 3}):
        with pytest.raises(ConfigError, match=next(iter(keys))):
            Shell("cat", **keys)
    with Shell("cat") as backend, pytest.raises(InvalidRequestError, match="use args"):
        backend.generate("x", extra_body={"a": 1})
    with pytest.raises(ConfigError, match="list of texts"):
        Shell("cat", args="--flag")
    with pytest.raises(TypeError, match="no_such_key"):
        Shell("cat", no_such_key=1)


def test_parameters_that_it_does_not_pass_on_are_named() -> None:
    """As everywhere: left out and noted, or an error."""
    with Shell("cat", unsupported_parameters="drop") as backend:
        output = backend.infer("x", temperature=0.5, seed=1)
        assert output.metadata["unsupported_parameters"] == ["temperature"]
    refusing = Shell("cat", unsupported_parameters="error")
    with refusing, pytest.raises(InvalidRequestError, match="temperature"):
        refusing.generate("x", temperature=0.5)


def test_the_key_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Not in the log with bodies, in errors, or in tracebacks with their locals."""
    caplog.set_level(logging.DEBUG, "complaint_llm")
    shown = []
    with Shell('echo "$THE_KEY"', api_key=KEY, verbose=True) as backend:
        backend.generate("my prompt")
        backend.script = 'echo "$THE_KEY" >&2; exit 1'
        for program in ("sh", "/etc/passwd"):
            backend.command = program
            with pytest.raises(BackendError) as caught:
                backend.generate("x")
            shown += traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
        shown += [repr(vars(backend)), caplog.text]
    assert "my prompt" in caplog.text
    assert not [text for text in shown if KEY in text]


def test_many_at_once_get_their_own_answers() -> None:
    """Each call has its own process."""
    with Shell("cat") as backend:
        prompts = [f"prompt {number}" for number in range(24)]
        assert backend.batch_generate(prompts, max_workers=8) == prompts


def _gone(process: int) -> None:
    def ended() -> bool:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        # Killed, and not reaped yet by the system's first process.
        state = Path(f"/proc/{process}/stat")
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"

    _until(ended)


def _until(what: Any, patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
