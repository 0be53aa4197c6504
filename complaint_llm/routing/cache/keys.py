"""Under which keys the answer to a request is looked up and kept: the digest of what is asked, and who answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.routing.attempts import exclusion
from complaint_llm.routing.cache.request_digest import request_digest
from complaint_llm.routing.candidates import Candidates
from complaint_llm.routing.turns import candidates_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from complaint_llm.request import Request
    from complaint_llm.routing.target import Target


class AnswerKey(NamedTuple):
    """The key of an answer, and the backend that would give it."""

    digest: str
    identity: str
    target: Target

    @property
    def text(self) -> str:
        return f"{self.digest}:{self.identity}"


class AlikeKeys:
    """Those of a request that is the same whoever is asked: no backend is looked at whose answer is not kept.

    ``name`` is the same for all requests that ask the same of the same backends; ``kept`` says whether there is one
    whose answers are kept, be it one that must not be asked this.
    """

    def __init__(self, request: Request, targets: Sequence[Target]) -> None:
        """Raises InvalidRequestError, TypeError and ValueError as ``request_digest`` does."""
        candidates = targets if isinstance(targets, Candidates) else candidates_of(targets)
        self._request = request
        self._caching = caching = (Candidates(targets) if candidates is None else candidates).caching(request)
        self.kept = bool(caching.targets)
        self._digest = request_digest(request) if self.kept else ""
        self.name = f"{self._digest}:{caching.digest}:{request.requires}"

    def may_answer(self) -> bool:
        """Whether there is a backend that may answer and whose answers are kept."""
        for targets in self._caching.targets.values():
            for target in targets:
                if exclusion(target, self._request) is None:
                    return True
        return False

    def possible(self, identities: Callable[[str], Sequence[str]]) -> Iterable[AnswerKey]:
        """Those under which there may be an answer, in the order in which their backends are named."""
        known = identities(self._digest)
        if not known:
            return ()
        found = [identity for identity in known if identity in self._caching.targets]
        if len(found) > 1:
            found.sort(key=[*self._caching.targets].index)
        return self._of(found)

    def each(self) -> Iterable[AnswerKey]:
        """All, in that order."""
        return self._of(self._caching.targets)

    def of_backend(self, id: str) -> Sequence[AnswerKey]:
        """Those of this backend: an answer of it is kept under each."""
        found = []
        for identity, target in self._caching.of_backend.get(id, ()):
            found.append(AnswerKey(self._digest, identity, target))
        return found

    def _of(self, identities: Iterable[str]) -> Iterator[AnswerKey]:
        for identity in identities:
            for target in self._caching.targets[identity]:
                if exclusion(target, self._request) is None:
                    yield AnswerKey(self._digest, identity, target)
                    break


class ShownKeys:
    """Those of a request of which each backend is shown a form of its own: each is looked at. See ``AlikeKeys``."""

    def __init__(self, request: Request, targets: Sequence[Target]) -> None:
        """Raises InvalidRequestError, TypeError and ValueError as ``request_digest`` does."""
        found = ((each, each.cache_identity(request)) for each in targets)
        self._keys = [
            AnswerKey(request_digest(target.request_to(request)), identity, target)
            for target, identity in found
            if identity is not None and exclusion(target, request) is None
        ]
        self.kept = bool(self._keys)
        self.name = "".join(key.text for key in self._keys)

    def may_answer(self) -> bool:
        return self.kept

    def possible(self, identities: Callable[[str], Sequence[str]]) -> Iterator[AnswerKey]:
        return (key for key in self._keys if key.identity in identities(key.digest))

    def each(self) -> Iterator[AnswerKey]:
        return iter(self._keys)

    def of_backend(self, id: str) -> Sequence[AnswerKey]:
        return [key for key in self._keys if key.target.id == id]
