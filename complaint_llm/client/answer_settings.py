"""What shapes the answers of each member of a group, for batches that are resumed later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.batch.input.task_items import task_id as _task_id
from complaint_llm.batch.journal.shape import Shape, shape_of
from complaint_llm.request import EMPTY, GENERATION_KEYS, as_messages

if TYPE_CHECKING:
    from complaint_llm.client.group import Group
    from complaint_llm.client.route import Route
    from complaint_llm.messages import Prompt
    from complaint_llm.tasks.task import Task


_REPLACED = GENERATION_KEYS | {"model", "system", "documents"}
"""Settings in whose place a call's own stand; ``extra_body`` is merged."""


class GroupSettings:
    """The settings of a group's backends; one is made when its settings are first asked for.

    ``common`` are parameters of all requests. One thread at a time may use it.
    """

    def __init__(
        self,
        group: Group,
        common: Mapping[str, Any] = EMPTY,
        find_task: Callable[[str], Task] | None = None,
    ) -> None:
        self._group = group
        self._find_task = find_task
        self._task = _task_id(common)
        self._common = frozenset(name for name, value in common.items() if value is not None)
        self._settings: dict[str, Mapping[str, Any] | None] = {}
        self._known_shapes: dict[tuple[str, frozenset[str], str | None], Shape] = {}

    def shape(self, backend: str, prompt: Prompt | None = None, params: Mapping[str, Any] = EMPTY) -> Shape | None:
        """What shapes this backend's answer to a prompt, but for what prompt and parameters say themselves.

        None where there is no such backend here, or it cannot be made.
        """
        if backend not in self._settings:
            self._settings[backend] = self._read(backend)
        settings = self._settings[backend]
        if settings is None:
            return None
        given = self._common | {name for name, value in params.items() if value is not None}
        own = given & _REPLACED
        if prompt is not None and _has_system_turn(prompt):
            own |= {"system"}
        task = _task_id(params) or self._task
        known = self._known_shapes.get((backend, own, task))
        if known is None:
            known = self._known_shapes[backend, own, task] = self._shape(backend, settings, own, task)
        return known

    def _shape(self, backend: str, settings: Mapping[str, Any], own: frozenset[str], id: str | None) -> Shape:
        if id is None or self._find_task is None:
            return shape_of(backend, settings, own)
        task = self._find_task(id)
        # What the task says stands in the place of the backend's settings, and is told by the task's digest.
        said = (("system", task.system), ("documents", task.documents))
        replaced = task.params.keys() | {name for name, value in said if value is not None}
        kept = {name: value for name, value in settings.items() if name not in replaced}
        made_by = {"task": task.digest}
        return shape_of(backend, {**kept, **made_by}, (own - replaced) | ({"task"} if id != self._task else set()))

    def has_model(self) -> bool:
        """Whether there is a backend that is no mock."""
        return not all(route.demo for route in self._routes())

    def _read(self, id: str) -> Mapping[str, Any] | None:
        found = next((route for route in self._routes() if route.id == id), None)
        return None if found is None else found.answer_settings()

    def _routes(self) -> Iterator[Route]:
        for member in (*self._group.members, *self._group.others):
            yield from member.leaves()


def _has_system_turn(prompt: Prompt) -> bool:
    return not isinstance(prompt, str) and any(message.role == "system" for message in as_messages(prompt))
