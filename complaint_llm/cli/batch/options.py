"""The options of ``complaint-llm batch``, and what it needs of the rest of the program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import click

from complaint_llm.cli.attached_files import file_parts
from complaint_llm.cli.call_options import call_params
from complaint_llm.exceptions import BatchError

if TYPE_CHECKING:
    from complaint_llm.batch import AnswerSettings, Ask, ExecutorFactory
    from complaint_llm.batch.input.lines import Reading
    from complaint_llm.client.group import Member
    from complaint_llm.client.preview import Preview
    from complaint_llm.messages import Part, Prompt
    from complaint_llm.observers.batch_watch import BatchWatch
    from complaint_llm.tasks.task import Task


Form = Literal["jsonl", "csv", "txt", "folder", "xlsx"]
"""What IN is: lines or a table of text, a folder, an Excel file."""


class CallEstimate(Protocol):
    """What asking one prompt would take. ``cost`` in US dollars at most, None where unknown; ``first`` is who would be
    asked, None where nobody is."""

    @property
    def first(self) -> object | None: ...
    @property
    def prompt_tokens(self) -> int: ...
    @property
    def cost(self) -> float | None: ...


class BackendsById(Protocol):
    """The backends of a Mediator, by their ids."""

    def member(self, id: str, /) -> Member: ...


class MatterCheck(Protocol):
    """Looks at the matter that a call or a batch names."""

    def check_matter(self, params: Mapping[str, Any], /) -> None: ...


class BatchCalls(Protocol):
    """What this command needs of a Mediator's calls."""

    @property
    def reader(self) -> MatterCheck: ...
    @property
    def name_columns(self) -> Sequence[str]: ...
    def batch_watch(self) -> BatchWatch | None: ...


class Asker(Protocol):
    """What this command needs of a Mediator."""

    def asker(self, *, batch: str | None = None) -> Ask: ...
    def task(self, id: str, /) -> Task: ...
    def batch_settings(self, common: Mapping[str, Any], /) -> AnswerSettings: ...
    def explain(self, prompt: Prompt, /, **params: Any) -> CallEstimate: ...
    def as_member(self) -> BackendsById: ...
    def preview(self, prompt: Prompt, /, **params: Any) -> Sequence[Preview]: ...
    @property
    def calls(self) -> BatchCalls: ...
    def close(self) -> None: ...


class BatchApp(Protocol):
    """What this command needs of the application object."""

    def max_workers(self) -> int: ...
    def find_task(self, id: str, /) -> Task: ...
    def open_mediator(self) -> Asker: ...
    def batch_executors(self, url: str, /) -> Mapping[str, ExecutorFactory]: ...
    def ask_factory(self, batch: str | None = None, /) -> Callable[[], Ask]: ...


class NotDoneError(click.ClickException):
    """What was asked for cannot be done as things are; nothing was sent."""

    exit_code = 2


class NothingReadError(BatchError):
    """Nobody could read the items; nothing was sent."""


