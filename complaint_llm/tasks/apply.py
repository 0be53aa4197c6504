"""From a call that names a task to what is asked: the task's texts around the material, its schema, its checks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.checks.answer_checks import SCHEMA, AnswerChecks
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.tasks.material import IN_ATTACHMENTS

if TYPE_CHECKING:
    from complaint_llm.checks.check import Check
    from complaint_llm.tasks.task import Task

_KEYS = frozenset(("id", "item", "fields", "demonstration"))


class TaskCall(NamedTuple):
    """Which task a call wants: what ``task=`` says.

    ``item`` is the id of what is read, ``fields`` what the task's templates name beside it. ``demonstration``: plain
    rules may answer where no model is reachable; such an answer says so.
    """

    id: str
    item: str = "1"
    fields: Mapping[str, str] = MappingProxyType({})
    demonstration: bool = False

    @classmethod
    def read(cls, given: Any) -> TaskCall:
        """From an id, or a mapping of ``id`` and the rest. Raises InvalidRequestError."""
        if isinstance(given, TaskCall):
            return given
        if isinstance(given, str) and given:
            return cls(given)
        if not isinstance(given, Mapping) or not isinstance(given.get("id"), str):
            raise _bad('a task is named by its id, or by {"id": ..., "item": ..., "fields": {...}}')
        unknown = given.keys() - _KEYS
        if unknown:
            raise _bad(f"task has no {min(map(str, unknown))!r}; it has {', '.join(sorted(_KEYS))}")
        fields = given.get("fields") or {}
        if not isinstance(fields, Mapping) or not all(isinstance(each, str) for each in fields.values()):
            raise _bad("a task's fields are texts by name")
        item = given.get("item")
        return cls(given["id"], "1" if item is None else str(item), fields, bool(given.get("demonstration")))

    def as_param(self) -> Any:
        """The same as a plain value, as short as it can be said."""
        said = {"item": self.item, "fields": dict(self.fields), "demonstration": self.demonstration}
        kept = {key: value for key, value in said.items() if value and not (key == "item" and value == "1")}
        return {"id": self.id, **kept} if kept else self.id


class Asked(NamedTuple):
    """What is asked for a task: the system text and the user text, and how the answer is checked."""

    system: str | None
    text: str
    response_format: Mapping[str, Any] | None
    checks: AnswerChecks


def asked_for(
    task: Task,
    call: TaskCall,
    material: str,
    known: Mapping[str, Check],
    schema: Mapping[str, Any] | None = None,
    *,
    attached: bool = False,
) -> Asked:
    """What a model is asked for ``task`` about ``material``; ``known`` are all checks by name.

    ``schema`` stands in the place of the task's own. ``attached``: documents or images go with it; then it is said in
    the place of a blank text that they are the material, and no quote is looked up there. Raises InvalidRequestError
    for a field that the templates name and the call has not, ConfigError for a check that is not there.
    """
    missing = sorted(task.fields - call.fields.keys())
    if missing:
        raise _bad(f"task {task.id!r} needs the field {missing[0]!r} of each item")
    no_text = attached and not material.strip()
    system, text = task.messages(IN_ATTACHMENTS if no_text else material, id=call.item, fields=call.fields)
    wanted = task.schema if schema is None else schema
    shape = None if wanted is None else {"type": "json_schema", "json_schema": {"name": task.id, "schema": wanted}}
    checks = AnswerChecks(
        schema=wanted or {},
        texts=() if no_text else (material,),
        checks=_checks(task, known),
        on_failed=task.on_failed_check,
        task=task.id,
        task_digest=task.digest,
        demonstration=call.demonstration,
    )
    return Asked(system, text, shape, checks)


def _checks(task: Task, known: Mapping[str, Check]) -> tuple[tuple[str, Check], ...]:
    chosen = []
    for name in task.checks:
        if name == SCHEMA:
            continue
        if name not in known:
            raise ConfigError(f"task {task.id!r}: no check {name!r}; there are: {', '.join(sorted({SCHEMA, *known}))}")
        chosen.append((name, known[name]))
    return tuple(chosen)


def _bad(message: str) -> InvalidRequestError:
    return InvalidRequestError(message, sent=False)
