"""From settings to what a Mediator is made of: its members, its strategy, its stores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm import __version__
from complaint_llm.backends.base import Backend
from complaint_llm.backends.options import COMMON_KEYS, read_options
from complaint_llm.client.admission_settings import AdmissionSettings
from complaint_llm.client.group import Composition, Group
from complaint_llm.client.route import Route
from complaint_llm.client.target import BackendTarget
from complaint_llm.exceptions import ComplaintLLMError, ConfigError
from complaint_llm.json_schema.given_keys import mediator_rules, placed_error
from complaint_llm.named_tuples import NamedTuple
from complaint_llm.request import EMPTY
from complaint_llm.routing.checked_strategy import made_strategy
from complaint_llm.routing.policies.breaker import BreakerSettings
from complaint_llm.routing.policies.state_folder import STATE_PATH
from complaint_llm.routing.strategies import STRATEGIES, Fallback, make_strategy
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.client.client import Client
    from complaint_llm.client.group import Member
    from complaint_llm.client.provenance import Provenance
    from complaint_llm.config import BackendEntry, Config
    from complaint_llm.documents.reading import DocumentReaders
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.guards.chain import GuardChain
    from complaint_llm.guards.guard import Guard
    from complaint_llm.host import PluginHost
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.observers.observer import Observer
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.redis.connection import SharedState
    from complaint_llm.routing.target import Strategy


EVIDENCE_PATH = Path(".complaint_llm/evidence")
"""Where evidence is kept where no config says: in the working directory."""


class Assembled(NamedTuple):
    """``members`` in the order of MEDIATOR.backends; ``others`` are declared but only asked by ``backend=``."""

    members: Sequence[Member]
    others: Sequence[Member]


def assemble(config: Config) -> Assembled:
    """The backends of a config, each made when it is first asked. Raises ConfigError if none is left."""
    declared: dict[str, Member] = {}
    for entry in config.backends:
        declared[entry.id] = _member(config, entry, declared)
    named = config.mediator.get("backends") or config.order
    chosen = [declared[id] for id in named if id in declared]
    left_out = [(id, reason) for id, reason in config.left_out if id in named]
    if not chosen:
        lines = config.lines((("BACKENDS",), "no backend is left to ask:"))
        lines += [f"  {id}: {reason}" for id, reason in left_out]
        raise ConfigError("\n".join(lines), lines)
    return Assembled(chosen, [each for each in declared.values() if each not in chosen])


def _member(config: Config, entry: BackendEntry, declared: Mapping[str, Member]) -> Member:
    if not entry.type.composed:
        return Route(_target(entry, lambda: _backend(config, entry)))

    def compose() -> Composition:
        try:
            return _composition(config, entry, declared)
        except Exception as error:  # noqa: BLE001 - whatever a plugin's class raises, a fallback behind it answers
            fault = error

            def refuse() -> Backend:
                raise fault

            return Composition([Route(_target(entry, refuse))], Fallback())

    return Group(entry.id, compose, caches=_caches(entry, config.backends))


def _backend(config: Config, entry: BackendEntry, parts: Mapping[str, Any] | None = None) -> Any:
    """The backend of an entry. What its class raises that is no error of ours is a ConfigError with the place."""
    try:
        return config.make_backend(entry.id, parts)
    except ComplaintLLMError:
        raise
    except (Exception, SystemExit) as error:
        known = isinstance(error, (TypeError, ImportError))
        text = str(error) if known else f"{type(error).__name__}: {error}"
        lines = config.lines((entry.place, text))
        raise ConfigError("\n".join(lines), lines) from error


def _target(entry: BackendEntry, make: Callable[[], Any]) -> BackendTarget:
    def adapted_if_foreign() -> Backend:
        made = make()
        if isinstance(made, Backend):
            return made
        from complaint_llm.backends.foreign import adapt  # cold start: adapters

        return adapt(made)

    return BackendTarget(
        entry.id,
        adapted_if_foreign,
        read_options({key: value for key, value in entry.keys.items() if key in COMMON_KEYS}, entry.id),
        demo=entry.type.demo,
        embedding_model=entry.keys.get("embedding_model"),
    )


def _composition(config: Config, entry: BackendEntry, declared: Mapping[str, Member]) -> Composition:
    """The group of a composed entry's backend; its parts are made when they are first asked."""
    from complaint_llm.config.making import make_part  # cold start: composed types
    from complaint_llm.config.parts import is_entry, with_parts

    def part(path: Sequence[str | int], given: Any) -> Any:
        if isinstance(given, str):
            return declared.get(given, given)
        return _member(config, given, declared) if is_entry(given) else make_part(given)

    keys = with_parts(entry.keys, entry.type.parts, part)
    client: Client = _backend(config, entry, {key: keys[key] for key in entry.type.parts if key in keys})
    return Composition([client.as_member()], Fallback(), owner=client)


