"""Why a backend that a call names is not asked, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from complaint_llm.json_schema.problems import nearest

if TYPE_CHECKING:
    from complaint_llm.client.route import Route

LeftOut = Callable[[], Mapping[str, str]]
"""The ids of backends that the config left out at load, each with the reason; asked only where one was missed."""


def none_left_out() -> Mapping[str, str]:
    """Of backends that come from no config."""
    return {}


def absent_text(id: str, here: Sequence[str], left_out: Mapping[str, str]) -> str:
    """What to say of an id that nobody has among those that are ``here``: the reason why it was left out, else the
    nearest id."""
    reason = left_out.get(id)
    if reason is not None:
        return f"the backend {id!r} was left out: {reason}"
    meant = nearest(id, [*here, *left_out])
    hint = f"; did you mean {meant!r}?" if meant else ""
    gone = f"; left out: {', '.join(left_out)}" if left_out else ""
    return f"no backend {id!r} here; there are: {', '.join(here)}{gone}{hint}"


def barred_text(id: str, routes: Sequence[Route], here: Sequence[str]) -> str:
    """What to say of a backend that is there, by ``routes``, and may not be asked beside those that are ``here``."""
    if all(route.demo for route in routes):
        others = ", ".join(here)
        return (
            f"the backend {id!r} is a mock, and a mock is never asked beside models ({others}): "
            "to try without a model, name it alone in MEDIATOR.backends"
        )
    if all(route.terms.private and not route.local for route in routes):
        return f"the backend {id!r} is not local, and privacy \"local\" keeps everything on this machine"
    return f"no backend {id!r} here: the strategy leaves it out; there are: {', '.join(here)}"
