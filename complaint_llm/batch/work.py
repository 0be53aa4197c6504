"""A piece of work: one item of a batch on its way to whoever asks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from complaint_llm.batch.input.items import BatchResult
from complaint_llm.batch.input.prompt_bytes import with_file_bytes
from complaint_llm.messages import InferenceOutput

if TYPE_CHECKING:
    from complaint_llm.batch.journal.entries import JournalEntry


class Work(NamedTuple):
    """One item on its way. ``named`` says that ``key`` is an id that was given; ``entry`` is what the
    journal has of it, ``position`` its place in the input, from 0, ``matter`` what it belongs to.
    """

    position: int
    key: str
    prompt: Any
    params: Mapping[str, Any]
    digest: str
    named: bool
    entry: JournalEntry | None = None
    matter: str | None = None

    def prompt_with_files(self) -> Any:
        """The prompt with the bytes of the files that it names: for whoever asks in another process or on another
        machine, where the same path is another file or none. Raises InvalidRequestError if one cannot be read."""
        return with_file_bytes(self.prompt)

    def result(self, output: InferenceOutput | None, error: Exception | None) -> BatchResult:
        """The item's result, of which one of ``output`` and ``error`` is set."""
        return BatchResult(index=self.position, key=self.key, prompt=self.prompt, output=output, error=error)


Finished: TypeAlias = Callable[[Work, InferenceOutput | None, Exception | None], None]
"""Told by an executor how a piece of work ended: exactly one of answer and error is set."""
