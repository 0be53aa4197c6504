"""Every error that this library raises on purpose.

ComplaintLLMError
├── ConfigError (ValueError)        the configuration is wrong; ``problems`` has a line each
├── PluginError                     a plugin could not be loaded or used
├── GuardError                      a guard refused a call, failed or was late: nothing was sent
├── BackendError                    a model could not answer
│   ├── AuthenticationError         401: the key is missing or refused
│   ├── PermissionDeniedError       403: the key may not do this
│   ├── ModelNotFoundError          404: no such model
│   ├── InvalidRequestError         400, 413, 422: the request cannot be served as it is
│   │   ├── ContextLengthError      the prompt is too long for the model
│   │   └── ContentFilterError      the provider's filter refused the prompt or the answer
│   ├── RateLimitError              429: too fast; ``retry_after`` seconds where known
│   │   └── QuotaExceededError      402, 429: the money or the quota is spent, waiting does not help
│   ├── BackendTimeoutError (TimeoutError)
│   ├── BackendConnectionError      no connection, or it broke
│   ├── ServerError                 5xx
│   ├── ResponseFormatError         an answer that is no valid answer
│   ├── CheckFailedError            a check of the answer found something; ``findings``
│   ├── StreamInterruptedError      a stream broke off; ``partial`` has the text so far
│   ├── BudgetExceededError         our own budget is spent; nothing was sent
│   ├── CircuitOpenError            the breaker is open; nothing was sent
│   ├── CancelledError              closed or cancelled by us
│   └── AllBackendsFailedError      several were tried; ``attempts`` has each
├── BatchError                      some prompts of a batch failed; ``results`` and ``errors``
└── EvidenceError
    ├── EvidenceNotFoundError       no content or record of this CID here
    └── EvidenceCorruptedError      what was read is not what the CID names

Messages are one line: what happened, where, and what to do. Provider messages inside are bounded and carry no secret.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from complaint_llm.messages import Attempt, InferenceOutput, TokenUsage


class ComplaintLLMError(Exception):
    """The root of the tree."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only constructor arguments live in __dict__: pickle restores them without calling __init__.
        return _restore, (type(self), self.args), self.__dict__


def _restore(kind: type[ComplaintLLMError], args: tuple[Any, ...]) -> ComplaintLLMError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ConfigError(ComplaintLLMError, ValueError):
    """The configuration is wrong. ``problems`` holds one line per fault, each with its place.

    ``places`` has the place in the document and the text of each, where the file is not known to who raises it;
    ``located`` says that its lines name file and line.
    """

    places: Sequence[tuple[tuple[str | int, ...], str]] = ()
    located: bool = False

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class PluginError(ComplaintLLMError):
    """A plugin could not be loaded, offers what is taken, or broke the plugin contract. ``places`` and
    ``located`` as of ConfigError."""

    places: Sequence[tuple[tuple[str | int, ...], str]] = ()
    located: bool = False


class GuardError(ComplaintLLMError):
    """A guard refused a call, failed, or was slower than its timeout: nothing of it was sent.

    ``guard`` is its name. ``output`` is the answer, if it was the answer that the guard could not let through.
    """

    output: InferenceOutput | None = None

    def __init__(self, message: str, *, guard: str = "") -> None:
        super().__init__(message)
        self.guard = guard


