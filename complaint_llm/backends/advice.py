"""What to do about an error that a service answered with, behind what the service itself says."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ModelNotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitError,
)

if TYPE_CHECKING:
    from complaint_llm.secrets import Secret


class KeyHolder(Protocol):
    """What is told of the backend that asked: its name, its key, and the variables that a key is taken from."""

    @property
    def id(self) -> str: ...
    @property
    def api_key(self) -> Secret | None: ...
    @property
    def key_variables(self) -> Sequence[str]: ...


def with_advice(error: BackendError, backend: KeyHolder) -> BackendError:
    """The error, with what to do at the end of its line."""
    advice = _advice(error, backend)
    if advice:
        error.message = f"{error.message} ({advice})"
        error.args = (error.message,)
    return error


def _advice(error: BackendError, backend: KeyHolder) -> str:
    if isinstance(error, AuthenticationError):
        return _key_advice(backend)
    if isinstance(error, PermissionDeniedError):
        return f"{key_origin(backend)} may not do this: check its project, its rights and the model's terms"
    if isinstance(error, ModelNotFoundError):
        return f"if the model's name is wrong: complaint-llm models {backend.id}; if not, check base_url"
    if isinstance(error, QuotaExceededError):
        return f"the quota or the credit of {key_origin(backend)} is spent: waiting does not help"
    if isinstance(error, RateLimitError):
        wait = "" if error.retry_after is None else f"again in {error.retry_after:g} s; "
        return f"{wait}too fast for this account: set rate_limit or tokens_per_minute"
    return ""


def _key_advice(backend: KeyHolder) -> str:
    if backend.api_key is None:
        names = " or ".join(f"${name}" for name in backend.key_variables) or "api_key"
        return f"no key was sent: set {names}"
    return f"{key_origin(backend)} was refused: correct or renew it"


def key_origin(backend: KeyHolder) -> str:
    """Where the key came from, for people; never the key."""
    if backend.api_key is None:
        return "the account"
    variable = backend.api_key.variable
    if not variable:
        return f"the api_key of {backend.id!r}"
    return f"the key from ${variable}" if os.environ.get(variable) else f"the key from ${variable} in .env"
