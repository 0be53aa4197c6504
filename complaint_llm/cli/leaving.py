"""Where a backend's requests go, and what of them would be fetched from elsewhere."""

from __future__ import annotations

from typing import NamedTuple

from complaint_llm.backends.base import Backend
from complaint_llm.client.group import Member
from complaint_llm.client.privacy import addresses


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


def leaving(member: Member, *, private: bool) -> Leaving:
    """What could leave by a backend, or by those that it is made of; ``private`` where the config says so of all."""
    each = [_leaving_by(backend, private=private) for route in member.leaves() if (backend := route.target.made)]
    return Leaving(
        tuple(dict.fromkeys(host for one in each for host in one.hosts)),
        all(one.local for one in each),
        tuple(dict.fromkeys(what for one in each for what in one.fetches)),
    )


def _leaving_by(backend: Backend, *, private: bool) -> Leaving:
    fixed = [found for key, value in backend.fixed_content().items() for found in addresses(value, key)]
    images = ["images that a prompt gives by address"] if "images" in backend.capabilities and not backend.demo else []
    return Leaving(_hosts(backend), backend.local, () if private else (*images, *fixed))


def _hosts(backend: Backend) -> tuple[str, ...]:
    host = backend.host
    return () if host is None else (host,)
