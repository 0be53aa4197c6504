"""Cutting many texts into embedding requests that a provider takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def parts(texts: Sequence[str], most: int, most_bytes: int | None) -> Iterator[tuple[str, ...]]:
    """The texts in order, at most ``most`` and ``most_bytes`` (UTF-8) in each part; one that is too long goes alone."""
    part: list[str] = []
    size = 0
    for text in texts:
        length = 0 if most_bytes is None else len(text.encode("utf-8", "surrogatepass"))
        if part and (len(part) >= most or (most_bytes is not None and size + length > most_bytes)):
            yield tuple(part)
            part, size = [], 0
        part.append(text)
        size += length
    yield tuple(part)
