"""A program run once, to its end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from complaint_llm.backends.process import MAX_ERRORS, ProgramResult, run_program
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, CancelledError, ResponseFormatError


def _run(script: str, folder: Path, *, limit: int = 1 << 20, cancel: CancelToken | None = None) -> ProgramResult:
    return run_program(
        ["/bin/sh", "-c", script],
        stdin=b"in",
        environment={"PATH": os.environ["PATH"]},
        folder=folder,
        deadline=Deadline(20),
        cancel=cancel or CancelToken(),
        limit=limit,
    )


def test_both_outputs_and_the_exit_code_arrive(tmp_path: Path) -> None:
    """Apart from each other."""
    assert _run("cat; echo err >&2; exit 7", tmp_path) == ProgramResult(7, b"in", b"err\n")


def test_too_much_output_ends_it(tmp_path: Path) -> None:
    """Memory is bounded, and an endless program is ended."""
    with pytest.raises(ResponseFormatError, match="more than 100000 bytes"):
        _run("yes", tmp_path, limit=100_000)


def test_the_last_words_are_kept(tmp_path: Path) -> None:
    """Of standard error only the end counts, and is bounded."""
    errors = _run("yes | head -c 200000 >&2; echo last >&2", tmp_path).stderr
    assert len(errors) == MAX_ERRORS
    assert errors.endswith(b"last\n")


def test_a_program_that_closes_its_output_is_waited_for(tmp_path: Path) -> None:
    """Its exit code counts."""
    assert _run("exec >&- 2>&-; sleep 0.2; exit 5", tmp_path).code == 5


def test_cancelled_before_it_starts_it_ends_at_once(tmp_path: Path) -> None:
    """A token may be cancelled already."""
    cancel = CancelToken()
    cancel.cancel("no longer wanted")
    with pytest.raises(CancelledError, match="no longer wanted"):
        _run("sleep 60", tmp_path, cancel=cancel)


def test_nothing_stays_open(tmp_path: Path) -> None:
    """Neither descriptors nor threads, however it ends."""
    before, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for script in ("exit 0", "yes", "exec 0<&-"):
        try:
            _run(script, tmp_path, limit=1000)
        except ResponseFormatError:
            continue
    with pytest.raises(BackendError, match="cannot start"):
        _run("x\0y", tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.active_count() == threads
