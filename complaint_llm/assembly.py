"""From settings to the parts of a Mediator: lazy backends, their strategy, the guards that they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from complaint_llm.backends.base import Backend
from complaint_llm.backends.composed import ComposedBackend, Part
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.backends.options import retry_policy
from complaint_llm.exceptions import ConfigError
from complaint_llm.json_schema.given_keys import mediator_rules
from complaint_llm.routing.policies.breaker import BreakerSettings
from complaint_llm.routing.policies.state_folder import STATE_PATH
from complaint_llm.secrets import Secret

if TYPE_CHECKING:
    from complaint_llm.config import BackendEntry, Config
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.host import PluginHost
    from complaint_llm.routing.cache.response_cache import Cache
    from complaint_llm.routing.policies.budget import Account
    from complaint_llm.routing.redis.connection import SharedState
    from complaint_llm.routing.target import Strategy


EVIDENCE_PATH = Path(".complaint_llm/evidence")
"""Where evidence is kept where no config says: in the working directory."""


class Assembled(NamedTuple):
    """``parts`` in the order of MEDIATOR.backends; ``others`` are declared but only asked by ``backend=``."""

    parts: Sequence[Part]
    others: Mapping[str, Part]


class Guards(NamedTuple):
    """What a Mediator puts before each of its backends."""

    breaker: BreakerSettings
    state: Path
    whole: Account | None = None
    shared: SharedState | None = None
    workers: int = 8

    def put(self, part: Part) -> None:
        """Put them before a backend, or before all that a composed one is made of."""
        if isinstance(part, ComposedBackend):
            for inner in part.parts:
                self.put(inner)
        elif isinstance(part, LazyBackend):
            part.when_made(self.put)
        else:
            part.guard(
                breaker=self.breaker, state=self.state, whole=self.whole, shared=self.shared, workers=self.workers
            )


def assemble(config: Config, guards: Guards) -> Assembled:
    """The backends of a config, each made, and guarded, when it is first asked. Raises ConfigError if none is left."""
    declared: dict[str, LazyBackend] = {}
    for entry in config.backends:
        declared[entry.id] = _lazy(config, entry, declared, guards)
    named = config.mediator.get("backends") or config.order
    chosen = [declared[id] for id in named if id in declared]
    left_out = [(id, reason) for id, reason in config.left_out if id in named]
    if not chosen:
        reasons = [f"  {id}: {reason}" for id, reason in left_out]
        raise ConfigError("no backend is left to ask", [f"{config.path}: no backend is left to ask:", *reasons])
    return Assembled(chosen, {id: part for id, part in declared.items() if part not in chosen})


def _lazy(config: Config, entry: BackendEntry, declared: Mapping[str, LazyBackend], guards: Guards) -> LazyBackend:
    return LazyBackend(
        entry.id,
        _maker(config, entry, declared, guards),
        composed=entry.type.composed,
        demo=entry.type.demo,
        caches=_caches(entry, config.backends),
        retry=retry_policy(entry.keys),
        embedding_model=entry.keys.get("embedding_model"),
    )


def _maker(
    config: Config, entry: BackendEntry, declared: Mapping[str, LazyBackend], guards: Guards
) -> Callable[[], Backend]:
    def make() -> Backend:
        from complaint_llm.config.making import make_part
        from complaint_llm.config.parts import is_entry, with_parts

        def part(path: Sequence[str | int], given: Any) -> Any:
            if isinstance(given, str):
                return declared.get(given, given)
            return _lazy(config, given, declared, guards) if is_entry(given) else make_part(given)

        keys = with_parts(entry.keys, entry.type.parts, part)
        backend: Any = config.make_backend(entry.id, {key: keys[key] for key in entry.type.parts if key in keys})
        if not isinstance(backend, Backend):
            from complaint_llm.backends.adapters import adapt

            backend = adapt(backend)
        made: Backend = backend
        if made.id != entry.id:
            # Its class does not hand the id on: the config's name counts in limits, attempts and errors.
            made.options = made.options._replace(id=entry.id)
        guards.put(made)
        return made

    return make


def _caches(entry: BackendEntry, entries: Sequence[BackendEntry]) -> bool:
    """Whether answers of it, or of one that it is made of, are kept."""
    from complaint_llm.config.parts import is_entry, part_items

    parts = [each for _, each in part_items(entry.keys, entry.type.parts)]
    declared = [each for each in entries if each.id in parts]
    inline = [each for each in parts if is_entry(each)]
    return bool(entry.keys.get("cache_enabled")) or any(_caches(each, entries) for each in (*declared, *inline))


def make_guards(
    id: str,
    breaker: Mapping[str, Any] | None,
    budget: float | Mapping[str, float] | None,
    folder: Path,
    shared: Mapping[str, Any] | None,
    workers: int = 8,
) -> Guards:
    """The guards that ``circuit_breaker``, ``budget`` and ``shared`` of MEDIATOR ask for; ``folder`` keeps state, and
    ``workers`` calls at a time share a budget."""
    state = folder / STATE_PATH
    common, whole = None, None
    if shared is not None:
        from complaint_llm.routing.redis.connection import SharedState

        url = shared["redis"]
        common = SharedState(url if isinstance(url, Secret) else Secret(url), share=shared.get("share"))
    if budget is not None:
        from complaint_llm.routing.policies.budget import Account
        from complaint_llm.routing.policies.budget_book import limits_of

        whole = Account(id, limits_of(budget), state, whole=True, shared=common, workers=workers)
    return Guards(BreakerSettings(**(breaker or {})), state, whole, common, workers)


def check_settings(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for what a config file may not say either: ``given`` are a Mediator's arguments by name."""
    objects = {key: given[key] if isinstance(given[key], form) else None for key, form in _SPELLED.items()}
    mediator_rules().check({**given, **objects, "backends": None}, given["id"])


