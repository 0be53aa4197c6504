"""The check ``references``: numbers of an answer's entries are unique and lead somewhere, and what must rest on a
quote does.

A schema marks them: ``"x-ref": "declares"`` on the string that numbers an entry, ``"x-ref": "names"`` on one that
points to
another, ``"x-rests-on": true`` on a list of pointers of which at least one entry must hold a quote that stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from complaint_llm.checks.check import CheckContext, Finding
from complaint_llm.json_schema.places import json_pointer

NAME = "references"


def check_references(parsed: Any, context: CheckContext) -> Sequence[Finding]:
    """A finding for each repeated number, each pointer to nothing, and each list that rests on no standing quote."""
    places = context.places(parsed)
    declared: dict[str, str] = {}
    findings = []
    for place in places:
        if place.annotations.get("x-ref") == "declares" and isinstance(place.value, str):
            if place.value in declared:
                findings.append(Finding(NAME, place.pointer, "another entry has this number: number each once"))
            else:
                declared[place.value] = json_pointer(place.path[:-1])
    standing = [quote.pointer for quote in context.quotes if quote.stands]
    for place in places:
        if place.annotations.get("x-ref") == "names" and isinstance(place.value, str) and place.value not in declared:
            findings.append(Finding(NAME, place.pointer, "no entry has this number"))
        if place.annotations.get("x-rests-on") is True and isinstance(place.value, (list, tuple)):
            entries = [declared[ref] for ref in place.value if ref in declared]
            if not any(pointer.startswith(f"{entry}/") for entry in entries for pointer in standing):
                findings.append(Finding(NAME, place.pointer, "it rests on no entry whose quote stands in the material"))
    return findings
