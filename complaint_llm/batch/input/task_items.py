"""Items of a task: each carries which task it is for, with its own id and fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.batch.input.items import BatchItem
from complaint_llm.request import EMPTY, as_messages
from complaint_llm.tasks.apply import TaskCall

if TYPE_CHECKING:
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.messages import Prompt


def for_task(item: BatchItem, task: Any, fields: Mapping[str, str] = EMPTY) -> BatchItem:
    """The item, to be asked for ``task`` unless it names one itself; see ``TaskCall``."""
    given = item.params.get("task") or task
    if given is None:
        return item
    call = TaskCall.read(given)
    call = call._replace(item=item.id or call.item, fields={**call.fields, **fields})
    return item._replace(params={**item.params, "task": call.as_param()})


def all_for_task(items: Iterable[ItemLike], task: Any) -> Iterator[ItemLike]:
    """The items, each for ``task`` unless it names one itself; what is no item stays."""
    for each in items:
        if isinstance(each, Exception):
            yield each
        else:
            yield for_task(each if isinstance(each, BatchItem) else BatchItem(each), task)


def task_id(params: Mapping[str, Any]) -> str | None:
    """The id of the task that parameters name."""
    given = params.get("task")
    return None if given is None else TaskCall.read(given).id


def material_of(prompt: Prompt, params: Mapping[str, Any]) -> str | None:
    """The text that a task reads in an item, None of an item without a task: what quotes are looked up in."""
    if params.get("task") is None:
        return None
    turns = [message for message in as_messages(prompt) if message.role == "user"]
    return turns[-1].text if turns else None
