"""What a service is to answer, and what its requests hold: for services on each wire."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

TOOLS = [
    {
        "name": name,
        "description": f"Looks up {name}.",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}},
    }
    for name in ("find", "date")
]
SIGNED = re.compile(r"signed-by-([a-z]+)-([0-9]+)")


class Said(NamedTuple):
    """What a service is to answer: its text, how many calls, and the number of the turn, which is in its signatures."""

    turn: int
    text: str
    calls: int


class Held(NamedTuple):
    """What a request holds: ids of calls and of results in their order, and who signed what (service, turn)."""

    calls: Sequence[str]
    results: Sequence[str]
    signed: set[tuple[str, int]]


def signature(name: str, turn: int) -> str:
    """What a service signs with, and reads its own name in."""
    return f"signed-by-{name}-{turn}"


def call_arguments(place: int) -> dict[str, Any]:
    return {"n": place}


def call_name(place: int) -> str:
    return str(TOOLS[place % 2]["name"])


def text_halves(text: str) -> Sequence[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]] if text else []
