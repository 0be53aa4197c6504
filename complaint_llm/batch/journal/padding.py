"""Groups of a few lengths, so that few statements are ever prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

_SIZES = tuple(sorted({size for power in range(9) for size in (1 << power, 3 << power >> 1)}))


def pad(values: Sequence[T], most: int) -> Sequence[T]:
    """The values, the last one repeated up to one of a few lengths, so that few statements are ever prepared.

    To look for a key twice or to write an entry twice changes nothing.
    """
    length = len(values)
    wanted = min(most, next((size for size in _SIZES if size >= length), length))
    return [*values, *[values[-1]] * (wanted - length)] if wanted > length else values
