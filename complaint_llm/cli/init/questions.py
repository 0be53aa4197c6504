"""The questions of ``init``, asked on a terminal: servers that answer and keys that are set, by name, are offered.

Nothing is written while they are asked, so that an end of the input or Ctrl-C leaves the folder as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from complaint_llm.cli.init.plan import DEFAULT_EVIDENCE, Plan
from complaint_llm.cli.init.servers import FoundServer, is_loopback, server_models
from complaint_llm.cli.init.service_types import ServiceType
from complaint_llm.cli.terminal import tell
from complaint_llm.config.environment import Environment
from complaint_llm.exceptions import ConfigError, PluginError
from complaint_llm.transport.origin import parse_origin

if TYPE_CHECKING:
    from complaint_llm.backends.type import BackendType
    from complaint_llm.host import PluginHost

USUAL_TYPES = ("openai", "anthropic", "google")
KEYLESS_TYPE, KEYED_TYPE = "vllm", "openai"
"""What a server at an address that no type has beforehand is taken for: OpenAI's API without and with a key."""
SERVER_KEY = "MODEL_SERVER_KEY"
_MOST_SHOWN = 20


class Answers(NamedTuple):
    """What is to be written, and the key that was typed, "" where none was. No repr shows the key."""

    plan: Plan
    key: str

    def __repr__(self) -> str:
        return f"<Answers {self.plan.type}>"


class _Service(NamedTuple):
    """What is offered: a type, perhaps at an address; no type for a server at an address that is asked for."""

    label: str
    type: str
    base_url: str = ""
    models: tuple[str, ...] = ()


def ask(
    host: PluginHost,
    types: Sequence[BackendType],
    servers: Sequence[FoundServer],
    environment: Environment,
    given: Plan,
) -> Answers:
    """Ask what ``given`` leaves open. Raises click.Abort at the end of the input."""
    service = _ask_service(host, _services(types, servers, environment))
    base_url = given.base_url or service.base_url
    if not service.type:
        base_url = base_url or _prompt("Address (as http://127.0.0.1:8080/v1)", check=_address_fault)
        variable, key = _ask_key(SERVER_KEY, environment, "empty if it needs none")
        name = KEYED_TYPE if key or environment.get(variable) else KEYLESS_TYPE
        variable = variable if name == KEYED_TYPE else ""
    else:
        name, variable, key = service.type, "", ""
    chosen = ServiceType(host.backend_type(name))
    if service.type:
        if not base_url and chosen.wants_address:
            base_url = _prompt(f"Address: {chosen.type.summary}", check=_address_fault)
        if given.key_variable or chosen.wants_key(environment, base_url):
            asked = given.key_variable or chosen.key_variable(environment)
            variable, key = _ask_key(asked, environment, "empty to put it into .env later")
    models = service.models or ((server_models(base_url) or ()) if is_loopback(base_url) else ())
    plan = given._replace(
        type=name,
        id=given.id or name,
        base_url=base_url,
        key_variable=variable,
        model=given.model or (_ask_model(chosen, models) if chosen.wants_model else ""),
        model_key=chosen.model_key,
        keys={**chosen.demo_keys, **_ask_others(chosen, given.keys), **given.keys},
    )
    if is_loopback(chosen.address(base_url)) and "location" not in plan.keys and _stays_here():
        plan = plan._replace(keys={**plan.keys, "location": "local"})
    if plan.budget is None and not chosen.is_local(base_url):
        said = _prompt("US dollars a month, at most (empty: no limit)", default="", check=_budget_fault)
        plan = plan._replace(budget=float(said) if said else None)
    if not plan.evidence:
        plan = plan._replace(evidence=_prompt("Folder for evidence", default=DEFAULT_EVIDENCE))
    return Answers(plan, key)


