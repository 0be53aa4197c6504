"""Values that options and arguments take here and now: ids, types, tasks, models, evidence.

They are read from files alone, without making anything of them: nothing is contacted, no secret is looked up, and a
config with faults still completes what can be read of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem
from click.types import StringParamType

from complaint_llm.cli.completion.written import entries, evidence_folder, newest_cids, read_config
from complaint_llm.tasks.names import BUILT_IN

if TYPE_CHECKING:
    from click import Context, Parameter

    from complaint_llm.cli.app import App

Found = Iterator[tuple[str, str]]
"""Values, each with a word on it."""
MOST = 100
"""Pieces of evidence, the newest first."""


class CompletedText(StringParamType):
    """A text as any other, for which a shell offers what ``find`` finds."""

    def __init__(self, find: Callable[[App], Found]) -> None:
        self._find = find

    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        """Those that begin as what was typed does; each one once, and none that is more than a line."""
        found = dict(reversed(list(self._find(ctx.find_root().obj))))
        return [
            CompletionItem(value, help=word or None)
            for value, word in reversed(found.items())
            if value.startswith(incomplete) and value.isprintable() and word.isprintable()
        ]


class CompletedPath(StringParamType):
    """A text for which a shell offers files."""

    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        """The shell looks for them."""
        return [CompletionItem(incomplete, type="file")]


def add_completion(command: click.Command, path: tuple[str, ...] = ()) -> None:
    """Let a shell complete the texts of a command and of those below it that have a name of VALUES."""
    for param in command.params:
        kind = VALUES.get(" ".join((*path, str(param.name)))) or VALUES.get(str(param.name))
        if kind is not None and param.type is click.STRING:
            param.type = kind
    for name, below in getattr(command, "commands", {}).items():
        add_completion(below, (*path, name))


def backend_ids(app: App) -> Found:
    """The ids of the config, each with its type and model."""
    for entry in entries(read_config(app)):
        if isinstance(entry.get("id"), str):
            said = (entry.get(key) for key in ("type", "model"))
            yield entry["id"], " ".join(each for each in said if isinstance(each, str))


def models(app: App) -> Found:
    """The models that the config names."""
    for entry in entries(read_config(app)):
        for key in ("model", "embedding_model"):
            if isinstance(entry.get(key), str):
                yield entry[key], str(entry.get("id", ""))


def backend_types(app: App) -> Found:
    """The types of installed plugins and, where the config has plugins of its own, of those."""
    if read_config(app).get("PLUGINS"):
        names = app.open_host().backend_type_names()
    else:
        from importlib.metadata import entry_points  # cold start

        names = sorted({point.name for point in entry_points(group="complaint_llm")})
    for name in names:
        yield name, ""


def task_ids(app: App) -> Found:
    """The package's own tasks and those of TASKS."""
    given = read_config(app).get("TASKS")
    for id in given if isinstance(given, (dict, list)) else ():
        name = id.get("id") if isinstance(id, dict) else id
        if isinstance(name, str):
            yield name, "of the config"
    for name in BUILT_IN:
        yield name, ""


def sections(app: App) -> Found:
    """Backends and sections of the config."""
    yield from backend_ids(app)
    for name in read_config(app):
        yield name, ""


def evidence_cids(app: App) -> Found:
    """The newest pieces of evidence, each with whose it is."""
    yield from newest_cids(evidence_folder(app), MOST)


VALUES: Mapping[str, StringParamType] = {
    "backend": CompletedText(backend_ids),
    "backends": CompletedText(backend_ids),
    "config remove id": CompletedText(backend_ids),
    "config show where": CompletedText(sections),
    "config set where": CompletedText(sections),
    "config add type": CompletedText(backend_types),
    "model": CompletedText(models),
    "task": CompletedText(task_ids),
    "cid": CompletedText(evidence_cids),
    "cids": CompletedText(evidence_cids),
    "evidence": CompletedText(evidence_cids),
    "cite": CompletedText(evidence_cids),
    "files": CompletedPath(),
    "schema": CompletedPath(),
    "schema_multi": CompletedPath(),
}
"""By the name of a parameter, where that means another thing in one command with the command before it."""
