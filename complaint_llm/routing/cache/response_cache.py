"""The cache of answers: exact, in memory and, where a path is given, on disk."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Attempt, InferenceOutput
from complaint_llm.own_copy import own_copy
from complaint_llm.routing.attempts import exclusion
from complaint_llm.routing.cache.request_digest import request_digest
from complaint_llm.routing.cache.single_flight import SingleFlight
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import Waiter

if TYPE_CHECKING:
    from complaint_llm.call import Clock
    from complaint_llm.request import Request
    from complaint_llm.routing.cache.sqlite_store import CacheFile
    from complaint_llm.routing.redis.cache import SharedCache
    from complaint_llm.routing.target import Target

DEFAULT_SIZE = 1000
COMPLETE = ("stop", "tool_calls", None)
"""Finish reasons of answers that are kept: not of those that were cut or filtered."""

AskTargets = Callable[["Request", Sequence["Target"]], InferenceOutput]
Keyed = tuple[str, "Target"]
"""The key of an answer, and the backend that would give it."""


class Cache:
    """Answers by the digest of the request and the identity of the backend that gave them.

    ``ttl`` in seconds (None: for ever); ``size`` in answers, the least recently used go first; ``file`` keeps them
    across restarts, ``shared`` has them for all processes with the same Redis. Any thread may call it; ``_lock``
    guards the memory and is not held over the disk or the network.
    """

    def __init__(
        self,
        *,
        ttl: float | None = None,
        size: int = DEFAULT_SIZE,
        file: CacheFile | None = None,
        shared: SharedCache | None = None,
        clock: Clock = time.monotonic,
        make_waiter: Callable[[], Waiter] = Waiter,
    ) -> None:
        self._ttl = ttl
        self._size = size
        self._file = file
        self._shared = shared
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, tuple[float, InferenceOutput]] = OrderedDict()
        self._single_flight = SingleFlight(make_waiter)
        reset_in_child(self)

    def answer(self, request: Request, targets: Sequence[Target], ask: AskTargets) -> InferenceOutput:
        """A kept answer of any target that may answer, looked up in order; else that of ``ask``, kept.

        A kept one, and one that an identical request under way got, costs 0 and has ``metadata["cached"]``. Errors
        and cut answers are not kept.
        """
        began = self._clock()
        # Nothing of a private request is looked up, kept or announced beyond this machine.
        shared = self._shared if request.privacy is None else None
        digest, same_for_all = None, request.forms is None
        keyed: list[Keyed] = []
        name = ""
        for target in targets:
            identity = target.cache_identity(request)
            if identity is None or exclusion(target, request) is not None:
                continue
            if digest is None or not same_for_all:
                try:
                    digest = request_digest(request if same_for_all else target.request_to(request))
                except (InvalidRequestError, TypeError, ValueError):
                    # An image that is not there, a value that JSON cannot hold: the backend refuses it by its rules.
                    return ask(request, targets)
            key = f"{digest}:{identity}"
            found = self._get(key, request, shared)
            if found is not None:
                self._note_matter(request, key)
                return _free(_as_shown(found, target, request), target.id, self._clock() - began)
            keyed.append((key, target))
            name += key
        if not keyed:
            return ask(request, targets)

        def ask_and_keep() -> InferenceOutput:
            output = ask(request, targets)
            if output.finish_reason in COMPLETE:
                self._keep(output, keyed, shared)
            return output

        together: Callable[[], InferenceOutput] = ask_and_keep
        if shared is not None:
            together = partial(self._ask_together, name, keyed, request, ask=ask_and_keep, shared=shared)
        landed = self._single_flight.do(name, request, together)
        output = landed.output
        if request.matter is not None:
            for key, target in keyed:
                if target.id == output.backend:
                    self._note_matter(request, key)
        # The one that asked copies too: the others read the first while it writes on its own.
        mine = own_copy(output) if landed.shared else output
        if landed.own:
            return mine
        answered = next((target for _, target in keyed if target.id == output.backend), None)
        mine = mine if answered is None else _as_shown(mine, answered, request)
        return _free(mine, output.backend, self._clock() - began)

    def _ask_together(
        self,
        name: str,
        keyed: Sequence[Keyed],
        request: Request,
        ask: Callable[[], InferenceOutput],
        shared: SharedCache,
    ) -> InferenceOutput:
        """The answer of ``ask``, or of another process that asks the same."""

        def look_again() -> InferenceOutput | None:
            found = (self._get(key, request, shared) for key, _ in keyed)
            return next((output for output in found if output is not None), None)

        began = self._clock()
        output, own = shared.fly(name, request, ask, look_again)
        return output if own else _free(output, output.backend, self._clock() - began)

    def close(self) -> None:
        """Write what is not yet on disk and close the file."""
        if self._file is not None:
            self._file.close()

    def after_fork(self) -> None:
        """Answers stay; the lock may have been held."""
        self._lock = threading.Lock()

    def _get(self, key: str, request: Request, shared: SharedCache | None) -> InferenceOutput | None:
        if key in self._answers:
            with self._lock:
                entry = self._answers.get(key)
                if entry is not None:
                    if entry[0] > self._clock():
                        self._answers.move_to_end(key)
                        return own_copy(entry[1])
                    del self._answers[key]
        if self._file is None and shared is None:
            return None
        for store in (self._file, shared):
            found = None if store is None else store.get(key, request)
            if found is not None:
                output, left = found
                self._remember(key, output, left)
                return output
        return None

    def _note_matter(self, request: Request, key: str) -> None:
        """Keep for which matter the answer of this key is given, where answers are on disk."""
        if self._file is not None and request.matter is not None:
            self._file.note_matter(key, request.matter)

    def _time_to_live(self, target: Target) -> float | None:
        """The shorter of the cache's own and the backend's."""
        given = [ttl for ttl in (self._ttl, target.cache_ttl) if ttl is not None]
        return min(given) if given else None

    def _keep(self, output: InferenceOutput, keyed: Sequence[Keyed], shared: SharedCache | None) -> None:
        for key, target in keyed:
            if target.id == output.backend:
                ttl = self._time_to_live(target)
                self._remember(key, output, ttl)
                for store in (self._file, shared):
                    if store is not None:
                        store.put(key, output, ttl)

    def _remember(self, key: str, output: InferenceOutput, left: float | None) -> None:
        until = float("inf") if left is None else self._clock() + left
        output = own_copy(output)
        with self._lock:
            self._answers[key] = (until, output)
            self._answers.move_to_end(key)
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)


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