class BackendError(ComplaintLLMError):
    """A backend could not answer.

    ``status`` is the HTTP status or None; ``code`` the provider's own error code; ``param`` the
    parameter that it names; ``retryable`` says whether the same
    request may succeed at the same backend later; ``maybe_received`` whether the provider may have done the work;
    ``sent`` whether any of the request left this process.
    """

    # Most errors have few of these: what is not given stays the class's, which makes a refusal cheap.
    backend: str | None = None
    model: str | None = None
    status: int | None = None
    code: str | None = None
    param: str | None = None
    request_id: str | None = None
    retryable: bool = False
    retry_after: float | None = None
    maybe_received: bool = False
    sent: bool = True
    attempts: Sequence[Attempt] = ()

    def __init__(
        self,
        message: str,
        *,
        backend: str | None = None,
        model: str | None = None,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        maybe_received: bool = False,
        sent: bool = True,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        if backend is not None:
            self.backend = backend
        if model is not None:
            self.model = model
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code
        if param is not None:
            self.param = param
        if request_id is not None:
            self.request_id = request_id
        if retryable is not None:
            self.retryable = retryable
        if retry_after is not None:
            self.retry_after = retry_after
        if maybe_received:
            self.maybe_received = maybe_received
        if not sent:
            self.sent = sent
        if attempts:
            self.attempts = tuple(attempts)

    def __str__(self) -> str:
        where = f"{self.backend}: " if self.backend else ""
        return where + self.message


class AuthenticationError(BackendError):
    """The key is missing or was refused (401)."""


class PermissionDeniedError(BackendError):
    """The key may not do this (403)."""


class ModelNotFoundError(BackendError):
    """The backend has no such model (404)."""


class InvalidRequestError(BackendError):
    """The request cannot be served as it is (400, 413, 422, or found out before sending: ``sent`` is False)."""


class ContextLengthError(InvalidRequestError):
    """The prompt, or prompt and answer, do not fit into the model's context window."""


class ContentFilterError(InvalidRequestError):
    """The provider's content filter refused the prompt or the answer."""


class RateLimitError(BackendError):
    """Too many requests (429). ``retry_after`` is in seconds, or None where the provider does not say."""

    retryable = True


class QuotaExceededError(RateLimitError):
    """The quota or the credit is spent: waiting does not help."""

    retryable = False


class BackendTimeoutError(BackendError, TimeoutError):
    """The deadline passed before the answer was there."""

    retryable = True


class BackendConnectionError(BackendError):
    """The connection could not be made or broke."""

    retryable = True


class ServerError(BackendError):
    """The provider failed (5xx)."""

    retryable = True


class ResponseFormatError(BackendError):
    """The answer has the wrong shape, is cut, too large, or empty.

    ``token_usage`` is what an empty answer took, None where it is not known.
    """

    token_usage: TokenUsage | None = None


class CheckFailedError(BackendError):
    """A check found something wrong in an answer, and its task says that this is a failure. ``findings`` says what."""

    def __init__(self, message: str, *, findings: Sequence[Any] = (), **details: Any) -> None:
        super().__init__(message, **details)
        self.findings = tuple(findings)


class StreamInterruptedError(BackendError):
    """A stream broke off before its proper end. ``partial`` is the text that came."""

    retryable = True

    def __init__(self, message: str, *, partial: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.partial = partial


class BudgetExceededError(BackendError):
    """Our own budget is spent, or could not be kept. Nothing was sent."""


class CircuitOpenError(BackendError):
    """The backend failed too often just now and is left alone for a while. Nothing was sent."""


class CancelledError(BackendError):
    """The call was cancelled: by close(), by its caller, or because another backend answered first."""


class AllBackendsFailedError(BackendError):
    """Several backends were tried and none answered. Prints a line for each that they said; ``errors`` is by id."""

    def __init__(self, message: str, *, errors: Mapping[str, BackendError] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.errors = dict(errors or {})

    def __str__(self) -> str:
        # What a backend answered to each of several attempts is told once.
        same: dict[tuple[str, str], list[float]] = {}
        for each in self.attempts:
            if each.error:
                same.setdefault((each.backend, each.error), []).append(each.seconds)
        lines = [self.message]
        for (backend, error), seconds in same.items():
            times = f"{len(seconds)} attempts, " if len(seconds) > 1 else ""
            lines.append(f"  {backend}: {error} ({times}{sum(seconds):.2f} s)")
        return "\n".join(lines)


class BatchError(ComplaintLLMError):
    """Some prompts of a batch failed.

    ``results`` are in order, None where one failed; ``errors`` maps the index to the error.
    """

    def __init__(
        self, message: str, *, results: Sequence[Any] = (), errors: Mapping[int, Exception] | None = None
    ) -> None:
        super().__init__(message)
        self.results = list(results)
        self.errors = dict(errors or {})


class EvidenceError(ComplaintLLMError):
    """Evidence could not be stored or read.

    ``output`` is the answer, if it is that answer's record of provenance that could not be written.
    """

    output: InferenceOutput | None = None


class EvidenceNotFoundError(EvidenceError):
    """Nothing of this CID, user or record is here."""


class EvidenceCorruptedError(EvidenceError):
    """What was read is not what its CID names."""