_SPELLED: Mapping[str, Any] = {"strategy": str, "evidence": Mapping}
"""Arguments that are objects, or what a file says to have them made."""


def make_cache(settings: Mapping[str, Any], shared: SharedState | None) -> Cache:
    """The cache that MEDIATOR.cache asks for: ``path``, ``ttl`` (seconds) and ``size`` (answers)."""
    from complaint_llm.routing.cache.response_cache import DEFAULT_SIZE, Cache

    path = settings.get("path")
    size = settings.get("size", DEFAULT_SIZE)
    file, common = None, None
    if path is not None:
        from complaint_llm.routing.cache.sqlite_store import CacheFile

        file = CacheFile(Path(path), size=size)
    if shared is not None:
        from complaint_llm.routing.redis.cache import SharedCache

        common = SharedCache(shared)
    return Cache(ttl=settings.get("ttl"), size=size, file=file, shared=common)


def choose_strategy(given: str | Strategy, host: PluginHost | None = None) -> Strategy:
    """A strategy by name, a plugin's too where there is a host. Raises ConfigError for an unknown name."""
    if not isinstance(given, str):
        return given
    from complaint_llm.routing.strategies import STRATEGIES, make_strategy

    if host is None or given in STRATEGIES:
        return make_strategy(given)
    offered = host.offer("complaint_llm_strategies", given)
    return make_strategy(given, {} if offered is None else {given: offered})


def evidence_store(
    folder: Path, settings: Mapping[str, Any], privacy: str | None = None, host: PluginHost | None = None
) -> EvidenceStore:
    """The store that the settings of section EVIDENCE describe; in ``folder`` where they name no path.

    ``blocks`` is the URL of a store that a plugin of ``host`` offers. Raises ConfigError, PluginError.
    """
    from complaint_llm.evidence import EvidenceStore

    known = {"path": folder / EVIDENCE_PATH, "privacy_local": privacy == "local", **settings}
    url = known.get("blocks")
    if isinstance(url, str):
        scheme = url.partition("://")[0]
        offered = host.offer("complaint_llm_block_stores", scheme) if host is not None else None
        if offered is None:
            raise ConfigError(f"/EVIDENCE/blocks: no enabled plugin offers stores for {scheme}://")
        known["blocks"] = offered(url)
    return EvidenceStore(**known)
