"""Laying the caller's ``extra_body`` over a request body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def overlay(body: dict[str, Any], extra: Mapping[str, Any]) -> None:
    """Put ``extra`` into ``body``: objects are merged key by key, anything else replaces what was there.

    Objects of ``body`` that change are copied first, so that a body may share parts with other requests.
    """
    for key, value in extra.items():
        had = body.get(key)
        if isinstance(had, Mapping) and isinstance(value, Mapping):
            merged = dict(had)
            overlay(merged, value)
            body[key] = merged
        else:
            body[key] = value
