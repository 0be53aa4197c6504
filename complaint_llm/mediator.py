"""The face for domain scripts: the outermost backend, assembled from a config or from backends in code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

from complaint_llm.assembly import (
    Guards,
    assemble,
    check_settings,
    choose_strategy,
    evidence_store,
    make_cache,
    make_guards,
)
from complaint_llm.backends.asking import DEFAULT_TIMEOUT
from complaint_llm.backends.base import Backend
from complaint_llm.backends.composed import ComposedBackend, Part, declared_in, find_part, members_of, only_mocks
from complaint_llm.backends.demo import DemoBackend
from complaint_llm.backends.embedding_space import in_declared_space
from complaint_llm.backends.lazy import LazyBackend
from complaint_llm.backends.private import PrivateTargets
from complaint_llm.exceptions import ConfigError, InvalidRequestError, ResponseFormatError
from complaint_llm.messages import InferenceOutput, Prompt
from complaint_llm.request import EMPTY
from complaint_llm.routing.router import Router
from complaint_llm.routing.threads.fork import reset_in_child
from complaint_llm.routing.threads.waiting import FOREVER

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from complaint_llm.batch import AnswerSettings, BatchExecutor, BatchItem, BatchRun
    from complaint_llm.batch.input.items import ItemLike
    from complaint_llm.checks.check import Check
    from complaint_llm.config import Config
    from complaint_llm.config.embedding import DeclaredSpace
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.explanation import Explanation
    from complaint_llm.provenance import Provenance
    from complaint_llm.request import EmbeddingRequest, Request
    from complaint_llm.routing.target import Strategy, Target
    from complaint_llm.tasks.task import Task


class Mediator(ComposedBackend):
    """Routes every call over its backends with fallback, retries, limits and one deadline. Any thread may call it.

    ``backends`` are Backend objects or callables with an ``id``; closing the Mediator closes them. ``timeout`` covers a
    whole call, in seconds; ``max_attempts`` caps the sum of all attempts of a call (default: see ``Router``);
    ``max_workers`` is the width of batches; ``circuit_breaker`` has ``failures`` and ``cooldown`` (seconds);
    ``hedge_after`` seconds the next backend is asked too; ``budget`` is in US dollars, a total or ``total``, ``day``
    and ``month``; ``evidence`` is a store, or what one is made of (``path``, ``profile``, ``ipfs_api``,
    ``ipfs_public``).
    ``folder`` is where budgets and evidence are kept otherwise; ``guards`` are those that its backends already have;
    ``others`` are backends that are only asked by their id.

    What a config file may not say in MEDIATOR is a ConfigError here too, with a line for each value.

    Beside backends of other types a mock is never asked: a mock must not pass for a model. Inside another Mediator it
    keeps its ``privacy`` and ``budget``; for the rest the outer one's rules hold.
    """

    def __init__(
        self,
        backends: Sequence[Part | Callable[..., Any]],
        *,
        strategy: str | Strategy = "fallback",
        timeout: float = DEFAULT_TIMEOUT,
        max_attempts: int | None = None,
        max_workers: int = 8,
        circuit_breaker: Mapping[str, Any] | None = None,
        hedge_after: float | None = None,
        budget: float | Mapping[str, float] | None = None,
        privacy: Literal["local"] | None = None,
        on_truncation: Literal["warn", "error", "ignore"] = "warn",
        cache: Mapping[str, Any] | None = None,
        provenance: Literal[False, "digests", "full"] = False,
        shared: Mapping[str, Any] | None = None,
        evidence: EvidenceStore | Mapping[str, Any] | None = None,
        folder: Path = Path(),
        guards: Guards | None = None,
        others: Mapping[str, Part] = EMPTY,
        id: str = "mediator",
    ) -> None:
        check_settings(locals())
        super().__init__(backends, choose_strategy(strategy), id=id, timeout=timeout)
        self._guards = guards or make_guards(id, circuit_breaker, budget, folder, shared, max_workers)
        self._others = others
        caches = any(part.caches for part in (*self.parts, *others.values()))
        self._cache = make_cache(cache or {}, self._guards.shared) if caches else None
        self._router = Router(
            max_attempts=max_attempts,
            hedge_after=hedge_after,
            cache=self._cache,
            max_queue_wait=getattr(self.strategy, "max_queue_wait", FOREVER),
        )
        self._strategy_name = strategy if isinstance(strategy, str) else type(strategy).__name__
        self._max_workers = max_workers
        self._local_only: Literal["local"] | None = privacy
        self._on_truncation = on_truncation
        self._folder = folder
        # Guards the opening of the store and of provenance, so that many first callers open one of each.
        self._opening = RLock()
        reset_in_child(self)
        self._evidence: EvidenceStore | Mapping[str, Any] = {} if evidence is None else evidence
        self._level: Literal[False, "digests", "full"] = provenance
        self._provenance: Provenance | None = None
        self._demos: dict[int, DemoBackend] = {}
        self._private = PrivateTargets()
        self.config: Config | None = None
        self._seal = self._sealed if provenance or on_truncation != "ignore" else None
        if guards is None:
            for part in self.parts:
                self._guards.put(part)

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Mediator:
        """A Mediator as the config file says: the one given, else ``$COMPLAINT_LLM_CONFIG``, else config.json,
        config.yaml or config.yml in the working directory. Raises ConfigError with every fault, a line each."""
        from complaint_llm.config import load_config

        return cls.from_loaded(load_config(path))

    @classmethod
    def from_loaded(cls, config: Config) -> Mediator:
        """A Mediator as a loaded config says. Its backends are made when they are first asked."""
        folder = config.path.parent
        settings = {key: value for key, value in config.mediator.items() if key != "backends"}
        settings["strategy"] = choose_strategy(settings.get("strategy", "fallback"), config.host)
        breaker, budget, shared = (settings.pop(key, None) for key in ("circuit_breaker", "budget", "shared"))
        workers = settings.get("max_workers", 8)
        guards = make_guards("mediator", breaker, budget, folder, shared, workers)
        assembled = assemble(config, guards)
        settings |= {"evidence": config.evidence, "folder": folder, "others": assembled.others}
        mediator = cls(assembled.parts, guards=guards, **settings)
        mediator._strategy_name = str(config.mediator.get("strategy", "fallback"))
        mediator.config = config
        return mediator

    query_backend = Backend.generate

    def task(self, id: str) -> Task:
        """The task of this id: of the config's TASKS, else one of the package's own. Raises ConfigError."""
        own = None if self.config is None else self.config.tasks.get(id)
        return super().task(id) if own is None else own

    def _checks(self) -> Mapping[str, Check]:
        return (self.config.checks if self.config is not None else None) or super()._checks()

    def batch(
        self,
        prompts: Iterable[Prompt | BatchItem],
        max_workers: int | None = None,
        *,
        journal: str | Path | None = None,
        ordered: bool = False,
        in_doubt: Literal["resend", "skip", "error"] = "resend",
        executor: Executor | BatchExecutor | None = None,
        timeout: float | None = None,
        max_cost: float | None = None,
        keep: bool = False,
        accept_changes: bool = False,
        **params: Any,
    ) -> BatchRun:
        """Ask every prompt of any iterable and yield a BatchResult each, as completed unless ``ordered``.

        With a ``journal`` (a path) nothing whose answer was recorded is ever asked again: the same call resumes. If its
        answers were made under other settings of their backend (model, system, sampling), SettingsChangedError is
        raised, unless ``keep`` takes them or ``accept_changes`` asks again; that also asks again what changed under its
        id. ``max_cost`` stops the sending once the known prices of all answers reach so many US dollars.
        ``timeout`` is per prompt, in seconds. At most ``2 * max_workers`` prompts are in flight. ``executor`` is where
        the asking is done instead of threads of this process; in other processes a Mediator is opened from the same
        config file. ``task`` among the parameters is that of every item that names none. Closing what is returned
        cancels what is in flight.
        """
        from functools import partial

        from complaint_llm.batch import item_digest, run_batch
        from complaint_llm.batch.input.task_items import all_for_task
        from complaint_llm.batch.remote import TravellingAsk
        from complaint_llm.call import CancelToken
        from complaint_llm.tasks.apply import TaskCall

        if isinstance(prompts, str):
            raise TypeError("prompts is one text: give a list of texts")
        if executor is not None and "local" in (self._local_only, params.get("privacy")):
            raise InvalidRequestError('privacy "local": an executor may run on another machine', sent=False)
        # What shapes the answers is part of an item's key: a run with other parameters is another run.
        settings = self.batch_settings(params)
        task = params.pop("task", None)
        items: Iterable[ItemLike] = prompts
        if task is not None:
            self.task(TaskCall.read(task).id)
            items = all_for_task(prompts, task)
        digest = partial(item_digest, defaults=dict(params))
        if timeout is not None:
            params["timeout"] = timeout
        cancel = CancelToken()
        ask = self.asker(params, cancel)
        if executor is not None:
            path = None if self.config is None else self.config.path
            ask = TravellingAsk(ask, type(self).from_config, path, params)
        return run_batch(
            ask,
            items,
            max_workers=self._max_workers if max_workers is None else max_workers,
            journal=journal,
            ordered=ordered,
            in_doubt=in_doubt,
            executor=executor,
            digest=digest,
            cancel=cancel,
            max_cost=max_cost,
            keep=keep,
            accept_changes=accept_changes,
            settings=settings,
            response_format=params.get("response_format"),
        )

    def batch_settings(self, common: Mapping[str, Any] = EMPTY) -> AnswerSettings:
        """What shapes the answers of each backend, beside parameters that a whole batch has in ``common``."""
        from complaint_llm.backends.answer_settings import PartsSettings

        return PartsSettings((*self.parts, *self._others.values()), common, self.task)

    def explain(self, prompt: Prompt, **params: Any) -> Explanation:
        """What would be done with ``prompt``: order, skips with reasons, tokens and price, policies. Sends nothing."""
        from complaint_llm.explanation import Explanation

        request = self._request(prompt, params.pop("tools", ()), params.pop("temperature", None), params)
        wanted = params.get("backend")
        # Not by the strategy: asking it would take a turn that a real request should have.
        if wanted is None:
            targets = self.members(request)
        elif wanted in self._others:
            targets = members_of(self._others[wanted], request)
        else:
            targets = self._chosen(request, wanted, ordered=False)
        left_out = self.config.left_out if self.config is not None else ()
        return Explanation(self._strategy_name, tuple(self._router.explain(request, targets)), tuple(left_out))

    # -- backends ------------------------------------------------------------------------------------------------

    def backend(self, id: str) -> Backend:
        """The backend of this id, made now if it was not yet. Raises ConfigError if there is none."""
        part = self._part(id)
        return part.backend if isinstance(part, LazyBackend) else part

    def load(self, id: str | None = None) -> None:
        """Load the local model of backend ``id`` now (of all without one), outside any request's deadline."""
        for part in self.parts if id is None else [self._part(id)]:
            part.load()

    def is_loaded(self, id: str | None = None) -> bool:
        """Whether the backend (every one without an id) is ready to answer at once."""
        return all(part.is_loaded() for part in (self.parts if id is None else [self._part(id)]))

    def unload(self, id: str | None = None) -> None:
        """Give back the memory of a local model; the next request loads it again."""
        for part in self.parts if id is None else [self._part(id)]:
            part.unload()

    # -- evidence ------------------------------------------------------------------------------------------------

    @property
    def evidence(self) -> EvidenceStore:
        """The store of evidence, opened when it is first needed."""
        with self._opening:
            if isinstance(self._evidence, Mapping):
                host = self.config.host if self.config is not None else None
                self._evidence = evidence_store(self._folder, self._evidence, self._local_only, host)
            return self._evidence

    def submit_evidence(self, data: bytes, evidence_type: str, **facts: Any) -> dict[str, Any]:
        """Store evidence and its record; see ``EvidenceStore.submit_evidence``."""
        return self.evidence.submit_evidence(data, evidence_type, **facts)

    def submit_evidence_file(self, path: str | Path, evidence_type: str, **facts: Any) -> dict[str, Any]:
        """Store a file of any size; see ``EvidenceStore.submit_evidence_file``."""
        return self.evidence.submit_evidence_file(path, evidence_type, **facts)

    def get_evidence_by_cid(self, cid: str) -> dict[str, Any]:
        """The newest record of this content. Raises EvidenceNotFoundError."""
        return self.evidence.get_evidence_by_cid(cid)

    def retrieve_evidence(self, cid: str) -> bytes:
        """The content, every block verified. Raises EvidenceNotFoundError, EvidenceCorruptedError."""
        return self.evidence.retrieve_evidence(cid)

    def get_user_evidence(self, user_id: str) -> list[dict[str, Any]]:
        """The records of one user."""
        return self.evidence.get_user_evidence(user_id)

    def delete_evidence(self, cid: str) -> dict[str, Any]:
        """Forget the records of this content."""
        return self.evidence.delete_evidence(cid)

    # -- routing -------------------------------------------------------------------------------------------------

    def targets(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        """The backends that may answer, in order. A mock is among them only if there is nothing else; where that is
        because others were left out at load, its answers say that they are a demo."""
        found = super().targets(request)
        return self._demo_or_model(found if self._local_only is None else self._kept_here(found, request))

    def members(self, request: Request | EmbeddingRequest) -> Sequence[Target]:
        return self._kept_here(super().members(request), request)

    def _targets(self, request: Request | EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        if self._level and self._provenance is None:
            # Before anything is sent: an answer that could not be recorded would be paid for and lost.
            self._records()
        if wanted is None:
            return self.targets(request)
        # A backend that MEDIATOR.backends does not name can still be asked for by its id.
        other = self._others.get(wanted)
        found = super()._targets(request, wanted) if other is None else other.targets(request)
        return self._demo_or_model(found)

    def _embedding_targets(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        space = None if wanted is not None or request.model is not None else self._declared_space
        if space is None or self.config is None:
            return super()._embedding_targets(request, wanted)
        return in_declared_space(self._targets(request, None), space.id, space.model, dict(self.config.left_out))

    @cached_property
    def _declared_space(self) -> DeclaredSpace | None:
        return None if self.config is None else self.config.embedding_space()

    def _declared(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Target]:
        if wanted is not None and wanted in self._others:
            return declared_in(self._others[wanted], request)
        return super()._declared(request, wanted)

    def _kept_here(self, found: Sequence[Target], request: Request | EmbeddingRequest) -> Sequence[Target]:
        # A part of another Mediator keeps its own promise, whatever the outer one allows.
        return found if self._local_only is None or request.privacy is not None else self._private.of(found)

    def _demo_or_model(self, found: Sequence[Target]) -> Sequence[Target]:
        if not any(target.demo for target in found):
            return found
        real = [target for target in found if not target.demo]
        if real or not self._has_others():
            return real or found
        return [self._demos.setdefault(id(target), DemoBackend(target)) for target in found]

    def _has_others(self) -> bool:
        """Whether a mock stands beside backends that are none, be it ones that were left out at load."""
        left_out = self.config.left_out if self.config is not None else ()
        if left_out and not self._demos:
            self.log.warning(
                "no model is reachable: the answers are demo text, not a model's. What the backends want: %s",
                "; ".join(f"{id}: {reason}" for id, reason in left_out),
            )
        return bool(left_out) or not all(map(only_mocks, self.parts))

    # -- inside --------------------------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """Whoever was opening something is in the parent."""
        self._opening = RLock()

    def close_resources(self) -> None:
        from contextlib import ExitStack

        # Whichever of them cannot be closed, the others are.
        with ExitStack() as stack:
            if not isinstance(self._evidence, Mapping):
                stack.callback(self._evidence.close)
            for kept in (self._provenance, self._guards.shared, self._guards.whole, self._cache):
                if kept is not None:
                    stack.callback(kept.close)
            for other in self._others.values():
                stack.callback(other.close)
            stack.callback(super().close_resources)

    def _part(self, id: str) -> Part:
        found = find_part((*self.parts, *self._others.values()), id)
        if found is not None:
            return found
        known = ", ".join(dict.fromkeys([*(part.id for part in self.parts), *self._others]))
        raise ConfigError(f"no backend {id!r} here; there are: {known}")

    def _sealed(self, request: Request, output: InferenceOutput, targets: Sequence[Target]) -> InferenceOutput:
        if output.finish_reason == "length" and self._on_truncation != "ignore":
            said = "the answer was cut at its longest length: raise max_tokens"
            if self._on_truncation == "error":
                raise ResponseFormatError(said, backend=output.backend, model=output.model, attempts=output.attempts)
            self.log.warning("%s: %s", output.backend, said)
            output = output._replace(metadata={**output.metadata, "truncated": True})
        if not self._level:
            return output
        answered = [target for target in targets if target.id == output.backend]
        return output._replace(provenance=self._records().record(answered[0].bind(request), output))

    def _records(self) -> Provenance:
        if self._provenance is not None:
            return self._provenance
        with self._opening:
            if self._provenance is None:
                from complaint_llm.provenance import open_provenance

                self._provenance = open_provenance(self.evidence, self._level or "digests", self.config)
            return self._provenance

    def _check_evidence(self, cids: Sequence[str]) -> None:
        if not self._level:
            super()._check_evidence(cids)
        self._records().check(cids)

    def _default_workers(self) -> int:
        return self._max_workers

    def _privacy(self) -> Literal["local"] | None:
        return self._local_only
