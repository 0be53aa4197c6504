"""For the tests of those who build on this library: a scripted backend, a server with faults, a conformance suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complaint_llm.testing.conformance import BackendConformance
    from complaint_llm.testing.mock import MessageMatcher, MockBackend, MockResponse
    from complaint_llm.testing.server import FaultyServer, Reply

_HOMES = {
    "BackendConformance": "complaint_llm.testing.conformance",
    "FaultyServer": "complaint_llm.testing.server",
    "MessageMatcher": "complaint_llm.testing.mock",
    "MockBackend": "complaint_llm.testing.mock",
    "MockResponse": "complaint_llm.testing.mock",
    "Reply": "complaint_llm.testing.server",
}

__all__ = ["BackendConformance", "FaultyServer", "MessageMatcher", "MockBackend", "MockResponse", "Reply"]


def __getattr__(name: str) -> Any:
    # Imported when first touched: a demo with the mock pays for neither the server nor the suite.
    from importlib import import_module  # cold start

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
