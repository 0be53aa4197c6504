"""Where a backend's requests go, and what of them would be fetched from elsewhere."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from complaint_llm.backends.base import Backend
from complaint_llm.backends.command import CommandBackend
from complaint_llm.backends.composed import ComposedBackend
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.privacy import addresses


class Leaving(NamedTuple):
    """What could leave this machine by a backend.

    ``hosts`` are those that it sends to, ``local`` says that all of it stays here, ``fetches`` what its requests may
    have fetched from elsewhere.
    """

    hosts: tuple[str, ...]
    local: bool
    fetches: tuple[str, ...]

    def line(self) -> str:
        """In words, for a table."""
        hosts = ", ".join(self.hosts)
        where = ("stays here" + (f" ({hosts})" if hosts else "")) if self.local else (hosts or "leaves this machine")
        return "; ".join((where, *(f"may fetch {each}" for each in self.fetches)))


def leaving(backend: Backend | LazyBackend, *, private: bool) -> Leaving:
    """What could leave by this backend, or by those that it is made of; ``private`` where the config says so of all."""
    made = backend.backend if isinstance(backend, LazyBackend) else backend
    if isinstance(made, ComposedBackend):
        inner = [leaving(part, private=private) for part in made.parts]
        return Leaving(
            tuple(dict.fromkeys(host for each in inner for host in each.hosts)),
            all(each.local for each in inner),
            tuple(dict.fromkeys(what for each in inner for what in each.fetches)),
        )
    fixed = [found for key, value in made.fixed_content().items() for found in addresses(value, key)]
    images = ["images that a prompt gives by address"] if "images" in made.capabilities and not made.demo else []
    return Leaving(_hosts(made), made.local, () if private else (*images, *fixed))


def _hosts(backend: Backend) -> tuple[str, ...]:
    if isinstance(backend, CommandBackend):
        return (f"the program {backend.command}",)
    address = getattr(backend, "base_url", None)
    host = urlsplit(address).hostname if isinstance(address, str) else None
    return (host,) if host else ()
