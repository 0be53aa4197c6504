"""Starts a batch: what its prompts share, how each is asked, and what makes an item's key."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from complaint_llm.batch import item_digest, run_batch
from complaint_llm.batch.input.task_items import all_for_task
from complaint_llm.batch.remote import PicklableAsk
from complaint_llm.call import CancelToken
from complaint_llm.tasks.apply import TaskCall

if TYPE_CHECKING:
    from complaint_llm.batch import AnswerSettings, BatchItem, BatchRun
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.client.calls import Calls
    from complaint_llm.messages import Prompt

Reopen = tuple[Callable[[Path | None], Any], Path | None]
"""How another process opens the same client, and from which file; None where it came from none."""


def start_batch(
    calls: Calls,
    prompts: Iterable[Prompt | BatchItem],
    common: dict[str, Any],
    *,
    settings: AnswerSettings,
    find_task: Callable[[str], object],
    reopen: Reopen,
    executor: Any,
    timeout: float | None,
    max_workers: int | None,
    **how: Any,
) -> BatchRun:
    """The run of a batch whose prompts all have ``common`` parameters; ``how`` goes to ``run_batch`` as it is.

    Raises TypeError for one text in the place of prompts and for an unknown parameter, before anything is sent.
    """
    if isinstance(prompts, str):
        raise TypeError("prompts is one text: give a list of texts")
    calls.reader.check_matter(common)
    # What shapes the answers is part of an item's key: a run with other parameters is another run.
    task = common.pop("task", None)
    items: Iterable[ItemLike] = prompts
    if task is not None:
        find_task(TaskCall.read(task).id)
        items = all_for_task(prompts, task)
    digest: Callable[..., str] = partial(item_digest, defaults=dict(common))
    if timeout is not None:
        common["timeout"] = timeout
    cancel = CancelToken()
    watch = calls.batch_watch()
    batch = None if watch is None else watch.batch
    ask: Any = calls.asker(common, cancel, batch)
    if executor is not None:
        open_client, path = reopen
        ask = PicklableAsk(ask, open_client, path, common, batch)
    return run_batch(
        ask,
        items,
        max_workers=calls.workers if max_workers is None else max_workers,
        executor=executor,
        digest=digest,
        cancel=cancel,
        settings=settings,
        response_format=common.get("response_format"),
        matter=common.get("matter"),
        watch=watch,
        **how,
    )
