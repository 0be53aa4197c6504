"""From what a config, a plugin or the package says of a task to the Task: ``extends``, ``lists`` and schema
resolved."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.handling import strictest
from complaint_llm.tasks.names import BUILT_IN
from complaint_llm.tasks.task import Task
from complaint_llm.tasks.template import placeholders

_KEYS = frozenset(Task._fields) | {"extends"}


class TaskError(ConfigError):
    """Something is wrong in a task. ``place`` leads to it inside of the task's entry, ``text`` says what."""

    def __init__(self, id: str, place: tuple[str, ...], text: str) -> None:
        super().__init__(f"task {id!r}: {'/'.join(place)}: {text}" if place else f"task {id!r}: {text}")
        self.place = place
        self.text = text


_FAILED = ("mark", "error", "next")
_DOCUMENTS = (None, "auto", "native", "text")


def built_in_task(id: str) -> Mapping[str, Any]:
    """What the package says of one of its own tasks."""
    (folder, *_) = import_module("complaint_llm.schemas").__path__
    said: Mapping[str, Any] = json.loads((Path(folder) / "tasks" / f"{id}.json").read_bytes())
    return said


class BuiltInTasks(Mapping[str, Mapping[str, Any]]):
    """What the package says of its own tasks, by id."""

    def __getitem__(self, id: str) -> Mapping[str, Any]:
        if id not in BUILT_IN:
            raise KeyError(id)
        return built_in_task(id)

    def __iter__(self) -> Iterator[str]:
        return iter(BUILT_IN)

    def __len__(self) -> int:
        return len(BUILT_IN)


_BUILT_IN_TASKS = BuiltInTasks()


def load_tasks(
    entries: Sequence[Mapping[str, Any]],
    folder: Path,
    checks: Collection[str],
    bases: Mapping[str, Mapping[str, Any]] = _BUILT_IN_TASKS,
) -> tuple[Mapping[str, Task], list[tuple[tuple[str | int, ...], str]]]:
    """The tasks of a config's TASKS by id, and what is wrong in them: a place below TASKS, and words.

    ``checks`` are the names of all checks that there are; ``bases`` what is said of tasks that an entry may extend.
    """
    by_id = {str(entry["id"]): {key: value for key, value in entry.items() if key != "id"} for entry in entries}
    tasks: dict[str, Task] = {}
    faults: list[tuple[tuple[str | int, ...], str]] = []
    for place, entry in enumerate(entries):
        id = str(entry["id"])
        if id in tasks:
            faults.append(((place, "id"), f"a task {id!r} stands above already"))
            continue
        try:
            tasks[id] = task = load_task(id, by_id, folder, bases)
        except TaskError as error:
            faults.append(((place, *error.place), error.text))
            continue
        except PluginError as error:
            faults.append(((place,), str(error)))
            continue
        unknown = [name for name in task.checks if name not in checks]
        faults += [
            ((place, "checks"), f"no check {name!r}; there are: {', '.join(sorted(checks))}") for name in unknown
        ]
    return tasks, faults


@cache
def built_in(id: str) -> Task:
    """A task of the package, ready for use. Raises ConfigError where there is none of this id."""
    return load_task(id, {})


def load_task(
    id: str,
    entries: Mapping[str, Mapping[str, Any]],
    folder: Path = Path(),
    bases: Mapping[str, Mapping[str, Any]] = _BUILT_IN_TASKS,
) -> Task:
    """The task ``id`` of ``entries`` (by id; each a mapping of its keys), else that of ``bases``: a built-in one.

    ``folder`` is what relative paths of schema files mean. Raises TaskError: unknown task, a circle of ``extends``, a
    list or placeholder that is not there, a schema that cannot be read.
    """
    merged = _merge(id, entries, bases, ())
    for key in merged.keys() - _KEYS:
        raise TaskError(id, (key,), f"unknown key; a task has {', '.join(sorted(_KEYS))}")
    if "prompt" not in merged:
        raise TaskError(id, (), "a task needs a prompt, or extends one that has it")
    lists = {name: _choices(choices, id, name) for name, choices in merged.get("lists", {}).items()}
    on_failed = merged.get("on_failed_check", "mark")
    if on_failed not in _FAILED:
        raise TaskError(id, ("on_failed_check",), f"{on_failed!r} is none of {', '.join(_FAILED)}")
    documents = merged.get("documents")
    if documents not in _DOCUMENTS:
        raise TaskError(id, ("documents",), f"{documents!r} is none of {', '.join(filter(None, _DOCUMENTS))}")
    try:
        strictest(merged.get("requires"))
    except ValueError as fault:
        raise TaskError(id, ("requires",), str(fault)) from fault
    task = Task(
        id=id,
        prompt=_text(merged["prompt"]),
        system=None if merged.get("system") is None else _text(merged["system"]),
        title=merged.get("title"),
        notice=merged.get("notice"),
        answer_language=merged.get("answer_language", "English"),
        lists=lists,
        schema=_with_lists(_schema(merged.get("schema"), id, folder), lists, id),
        checks=tuple(merged.get("checks", ())),
        on_failed_check=on_failed,
        params=dict(merged.get("params", {})),
        rows=merged.get("rows"),
        documents=documents,
        requires=merged.get("requires"),
    )
    _check_placeholders(task)
    return task


