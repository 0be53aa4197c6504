"""The face for domain scripts: the outermost backend, assembled from a config or from backends in code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from complaint_llm.backends.base import DEFAULT_TIMEOUT, Backend
from complaint_llm.backends.composed import ComposedBackend
from complaint_llm.backends.demo import DemoBackend
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.exceptions import ConfigError
from complaint_llm.messages import Prompt
from complaint_llm.routing.router import Router
from complaint_llm.routing.waiting import FOREVER

if TYPE_CHECKING:
    from complaint_llm.batch import BatchItem, BatchResult
    from complaint_llm.config import BackendEntry, Config
    from complaint_llm.routing.candidate import Strategy


class Mediator(ComposedBackend):
    """Routes every call over its backends with fallback, retries, limits and one deadline. Any thread may call it.

    ``backends`` are Backend objects or callables with an ``id``; closing the Mediator closes them. ``timeout`` covers a
    whole call, in seconds; ``max_attempts`` caps the sum of all attempts of a call (default: candidates + 2);
    ``max_workers`` is the width of batches; ``circuit_breaker`` has ``failures`` and ``cooldown`` (seconds).

    Beside backends of other types a mock is never asked: a mock must not pass for a model.
    """

    def __init__(
        self,
        backends: Sequence[Backend | Callable[..., Any]],
        *,
        strategy: str | Strategy = "fallback",
        timeout: float = DEFAULT_TIMEOUT,
        max_attempts: int | None = None,
        max_workers: int = 8,
        circuit_breaker: Mapping[str, float] | None = None,
        privacy: Literal["local"] | None = None,
        id: str = "mediator",
    ) -> None:
        parts = _without_mocks([_as_part(given) for given in backends])
        super().__init__(parts, _strategy(strategy), id=id, timeout=timeout)
        self._router = Router(max_attempts=max_attempts, patience=getattr(self.strategy, "patience", FOREVER))
        self._max_workers = max_workers
        self._local_only: Literal["local"] | None = privacy
        self._others: Mapping[str, Backend] = {}
        self.config: Config | None = None

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Mediator:
        """A Mediator as the config file says: the one given, else ``$COMPLAINT_LLM_CONFIG``, else config.json,
        config.yaml or config.yml in the working directory. Raises ConfigError with every fault, a line each."""
        from complaint_llm.config import load_config

        return cls.from_loaded(load_config(path))

    @classmethod
    def from_loaded(cls, config: Config) -> Mediator:
        """A Mediator as a loaded config says. Its backends are made when they are first asked."""
        made = _declared(config)
        settings = dict(config.mediator)
        ids = settings.pop("backends", None)
        chosen = [made[id] for id in (ids or made) if id in made]
        if not chosen:
            reasons = [f"{id}: {reason}" for id, reason in config.left_out]
            raise ConfigError("no backend is left to ask", ["no backend is left to ask:", *reasons])
        real = [part for part in chosen if not part.demo]
        if not real and any(id in (ids or ()) or not ids for id, _ in config.left_out):
            chosen = [cast("Backend", DemoBackend(cast("LazyBackend", part))) for part in chosen]
            _warn_of_demo(config)
        mediator = cls(chosen, **settings)
        mediator.config = config
        mediator._others = {id: part for id, part in made.items() if part not in chosen}
        return mediator

    query_backend = Backend.generate

    def batch(
        self,
        prompts: Iterable[Prompt | BatchItem],
        max_workers: int | None = None,
        *,
        journal: str | Path | None = None,
        ordered: bool = False,
        in_doubt: Literal["resend", "skip", "error"] = "resend",
        timeout: float | None = None,
        **params: Any,
    ) -> Iterator[BatchResult]:
        """Ask every prompt of any iterable and yield a BatchResult each, as completed unless ``ordered``.

        With a ``journal`` (a path) nothing whose answer was recorded is ever asked again: the same call resumes.
        ``timeout`` is per prompt, in seconds. At most ``2 * max_workers`` prompts are in flight.
        """
        from complaint_llm.batch import run_batch

        if timeout is not None:
            params["timeout"] = timeout
        return run_batch(
            self._ask(params),
            prompts,
            max_workers=max_workers or self._max_workers,
            journal=journal,
            ordered=ordered,
            in_doubt=in_doubt,
        )

    def backend(self, id: str) -> Backend:
        """The backend of this id, made now if it was not yet. Raises ConfigError if there is none."""
        for part in (*self.parts, *self._others.values()):
            if part.id == id:
                return part.backend if isinstance(part, LazyBackend) else part
        known = ", ".join(dict.fromkeys([*(part.id for part in self.parts), *self._others]))
        raise ConfigError(f"no backend {id!r} here; there are: {known}")

    def close_resources(self) -> None:
        try:
            super().close_resources()
        finally:
            for other in self._others.values():
                other.close()

    def _default_workers(self) -> int:
        return self._max_workers

    def _privacy(self) -> Literal["local"] | None:
        return self._local_only


def _as_part(given: Any) -> Backend:
    if isinstance(given, (Backend, LazyBackend)):
        return cast("Backend", given)
    from complaint_llm.backends.adapted import adapt

    return adapt(given)


def _without_mocks(parts: Sequence[Backend]) -> Sequence[Backend]:
    """Without the demo backends, unless there is nothing else."""
    real = [part for part in parts if not part.demo]
    return real or parts


def _warn_of_demo(config: Config) -> None:
    logging.getLogger("complaint_llm").warning(
        "no model is reachable: the answers are demo text, not a model's. Set what these want: %s",
        "; ".join(f"{id}: {reason}" for id, reason in config.left_out),
    )


def _strategy(given: str | Strategy) -> Strategy:
    if not isinstance(given, str):
        return given
    from complaint_llm.routing.strategies import make_strategy

    return make_strategy(given)


def _declared(config: Config) -> dict[str, Backend]:
    """Every backend of the config by its id, each made when it is first asked."""
    made: dict[str, Backend] = {}
    for entry in config.backends:
        lazy = LazyBackend(entry.id, _maker(entry, made), composed=entry.type.composed, demo=entry.type.demo)
        made[entry.id] = cast("Backend", lazy)
    return made


def _maker(entry: BackendEntry, made: Mapping[str, Backend]) -> Callable[[], Backend]:
    def make() -> Backend:
        keys = dict(entry.keys)
        for name in entry.type.parts:
            if name in keys:
                keys[name] = _resolved(keys[name], made)
        backend = entry.type.factory()(id=entry.id, **keys)
        if not isinstance(backend, Backend):
            from complaint_llm.backends.adapted import adapt

            backend = adapt(backend)
        return backend

    return make


def _resolved(value: Any, made: Mapping[str, Backend]) -> Any:
    if isinstance(value, str):
        return made.get(value, value)
    if isinstance(value, (list, tuple)):
        return [_resolved(item, made) for item in value]
    return value
