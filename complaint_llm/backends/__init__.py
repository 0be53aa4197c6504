"""What authors of backends build on, and the built-in backends by their class names (each imported when first touched).

docs/toolkit.md describes each name; what stands between a request and bytes is in ``complaint_llm.backends.wire``.
"""

from __future__ import annotations

from typing import Any

from complaint_llm import exceptions
from complaint_llm.backends.base import Backend, BaseBackend, Capability
from complaint_llm.backends.type import BackendType
from complaint_llm.request import EmbeddingRequest, Request

_HOMES = {
    "complaint_llm.backends.command": (
        "CommandBackend",
        "CommandLine",
        "Failure",
        "ProgramResult",
        "REFUSED_BY_PROGRAMS",
    ),
    "complaint_llm.backends.composed": ("ComposedBackend",),
    "complaint_llm.backends.declared": ("declared_types",),
    "complaint_llm.backends.http": ("HTTPBackend",),
    "complaint_llm.backends.http_messages": ("HTTPResponse", "WireRequest"),
    "complaint_llm.backends.local_model": (
        "LocalModel",
        "LocalModelBackend",
        "ModelLock",
        "PulledModel",
        "REFUSED_BY_LOCAL_MODELS",
        "raise_if_over",
    ),
    "complaint_llm.backends.answer_limits": ("AnswerLimits",),
    "complaint_llm.backends.options": ("check_keys",),
    "complaint_llm.backends.registered": ("register_backend",),
    "complaint_llm.backends.wire.event_stream": ("StreamDecoder",),
    "complaint_llm.backends.wire.status_table": ("WireError",),
    "complaint_llm.call": ("CancelToken", "Deadline"),
    "complaint_llm.config": ("make_parts",),
    "complaint_llm.private_folder": ("folder_fault",),
    "complaint_llm.request": ("GENERATION_KEYS", "ResponseFormat"),
    "complaint_llm.routing.strategies": ("make_strategy",),
    "complaint_llm.secrets": ("Secret",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "GENERATION_KEYS",
    "REFUSED_BY_LOCAL_MODELS",
    "REFUSED_BY_PROGRAMS",
    "AnswerLimits",
    "Backend",
    "BackendType",
    "BaseBackend",
    "CancelToken",
    "Capability",
    "CommandBackend",
    "CommandLine",
    "ComposedBackend",
    "Deadline",
    "EmbeddingRequest",
    "Failure",
    "HTTPBackend",
    "HTTPResponse",
    "LocalModel",
    "LocalModelBackend",
    "ModelLock",
    "ProgramResult",
    "PulledModel",
    "Request",
    "ResponseFormat",
    "Secret",
    "StreamDecoder",
    "WireError",
    "WireRequest",
    "check_keys",
    "declared_types",
    "exceptions",
    "folder_fault",
    "make_parts",
    "make_strategy",
    "raise_if_over",
    "register_backend",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module  # cold start

    home = _HOME.get(name)
    value = _class_of_a_plugin(name) if home is None else getattr(import_module(home), name)
    globals()[name] = value
    return value


def _class_of_a_plugin(name: str) -> Any:
    """A backend class that an installed distribution offers by name: OpenAIBackend, AnthropicBackend, ..."""
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import entry_points  # cold start

    for found in entry_points(group="complaint_llm.classes", name=name):
        return found.load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
