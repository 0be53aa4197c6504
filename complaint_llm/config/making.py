"""From an entry to a backend, and from a composed one to its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.base import Backend
from complaint_llm.backends.foreign import adapt
from complaint_llm.backends.options import COMMON_KEYS, read_options
from complaint_llm.backends.usual_key import usual_key
from complaint_llm.client.route import Route
from complaint_llm.client.target import LeftOutTarget
from complaint_llm.config.entry_types import Parameters
from complaint_llm.config.parts import EntryMember, LeftOut, is_entry, with_parts
from complaint_llm.exceptions import AuthenticationError, BackendError
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.config.parts import BackendEntry


def make(entry: BackendEntry, parts: Mapping[str, Any]) -> Backend:
    """The backend of an entry. Raises PluginError, or what the type's class raises.

    ``parts`` replaces what its parts are named by; those that are written inline are made too.

    A class with a schema gets every key. One without gets those that its ``__init__`` takes; if it is none of ours, it
    gets secrets as plain texts, for it knows of no Secret, and the common keys go to the backend that stands for it.
    """
    factory = entry.type.factory()
    # A type that says it stays on this machine does, unless the config says otherwise.
    by_type = {"location": "local"} if entry.type.location == "local" else {}
    own = with_parts(entry.keys, entry.type.parts, lambda _, part: make_part(part)) if not parts else entry.keys
    keys = {"id": entry.id, **by_type, **_usual_key(entry, factory), **own, **parts}
    if entry.type.schema is not None:
        return factory(**keys)
    takes = Parameters.of(factory)
    taken = {key: value for key, value in keys.items() if takes.any or key in takes.names}
    if not takes.foreign:
        given: Any = factory(**taken)
    else:
        given = factory(**{key: value.reveal() if isinstance(value, Secret) else value for key, value in taken.items()})
    return adapt(given, **{key: value for key, value in keys.items() if key in COMMON_KEYS})


def make_part(part: EntryMember) -> Any:
    """A part that is written inline, as a backend; one that was left out answers every attempt with the reason."""
    if isinstance(part, LeftOut):
        return route_to_left_out(part)
    return make(part, {}) if is_entry(part) else part


def route_to_left_out(part: LeftOut) -> Route:
    """What stands for a part that was left out."""
    error = AuthenticationError if part.lacks == "key" else BackendError
    reason = error(part.reason, backend=part.id, sent=False)
    options = read_options({"id": part.id, "max_retries": 0}, part.id)
    return Route(LeftOutTarget(part.id, reason, options, local=part.type.location == "local"))


def _usual_key(entry: BackendEntry, factory: Callable[..., Any]) -> Mapping[str, Secret]:
    """The key from the type's usual variable, for a class that does not say that it looks there itself."""
    if hasattr(factory, "key_variables"):
        return {}
    found = usual_key(entry.type.key_variables)
    return {} if found is None else {"api_key": found}
