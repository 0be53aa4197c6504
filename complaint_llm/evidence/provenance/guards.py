"""Which guards stood before an answer, and the digests of what the caller gave and got, as a provenance record says it.

The record's own prompt and answer are those that were sent and that came; nothing says what was hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from complaint_llm.evidence.ipld.cid import Cid
from complaint_llm.messages import Message, Tool


class OwnForms(NamedTuple):
    """What a caller gave and got, beside what was sent and what came. ``guards`` has ``name``, ``version`` and
    ``counts`` of each that stood before it."""

    guards: Sequence[Mapping[str, Any]]
    messages: Sequence[Message]
    tools: Sequence[Tool]
    content: str


def guards_entry(own: OwnForms, *, prompt: Cid, answer: Cid) -> dict[str, Any]:
    """The map that a record has for it: ``prompt`` and ``answer`` name the caller's, which are not kept."""
    used = [
        {
            "name": str(each["name"]),
            "version": str(each["version"]),
            "counts": {str(key): int(count) for key, count in each["counts"].items()},
        }
        for each in own.guards
    ]
    return {"used": used, "prompt": prompt, "answer": answer}


def check_guards(given: Any) -> None:
    """Raise ValueError unless it is what ``guards_entry`` makes."""
    if not isinstance(given, dict) or given.keys() != {"used", "prompt", "answer"}:
        raise ValueError("its guards are of the wrong shape")
    if not (isinstance(given["prompt"], Cid) and isinstance(given["answer"], Cid) and isinstance(given["used"], list)):
        raise ValueError("its guards are of the wrong type")
    for each in given["used"]:
        if not isinstance(each, dict) or each.keys() != {"name", "version", "counts"}:
            raise ValueError("its guards have an entry of the wrong shape")
        counts = each["counts"]
        if not (isinstance(each["name"], str) and isinstance(each["version"], str) and isinstance(counts, dict)):
            raise ValueError("its guards have an entry of the wrong type")
        if not all(type(count) is int for count in counts.values()):
            raise ValueError("its guards have a count that is no number")


def guards_in_words(entry: Mapping[str, Any]) -> Iterator[str]:
    """Each guard: "pseudonyms, version 1: 2 by list, 1 by pattern"."""
    for each in entry["used"]:
        counts = ", ".join(f"{count} by {source}" for source, count in each["counts"].items())
        yield f"{each['name']}, version {each['version']}: {counts or 'counts nothing'}"
