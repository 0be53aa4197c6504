"""Backends made of backends: clients over a group. They make no attempts themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm.backends.foreign import as_member
from complaint_llm.backends.options import Options, check_keys, read_options
from complaint_llm.client.calls import Calls
from complaint_llm.client.client import Client
from complaint_llm.client.group import Composition, Group, close_all
from complaint_llm.client.requests import DEFAULT_TIMEOUT, RequestReader
from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import ModelInfo
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import queue_wait_of

if TYPE_CHECKING:
    from complaint_llm.client.group import Member
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.target import Strategy


class ComposedBackend(Client):
    """Answers by one of ``members``, which are backends or what can be adapted to one.

    ``strategy`` puts them into order for each request. Closing it closes them. ``timeout`` is that of its own calls:
    inside another, that one's holds. Raises ConfigError for a member that cannot answer.
    """

    type: ClassVar[str] = ""
    """The type's name in a config."""

    def __init__(
        self,
        members: Sequence[Any],
        strategy: Strategy,
        *,
        id: str | None = None,
        timeout: float | None = None,
        optional: bool = False,
    ) -> None:
        given = {"id": id, "timeout": timeout, "optional": optional}
        check_keys(given, self.type or type(self).__name__)
        self.options: Options = read_options(given, self.type or type(self).__name__)
        if not len(members):
            raise ConfigError(f"{self.id}: no backends to choose from")
        composition = Composition([as_member(each) for each in members], strategy, owner=self)
        self.group = Group(self.id, lambda: composition)

    @property
    def id(self) -> str:
        """The name by which configs and errors call it."""
        return self.options.id

    @property
    def members(self) -> Sequence[Member]:
        """What it is made of, in the order in which it was named."""
        return self.group.members

    def model_info(self, backend: str | None = None) -> ModelInfo:
        """Of the member that this id names, else of the first that is no mock beside others. Raises ConfigError."""
        return (self.group if backend is None else self.group.member(backend)).model_info()

    def check(self, timeout: float = 10.0, *, connect: bool = True) -> str | None:
        """Raise a BackendError if none of the members can work; names those that cannot."""
        return self.group.check(timeout, connect=connect)

    def load(self) -> None:
        """Make every member ready."""
        self.group.load()

    def is_loaded(self) -> bool:
        """Whether every member is ready."""
        return self.group.is_loaded()

    def unload(self) -> None:
        """Give back what the members hold in memory."""
        self.group.unload()

    def close_resources(self) -> None:
        """Close the members."""
        close_all(self.id, self.members)

    def as_member(self) -> Member:
        """Its group."""
        return self.group

    def _client(self) -> Calls:
        found: Calls | None = vars(self).get("_calls")
        if found is None:
            made = Calls(
                self.group,
                Router(max_queue_wait=queue_wait_of(self.group.strategy), cache=self._own_cache()),
                RequestReader(timeout=self.options.timeout or DEFAULT_TIMEOUT),
                free=self.close_resources,
            )
            found = vars(self).setdefault("_calls", made)  # of two threads that come first, both take one
        return found

    def _own_cache(self) -> Cache | None:
        if not self.group.caches:
            return None
        from complaint_llm.routing.cache.response_cache import Cache  # cold start: the cache

        return Cache()