class BatchOptions(NamedTuple):
    """The command's options, as given. ``known_task`` is what ``task`` names."""

    source: str
    output: str
    form: Form
    prompt_template: str | None
    encoding: str | None
    delimiter: str | None
    files_below: Path | None
    trust_lines: bool
    raw_csv: bool
    system: str | None
    model: str | None
    backend: str | None
    param: tuple[tuple[str, str], ...]
    schema: str | None
    schema_multi: str | None
    task: str | None
    privacy: str | None
    matter: str | None
    usage: bool
    files: tuple[str, ...]
    pages: str | None
    evidence: tuple[str, ...]
    cite: tuple[str, ...]
    documents: str | None
    group: str | None
    sheet: str | None
    yes: bool
    demo: bool
    table: bool
    max_workers: int
    timeout: float | None
    in_doubt: Any
    fresh: bool
    keep: bool
    accept_changes: bool
    only_failed: bool
    force: bool
    salvage: bool
    limit: int | None
    max_cost: float | None
    executor: str | None
    as_json: bool
    known_task: Task | None = None
    parts: tuple[Part, ...] = ()
    """The files of ``-f``, which go with every item."""
    name_columns: tuple[str, ...] = ()
    """Columns whose cells are names, which guards hide."""
    demonstration: bool = False
    """Whether no model is there and ``--demo`` was given: plain rules answer."""

    @property
    def journal(self) -> Path | None:
        """The journal stands beside the output; a pipe has none."""
        return None if self.output == "-" else Path(f"{self.output}.journal")

    @property
    def to_table(self) -> bool:
        """Whether OUT is a table."""
        return Path(self.output).suffix.lower() == ".csv"

    @property
    def reading(self) -> Reading:
        """How IN is read."""
        # cold start: a shell that completes options needs none of this
        from complaint_llm.batch.input.line_rules import LineRules
        from complaint_llm.batch.input.lines import Format, Reading

        beside = None if self.source == "-" else Path(self.source).parent
        rules = LineRules(self.files_below or beside, self.trust_lines)
        fields = None if self.known_task is None else self.known_task.fields
        form: Format = "txt" if self.form == "folder" else "csv" if self.form == "xlsx" else self.form
        return Reading(
            form=form,
            template=self.prompt_template,
            encoding=self.encoding,
            delimiter=self.delimiter,
            rules=rules,
            fields=fields,
        )

    @property
    def common(self) -> dict[str, Any]:
        """Parameters of every item; its own stand above them."""
        params = call_params(self._asdict())
        if self.timeout is not None:
            params["timeout"] = self.timeout
        if self.demonstration:
            from complaint_llm.tasks.apply import TaskCall  # cold start: tasks

            params["task"] = TaskCall(self.task or "", demonstration=True).as_param()
        return params

    def as_demonstration(self) -> BatchOptions:
        """The same where plain rules answer: OUT has ``.demo`` before its suffix."""
        named = self.output if self.output == "-" else demo_name(self.output)
        return self._replace(output=named, demonstration=self.task is not None)

    def with_files(self) -> BatchOptions:
        """The same with the files of ``-f`` read. Raises UsageError for one that is no document."""
        return self._replace(parts=file_parts(self.files, self.pages))

    def check(self) -> None:
        """Raises UsageError for options that do not go together."""
        if self.output == "-":
            needs = [
                name
                for name, given in (
                    ("--fresh", self.fresh),
                    ("--keep", self.keep),
                    ("--accept-changes", self.accept_changes),
                    ("--only-failed", self.only_failed),
                    ("--force", self.force),
                    ("--salvage", self.salvage),
                    ("--in-doubt", self.in_doubt != "resend"),
                )
                if given
            ]
            if needs:
                raise click.UsageError(f"{needs[0]} needs a journal, and that needs a file: give -o OUT.jsonl")
        elif self.source != "-" and Path(self.output).exists() and Path(self.source).samefile(self.output):
            raise click.UsageError(f"IN and OUT are the same file: {self.source}")
        if self.fresh and self.only_failed:
            raise click.UsageError("--fresh forgets what failed; --only-failed needs it")
        if self.keep and self.accept_changes:
            raise click.UsageError(
                "--keep keeps answers of other settings, --accept-changes asks again: give one of them"
            )
        self._check_form()
        if self.table and (self.task is None or self.output == "-"):
            raise click.UsageError("--table shows what a task found: give --task, and a file as OUT")
        if self.raw_csv and not self.to_table:
            raise click.UsageError("--raw-csv needs a table: give -o OUT.csv")

    def document_folders(self) -> tuple[Path, ...]:
        """The folders that items' documents come from."""
        if self.form == "folder":
            return (Path(self.source),)
        beside = () if self.source == "-" or self.form != "jsonl" else (Path(self.source).parent,)
        return beside if self.files_below is None else (self.files_below,)

    def _check_form(self) -> None:
        """What is of another form of IN."""
        if self.form == "folder":
            for name, value in (("--prompt-template", self.prompt_template), ("--delimiter", self.delimiter)):
                if value is not None:
                    raise click.UsageError(f"{name} is for a table; IN is a folder")
        if self.form == "xlsx":
            for name, value in (("--encoding", self.encoding), ("--delimiter", self.delimiter)):
                if value is not None:
                    raise click.UsageError(f"{name} is for a text file; IN is an Excel file")
        if self.group is not None and self.form != "folder":
            raise click.UsageError("--group is for a folder; IN is none")
        if self.sheet is not None and self.form != "xlsx":
            raise click.UsageError("--sheet is for an Excel file; IN is none")


def demo_name(output: str) -> str:
    """The name of a demonstration's OUT: ``claims.demo.csv`` for ``claims.csv``."""
    path = Path(output)
    return output if ".demo" in path.suffixes else str(path.with_name(f"{path.stem}.demo{path.suffix}"))


def read_delimiter(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The character that ``--delimiter`` names."""
    named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get((value or "").lower(), value)
    if named is not None and (len(named) != 1 or named in '"\r\n'):
        raise click.BadParameter('one character, or "tab"')
    return named
