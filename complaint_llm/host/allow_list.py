"""PLUGINS.allow: the names of the plugins that may be loaded, some of them only as they are now."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping

from complaint_llm.exceptions import PluginError

NOT_ALLOWED = "is not named in PLUGINS.allow"
_PIN = r"sha256:([0-9a-f]{64})"
_SHOWN_DIGITS = 12


class AllowList:
    """The plugins that may be loaded: ``name``, or ``name@sha256:`` and the 64 digits that ``plugins`` shows.

    A name that has several digests may be any of them. Immutable.
    """

    __slots__ = ("_digests",)

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises PluginError for an entry that is neither."""
        digests: dict[str, frozenset[str]] = {}
        for entry in entries:
            name, _, pin = entry.partition("@")
            found = re.fullmatch(_PIN, pin)
            if not name or ("@" in entry and found is None):
                raise PluginError(f"PLUGINS.allow: {entry!r}: write a name, or name@sha256: and 64 digits 0-9a-f")
            known = digests.get(name, frozenset())
            digests[name] = known if found is None else known | {found[1]}
        self._digests: Mapping[str, frozenset[str]] = digests

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllowList) and self._digests == other._digests

    def __hash__(self) -> int:
        return hash(frozenset(self._digests.items()))

    @property
    def names(self) -> Collection[str]:
        """The names, without digests."""
        return self._digests.keys()

    def entries(self) -> list[str]:
        """What it was made of."""
        found = []
        for name, digests in self._digests.items():
            found += [f"{name}@sha256:{each}" for each in sorted(digests)] or [name]
        return found

    def bar_reason(self, names: Iterable[str], digest: Callable[[], str]) -> str | None:
        """Why a plugin of these names must not be loaded; ``digest`` reads the SHA-256 of its files, if it matters."""
        named = [self._digests[name] for name in names if name in self._digests]
        if not named:
            return NOT_ALLOWED
        wanted = frozenset().union(*named)
        if not wanted:
            return None
        there = digest()
        if there in wanted:
            return None
        kept = " or ".join(sorted(f"{each[:_SHOWN_DIGITS]}..." for each in wanted))
        return (
            f"is allowed by PLUGINS.allow with sha256 {kept}, and has {there[:_SHOWN_DIGITS]}... now: "
            "look at what changed, then allow the new one"
        )
