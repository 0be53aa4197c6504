"""An answer's header fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class Fields(Mapping[str, str]):
    """Header fields by name in any case; those that came several times are joined by commas (RFC 9110, 5.3).

    Immutable. Iterates lower-case names; does not show values, which may hold cookies.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        """``values`` by lower-case name."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Fields {', '.join(self._values)}>"
