"""What of a config's backends would work, for ``check``."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm import prices
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.cli.leaving import Leaving, leaving
from complaint_llm.exceptions import (
    BackendConnectionError,
    BackendTimeoutError,
    ComplaintLLMError,
    ServerError,
)
from complaint_llm.handling import strictest
from complaint_llm.request import Request, as_messages
from complaint_llm.routing.policies.budget import Budget
from complaint_llm.routing.threads.worker import run_abandonable

if TYPE_CHECKING:
    from complaint_llm.client.group import Member
    from complaint_llm.config import Config
    from complaint_llm.handling import Requirements
    from complaint_llm.mediator import Mediator
    from complaint_llm.messages import ModelInfo

CONNECT_SECONDS = 10.0
GRACE_SECONDS = 1.0
"""How much longer a check may take that does not watch its time."""
MOST_AT_ONCE = 64
ENDS_SOON = 90
"""Days before a model's end from which on it is named."""
TYPICAL_PROMPT = 4000
"""Bytes of an intake of two pages."""


class CheckedBackend(NamedTuple):
    """One backend's line. ``state`` is ready, left out, broken or unreachable; ``goes_to`` what could leave by it;
    prices are US dollars per million tokens."""

    id: str
    type: str
    model: str
    state: str
    note: str
    goes_to: Leaving | None = None
    handling: tuple[str, ...] = ()
    """What is known of how each provider behind it handles data, a line for each."""
    milliseconds: int | None = None
    """How long it took to reach it, None where it was not contacted."""
    input_price: float | None = None
    output_price: float | None = None
    retires: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; where nothing can be sent, ``goes_to`` is null."""
        return {**self._asdict(), "goes_to": None if self.goes_to is None else self.goes_to._asdict()}

    def as_row(self) -> tuple[str, ...]:
        """For people."""
        return self.id, self.type, self.model, self.state, self.goes_to.line() if self.goes_to else "", self.note


def left_out_backends(config: Config) -> list[CheckedBackend]:
    """A line for each entry that is not asked, with the reason."""
    return [CheckedBackend(id=id, type="", model="", state="left out", note=reason) for id, reason in config.left_out]


def check_backends(mediator: Mediator, connect: bool) -> list[CheckedBackend]:
    """A line for each entry of the config, in its order; with ``connect`` each backend is contacted."""
    config = mediator.config
    if config is None:
        return []
    findings = left_out_backends(config)
    entries = config.backends
    if entries:
        with ThreadPoolExecutor(min(len(entries), MOST_AT_ONCE)) as pool:
            findings += pool.map(lambda entry: _finding(mediator, entry.id, entry.type.name, connect), entries)
    order = {id: place for place, id in enumerate(config.order)}
    return sorted(findings, key=lambda finding: order.get(finding.id, len(order)))


def _finding(mediator: Mediator, id: str, type: str, connect: bool) -> CheckedBackend:
    found = CheckedBackend(id=id, type=type, model="", state="broken", note="")
    try:
        return _looked_at(mediator, found, connect)
    except (ComplaintLLMError, TypeError) as error:
        return found._replace(note=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin's class raises is its backend's line
        return found._replace(note=f"{error.__class__.__name__}: {error}")


def _looked_at(mediator: Mediator, found: CheckedBackend, connect: bool) -> CheckedBackend:
    """Raises what the backend's class does."""
    id = found.id
    member = mediator.as_member().member(id)
    info = member.model_info()
    found = found._replace(
        model=info.name, input_price=info.input_price, output_price=info.output_price, retires=info.retires
    )
    private = mediator.config is not None and mediator.config.mediator.get("privacy") == "local"
    if private and not member.local:
        # Nor is it contacted: an address and a key would leave this machine.
        return found._replace(state="left out", note='not local: privacy "local" keeps everything on this machine')
    notes = [_retirement(info.retires), *_budgets(member)]
    if not info.name and _needs_model(member):
        notes = ['no model: set "model", or name one in each call']
    if member.demo:
        notes = ["demo text, not a model"]
    handling, unmet = _handling(mediator, member)
    found = found._replace(handling=handling)
    if unmet is not None:
        # Nor is it contacted: nothing may leave by it.
        return found._replace(state="left out", note=unmet)
    began = time.monotonic()
    try:
        requires = _requirements(mediator)
        if connect:
            seen = _contact(member, id, requires)
        else:
            seen = member.check(CONNECT_SECONDS, connect=False, requires=requires)
    except ComplaintLLMError as error:
        return found._replace(state="unreachable" if isinstance(error, _NOT_THERE) else "broken", note=str(error))
    if connect and any(route.client.host is not None for route in member.leaves()):
        found = found._replace(milliseconds=round((time.monotonic() - began) * 1000))
        notes = [f"reached in {found.milliseconds} ms", seen or "", _price(info), *notes]
    else:
        notes = [*notes, seen or ""]
    return found._replace(state="ready", note="; ".join(filter(None, notes)), goes_to=leaving(member, private=private))


_NOT_THERE = (BackendConnectionError, BackendTimeoutError, ServerError)


def _contact(member: Member, id: str, requires: Requirements | None) -> str | None:
    """What its check saw. One that does not keep to its time is left behind, and told as late."""
    deadline = Deadline(CONNECT_SECONDS + GRACE_SECONDS)
    return run_abandonable(lambda: member.check(CONNECT_SECONDS, requires=requires), deadline, CancelToken(), id)


def _price(info: ModelInfo) -> str:
    if info.input_price is None or info.output_price is None:
        return ""
    return f"${info.input_price:g} in, ${info.output_price:g} out a million tokens"


def _handling(mediator: Mediator, member: Member) -> tuple[tuple[str, ...], str | None]:
    """What is known of the providers behind a backend, under what MEDIATOR requires; and why none of them may be asked,
    None where one may."""
    required = _requirements(mediator)
    known = [(made.id, made.handling(required)) for route in member.leaves() if (made := route.target.made) is not None]
    lines = tuple(f"{id}: {handling.line()}" if len(known) > 1 else handling.line() for id, handling in known)
    if required is None or not known:
        return lines, None
    faults = [required.unmet_by(handling) for _, handling in known]
    return lines, None if None in faults else "; ".join(fault for fault in faults if fault is not None)


def _requirements(mediator: Mediator) -> Requirements | None:
    """What MEDIATOR requires."""
    return strictest(None if mediator.config is None else mediator.config.mediator.get("requires"))


def _retirement(day: str | None) -> str:
    if day is None:
        return ""
    now = prices.today()
    if day <= now:
        return f"RETIRED on {day}: choose another model"
    soon = (date.fromisoformat(now) + timedelta(days=ENDS_SOON)).isoformat()
    return f"ends on {day}: plan a successor" if day <= soon else ""


def _needs_model(member: Member) -> bool:
    """Whether a backend cannot be asked as long as no call names a model."""
    return all(route.client.needs_model and not route.target.options.embedding_model for route in member.leaves())


def _budgets(member: Member) -> list[str]:
    """The state of each budget that holds for a backend, for a prompt of ``TYPICAL_PROMPT`` bytes."""
    request = Request(as_messages("x" * TYPICAL_PROMPT), Deadline(CONNECT_SECONDS), CancelToken())
    policies = (policy for route in member.leaves() for policy in route.policies)
    states = [policy.state(request) for policy in policies if isinstance(policy, Budget)]
    return [f"{state.name}: {state.line}" for state in states]
