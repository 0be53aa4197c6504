"""For the tests of those who build on this library: a scripted backend, a server with faults, suites for plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complaint_llm.testing.check_conformance import CheckConformance
    from complaint_llm.testing.command_conformance import CommandConformance
    from complaint_llm.testing.conformance import BackendConformance
    from complaint_llm.testing.executor_conformance import ExecutorConformance
    from complaint_llm.testing.guard_conformance import GuardConformance
    from complaint_llm.testing.mock import MessageMatcher, MockBackend, MockResponse
    from complaint_llm.testing.observer_conformance import ObserverConformance
    from complaint_llm.testing.reader_conformance import ReaderConformance
    from complaint_llm.testing.server import FaultyServer, Reply
    from complaint_llm.testing.store_conformance import BlockStoreConformance
    from complaint_llm.testing.strategy_conformance import StrategyConformance
    from complaint_llm.testing.task_conformance import TaskConformance

_HOMES = {
    "BackendConformance": "complaint_llm.testing.conformance",
    "BlockStoreConformance": "complaint_llm.testing.store_conformance",
    "CheckConformance": "complaint_llm.testing.check_conformance",
    "CommandConformance": "complaint_llm.testing.command_conformance",
    "ExecutorConformance": "complaint_llm.testing.executor_conformance",
    "FaultyServer": "complaint_llm.testing.server",
    "GuardConformance": "complaint_llm.testing.guard_conformance",
    "MessageMatcher": "complaint_llm.testing.mock",
    "MockBackend": "complaint_llm.testing.mock",
    "MockResponse": "complaint_llm.testing.mock",
    "ObserverConformance": "complaint_llm.testing.observer_conformance",
    "ReaderConformance": "complaint_llm.testing.reader_conformance",
    "Reply": "complaint_llm.testing.server",
    "StrategyConformance": "complaint_llm.testing.strategy_conformance",
    "TaskConformance": "complaint_llm.testing.task_conformance",
}

__all__ = [
    "BackendConformance",
    "BlockStoreConformance",
    "CheckConformance",
    "CommandConformance",
    "ExecutorConformance",
    "FaultyServer",
    "GuardConformance",
    "MessageMatcher",
    "MockBackend",
    "MockResponse",
    "ObserverConformance",
    "ReaderConformance",
    "Reply",
    "StrategyConformance",
    "TaskConformance",
]


def __getattr__(name: str) -> Any:
    # Imported when first touched: a demo with the mock pays for neither the server nor the suite.
    from importlib import import_module  # cold start

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
