"""An error as it may be shown: a server can say the key back in any place of its answer."""

from __future__ import annotations

from typing import TypeVar

from complaint_llm.exceptions import BackendError
from complaint_llm.secrets import Redactor

E = TypeVar("E", bound=BackendError)


def without_secrets(error: E, redact: Redactor) -> E:
    """The error itself, its texts redacted.

    A cause that repeats a secret (a JSON error keeps the whole document) is cut off, and what caused it.
    """
    error.args = tuple(redact(each) if isinstance(each, str) else each for each in error.args)
    for name, value in vars(error).items():
        if isinstance(value, str):
            setattr(error, name, redact(value))
    step: BaseException = error
    while (cause := step.__cause__ or step.__context__) is not None:
        shown = f"{cause.args!r} {vars(cause)!r}"
        if redact(shown) != shown:
            step.__cause__ = step.__context__ = None
            break
        step = cause
    return error