def _services(types: Sequence[BackendType], servers: Sequence[FoundServer], environment: Environment) -> list[_Service]:
    found = []
    for server in servers:
        count = f"{len(server.models)} model{'' if len(server.models) == 1 else 's'}"
        label = f"{server.type}: answers at {server.base_url}, {count}"
        found.append(_Service(label, server.type, server.base_url, server.models))
    for type in types:
        variable = environment.first(type.key_variables)
        if variable is not None and not type.parts:
            found.append(_Service(f"{type.name}: {type.summary} (${variable} is set)", type.name))
    known = {each.type for each in found}
    found += [
        _Service(f"{type.name}: {type.summary}", type.name)
        for name in USUAL_TYPES
        for type in types
        if type.name == name and name not in known
    ]
    found.append(_Service("another server with OpenAI's API, at an address that you give", ""))
    found += [_Service(f"{type.name}: no model, for trying things out", type.name) for type in types if type.demo]
    return found


def _ask_service(host: PluginHost, services: Sequence[_Service]) -> _Service:
    tell("Which model service?")
    for number, service in enumerate(services, 1):
        tell(f"  {number}  {service.label}")
    tell("  or any other type that `complaint-llm plugins` lists")

    def fault(said: str) -> str | None:
        if said.isdecimal():
            return None if 0 < int(said) <= len(services) else f"there are 1 to {len(services)}"
        try:
            parts = host.backend_type(said).parts
        except PluginError as error:
            return str(error)
        text = f"{said} is made of other backends: begin with one of those, then `complaint-llm config add`"
        return text if parts else None

    said = _prompt("Number or type", default="1", check=fault)
    return services[int(said) - 1] if said.isdecimal() else _Service(said, host.backend_type(said).name)


def _ask_key(variable: str, environment: Environment, empty: str) -> tuple[str, str]:
    """The variable, and the key that was typed for it; nothing is asked where the variable is set."""
    if environment.get(variable):
        tell(f"the key is read from ${variable}")
        return variable, ""
    text = f"Key, not shown while you type ({empty})"
    said = click.prompt(text, default="", hide_input=True, show_default=False, err=True)
    return variable, str(said).strip()


def _ask_model(chosen: ServiceType, models: Sequence[str]) -> str:
    if models:
        tell("Which model?")
        for number, name in enumerate(models[:_MOST_SHOWN], 1):
            tell(f"  {number}  {name}")
        if len(models) > _MOST_SHOWN:
            tell(f"  and {len(models) - _MOST_SHOWN} more")
        said = _prompt("Number or name", default="1")
        return models[int(said) - 1] if said.isdecimal() and 0 < int(said) <= len(models) else said
    what = "GGUF file" if chosen.model_key == "model_path" else f"Model, as {chosen.type.name} spells it"
    return _prompt(what, default=chosen.example_model or None)


def _stays_here() -> bool:
    """Whether the server itself sends nothing on, which no address tells."""
    text = "Does this server keep what it is asked on this machine? Evidence is shown to it only then"
    return click.confirm(text, default=False, err=True)


def _ask_required(chosen: ServiceType, key: str) -> str:
    return _prompt(f"{key}: {chosen.description(key)}")


def _ask_others(chosen: ServiceType, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the keys that this type cannot do without."""
    asked = (key for key in chosen.required if key not in ("base_url", "model", chosen.model_key, *given))
    return {key: chosen.value(key, _ask_required(chosen, key)) for key in asked}


def _budget_fault(said: str) -> str | None:
    try:
        sound = not said or 0 <= float(said) < float("inf")
    except ValueError:
        sound = False
    return None if sound else "a number of dollars, such as 20"


def _address_fault(said: str) -> str | None:
    try:
        parse_origin(said)
    except ConfigError as error:
        return str(error).removeprefix("base_url ")
    return None


def _prompt(text: str, *, default: str | None = None, check: Callable[[str], str | None] | None = None) -> str:
    while True:
        said = str(click.prompt(text, default=default, show_default=bool(default), err=True)).strip()
        fault = check(said) if check is not None else None
        if fault is None:
            return said
        tell(fault)
