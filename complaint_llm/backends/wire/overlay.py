"""Laying the caller's ``extra_body`` over a request body, and what it may not ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.exceptions import InvalidRequestError


def merge_extra_body(body: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Put ``extra`` into ``body``: objects are merged key by key, anything else replaces what was there.

    Objects of ``body`` that change are copied first, so that a body may share parts with other requests.
    """
    for key, value in extra.items():
        had = body.get(key)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            merged = dict(had)
            merge_extra_body(merged, value)
            body[key] = merged
        else:
            body[key] = value


def refuse_several_answers(body: Mapping[str, Any], *path: str) -> None:
    """Raise InvalidRequestError if the number at ``path`` asks for more than one answer: one is read, all are paid."""
    found: Any = body
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    if isinstance(found, (int, float)) and found > 1:
        name = ".".join(path)
        raise InvalidRequestError(f"{name} is {found}: one answer is read; leave it out and ask again", sent=False)
