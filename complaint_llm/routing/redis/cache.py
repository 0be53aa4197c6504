"""Answers and flights that several processes share through Redis."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING

from complaint_llm.exceptions import BackendTimeoutError, CancelledError
from complaint_llm.routing.cache.answer_json import answer_from_json, answer_to_json
from complaint_llm.routing.redis.connection import SharedState, SharedStateLostError
from complaint_llm.routing.threads.waiting import cancellable_sleep

if TYPE_CHECKING:
    from collections.abc import Callable

    from complaint_llm.messages import InferenceOutput
    from complaint_llm.request import Request

LOOK_AGAIN = 0.05
"""Seconds between two looks for the answer that another process is asking for."""

_GET = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}"


class SharedCache:
    """Answers in Redis, and one process at a time asking for each. Any thread may call it.

    Not for requests with privacy "local": the Cache keeps those away. While Redis is gone nothing is found, nothing
    kept, and every process asks for itself.
    """

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared

    def get(self, key: str, request: Request) -> tuple[InferenceOutput, float | None] | None:
        """The answer of this key and the seconds that it is still good for (None: for ever), or None."""
        try:
            text, milliseconds = self._shared.run_script(_GET, [self._name("answer", key)], ())
        except SharedStateLostError:
            return None
        if text is None:
            return None
        form = request.response_format
        try:
            output = answer_from_json(text, None if form is None else form.model)
        except (ValueError, KeyError, TypeError):
            return None  # written by another version of this library, or damaged: as good as not there
        return output, None if milliseconds < 0 else milliseconds / 1000

    def put(self, key: str, output: InferenceOutput, ttl: float | None) -> None:
        """Keep an answer. One that has no JSON form is not kept."""
        try:
            text = answer_to_json(output)
        except (TypeError, ValueError):
            return
        life = () if ttl is None else ("PX", max(1, round(ttl * 1000)))
        try:
            self._shared.ask("SET", self._name("answer", key), text, *life)
        except SharedStateLostError:
            pass  # logged; a cache may miss some

    def fly(
        self, key: str, request: Request, ask: Callable[[], InferenceOutput], look: Callable[[], InferenceOutput | None]
    ) -> tuple[InferenceOutput, bool]:
        """The answer of ``ask``, or of another process that asked first, found by ``look``; and whether it is our own.

        Keeps to the request's own deadline and token. When the other gives up, fails or dies, this one asks.
        """
        name, token = self._name("flight", key), uuid.uuid4().hex
        while True:
            try:
                leads = self._shared.lease(name, token)
            except SharedStateLostError:
                return ask(), True
            if leads:
                try:
                    # Between our look and our lease another may have answered and left.
                    found = look()
                    return (ask(), True) if found is None else (found, False)
                finally:
                    self._shared.release(name, token)
            if request.cancel.cancelled:
                raise CancelledError(request.cancel.reason or "cancelled", sent=False)
            left = request.deadline.remaining()
            if left <= 0:
                raise BackendTimeoutError("the deadline passed while another process asked the same", sent=False)
            cancellable_sleep(min(LOOK_AGAIN, left), request.cancel)
            found = look()
            if found is not None:
                return found, False

    def _name(self, kind: str, key: str) -> str:
        return self._shared.key(kind, hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest())
