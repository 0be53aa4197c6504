"""Backend types that a program offers in code, next to installed and dropped-in plugins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.type import BackendType, type_fault
from complaint_llm.exceptions import PluginError

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend

_lock = threading.Lock()
_registered: dict[str, BackendType] = {}
"""The only state of the process: registering is a statement about the program, not about one config."""


def register_backend(name: str, backend: Callable[..., Any], *, schema: Mapping[str, Any] | None = None) -> None:
    """Offer a class (or factory) as the backend type ``name`` to every config that is loaded from now on.

    ``schema`` is the JSON Schema of its own keys, else its ``options_schema``; without either the common keys and the
    class's named ``__init__`` parameters are allowed. Registering the same class again changes nothing. Raises
    PluginError if the name is taken by another class, or if one of the three cannot be used. Any thread may call it.
    After ``register_backend("gateway", Gateway)`` a config may say ``{"id": "g", "type": "gateway"}``.
    """
    offered = backend_type_of(name, backend, schema)
    fault = type_fault(offered)
    if fault is not None:
        raise PluginError(f"register_backend was given {fault}")
    with _lock:
        known = _registered.get(name)
        if known is not None and known.make is not backend:
            raise PluginError(f"type {name!r} is already registered by {known.make!r}: choose another name")
        _registered[name] = offered


def registered_types() -> Mapping[str, BackendType]:
    """What is registered now, by name."""
    with _lock:
        return dict(_registered)


@contextmanager
def temporary_registrations(types: Mapping[str, BackendType] | None = None) -> Iterator[None]:
    """What is registered inside is forgotten at the end, for tests; ``types`` are then all that is registered there."""
    with _lock:
        before = dict(_registered)
        if types is not None:
            _registered.clear()
            _registered.update(types)
    try:
        yield
    finally:
        with _lock:
            _registered.clear()
            _registered.update(before)


def backend_type_of(name: str, backend: Callable[..., Backend], schema: Mapping[str, Any] | None = None) -> BackendType:
    """The type that a class describes by its attributes."""
    return BackendType(
        name,
        backend,
        summary=next(iter((backend.__doc__ or "").strip().splitlines()), ""),
        schema=schema if schema is not None else getattr(backend, "options_schema", None),
        key_variables=tuple(getattr(backend, "key_variables", ())),
        needs_key=bool(getattr(backend, "needs_key", False)),
        location=getattr(backend, "default_location", "remote"),
    )
