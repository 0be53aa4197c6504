"""What a call raises when nobody answered: what stopped it, the one error, or all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from complaint_llm.exceptions import AllBackendsFailedError, BackendError, CancelledError, InvalidRequestError
from complaint_llm.routing.reask import cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from complaint_llm.call import CancelToken
    from complaint_llm.messages import Attempt


def call_error(
    stopped_by: BackendError | None,
    errors: Mapping[str, BackendError],
    attempts: Sequence[Attempt],
    *,
    tried: Mapping[int, BackendError],
    retry_after: float | None,
    cut_short: str,
    seconds: float = 0.0,
) -> BackendError:
    """The error of the whole call, with its ``attempts``.

    ``errors`` are the newest by backend, ``tried`` those of the backends that had an attempt; ``retry_after`` the
    seconds until the first of them may answer, where one is known; ``cut_short`` says why no more was tried,
    ``seconds`` is how long the attempts took, with the waits between them.
    """
    error = stopped_by
    if error is None and len(tried) == 1:
        (error,) = tried.values()
    if error is None and not tried:
        if len(errors) == 1:
            (error,) = errors.values()
        elif errors and all(isinstance(each, InvalidRequestError) for each in errors.values()):
            reasons = "; ".join(f"{name}: {each.message}" for name, each in errors.items())
            error = InvalidRequestError(f"no backend can serve this request: {reasons}", sent=False)
    if error is not None:
        error.attempts = tuple(attempts)
        made = len([attempt for attempt in attempts if attempt.sent or attempt.seconds])
        if stopped_by is None and made > 1:
            error.message = f"{error.message} ({made} attempts over {seconds:.{0 if seconds >= 10 else 1}f} s)"
            error.args = (error.message, *error.args[1:])
        return error
    if not errors:
        return InvalidRequestError("no backend to ask: name at least one", sent=False)
    failed = AllBackendsFailedError(
        f"none of {max(len(errors), len(tried))} backends answered{cut_short}",
        errors=errors,
        attempts=attempts,
        sent=bool(tried),
        maybe_received=any(attempt.maybe_received for attempt in attempts),
        retry_after=retry_after,
    )
    failed.__cause__ = [*errors.values()][-1]
    return failed


def attempt_error(error: BackendError, cancel: CancelToken) -> BackendError:
    """The error of an attempt; what a cancelled one raises (a socket that was shut down) is the cancellation."""
    if not cancel.cancelled or isinstance(error, CancelledError):
        return error
    cancelled = CancelledError(
        cancel.reason or "cancelled", backend=error.backend, sent=error.sent, maybe_received=error.sent
    )
    cancelled.__cause__ = cause_of(error)
    return cancelled


def one_line(error: BackendError) -> str:
    """An error as one line for ``Attempt.error``: its class and its message."""
    message = error.message
    return f"{type(error).__name__}: {message if message.isprintable() else ' '.join(message.split())}"
