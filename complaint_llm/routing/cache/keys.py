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


class Key(NamedTuple):
    """The key of an answer, and the backend that would give it."""

    digest: str
    identity: str
    target: Target

    @property
    def text(self) -> str:
        return f"{self.digest}:{self.identity}"


class AlikeKeys:
    """Those of a request that is the same whoever is asked: no backend is looked at whose answer is not kept.

    ``name`` is the same for all requests that ask the same of the same backends.
    """

    def __init__(self, request: Request, candidates: Candidates) -> None:
        """Raises InvalidRequestError, TypeError and ValueError as ``request_digest`` does."""
        self._request = request
        self._candidates = candidates
        self._caching = candidates.identities(request)
        self._digest = request_digest(request) if self._caching else ""
        self.name = f"{self._digest}:{candidates.digest(request)}:{request.requires}" if self._caching else ""

    def __bool__(self) -> bool:
        """Whether there is a backend that may answer and whose answers are kept."""
        return next(self.each(), None) is not None

    def kept(self, identities: Callable[[str], Sequence[str]]) -> Iterator[Key]:
        """Those under which there may be an answer, in the order in which their backends are named."""
        known = identities(self._digest)
        if not known:
            return iter(())
        found = [identity for identity in known if identity in self._caching]
        if len(found) > 1:
            found.sort(key=[*self._caching].index)
        return self._of(found)

    def each(self) -> Iterator[Key]:
        """All, in that order."""
        return self._of(self._caching)

    def of_backend(self, id: str) -> Sequence[Key]:
        """Those of this backend: an answer of it is kept under each."""
        request, found = self._request, []
        for target in self._candidates.of_id(id):
            identity = target.cache_identity(request)
            if identity is not None and exclusion(target, request) is None:
                found.append(Key(self._digest, identity, target))
        return found

    def _of(self, identities: Iterable[str]) -> Iterator[Key]:
        for identity in identities:
            for target in self._caching[identity]:
                if exclusion(target, self._request) is None:
                    yield Key(self._digest, identity, target)
                    break


class ShownKeys:
    """Those of a request of which each backend is shown a form of its own: each is looked at. See ``AlikeKeys``."""

    def __init__(self, request: Request, targets: Sequence[Target]) -> None:
        """Raises InvalidRequestError, TypeError and ValueError as ``request_digest`` does."""
        found = ((each, each.cache_identity(request)) for each in targets)
        self._keys = [
            Key(request_digest(target.request_to(request)), identity, target)
            for target, identity in found
            if identity is not None and exclusion(target, request) is None
        ]
        self.name = "".join(key.text for key in self._keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def kept(self, identities: Callable[[str], Sequence[str]]) -> Iterator[Key]:
        return (key for key in self._keys if key.identity in identities(key.digest))

    def each(self) -> Iterator[Key]:
        return iter(self._keys)

    def of_backend(self, id: str) -> Sequence[Key]:
        return [key for key in self._keys if key.target.id == id]


def keys_of(request: Request, targets: Sequence[Target]) -> AlikeKeys | ShownKeys:
    """The keys of a request that these targets may answer. Raises as ``request_digest`` does."""
    if request.forms is not None:
        return ShownKeys(request, targets)
    candidates = candidates_of(targets)
    return AlikeKeys(request, Candidates(targets) if candidates is None else candidates)