def _merge(
    id: str,
    entries: Mapping[str, Mapping[str, Any]],
    bases: Mapping[str, Mapping[str, Any]],
    through: tuple[str, ...],
) -> dict[str, Any]:
    if id in through and not (id in bases and through[-1] == id):
        raise TaskError(through[0], ("extends",), f"goes round: {' > '.join((*through, id))}")
    # A task of an office that has the name of a built-in one, or of a plugin's, extends that.
    entry = entries.get(id) if id not in through else None
    is_base = entry is None
    if entry is None:
        if id not in bases:
            known = ", ".join(sorted({*entries, *bases}))
            raise TaskError(
                through[0] if through else id, ("extends",) if through else (), f"no task {id!r}; there are: {known}"
            )
        entry = bases[id]
    base_id = entry.get("extends", id if "prompt" not in entry and not is_base and id in bases else None)
    if is_base and base_id == id:
        raise TaskError(id, ("extends",), f"goes round: {id} > {id}")
    base = _merge(base_id, entries, bases, (*through, id)) if base_id is not None else {}
    own = {key: value for key, value in entry.items() if key != "extends"}
    lists = dict(base.get("lists", {}))
    lists |= {name: _with_choices(lists.get(name), choices) for name, choices in own.get("lists", {}).items()}
    merged = {**base, **own, "id": id}
    if lists:
        merged["lists"] = lists
    try:
        requires = strictest(base.get("requires"), own.get("requires"))
    except ValueError as fault:
        raise TaskError(id, ("requires",), str(fault)) from fault
    if requires is not None:
        merged["requires"] = {name: value for name, value in requires._asdict().items() if value is not None}
    if "params" in base or "params" in own:
        merged["params"] = {**base.get("params", {}), **own.get("params", {})}
    return merged


def _with_choices(base: Any, own: Any) -> Any:
    """A list of choices with an office's added; ``null`` takes a choice out."""
    if not isinstance(base, Mapping) or not isinstance(own, Mapping):
        return own
    return {value: meaning for value, meaning in {**base, **own}.items() if meaning is not None}


def _choices(given: Any, id: str, name: str) -> Mapping[str, str]:
    if isinstance(given, Mapping) and given and all(isinstance(each, str) for each in given.values()):
        return dict(given)
    if isinstance(given, list) and given and all(isinstance(each, str) for each in given):
        return dict.fromkeys(given, "")
    raise TaskError(id, ("lists", name), "a list is a mapping of values to what they mean, or a list of values")


def _text(given: Any) -> str:
    return given if isinstance(given, str) else "\n".join(given)


def _schema(given: Any, id: str, folder: Path) -> Mapping[str, Any] | None:
    if given is None or isinstance(given, Mapping):
        return given
    path = folder / str(given)
    try:
        read = json.loads(path.read_bytes())
    except (OSError, ValueError) as cause:
        raise TaskError(id, ("schema",), f"cannot read {path.name}: {cause}") from cause
    if not isinstance(read, dict):
        raise TaskError(id, ("schema",), f"{path.name} holds no JSON object")
    return read


def _with_lists(schema: Any, lists: Mapping[str, Mapping[str, str]], id: str) -> Any:
    """The schema with ``enum`` filled wherever it says ``"x-list": name``: text and enum come from one place."""
    if isinstance(schema, list):
        return [_with_lists(each, lists, id) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    filled = {key: _with_lists(value, lists, id) for key, value in schema.items()}
    name = schema.get("x-list")
    if isinstance(name, str):
        if name not in lists:
            raise TaskError(id, ("schema",), f"no list {name!r}; there are: {', '.join(sorted(lists)) or 'none'}")
        filled["enum"] = list(lists[name])
    return filled


def _check_placeholders(task: Task) -> None:
    for key, template in (("system", task.system or ""), ("prompt", task.prompt)):
        for name in sorted(placeholders(template)):
            kind, _, rest = name.partition(".")
            if kind == "lists" and rest not in task.lists:
                raise TaskError(task.id, (key,), f"no list {rest!r} for {{{name}}}")
            if "." in name and kind != "lists":
                raise TaskError(task.id, (key,), f"{{{name}}} is no placeholder")
    if "input" not in placeholders(task.prompt):
        raise TaskError(task.id, ("prompt",), "it needs {input}, where the item's text stands")
