"""What would leave for each backend of a call: the form that guards and documents give it. Nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.exceptions import BackendError
from complaint_llm.request import EMPTY
from complaint_llm.routing.eligible import exclusion

if TYPE_CHECKING:
    from complaint_llm.client.route import Route
    from complaint_llm.messages import Message, Tool
    from complaint_llm.request import Request


class Preview(NamedTuple):
    """What one backend would be asked. ``leaves`` is whether that is beyond this machine; ``skip`` is why it would not
    be asked, and then there is nothing else. ``guards`` are those that stand before it, with what they counted.
    """

    backend: str
    leaves: bool
    skip: str | None = None
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = EMPTY
    guards: Sequence[Mapping[str, Any]] = ()

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        if self.skip is not None:
            return {"backend": self.backend, "leaves": False, "skip": self.skip}
        return {
            "backend": self.backend,
            "leaves": self.leaves,
            "messages": [message.to_dict() for message in self.messages],
            "tools": [tool._asdict() for tool in self.tools],
            "schema": self.schema,
            "params": dict(self.params),
            "guards": list(self.guards),
        }


def previews(request: Request, routes: Iterable[Route]) -> tuple[Preview, ...]:
    """What each route would be asked, in their order. Raises GuardError, as the call would."""
    return tuple(_preview(request, route) for route in routes)


def _preview(request: Request, route: Route) -> Preview:
    skip = exclusion(route, request)
    if skip is None:
        try:
            sent = route.binding(request)()
        except BackendError as error:
            skip = str(error)
        else:
            shape = sent.response_format
            return Preview(
                backend=route.id,
                leaves=not route.local,
                messages=tuple(sent.messages),
                tools=tuple(sent.tools),
                schema=None if shape is None else shape.schema,
                params=sent.params,
                guards=() if request.forms is None else request.forms.guard_report(route.target),
            )
    return Preview(route.id, leaves=False, skip=skip)
