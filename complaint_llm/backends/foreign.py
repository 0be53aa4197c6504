"""Backends made of what was written against other interfaces: classes that did not call our ``__init__``, objects that
derive from nothing of ours, and plain functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.base import Backend
from complaint_llm.backends.wire.parameters import UnsupportedParameters
from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import InferenceOutput, StreamEvent

if TYPE_CHECKING:
    from complaint_llm.backends.adapters import Adapter
    from complaint_llm.client.group import Member
    from complaint_llm.request import Request


def adapt(given: Any, **keys: Any) -> Backend:
    """``given`` as a backend: itself if it is one, else one that calls it.

    A function needs an ``id`` attribute, or ``id`` among ``keys``, which are the common keys of the new backend. Raises
    ConfigError for what cannot answer, or has no id.
    """
    if isinstance(given, Backend) and "options" in vars(given):
        return given
    id = keys.pop("id", None) or getattr(given, "id", None)
    if not isinstance(id, str) or not id:
        if not isinstance(given, Backend):
            raise ConfigError(f"{_name(given)} has no id: set its attribute id to a name")
        # Its author wrote an __init__ of their own and did not call ours.
        id = type(given).__name__
    location = getattr(given, "location", None)
    if location in ("local", "remote"):
        keys.setdefault("location", location)
    return AdaptedBackend(given, id=id, **keys)


def as_member(given: Any) -> Member:
    """What a group is made of, from a client, a member, or what can be adapted to a backend. Raises ConfigError."""
    if isinstance(given, str):
        raise ConfigError(f"{given!r} is a name, not a backend: names are looked up in a config only")
    if isinstance(given, Mapping):
        raise ConfigError("a mapping is no backend: make the backend first, only llm_router takes them inline")
    own: Callable[[], Member] | None = None if isinstance(given, Backend) else getattr(given, "as_member", None)
    if own is not None and getattr(given, "has_guards", False):
        raise ConfigError(f"{given.id}: with guards cannot be inside another Mediator: give them to the outer one")
    return adapt(given).as_member() if own is None else own()


class AdaptedBackend(Backend):
    """Calls an object of another interface. Closing it closes the object, if that can be closed."""

    def __init__(self, given: Any, **keys: Any) -> None:
        super().__init__(**keys)
        self._given = given
        self._adapter = _foreign(given, self.id, self.options.model, self._unsupported_parameters())

    def answer(self, request: Request) -> InferenceOutput:
        return self._adapter.answer(request)

    def answer_stream(self, request: Request) -> Iterable[StreamEvent]:
        return self._adapter.stream(request)

    def supports_streaming(self) -> bool:
        """Whether the object has a method for it."""
        return self._adapter.streams

    def close_resources(self) -> None:
        close = getattr(self._given, "close", None)
        if callable(close):
            close()

    def _unsupported_parameters(self) -> UnsupportedParameters:
        return UnsupportedParameters(self.options.unsupported_parameters, self.log)


def _foreign(given: Any, id: str, model: str | None, unsupported: UnsupportedParameters) -> Adapter:
    from complaint_llm.backends.adapters import Adapter, loader_of  # cold start: foreign interfaces

    own = given if isinstance(given, Backend) else None
    generate = _method(given, own, "generate")
    stream = _method(given, own, "stream_generate") or _method(given, own, "generate_stream")
    if generate is None and stream is None:
        if own is not None:
            raise ConfigError(f"{id}: {_name(given)} was not set up: its __init__ must call super().__init__(**keys)")
        if not callable(given):
            raise ConfigError(f"{id}: {_name(given)} cannot answer: it has no generate and cannot be called")
        generate = given
    return Adapter(id, generate, stream, unsupported, loader_of(given, model))


def _method(given: Any, own: Backend | None, name: str) -> Callable[..., Any] | None:
    """The method, unless it is only inherited from Backend."""
    if own is not None and getattr(type(own), name) is getattr(Backend, name):
        return None
    found = getattr(given, name, None)
    return found if callable(found) else None


def _name(given: Any) -> str:
    return getattr(given, "__name__", type(given).__name__)
