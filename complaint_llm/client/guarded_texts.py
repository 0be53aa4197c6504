"""What each target is to embed of a call's texts, where guards stand before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from complaint_llm.guards.guard import GuardRequest
from complaint_llm.messages import Message
from complaint_llm.routing.eligible import first_able
from complaint_llm.routing.turns import alike_targets

if TYPE_CHECKING:
    from complaint_llm.guards.chain import CallGuards
    from complaint_llm.guards.guard import TargetKind
    from complaint_llm.request import EmbeddingRequest, FormTarget
    from complaint_llm.routing.target import Target


class GuardedTexts:
    """The texts as each kind of target is to embed them. See ``request.EmbeddingForms``; of vectors there is nothing to
    restore."""

    def __init__(self, request: EmbeddingRequest, guards: CallGuards) -> None:
        self._request = request
        self._guards = guards
        self._texts: dict[TargetKind, tuple[str, ...]] = {}

    def prepare(self, routes: Sequence[Target]) -> None:
        """Guard the texts for each kind of target that may be asked. Raises GuardError, before anything is sent."""
        for alike in alike_targets(routes):
            route = first_able(alike, self._request)
            if route is not None:
                self._texts_for("local" if route.local else "remote")

    def texts_to(self, target: FormTarget) -> tuple[str, ...]:
        """The texts that this target is to embed."""
        return self._texts_for("local" if target.local else "remote")

    def _texts_for(self, kind: TargetKind) -> tuple[str, ...]:
        known = self._texts.get(kind)
        if known is None:
            given = GuardRequest([Message("user", text) for text in self._request.texts], matter=self._request.matter)
            found = self._guards.before(kind, given)
            known = self._texts[kind] = tuple(message.text for message in found.messages)
        return known