def keeps_answers(entries: Sequence[BackendEntry]) -> bool:
    """Whether answers of any of them are kept."""
    return any(_caches(entry, entries) for entry in entries)


def _caches(entry: BackendEntry, entries: Sequence[BackendEntry]) -> bool:
    """Whether answers of it, or of one that it is made of, are kept."""
    from complaint_llm.config.parts import is_entry, part_items  # cold start: composed types

    parts = [each for _, each in part_items(entry.keys, entry.type.parts)]
    declared = [each for each in entries if each.id in parts]
    inline = [each for each in parts if is_entry(each)]
    return bool(entry.keys.get("cache_enabled")) or any(_caches(each, entries) for each in (*declared, *inline))


def admission_settings(
    breaker: Mapping[str, Any] | None, folder: Path, shared: Mapping[str, Any] | None, workers: int
) -> AdmissionSettings:
    """How ``circuit_breaker`` and ``shared`` of MEDIATOR want limits kept; ``folder`` keeps state, ``workers`` calls
    at a time share a budget."""
    common = None
    if shared is not None:
        from complaint_llm.routing.redis.connection import SharedState  # extra

        url = shared["redis"]
        common = SharedState(url if isinstance(url, Secret) else Secret(url), share=shared.get("share"))
    return AdmissionSettings(
        breaker=BreakerSettings(**(breaker or {})), state=folder / STATE_PATH, shared=common, workers=workers
    )


def total_account(
    id: str, budget: float | Mapping[str, float] | None, settings: AdmissionSettings
) -> tuple[Account, ...]:
    """The account of a Mediator's own budget, if it has one."""
    if budget is None:
        return ()
    from complaint_llm.routing.policies.budget import Account  # cold start: sqlite3
    from complaint_llm.routing.policies.budget_book import limits_of

    account = Account(
        id, limits_of(budget), settings.state, total_budget=True, shared=settings.shared, workers=settings.workers
    )
    return (account,)


