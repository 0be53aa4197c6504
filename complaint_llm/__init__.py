"""A config-driven plugin host for language models. Start with ``Mediator.from_config("config.json")``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from complaint_llm import exceptions
    from complaint_llm.batch import BatchResult
    from complaint_llm.config import load_config
    from complaint_llm.hookspecs import hookimpl
    from complaint_llm.mediator import Mediator
    from complaint_llm.messages import (
        Document,
        Done,
        InferenceOutput,
        Message,
        ModelInfo,
        ReasoningDelta,
        StreamError,
        TextDelta,
        TokenUsage,
        Tool,
        ToolCall,
        ToolCallDelta,
        ToolCallEnd,
        ToolCallStart,
    )
    from complaint_llm.testing.mock import MessageMatcher, MockResponse

_HOMES = {
    "complaint_llm.testing.mock": ("MessageMatcher", "MockResponse"),
    "complaint_llm.mediator": ("Mediator",),
    "complaint_llm.config": ("load_config",),
    "complaint_llm.hookspecs": ("hookimpl",),
    "complaint_llm.batch": ("BatchResult",),
    "complaint_llm.messages": (
        "Document",
        "Done",
        "InferenceOutput",
        "Message",
        "ModelInfo",
        "ReasoningDelta",
        "StreamError",
        "TextDelta",
        "TokenUsage",
        "Tool",
        "ToolCall",
        "ToolCallDelta",
        "ToolCallEnd",
        "ToolCallStart",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BatchResult",
    "Document",
    "Done",
    "InferenceOutput",
    "Mediator",
    "Message",
    "MessageMatcher",
    "MockResponse",
    "ModelInfo",
    "ReasoningDelta",
    "StreamError",
    "TextDelta",
    "TokenUsage",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallEnd",
    "ToolCallStart",
    "exceptions",
    "hookimpl",
    "load_config",
]


def __getattr__(name: str) -> Any:
    # Imported when first touched: a script that needs only one name pays for that one.
    from importlib import import_module  # cold start: importlib

    if name == "exceptions":
        return import_module("complaint_llm.exceptions")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
