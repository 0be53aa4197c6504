"""The whole plugin contract: each hook, when it is called, what returning None means, and what may be raised.

A plugin is any module or object with functions of these names, marked with ``@complaint_llm.hookimpl``. A hook takes
no arguments and is called while a config is loaded or when something of its kind is first named; never per request.
Whatever a hook raises is one ``PluginError`` that names the plugin and the hook, and takes down only what needs it.
docs/plugins.md has a working example of each.

Drop-in plugins (PLUGINS.paths) are imported when a config or a command names what they offer, so names stand in the
hook as literals; installed ones that add no backend type are named in PLUGINS.enable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    import click

    from complaint_llm.backends.type import BackendType
    from complaint_llm.batch import ExecutorFactory
    from complaint_llm.checks.check import Check
    from complaint_llm.documents.plugin_reader import Reader
    from complaint_llm.evidence import BlockStore
    from complaint_llm.guards.guard import GuardFactory
    from complaint_llm.observers.observer import ObserverFactory
    from complaint_llm.routing.target import Strategy

PROJECT = "complaint_llm"
BACKEND_TYPES = f"{PROJECT}_backend_types"
COMMANDS = f"{PROJECT}_commands"
CONFIG_DEFAULTS = f"{PROJECT}_config_defaults"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def complaint_llm_backend_types() -> Iterable[BackendType] | None:
    """The backend types that this plugin offers: entries of BACKENDS name them.

    Called when the plugin is loaded, which an entry of one of its types does; None offers nothing. A hook that raises
    breaks its plugin alone. A backend raises errors of ``complaint_llm.exceptions``: their class decides what happens
    next, and anything else becomes a BackendError.
    """


@hookspec
def complaint_llm_strategies() -> Mapping[str, Callable[[], Strategy]] | None:
    """Strategies by the names that MEDIATOR.strategy may give them, each made anew for a Mediator.

    Called when a config names a strategy that is not built in, of the dropped-in plugins that may offer it and of those
    of PLUGINS.enable; None offers nothing. What a strategy raises, or gives that is no target, ends the call with a
    PluginError: nobody is asked instead.
    """


@hookspec
def complaint_llm_batch_executors() -> Mapping[str, ExecutorFactory] | None:
    """Executors of batches by URL scheme: ``factory(url, open_ask, max_workers)``.

    ``open_ask`` is picklable and makes, where the work is done, the function that asks one prompt. Called when a batch
    names an executor, of the dropped-in plugins that may offer it and of those of PLUGINS.enable; None offers nothing.
    A factory raises ConfigError for a URL that it cannot use; an executor raises ``complaint_llm.BatchError``, and the
    journal keeps what was answered.
    """


@hookspec
def complaint_llm_block_stores() -> Mapping[str, Callable[[str], BlockStore]] | None:
    """Stores for the blocks of evidence by the scheme of EVIDENCE.blocks, made from that URL.

    Called when the store of evidence is opened and EVIDENCE.blocks is set, of the dropped-in plugins that may offer it
    and of those of PLUGINS.enable; None offers nothing. What such a store gives back is verified at every read; it
    raises EvidenceError for what it cannot do.
    """


@hookspec
def complaint_llm_guards() -> Mapping[str, GuardFactory] | None:
    """Guards by the types that entries of GUARDS name: ``factory(**keys of the entry) -> Guard``.

    Called when a config has an entry of a type that is not built in, of the dropped-in plugins that may offer it and of
    those of PLUGINS.enable; None offers nothing. A guard that cannot be made is a fault of the config. One refuses by
    ``GuardRefusal``; that, and anything else that it raises, ends the call with a GuardError before anything is sent.
    """


@hookspec
def complaint_llm_observers() -> Mapping[str, ObserverFactory] | None:
    """Observers by the types that entries of OBSERVERS name: ``factory(**keys of the entry) -> Observer``.

    Called when a config has an entry of a type that is not built in, of the dropped-in plugins that may offer it and of
    those of PLUGINS.enable; None offers nothing. An observer that cannot be made is a fault of the config. What one
    raises later is one warning in the log and changes no call.
    """


@hookspec
def complaint_llm_checks() -> Mapping[str, Check] | None:
    """Checks of answers by the names that a task's ``checks`` may give them: ``check(parsed, context) -> [Finding]``.

    ``context`` is a ``complaint_llm.checks.check.CheckContext``. Called when a task names a check that is not built in,
    of the dropped-in plugins that may offer it and of those of PLUGINS.enable; None offers nothing. A check changes
    nothing, any thread may call it, and it raises nothing: what it finds is what it gives back.
    """


@hookspec
def complaint_llm_document_readers() -> Mapping[str, Reader] | None:
    """Readers of documents by media type: ``read(file, limits, pages) -> ReadDocument``, before the built-in ones.

    Called when a document of that type is read, of the dropped-in plugins that may offer it and of those of
    PLUGINS.enable; None offers nothing. A reader is a function that its module has by name: it is imported and called
    in the process that reads, with its limits, and raises
    ``complaint_llm.documents.readers.unreadable.UnreadableError`` for what it cannot read.
    """


@hookspec
def complaint_llm_tasks() -> Mapping[str, Mapping[str, Any] | str | os.PathLike[str]] | None:
    """Tasks by the ids that ``task=``, ``--task`` and ``extends`` may give: what an entry of TASKS says, or the path of
    a JSON file with that.

    Called when a task is named that neither TASKS has nor the package, of the dropped-in plugins that may offer it and
    of those of PLUGINS.enable; None offers nothing. An entry of TASKS with the id of a plugin's task stands above it,
    and without a ``prompt`` extends it, as with the package's own. A plugin's task with the id of one of the package's
    is a PluginError where that id is used. The path is whole; a schema's is too, or begins at the task's file. A task
    that is wrong is a ConfigError that names it.
    """


@hookspec
def complaint_llm_commands() -> Iterable[click.Command] | None:
    """Commands of the command line, for which ``click.pass_obj`` gives the ``complaint_llm.cli.app.App``.

    Called by the command line alone: when a command is named that is not built in, and by its ``--help``, of the
    dropped-in plugins that offer commands and of those of PLUGINS.enable; None offers nothing. The built-in commands
    come first: one of a plugin never stands in for them. ComplaintLLMError, ``click`` exceptions and OSError are told
    as the built-in commands' are; anything else that a command raises is a PluginError in one line.
    """


@hookspec
def complaint_llm_config_defaults() -> Mapping[str, Any] | None:
    """Values that hold where the config file says nothing: a mapping of sections, as the file has them.

    Called while a config is loaded, of the plugins that PLUGINS.enable names alone; None offers nothing. The file's own
    value wins, key by key; a list is taken whole or not at all. ``config show`` says whose each value is. BACKENDS,
    PLUGINS and TASKS, a secret, a ``$NAME`` and what the file could not say are faults of the config, as are two
    plugins that say different things.
    """