def check_settings(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for what a config file may not say either: ``given`` are a Mediator's arguments by name."""
    objects = {key: given[key] if isinstance(given[key], form) else None for key, form in _SPELLED.items()}
    mediator_rules().check({**given, **objects, "backends": None}, given["id"])


_SPELLED: Mapping[str, Any] = {"strategy": str, "evidence": Mapping}
"""Arguments that are objects, or what a file says to have them made."""


def make_cache(settings: Mapping[str, Any], shared: SharedState | None) -> Cache:
    """The cache that MEDIATOR.cache asks for: ``path``, ``ttl`` (seconds), ``size`` (answers) and ``max_bytes``."""
    from complaint_llm.routing.cache.memory import DEFAULT_BYTES, DEFAULT_SIZE  # cold start: the cache
    from complaint_llm.routing.cache.response_cache import Cache

    path = settings.get("path")
    size, most_bytes = settings.get("size", DEFAULT_SIZE), settings.get("max_bytes", DEFAULT_BYTES)
    file, common = None, None
    if path is not None:
        from complaint_llm.routing.cache.sqlite_store import CacheFile  # cold start: sqlite3

        file = CacheFile(Path(path), size=size, most_bytes=most_bytes)
    if shared is not None:
        from complaint_llm.routing.redis.cache import SharedCache  # extra

        common = SharedCache(shared)
    return Cache(ttl=settings.get("ttl"), size=size, most_bytes=most_bytes, file=file, shared=common)


def choose_strategy(given: str | Strategy, host: PluginHost | None = None) -> Strategy:
    """A strategy by name, a plugin's too where there is a host. Raises ConfigError for an unknown name, PluginError for
    one that its plugin cannot make."""
    if not isinstance(given, str):
        return given
    if host is None or given in STRATEGIES:
        return make_strategy(given)
    offered = host.offer("complaint_llm_strategies", given)
    return make_strategy(given) if offered is None else made_strategy(given, offered)


def evidence_store(
    folder: Path, settings: Mapping[str, Any], privacy: str | None = None, host: PluginHost | None = None
) -> EvidenceStore:
    """The store that the settings of section EVIDENCE describe; in ``folder`` where they name no path.

    ``blocks`` is the URL of a store that a plugin of ``host`` offers; ``show`` is no matter of the store's. Raises
    ConfigError, PluginError.
    """
    from complaint_llm.evidence import EvidenceStore  # cold start: evidence

    known = {"path": folder / EVIDENCE_PATH, "privacy_local": privacy == "local", **settings}
    known.pop("show", None)
    url = known.get("blocks")
    if isinstance(url, str):
        known["blocks"] = block_store_factory(url, host)(url)
    return EvidenceStore(**known)


def block_store_factory(url: str, host: PluginHost | None) -> Callable[[str], Any]:
    """What opens the store of blocks at ``url``. Raises ConfigError where no plugin offers it, PluginError."""
    scheme = url.partition("://")[0]
    offered: Callable[[str], Any] | None = host.offer("complaint_llm_block_stores", scheme) if host else None
    if offered is None:
        raise placed_error(ConfigError, (("EVIDENCE", "blocks"), f"no enabled plugin offers stores for {scheme}://"))
    return offered


def open_evidence(
    config: Config | None, folder: Path, settings: Mapping[str, Any] = EMPTY, privacy: str | None = None
) -> EvidenceStore:
    """The store that a config describes, else that of ``evidence_store``. Raises ConfigError, PluginError,
    EvidenceError."""
    if config is None:
        return evidence_store(folder, settings, privacy)
    with config.at("EVIDENCE"):
        return evidence_store(config.path.parent, config.evidence, config.mediator.get("privacy"), config.host)


class CallParts(NamedTuple):
    """What a config says of how calls are made: who is asked first, what stands before them, who is told of them."""

    strategy: Strategy
    guards: GuardChain | None
    observers: EventQueue | None


def call_parts(config: Config) -> CallParts:
    """Those that a config describes. Raises ConfigError, PluginError."""
    with config.at("MEDIATOR", "strategy"):
        strategy = choose_strategy(config.mediator.get("strategy", "fallback"), config.host)
    folder = config.path.absolute().parent
    ledger = config.mediator.get("ledger", False)
    with config.at():
        guards, observers = guards_and_observers(config.guards, config.observers, folder, config.host, ledger)
    return CallParts(strategy, guards, observers)


def guards_and_observers(
    guards: GuardChain | Sequence[Guard | Mapping[str, Any]],
    observers: EventQueue | Sequence[Observer | Mapping[str, Any]],
    folder: Path,
    host: PluginHost | None = None,
    ledger: bool | Mapping[str, Any] = False,
) -> tuple[GuardChain | None, EventQueue | None]:
    """What stands before the calls of a Mediator, and who is told of them, the ledger in ``folder`` last. Raises
    ConfigError, PluginError."""
    if not guards and not observers and ledger is False:
        return None, None
    if ledger is not False and isinstance(observers, Sequence):
        from complaint_llm.ledger.observer import LedgerObserver  # cold start: the ledger

        observers = [*observers, LedgerObserver.of(ledger, folder)]
    from complaint_llm.config.listed import event_queue, guard_chain  # cold start: guards

    return (
        guard_chain(guards, folder, host) if isinstance(guards, Sequence) else guards,
        event_queue(observers, folder, host) if isinstance(observers, Sequence) else observers,
    )


def document_readers(host: PluginHost | None) -> DocumentReaders:
    """Readers of the kinds that the package reads, and of those that plugins of ``host`` offer."""
    # cold start: documents
    from complaint_llm.documents.plugin_reader import OfferedReaders
    from complaint_llm.documents.reading import DocumentReaders

    return DocumentReaders() if host is None else DocumentReaders(plugins=OfferedReaders(host))


def open_provenance(store: EvidenceStore, level: Literal["digests", "full"], config: Config | None) -> Provenance:
    """The log in ``store``; records carry the digest of ``config`` without secrets, and the plugins' versions."""
    from complaint_llm.client.provenance import Provenance  # cold start: evidence
    from complaint_llm.config.parts import as_mapping
    from complaint_llm.evidence import ProvenanceLog, config_digest

    plugins = {"complaint-llm": __version__}
    digest = None
    if config is not None:
        document: dict[str, Any] = {
            "BACKENDS": [as_mapping(entry) for entry in config.backends],
            "MEDIATOR": dict(config.mediator),
        }
        digest = config_digest(document)
        plugins |= {entry.type.name: entry.type.version() for entry in config.backends}
    return Provenance(ProvenanceLog(store.database, level=level, config_sha256=digest, plugins=plugins))
