"""The whole plugin contract: each hook, when it is called, and what returning None means.

A plugin is any module or object with functions of these names, marked with ``@complaint_llm.hookimpl``. Take only the
arguments that you need. Hooks are called once, while a config is loaded; never per request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pluggy import HookimplMarker, HookspecMarker

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.batch import ExecutorFactory
    from complaint_llm.checks.check import Check
    from complaint_llm.documents.plugin_reader import Reader
    from complaint_llm.evidence import BlockStore
    from complaint_llm.guards.guard import GuardFactory
    from complaint_llm.observers.observer import ObserverFactory
    from complaint_llm.routing.target import Strategy

PROJECT = "complaint_llm"

hookspec = HookspecMarker(PROJECT)
hookimpl = HookimplMarker(PROJECT)


@hookspec
def complaint_llm_backend_types() -> Iterable[BackendType] | None:
    """The backend types that this plugin offers. Called when the plugin is loaded; None offers nothing."""


@hookspec
def complaint_llm_strategies() -> Mapping[str, Callable[[], Strategy]] | None:
    """Strategies by the names that MEDIATOR.strategy may give them, each made anew for a Mediator.

    Called when a config names a strategy that is not built in, of the dropped-in plugins and those of PLUGINS.enable;
    None offers nothing.
    """


@hookspec
def complaint_llm_batch_executors() -> Mapping[str, ExecutorFactory] | None:
    """Executors of batches by URL scheme: ``factory(url, open_ask, max_workers)``.

    ``open_ask`` is picklable and makes, where the work is done, the function that asks one prompt. Called when a batch
    names an executor, of the dropped-in plugins and those of PLUGINS.enable; None offers nothing.
    """


@hookspec
def complaint_llm_block_stores() -> Mapping[str, Callable[[str], BlockStore]] | None:
    """Stores for the blocks of evidence by the scheme of EVIDENCE.blocks, made from that URL.

    Called when the store of evidence is opened and EVIDENCE.blocks is set, of the dropped-in plugins and those of
    PLUGINS.enable; None offers nothing. What such a store gives back is verified at every read.
    """


@hookspec
def complaint_llm_guards() -> Mapping[str, GuardFactory] | None:
    """Guards by the types that entries of GUARDS name: ``factory(**keys of the entry) -> Guard``.

    Called when a config has an entry of a type that is not built in, of the dropped-in plugins and those of
    PLUGINS.enable; None offers nothing. A guard that cannot be made is a fault of the config; one that fails at a call
    ends that call before anything is sent.
    """


@hookspec
def complaint_llm_observers() -> Mapping[str, ObserverFactory] | None:
    """Observers by the types that entries of OBSERVERS name: ``factory(**keys of the entry) -> Observer``.

    Called when a config has an entry of a type that is not built in, of the dropped-in plugins and those of
    PLUGINS.enable; None offers nothing. What an observer raises changes no call.
    """


@hookspec
def complaint_llm_checks() -> Mapping[str, Check] | None:
    """Checks of answers by the names that a task's ``checks`` may give them: ``check(parsed, context) -> [Finding]``.

    ``context`` is a ``complaint_llm.checks.check.CheckContext``. Called when TASKS names a check that is not built
    in, of
    the dropped-in plugins and those of PLUGINS.enable; None offers nothing. A check changes nothing, and any thread may
    call it.
    """


@hookspec
def complaint_llm_document_readers() -> Mapping[str, Reader] | None:
    """Readers of documents by media type: ``read(file, limits, pages) -> ReadDocument``, before the built-in ones.

    Called when a document of that type is read, of the dropped-in plugins and those of PLUGINS.enable; None offers
    nothing. A reader is a function that its module has by name: it is imported and called in the process that reads,
    with its limits, and raises ``complaint_llm.documents.readers.unreadable.UnreadableError`` for what it cannot read.
    """
