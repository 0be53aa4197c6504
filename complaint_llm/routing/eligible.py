"""Who may serve a request."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from complaint_llm.routing.target import AnyRequest, Rankable

R = TypeVar("R", bound=Rankable)


def exclusion(target: Rankable, request: AnyRequest) -> str | None:
    """Why this target must not or cannot be asked at all, or None."""
    if request.privacy == "local" and not target.local:
        return 'not local: privacy "local" keeps the request on this machine'
    lacking = target.lacks(request)
    return None if lacking is None else f"cannot serve this request: {lacking}"


def first_able(targets: Iterable[R], request: AnyRequest) -> R | None:
    """The first that may and can serve the request."""
    for target in targets:
        if exclusion(target, request) is None:
            return target
    return None
