"""Who reads the items of a task: a model, the demonstration's rules, or nobody."""

from __future__ import annotations

from complaint_llm.batch import BatchItem
from complaint_llm.batch.input.task_items import for_task
from complaint_llm.cli.batch.options import Asker, BatchApp, BatchOptions, NothingReadError
from complaint_llm.cli.terminal import tell


def with_demonstration(app: BatchApp, options: BatchOptions) -> BatchOptions:
    """The options where ``--demo`` was given: OUT gets another name if no model is there."""
    mediator = app.open_mediator()
    try:
        if mediator.batch_settings({}).has_model():
            return options
    finally:
        mediator.close()
    shown = options.as_demonstration()
    tell(f"DEMO: no model is reachable; plain rules answer, and OUT is {shown.output}. No model read anything.")
    return shown


def see_that_it_is_there(mediator: Asker, options: BatchOptions) -> None:
    """Raises InvalidRequestError where ``-b`` names a backend that cannot be asked: once, and not for each item."""
    if options.backend is not None:
        given = {name: getattr(options, name) for name in ("backend", "privacy", "matter")}
        mediator.explain("x", **{name: value for name, value in given.items() if value is not None})


def see_that_somebody_reads(mediator: Asker, options: BatchOptions) -> None:
    """Raises NothingReadError where no model is there, and nothing that stands in for one answers tasks."""
    task = options.known_task
    if task is None or mediator.batch_settings(options.common).has_model():
        return
    item = for_task(BatchItem("x"), options.common["task"], dict.fromkeys(task.fields, "x"))
    if mediator.explain("x", **{**options.common, **item.params}).first is None:
        mediator.close()
        raise NothingReadError(
            "no model is reachable; nothing was read. `complaint-llm check` says what each backend wants; "
            "--demo shows by plain rules what the output looks like"
        )
