"""Answers, and leases to ask for one, that several processes share through Redis."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, TypeAlias

from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.routing.cache.answer_json import answer_from_json, answer_to_json
from complaint_llm.routing.redis.connection import LEASE, SharedState, SharedStateLostError
from complaint_llm.routing.redis.scripts import KEEP, LOOK
from complaint_llm.routing.threads.waiting import cancellable_sleep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request

LOOK_AGAIN = 0.05
"""Seconds between two looks for the answer that another process is asking for."""

Row: TypeAlias = "tuple[str, str, float | None]"
"""Where an answer is kept: the digest of what was asked, the identity of who answered, and for how many seconds (None:
for ever)."""


class KeptAnswers:
    """What Redis has under some digests, by the identities of who answered; each answer is read when it is taken."""

    def __init__(self, digests: Sequence[str], found: Sequence[tuple[int, str, int, str]]) -> None:
        self._kept: dict[str, dict[str, tuple[int, str]]] = {}
        for place, identity, milliseconds, text in found:
            self._kept.setdefault(digests[place], {})[identity] = milliseconds, text

    def __bool__(self) -> bool:
        return bool(self._kept)

    def identities(self, digest: str) -> Sequence[str]:
        """Who answered what has this digest."""
        return tuple(self._kept.get(digest, ()))

    def get(self, digest: str, identity: str, request: Request) -> tuple[InferenceOutput, float | None] | None:
        """The answer and the seconds that it is still good for (None: for ever); None where it cannot be read."""
        milliseconds, text = self._kept[digest][identity]
        form = request.response_format
        try:
            output = answer_from_json(text, None if form is None else form.model)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None  # written by another version of this library, or damaged: as good as not there
        return output, None if milliseconds < 0 else milliseconds / 1000


class SharedCache:
    """Answers in Redis, and one process at a time asking for each. Any thread may call it.

    All answers to one digest are under one key, so a look-up is one command however many backends there are; a look-up
    takes the lease along, and the answer that is kept gives it back. Not for requests with privacy "local": the Cache
    keeps those away. While Redis is gone nothing is found, nothing kept, and every process asks for itself.
    """

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared

    def fly(
        self,
        key: str,
        digests: Sequence[str],
        request: Request,
        *,
        ask: Callable[[], InferenceOutput],
        choose: Callable[[KeptAnswers], InferenceOutput | None],
        rows: Callable[[InferenceOutput], Sequence[Row]],
    ) -> InferenceOutput:
        """The answer that ``choose`` takes of those that are kept, or that another process asks for now; else that of
        ``ask``, kept in ``rows`` of it. ``key`` names all that ask the same of the same backends.

        Keeps to the request's own deadline and token. When the other gives up, fails or dies, this one asks.
        """
        lease, token = self._name("lease", key), uuid.uuid4().hex
        names = [lease, *(self._name("answers", digest) for digest in digests)]
        others = False  # whether there are answers that are not for this call
        while True:
            try:
                leads, found = self._shared.run_script(LOOK, names, (token, LEASE, int(others)))
            except SharedStateLostError:
                return ask()
            if leads:
                self._shared.hold(lease, token)
            kept = KeptAnswers(digests, found)
            output = choose(kept)
            if output is not None:
                if leads:
                    self._land(lease, token, None, ())
                return output
            if leads:
                try:
                    output = ask()
                finally:
                    self._land(lease, token, output, () if output is None else rows(output))
                return output
            if kept and not others:
                others = True
                continue
            if request.cancel.cancelled:
                raise CancelledError(request.cancel.reason or "cancelled", sent=False)
            left = request.deadline.remaining()
            if left <= 0:
                raise BackendTimeoutError("the deadline passed while another process asked the same", sent=False)
            cancellable_sleep(min(LOOK_AGAIN, left), request.cancel)

    def _land(self, lease: str, token: str, output: InferenceOutput | None, rows: Sequence[Row]) -> None:
        """Let others have the lease, and keep the answer. One that has no JSON form is not kept."""
        self._shared.let_go(lease)
        names, args = [lease], [token]
        try:
            text = answer_to_json(output) if output is not None and rows else ""
        except (TypeError, ValueError):
            text, rows = "", ()
        args.append(text)
        for digest, identity, ttl in rows:
            names.append(self._name("answers", digest))
            args += (identity, "0" if ttl is None else str(max(1, round(ttl * 1000))))
        try:
            self._shared.run_script(KEEP, names, args)
        except SharedStateLostError:
            pass  # logged; a cache may miss some, and the lease ends by itself

    def _name(self, kind: str, key: str) -> str:
        return self._shared.key(kind, hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
