"""Under which keys the answer to a request is looked up and kept: the digest of what is asked, and who answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from complaint_llm.routing.cache.request_digest import request_digest
from complaint_llm.routing.eligible import exclusion, first_able
from complaint_llm.routing.target_list import TargetList
from complaint_llm.routing.turns import target_list_of

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
    """Those of backends that are asked the same: none is looked at whose answer is not kept.

    ``asked`` is what they are asked, None where that is the request itself. ``name`` is the same for all requests that
    ask the same of the same backends; ``kept`` says whether there is one whose answers are kept, be it one that must
    not be asked this.
    """

    def __init__(self, request: Request, target_list: TargetList, asked: Request | None = None) -> None:
        """Raises InvalidRequestError, TypeError and ValueError as ``request_digest`` does."""
        self._request = request
        self._caching = caching = target_list.caching(request)
        self.kept = bool(caching.targets)
        self._digest = request_digest(request if asked is None else asked) if self.kept else ""
        self.digests: Sequence[str] = (self._digest,)
        self.name = f"{self._digest}:{caching.digest}:{request.requires}"

    def may_answer(self) -> bool:
        """Whether there is a backend that may answer and whose answers are kept."""
        return any(first_able(targets, self._request) is not None for targets in self._caching.targets.values())

    def possible(self, identities: Callable[[str], Sequence[str]]) -> Iterable[AnswerKey]:
        """Those under which there may be an answer, in the order in which their backends are named."""
        known = identities(self._digest)
        if not known:
            return ()
        found = [identity for identity in known if identity in self._caching.targets]
        if len(found) > 1:
            found.sort(key=[*self._caching.targets].index)
        return self._of(found)

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


class FormKeys:
    """Those of a request of which not all backends are asked the same: of each group that is, its own. See
    ``AlikeKeys``."""

    def __init__(self, request: Request, target_list: TargetList) -> None:
        """Raises as ``AlikeKeys`` does."""
        self._places = target_list.places
        self._groups = []
        for alike in target_list.alike:
            cached = alike.caching(request).targets.values()
            first = first_able((each for targets in cached for each in targets), request)
            if first is not None:
                self._groups.append(AlikeKeys(request, alike, first.request_to(request)))
        self.digests: Sequence[str] = [digest for group in self._groups for digest in group.digests]
        self.kept = bool(self._groups)
        self.name = "\n".join(group.name for group in self._groups)

    def may_answer(self) -> bool:
        return self.kept

    def possible(self, identities: Callable[[str], Sequence[str]]) -> Sequence[AnswerKey]:
        found = [key for group in self._groups for key in group.possible(identities)]
        return sorted(found, key=lambda key: self._places[id(key.target)]) if len(found) > 1 else found

    def of_backend(self, id: str) -> Sequence[AnswerKey]:
        return [key for group in self._groups for key in group.of_backend(id)]


def answer_keys(request: Request, targets: Sequence[Target]) -> AlikeKeys | FormKeys:
    """The keys of a request to any of these. Raises InvalidRequestError, TypeError and ValueError as ``request_digest``
    does."""
    target_list = targets if isinstance(targets, TargetList) else target_list_of(targets)
    if target_list is None:
        target_list = TargetList(targets)
    return AlikeKeys(request, target_list) if request.forms is None else FormKeys(request, target_list)
