"""The cache of answers: exact, in memory and, where a path is given, on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Attempt, InferenceOutput
from complaint_llm.own_copy import own_copy
from complaint_llm.routing.cache.keys import AlikeKeys, AnswerKey, FormKeys, answer_keys
from complaint_llm.routing.cache.memory import DEFAULT_BYTES, DEFAULT_SIZE, AnswerMemory
from complaint_llm.routing.cache.single_flight import SingleFlight
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from complaint_llm.call import Clock
    from complaint_llm.request import Request
    from complaint_llm.routing.cache.sqlite_store import CacheFile
    from complaint_llm.routing.redis.cache import KeptAnswers, Row, SharedCache
    from complaint_llm.routing.target import Target

COMPLETE = ("stop", "tool_calls", None)
"""Finish reasons of answers that are kept: not of those that were cut or filtered."""

AskTargets = Callable[["Request", Sequence["Target"]], InferenceOutput]
Keys: TypeAlias = AlikeKeys | FormKeys


class Cache:
    """Answers by the digest of the request and the identity of the backend that gave them.

    ``ttl`` in seconds (None: for ever); ``size`` in answers and ``most_bytes`` in bytes of memory, the least recently
    used go first; ``file`` keeps them across restarts, ``shared`` has them for all processes with the same Redis. Any
    thread may call it.
    """

    def __init__(
        self,
        *,
        ttl: float | None = None,
        size: int = DEFAULT_SIZE,
        most_bytes: int = DEFAULT_BYTES,
        file: CacheFile | None = None,
        shared: SharedCache | None = None,
        clock: Clock = time.monotonic,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._ttl = ttl
        self._file = file
        self._shared = shared
        self._clock = clock
        self._memory = AnswerMemory(size, most_bytes, clock)
        self._single_flight = SingleFlight(make_waiter)

    def answer(self, request: Request, targets: Sequence[Target], ask: AskTargets) -> InferenceOutput:
        """A kept answer of any target that may answer, of several that of the first named; else that of ``ask``, kept.

        A kept one, and one that an identical request under way got, costs 0 and has ``metadata["cached"]``. Errors
        and cut answers are not kept.
        """
        began = self._clock()
        # Nothing of a private request is looked up, kept or announced beyond this machine.
        shared = self._shared if request.privacy is None else None
        try:
            keys: Keys = answer_keys(request, targets)
        except (InvalidRequestError, TypeError, ValueError):
            # An image that is not there, a value that JSON cannot hold: the backend refuses it by its rules.
            return ask(request, targets)
        identities = self._memory.identities if self._file is None else self._identities
        for key in keys.possible(identities):
            found = self._get(key, request)
            if found is not None:
                return self._given_again(found, key, request, began)
        if not keys.kept or (shared is not None and not keys.may_answer()):
            return ask(request, targets)

        def ask_and_keep() -> InferenceOutput:
            output = ask(request, targets)
            self._keep(output, keys)
            return output

        together: Callable[[], InferenceOutput] = ask_and_keep
        if shared is not None:
            together = partial(self._ask_together, keys, request, ask=ask_and_keep, shared=shared)
        landed = self._single_flight.do(keys.name, request, together, may_follow=keys.may_answer)
        output = landed.output
        # The one that asked copies too: the others read the first while it writes on its own.
        mine = own_copy(output) if landed.shared else output
        if landed.own and request.matter is None:
            return mine
        answered = keys.of_backend(output.backend)
        for key in answered:
            self._note_matter(request, key)
        if landed.own:
            return mine
        mine = _as_shown(mine, answered[0].target, request) if answered else mine
        return _free(mine, output.backend, self._clock() - began)

    def _ask_together(
        self, keys: Keys, request: Request, ask: Callable[[], InferenceOutput], shared: SharedCache
    ) -> InferenceOutput:
        """The answer that another process asked for or asks for now, or that of ``ask``."""
        began = self._clock()

        def choose(kept: KeptAnswers) -> InferenceOutput | None:
            for key in keys.possible(kept.identities):
                found = kept.get(key.digest, key.identity, request)
                if found is not None:
                    output, left = found
                    self._memory.put(key.digest, key.identity, output, left)
                    return self._given_again(output, key, request, began)
            return None

        def rows(output: InferenceOutput) -> Sequence[Row]:
            return [(key.digest, key.identity, ttl) for key, ttl in self._to_keep(output, keys)]

        return shared.fly(keys.name, keys.digests, request, ask=ask, choose=choose, rows=rows)

    def close(self) -> None:
        """Write what is not yet on disk and close the file."""
        if self._file is not None:
            self._file.close()

    def _identities(self, digest: str) -> Sequence[str]:
        """Whose answers to what has this digest are in memory or on disk."""
        known = self._memory.identities(digest)
        filed = () if self._file is None else self._file.identities(digest)
        return (*known, *(each for each in filed if each not in known))

    def _get(self, key: AnswerKey, request: Request) -> InferenceOutput | None:
        output = self._memory.get(key.digest, key.identity)
        if output is not None or self._file is None:
            return output
        found = self._file.get(key.text, request)
        if found is None:
            return None
        output, left = found
        self._memory.put(key.digest, key.identity, output, left)
        return output

    def _given_again(
        self, output: InferenceOutput, key: AnswerKey, request: Request, began: float
    ) -> InferenceOutput:
        """An answer that was kept, as this call gets it."""
        self._note_matter(request, key)
        return _free(_as_shown(output, key.target, request), key.target.id, self._clock() - began)

    def _note_matter(self, request: Request, key: AnswerKey) -> None:
        """Keep for which matter the answer of this key is given, where answers are on disk."""
        if self._file is not None and request.matter is not None:
            self._file.note_matter(key.text, request.matter)

    def _keep(self, output: InferenceOutput, keys: Keys) -> None:
        for key, ttl in self._to_keep(output, keys):
            self._memory.put(key.digest, key.identity, output, ttl)
            if self._file is not None:
                self._file.put(key.text, output, ttl)

    def _to_keep(self, output: InferenceOutput, keys: Keys) -> Sequence[tuple[AnswerKey, float | None]]:
        """Under which keys an answer is kept, and for how many seconds (None: for ever)."""
        if output.finish_reason not in COMPLETE:
            return ()
        own, found = self._ttl, []
        for key in keys.of_backend(output.backend):
            ttl = key.target.cache_ttl
            found.append((key, own if own is not None and (ttl is None or own < ttl) else ttl))
        return found


def _as_shown(output: InferenceOutput, target: Target, request: Request) -> InferenceOutput:
    """Another call's answer, with what this call shows and cites."""
    shown = (request if request.forms is None else target.request_to(request)).shown
    return output if output.shown == shown else output._replace(shown=shown)


def _free(output: InferenceOutput, backend: str, seconds: float) -> InferenceOutput:
    return output._replace(
        cost=0.0,
        attempts=(Attempt(backend, None, seconds, sent=False),),
        provenance=None,
        metadata={**output.metadata, "cached": True},
    )
