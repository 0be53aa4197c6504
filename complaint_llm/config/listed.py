"""From entries of GUARDS and OBSERVERS to the objects that they describe, a plugin's too."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from complaint_llm.exceptions import ComplaintLLMError, ConfigError, PluginError
from complaint_llm.guards.chain import DEFAULT_TIMEOUT, GuardChain, GuardEntry
from complaint_llm.guards.guard import Guard
from complaint_llm.json_schema.given_keys import placed_error
from complaint_llm.json_schema.places import Place
from complaint_llm.json_schema.problems import nearest

if TYPE_CHECKING:
    from complaint_llm.host import PluginHost
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.observers.observer import Observer

T = TypeVar("T")


class ListedSection(NamedTuple):
    """A section that is a list of entries: what each is called, by which hook plugins offer their types, the keys that
    all of them have, and the types that the package brings."""

    name: str
    what: str
    hook: str
    common: frozenset[str]
    built_in: Mapping[str, Callable[[], Callable[..., Any]]]


def _pseudonyms() -> Callable[..., Guard]:
    from complaint_llm.guards.pseudonyms import Pseudonyms  # cold start: guards

    return Pseudonyms


def _otel() -> Callable[..., Observer]:
    from complaint_llm.observers.otel import OtelObserver  # cold start: observers

    return OtelObserver


GUARDS = ListedSection(
    name="GUARDS",
    what="guard",
    hook="complaint_llm_guards",
    common=frozenset(("type", "name", "for", "timeout")),
    built_in={"pseudonyms": _pseudonyms},
)
OBSERVERS = ListedSection(
    name="OBSERVERS",
    what="observer",
    hook="complaint_llm_observers",
    common=frozenset(("type", "name")),
    built_in={"otel": _otel},
)


def listed_types(section: ListedSection, host: PluginHost) -> dict[str, dict[str, Any]]:
    """An object schema of the keys of each type that a section may name, those that all have aside; by its name.

    A plugin that is broken, or whose factory tells nothing of its parameters, is passed over.
    """
    found = {}
    for kind in sorted({*section.built_in, *host.offer_names(section.hook)}):
        try:
            factory = _factory(section, kind, host)
            found[kind] = _key_rules(factory)
        except (ComplaintLLMError, TypeError, ValueError):
            continue
    return found


def _key_rules(factory: Callable[..., Any]) -> dict[str, Any]:
    # cold start: what is imported for a schema
    from complaint_llm.json_schema.from_factory import schema_of_parameters

    return schema_of_parameters(factory, without=("folder",))


def guard_chain(
    given: Sequence[Guard | Mapping[str, Any]], folder: Path, host: PluginHost | None = None
) -> GuardChain | None:
    """The guards, in their order; None where there are none. Raises ConfigError, a line each, and PluginError."""
    entries = [guard_entry(*each) for each in _objects(GUARDS, given, Guard, folder, host)]
    return GuardChain(entries) if entries else None


def guard_entry(name: str, guard: Guard, entry: Mapping[str, Any]) -> GuardEntry:
    """The guard as its entry places it."""
    timeout = float(entry.get("timeout", DEFAULT_TIMEOUT))
    return GuardEntry(name=name, guard=guard, scope=entry.get("for", "remote"), timeout=timeout)


def event_queue(
    given: Sequence[Observer | Mapping[str, Any]], folder: Path, host: PluginHost | None = None
) -> EventQueue | None:
    """What tells the observers; None where there are none. Raises as ``guard_chain`` does."""
    if not given:
        return None
    # cold start: observers
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.observers.observer import Observer

    return EventQueue([(name, each) for name, each, _ in _objects(OBSERVERS, given, Observer, folder, host)])


class Listed(NamedTuple, Generic[T]):
    """What became of the entry at ``place``: ``name`` and the object, or why it is none (``fault``)."""

    place: Place
    entry: Mapping[str, Any]
    name: str = ""
    made: T | None = None
    fault: ConfigError | PluginError | None = None

    @property
    def problems(self) -> Sequence[tuple[Place, str]]:
        """The fault, a text each, with the place."""
        said = self.fault.problems if isinstance(self.fault, ConfigError) else (str(self.fault),)
        return [(self.place, line) for line in said]


def each_listed(
    section: ListedSection,
    given: Sequence[T | Mapping[str, Any]],
    wanted: type[T],
    folder: Path,
    host: PluginHost | None,
) -> Iterator[Listed[T]]:
    """What becomes of each. Two of one name are a fault: records and errors name them."""
    names: set[str] = set()
    for place, each in enumerate(given):
        entry: Mapping[str, Any] = each if isinstance(each, Mapping) else {}
        at = (section.name, place)
        try:
            made = each if isinstance(each, wanted) else _from_entry(section, entry, wanted, folder, host)
            name = str(entry.get("name") or entry.get("type") or type(made).__name__)
            if name in names:
                raise ConfigError(f"two are called {name!r}: give each a name")
        except (ConfigError, PluginError) as fault:
            yield Listed(at, entry, fault=fault)
        else:
            names.add(name)
            yield Listed(at, entry, name, made)


def _objects(
    section: ListedSection,
    given: Sequence[T | Mapping[str, Any]],
    wanted: type[T],
    folder: Path,
    host: PluginHost | None,
) -> list[tuple[str, T, Mapping[str, Any]]]:
    """Name, object and entry of each. Raises ConfigError, a line each; else PluginError."""
    found: list[tuple[str, T, Mapping[str, Any]]] = []
    problems: list[tuple[Place, str]] = []
    of_plugins: list[Listed[T]] = []
    for each in each_listed(section, given, wanted, folder, host):
        if each.made is not None:
            found.append((each.name, each.made, each.entry))
        elif isinstance(each.fault, PluginError):
            of_plugins.append(each)
        else:
            problems += each.problems
    if problems:
        raise placed_error(ConfigError, *problems)
    for each in of_plugins:
        raise placed_error(PluginError, *each.problems) from each.fault
    return found


def _from_entry(
    section: ListedSection, entry: Mapping[str, Any], wanted: type[T], folder: Path, host: PluginHost | None
) -> T:
    kind = entry.get("type")
    if not isinstance(kind, str):
        raise ConfigError(f'{section.what}: an entry has a "type"')
    factory = _factory(section, kind, host)
    keys = {key: value for key, value in entry.items() if key not in section.common}
    try:
        signature = inspect.signature(factory)
        if "folder" in signature.parameters:
            keys["folder"] = folder
        signature.bind(**keys)
    except (TypeError, ValueError) as fault:
        raise ConfigError(f"{section.what} {kind!r}: {fault}") from fault
    try:
        made = factory(**keys)
    except ConfigError:
        raise
    except (Exception, SystemExit) as fault:
        first = next(iter(str(fault).splitlines()), "")
        raise ConfigError(f"{section.what} {kind!r} could not be made: {type(fault).__name__}: {first}") from fault
    if not isinstance(made, wanted):
        raise ConfigError(f"{section.what} {kind!r}: its plugin makes a {type(made).__name__}, no {wanted.__name__}")
    return made


def _factory(section: ListedSection, kind: str, host: PluginHost | None) -> Callable[..., Any]:
    if kind in section.built_in:
        return section.built_in[kind]()
    offered = None if host is None else host.offer(section.hook, kind)
    if offered is not None:
        factory: Callable[..., Any] = offered
        return factory
    known = sorted({*section.built_in, *(host.offer_names(section.hook) if host is not None else ())})
    meant = nearest(kind, known)
    hint = f"; did you mean {meant!r}?" if meant else ""
    there = f"there are {', '.join(known)}" if known else "no plugin offers one"
    raise ConfigError(f"no {section.what} {kind!r}: {there}{hint}")
