"""A bar while a batch runs, where there is a terminal and rich is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

from complaint_llm.cli.batch.summary import account

if TYPE_CHECKING:
    from complaint_llm.batch import BatchSummary


def progress(total: int | None, *, shown: bool) -> AbstractContextManager[Callable[[BatchSummary], None]]:
    """What is told each new state of the account; nothing is shown where ``shown`` is false or rich is missing."""
    if shown:
        try:
            return bar(total)
        except ImportError:
            pass
    return nullcontext(lambda summary: None)


def bar(total: int | None) -> AbstractContextManager[Callable[[BatchSummary], None]]:
    """The bar itself. Raises ImportError without rich."""
    from rich.console import Console  # extra
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # extra

    shown = Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )

    @contextmanager
    def running() -> Iterator[Callable[[BatchSummary], None]]:
        task = shown.add_task("", total=total)
        shown.start()
        try:
            yield lambda summary: shown.update(task, completed=summary.total, description=account(summary))
        finally:
            with suppress(OSError):  # the terminal may be gone
                shown.stop()

    return running()
