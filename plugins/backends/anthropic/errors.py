"""What an error body of the Messages API, or an ``error`` event of its streams, says.

Source: the error types of the anthropic SDK 2.11; platform.claude.com, api/errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from complaint_llm.backends import WireError
from complaint_llm.backends.wire import ANTHROPIC_ERRORS, error_fields, error_words


def decode_error(payload: Any) -> WireError:
    """What an error body or an ``error`` event says."""
    error = error_fields(payload)
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, Mapping) else None
    # The code of another wire's error comes last: it names the error only where this wire's words do not.
    known = [name for name in (code, error.get("type"), error.get("code")) if isinstance(name, str)]
    kind = next((ANTHROPIC_ERRORS[name] for name in known if name in ANTHROPIC_ERRORS), None)
    return WireError(error_words(error), known[0] if known else None, kind)
