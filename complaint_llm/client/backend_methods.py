"""The methods for single backends that a client over several has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend
    from complaint_llm.client.group import Group
    from complaint_llm.messages import ModelInfo


class BackendMethods:
    """What scripts ask of one of the backends in ``_group``, by its id. Any thread may call it."""

    _group: Group

    def backend(self, id: str) -> Backend:
        """The backend of this id, made now if it was not yet. Raises ConfigError if there is none, BackendError if it
        cannot be made."""
        found: Any = self._group.member(id).client
        backend: Backend = found
        return backend

    def model_info(self, backend: str | None = None) -> ModelInfo:
        """Of the backend that this id names, else of the first that is no mock beside others. Raises ConfigError."""
        return (self._group if backend is None else self._group.member(backend)).model_info()

    def load(self, id: str | None = None) -> None:
        """Load the local model of backend ``id`` now (of all without one), outside any request's deadline."""
        (self._group if id is None else self._group.member(id)).load()

    def is_loaded(self, id: str | None = None) -> bool:
        """Whether the backend (every one without an id) is ready to answer at once."""
        return (self._group if id is None else self._group.member(id)).is_loaded()

    def unload(self, id: str | None = None) -> None:
        """Give back the memory of a local model; the next request loads it again."""
        (self._group if id is None else self._group.member(id)).unload()
