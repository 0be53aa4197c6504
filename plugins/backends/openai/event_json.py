"""The JSON of a stream's events, read the shortest way: there are hundreds of them in one answer."""

from __future__ import annotations

import json
from typing import Any

from complaint_llm import bounded_json
from complaint_llm.exceptions import ResponseFormatError

_read = json.JSONDecoder().raw_decode
_SHORT = 16 * 1024


def loaded(data: str) -> Any:
    """The value. Raises ResponseFormatError."""
    try:
        # A third less than json.loads; what is long, or not read whole this way, goes the long one.
        if len(data) < _SHORT:
            value, end = _read(data)
            if end == len(data):
                return value
    except (ValueError, RecursionError):
        pass
    try:
        return bounded_json.loads(data)
    except ValueError as cause:
        raise ResponseFormatError(f"an event of the stream is no JSON: it begins {data[:80]!r}") from cause
