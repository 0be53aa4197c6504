"""Tasks and checks by name: the package's own, and those of plugins, which are asked when one of theirs is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from complaint_llm.checks.answer_checks import BUILT_IN as BUILT_IN_CHECKS
from complaint_llm.checks.answer_checks import SCHEMA
from complaint_llm.checks.check import Check
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.host import PluginHost
from complaint_llm.tasks.load import built_in_task, load_task
from complaint_llm.tasks.names import BUILT_IN
from complaint_llm.tasks.task import Task

TASKS = "complaint_llm_tasks"
CHECKS = "complaint_llm_checks"


class KnownTasks(Mapping[str, Mapping[str, Any]]):
    """What is said of each task that TASKS may extend. Any thread may call it; a look-up raises PluginError for a
    plugin that is broken, and for one whose task has the id of a built-in one."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host

    def __getitem__(self, id: str) -> Mapping[str, Any]:
        if id in BUILT_IN:
            if self._host.is_offered(TASKS, id):
                raise PluginError(f"task {id!r} is built in, and a plugin offers one too: rename that, or block it")
            return built_in_task(id)
        offered = self._host.offer(TASKS, id)
        if offered is None:
            raise KeyError(id)
        return _task(id, offered)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*BUILT_IN, *self._host.offer_names(TASKS)}))

    def __len__(self) -> int:
        return len([*self])


class KnownChecks(Mapping[str, Check]):
    """Each check that a task may name, but that of the schema. Any thread may call it; a look-up raises PluginError."""

    def __init__(self, host: PluginHost) -> None:
        self._host = host
        self._found: dict[str, Check] = dict(BUILT_IN_CHECKS)

    def __getitem__(self, name: str) -> Check:
        known = self._found.get(name)
        if known is not None:
            return known
        offered = self._host.offer(CHECKS, name)
        if offered is None:
            raise KeyError(name)
        if not callable(offered):
            raise PluginError(f"check {name!r}: its plugin offers a {type(offered).__name__}, no function")
        check: Check = self._found.setdefault(name, offered)
        return check

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*BUILT_IN_CHECKS, *self._host.offer_names(CHECKS)}))

    def __len__(self) -> int:
        return len([*self])


class TaskCatalog:
    """The tasks that a call may name: those of TASKS, the package's, and plugins'. Any thread may call it."""

    def __init__(self, host: PluginHost, tasks: Mapping[str, Task]) -> None:
        self.checks = KnownChecks(host)
        self._known = KnownTasks(host)
        self._found = dict(tasks)

    def find(self, id: str) -> Task:
        """The task of this id. Raises ConfigError where there is none, or where it is wrong, and PluginError."""
        found = self._found.get(id)
        if found is None:
            task = load_task(id, {}, bases=self._known)
            unknown = [name for name in task.checks if name != SCHEMA and name not in self.checks]
            if unknown:
                there = ", ".join(sorted({SCHEMA, *self.checks}))
                raise ConfigError(f"task {id!r}: no check {unknown[0]!r}; there are: {there}")
            found = self._found.setdefault(id, task)
        return found


def _task(id: str, offered: Any) -> Mapping[str, Any]:
    """The mapping that a plugin offers, with its schema in it."""
    folder: Path | None = None
    said = offered
    if not isinstance(offered, Mapping):
        try:
            file = Path(offered)
        except TypeError:
            kind = type(offered).__name__
            raise PluginError(f"task {id!r}: its plugin offers a {kind}, no mapping or path") from None
        said, folder = _json(id, file), file.parent
        if not isinstance(said, Mapping):
            raise PluginError(f"task {id!r}: {file}: it holds no JSON object")
    schema = said.get("schema")
    own = {key: value for key, value in said.items() if key != "id"}
    if isinstance(schema, (str, Path)):
        own["schema"] = _json(id, Path(schema) if folder is None else folder / schema)
    return own


def _json(id: str, file: Path) -> Any:
    if not file.is_absolute():
        raise PluginError(f"task {id!r}: {file}: give the whole path, as Path(__file__).parent / {file.name!r}")
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError) as cause:
        raise PluginError(f"task {id!r}: {file}: cannot be read: {cause}") from cause
