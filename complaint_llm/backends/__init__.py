"""What backend authors build on, and the built-in backends by their class names (each imported when first touched)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from complaint_llm import exceptions
from complaint_llm.backends.base import Backend, BaseBackend
from complaint_llm.backends.type import BackendType
from complaint_llm.request import EmbeddingRequest, Request

if TYPE_CHECKING:
    from complaint_llm.backends.http import HTTPBackend, StreamDecoder, WireError, WireRequest
    from complaint_llm.backends.registered import register_backend

_LAZY = {
    "HTTPBackend": "complaint_llm.backends.http",
    "StreamDecoder": "complaint_llm.backends.http",
    "WireError": "complaint_llm.backends.http",
    "WireRequest": "complaint_llm.backends.http",
    "register_backend": "complaint_llm.backends.registered",
}

__all__ = [
    "Backend",
    "BackendType",
    "BaseBackend",
    "EmbeddingRequest",
    "HTTPBackend",
    "Request",
    "StreamDecoder",
    "WireError",
    "WireRequest",
    "exceptions",
    "register_backend",
]


def __getattr__(name: str) -> Any:
    module = _LAZY.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
