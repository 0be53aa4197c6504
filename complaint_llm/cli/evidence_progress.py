"""How far the storing or verifying of evidence is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from complaint_llm.cli import terminal
from complaint_llm.cli.sign_of_life import SignOfLife


def bytes_in(paths: tuple[str, ...]) -> int:
    """Bytes of all files, for a bar: what cannot be looked at counts nothing."""
    if not terminal.shows_progress():
        return 0
    from complaint_llm.evidence.folder_scan import scan  # cold start: evidence

    total = 0
    for path in map(Path, paths):
        with suppress(OSError):
            total += sum(file.size for file in scan(path).files) if path.is_dir() else path.stat().st_size
    return total


@contextmanager
def progress(total: int | None, what: str) -> Iterator[Callable[[int], object] | None]:
    """A line on a terminal with how much of the bytes is done; None elsewhere: nothing is counted for no one."""
    if not terminal.shows_progress():
        yield None
        return
    with SignOfLife(what) as sign:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            sign.say(f"{what} {min(100, 100 * done // (total or 1))} %")

        yield advance if total else None
