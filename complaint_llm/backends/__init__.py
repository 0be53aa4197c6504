"""What backend authors build on, and the built-in backends by their class names (each imported when first touched)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm import exceptions
from complaint_llm.backends.base import Backend, BaseBackend
from complaint_llm.backends.type import BackendType
from complaint_llm.request import EmbeddingRequest, Request

if TYPE_CHECKING:
    from complaint_llm.backends.command import CommandBackend, CommandLine
    from complaint_llm.backends.composed import ComposedBackend
    from complaint_llm.backends.http import HTTPBackend, StreamDecoder, WireError, WireRequest
    from complaint_llm.backends.registered import register_backend
    from complaint_llm.routing.strategies import make_strategy

_HOMES = {
    "CommandBackend": "complaint_llm.backends.command",
    "CommandLine": "complaint_llm.backends.command",
    "ComposedBackend": "complaint_llm.backends.composed",
    "HTTPBackend": "complaint_llm.backends.http",
    "StreamDecoder": "complaint_llm.backends.http",
    "WireError": "complaint_llm.backends.http",
    "WireRequest": "complaint_llm.backends.http",
    "make_strategy": "complaint_llm.routing.strategies",
    "register_backend": "complaint_llm.backends.registered",
}

__all__ = [
    "Backend",
    "BackendType",
    "BaseBackend",
    "CommandBackend",
    "CommandLine",
    "ComposedBackend",
    "EmbeddingRequest",
    "HTTPBackend",
    "Request",
    "StreamDecoder",
    "WireError",
    "WireRequest",
    "exceptions",
    "make_strategy",
    "register_backend",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    module = _HOMES.get(name)
    value = _class_of_a_plugin(name) if module is None else getattr(import_module(module), name)
    globals()[name] = value
    return value


def _class_of_a_plugin(name: str) -> Any:
    """A backend class that an installed distribution offers by name: OpenAIBackend, AnthropicBackend, ..."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import entry_points

    for found in entry_points(group="complaint_llm.classes", name=name):
        return found.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
