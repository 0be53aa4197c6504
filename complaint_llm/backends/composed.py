"""Backends made of backends. They make no attempts themselves: they give their parts to the one attempt loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from complaint_llm.backends.base import Backend
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.exceptions import BackendError, ConfigError
from complaint_llm.messages import ModelInfo
from complaint_llm.routing.router import Router
from complaint_llm.routing.waiting import FOREVER

if TYPE_CHECKING:
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.candidate import Candidate, Strategy


Part: TypeAlias = Backend | LazyBackend
"""What a composed backend is made of: backends, made already or when they are first asked."""


class ComposedBackend(Backend):
    """A backend whose answer comes from one of its parts.

    ``parts`` may be a lazy sequence; ``strategy`` puts them into order for each request. Closing it closes its parts.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        strategy: Strategy,
        *,
        id: str | None = None,
        timeout: float | None = None,
        optional: bool = False,
    ) -> None:
        super().__init__(id=id, timeout=timeout, optional=optional)
        if not len(parts):
            raise ConfigError(f"{self.id}: no backends to choose from")
        self.parts = parts
        self.strategy = strategy
        self._router = Router(patience=getattr(strategy, "patience", FOREVER))

    def candidates(self, request: Request | EmbeddingRequest) -> Sequence[Candidate]:
        return flatten(self.strategy.order(self.parts, request), request)

    def _candidates(self, request: Request | EmbeddingRequest, wanted: str | None) -> Sequence[Candidate]:
        for part in self.parts if wanted is not None else ():
            if part.id == wanted:
                # Of a composed part all that it is made of, in its own order, but nothing that is no candidate here.
                here = {candidate.id: candidate for candidate in self.candidates(request)}
                chosen = [here[each.id] for each in part.candidates(request) if each.id in here]
                if chosen:
                    return chosen
        return super()._candidates(request, wanted)

    def model_info(self, backend: str | None = None) -> ModelInfo:
        """Of the part that this id names, else of the first that is no mock beside others. Raises ConfigError."""
        if backend is not None:
            return self._part(backend).model_info()
        return next((part for part in self.parts if not part.demo), self.parts[0]).model_info()

    def supports_function_calling(self) -> bool:
        """Whether any part does."""
        return any(part.supports_function_calling() for part in self.parts)

    def supports_streaming(self) -> bool:
        """Whether any part does."""
        return any(part.supports_streaming() for part in self.parts)

    @property
    def local(self) -> bool:
        """Whether every part is."""
        return all(part.local for part in self.parts)

    @property
    def caches(self) -> bool:
        """Whether any part does."""
        return any(part.caches for part in self.parts)

    def _part(self, id: str) -> Part:
        for part in self.parts:
            if part.id == id:
                return part
        raise ConfigError(f"no backend {id!r} here; there are: {', '.join(part.id for part in self.parts)}")

    def close_resources(self) -> None:
        failed: list[BaseException] = []
        for part in self.parts:
            try:
                part.close()
            except Exception as error:  # noqa: BLE001 - one part that cannot close must not keep the others open
                failed.append(error)
        if failed:
            raise BackendError(f"closing failed: {failed[0]}", backend=self.id) from failed[0]


def flatten(parts: Sequence[Part], request: Request | EmbeddingRequest) -> Sequence[Candidate]:
    """The backends that make attempts, each once, in order. A mock is one only among mocks: it never stands in for a
    model that failed."""
    found: dict[int, Candidate] = {}
    for part in parts:
        for candidate in part.candidates(request):
            found.setdefault(id(candidate), candidate)
    models = tuple(each for each in found.values() if not getattr(each, "demo", False))
    return models or tuple(found.values())
