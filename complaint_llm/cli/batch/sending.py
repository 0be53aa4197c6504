"""What a batch over documents sends, and to which hosts: said, and agreed to, before the first one goes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import click

from complaint_llm.batch import BatchItem, Journal
from complaint_llm.batch.input.lines import Line, read_lines
from complaint_llm.cli.batch.interrupts import interrupted_at_once
from complaint_llm.cli.batch.options import Asker, BatchOptions, NotDoneError
from complaint_llm.cli.leaving import leaving
from complaint_llm.cli.terminal import tell, tell_if_open
from complaint_llm.messages import Document, ImagePart
from complaint_llm.request import as_messages

if TYPE_CHECKING:
    from complaint_llm.cli.batch.input import BatchSource
    from complaint_llm.routing.explain import Considered

_AGREED = "documents may go to"
"""Under this name the journal keeps the hosts that were agreed to: a resumed batch does not ask again."""


class Sending(NamedTuple):
    """What would leave this machine. ``size`` in bytes, None where it is not known; ``hosts`` are empty where nothing
    would."""

    files: int
    size: int | None
    evidence: int
    hosts: tuple[str, ...]

    def line(self) -> str:
        """In words: "12 files, 3.4 MB, would go to api.example.com"."""
        counted = [f"{self.files:,} file{'' if self.files == 1 else 's'}"] if self.files else []
        counted += [_size_words(self.size)] if self.files and self.size is not None else []
        counted += [f"{self.evidence:,} piece{'' if self.evidence == 1 else 's'} of evidence"] if self.evidence else []
        if not counted:
            counted = ["the files that lines name"]
        return f"{', '.join(counted)} would go to {' and '.join(self.hosts)}"


def _size_words(size: int) -> str:
    return f"{size / 1_000_000:,.1f} MB" if size >= 100_000 else f"{(size + 999) // 1_000:,} kB"


def what_leaves(mediator: Asker, source: BatchSource, options: BatchOptions) -> Sending | None:
    """What of the documents and the evidence of a batch leaves this machine, None where nothing does."""
    if not _may_have_documents(options):
        return None
    if options.form == "jsonl" and not options.parts and not options.evidence and not _may_name_files(options.source):
        return None
    hosts = tuple(dict.fromkeys((*_hosts(mediator, options), *_executor_host(options))))
    if not hosts:
        return None
    counted = _count(source, options)
    if counted is None:
        return Sending(0, None, len(options.evidence), hosts)
    files, size = counted
    files += len(options.parts)
    size += sum(len(part.data or b"") for part in options.parts if isinstance(part, (Document, ImagePart)))
    return Sending(files, size, len(options.evidence), hosts) if files or options.evidence else None


def _may_name_files(source: str) -> bool:
    """Whether JSON lines may hold parts of messages; a look at the bytes, since few do. A pipe may."""
    if source == "-" or not Path(source).is_file():
        return True
    with Path(source).open("rb") as file:
        return any(b'"type"' in line or b"\\u00" in line for line in file)


def agree_to_send(mediator: Asker, source: BatchSource, options: BatchOptions) -> None:
    """Say what would leave this machine, and ask on a terminal whether it may; ``--yes`` says so beforehand.

    Where nobody can be asked nothing is sent; files that single lines name were chosen one by one, and are only told.
    Raises NotDoneError unless it may.
    """
    leaves = what_leaves(mediator, source, options)
    if leaves is None or _agreed_before(leaves, options):
        return
    chosen_by_line = options.form == "jsonl" and not options.parts and not options.evidence
    if options.yes or chosen_by_line:
        tell_if_open(f"{leaves.line()}{' (--yes)' if options.yes else ''}")
    elif sys.stdin.isatty() and sys.stderr.isatty():
        tell(leaves.line())
        if not _may_send():
            raise NotDoneError("nothing was sent; --privacy local keeps everything on this machine")
    else:
        raise NotDoneError(
            f"{leaves.line()}; nobody can be asked here, and nothing was sent: --yes sends them, "
            "--privacy local keeps everything on this machine"
        )
    if options.journal is not None:
        with Journal(options.journal) as journal:
            journal.set_metadata(_AGREED, json.dumps(sorted({*_agreed_hosts(journal), *leaves.hosts})))


def _may_send() -> bool:
    """Whether the user says yes. Raises click.Abort at a signal, or at the end of the input."""
    try:
        with interrupted_at_once():
            return click.confirm("Send them?", default=False, err=True)
    except click.Abort:
        tell_if_open("nothing was sent")
        raise


def _agreed_before(leaves: Sending, options: BatchOptions) -> bool:
    if options.journal is None or options.fresh or not options.journal.exists():
        return False
    with Journal(options.journal) as journal:
        return set(leaves.hosts) <= _agreed_hosts(journal)


def _agreed_hosts(journal: Journal) -> set[str]:
    found = journal.metadata(_AGREED)
    return set() if found is None else set(map(str, json.loads(found)))


def _may_have_documents(options: BatchOptions) -> bool:
    if options.form == "folder" or options.parts or options.evidence:
        return True
    return options.form == "jsonl" and (options.source != "-" or options.files_below is not None)


def _count(source: BatchSource, options: BatchOptions) -> tuple[int, int] | None:
    """The files of all items that are read and their bytes; None for a pipe, whose lines come once."""
    if options.form == "folder":
        return _count_files(islice(source.reread().items, options.limit))
    if options.form != "jsonl":
        return 0, 0
    if options.source == "-" or not Path(options.source).is_file():
        return None if options.files_below is not None else (0, 0)
    with Path(options.source).open("rb") as file:
        return _count_files(islice(read_lines(file, options.reading).items, options.limit))


def _count_files(lines: Iterable[Line]) -> tuple[int, int]:
    files = size = 0
    for each in _sizes(lines):
        files += 1
        size += each
    return files, size


def _sizes(lines: Iterable[Line]) -> Iterator[int]:
    for line in lines:
        item = line.item
        if not isinstance(item, BatchItem):
            continue
        if isinstance(item.prompt, str):
            if "id" in line.columns and len(line.columns) == 1:  # a text file of a folder
                yield len(item.prompt.encode("utf-8", "surrogatepass"))
            continue
        for message in as_messages(item.prompt):
            for part in () if isinstance(message.content, str) else message.content:
                if isinstance(part, (Document, ImagePart)):
                    yield Path(part.path).stat().st_size if part.path is not None else len(part.data or b"")


def _hosts(mediator: Asker, options: BatchOptions) -> Iterator[str]:
    """The hosts of all that might be asked, now or once a limit of theirs is over."""
    params = {name: value for name, value in options.common.items() if name != "task"}
    explanation: Any = mediator.explain("x", **params)
    group = mediator.as_member()
    for each in explanation.candidates:
        if _might_be_asked(each):
            found = leaving(group.member(each.backend), private=False)
            if not found.local:
                yield from found.hosts or (f"another machine ({each.backend})",)


def _might_be_asked(each: Considered) -> bool:
    passing = [f"{state.name}: {state.line}" for state in each.states]
    return each.skip is None or each.skip in passing or each.skip.startswith("out of reach: ")


def _executor_host(options: BatchOptions) -> Sequence[str]:
    """The machines of an executor that is not on this one."""
    if options.executor in (None, "threads"):
        return ()
    host = urlsplit(options.executor).hostname or options.executor
    return () if host in ("local", "localhost", "127.0.0.1", "::1") else (f"{host} (which does the asking)",)
