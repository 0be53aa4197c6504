"""The face for domain scripts: a client over all backends of a config, or over backends made in code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, Unpack

from complaint_llm.assembly import (
    admission_settings,
    assemble,
    call_parts,
    check_settings,
    choose_strategy,
    document_readers,
    guards_and_observers,
    make_cache,
    open_evidence,
    open_provenance,
    total_account,
)
from complaint_llm.backends.foreign import as_member
from complaint_llm.client.attachments import Attachments, Show
from complaint_llm.client.backend_methods import BackendMethods
from complaint_llm.client.calls import Calls
from complaint_llm.client.client import Client
from complaint_llm.client.evidence_meaning import EVIDENCE_IS_SHOWN, OneWarning, may_be_old_calls
from complaint_llm.client.evidence_methods import EvidenceMethods
from complaint_llm.client.group import Composition, Group, close_all
from complaint_llm.client.requests import DEFAULT_TIMEOUT, RequestReader, built_in_checks, built_in_task, cite_nothing
from complaint_llm.client.route import Terms, route_of
from complaint_llm.client.truncation import OnTruncation, mark_truncation
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.handling import strictest
from complaint_llm.messages import InferenceOutput, Prompt
from complaint_llm.request import EMPTY
from complaint_llm.routing.router import Router
from complaint_llm.routing.strategies import queue_wait_of
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from complaint_llm.assembly import CallParts
    from complaint_llm.batch import AnswerSettings, Ask, BatchExecutor, BatchItem, BatchRun
    from complaint_llm.call import CancelToken
    from complaint_llm.checks.check import Check
    from complaint_llm.client.group import Member
    from complaint_llm.client.parameters import BatchParameters, GenerateParameters
    from complaint_llm.client.preview import Preview
    from complaint_llm.client.provenance import Provenance
    from complaint_llm.client.route import Route
    from complaint_llm.config import Config
    from complaint_llm.config.embedding import DeclaredSpace
    from complaint_llm.documents.reading import DocumentReaders
    from complaint_llm.evidence import EvidenceStore
    from complaint_llm.guards.chain import GuardChain
    from complaint_llm.guards.guard import Guard
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.observers.observer import Observer
    from complaint_llm.request import Request
    from complaint_llm.routing.explain import Explanation
    from complaint_llm.routing.target import Strategy
    from complaint_llm.tasks.task import Task


class Mediator(BackendMethods, EvidenceMethods, Client):
    """Routes every call over its backends with fallback, retries, limits and one deadline. Any thread may call it.

    ``backends`` are Backend objects or callables with an ``id``; closing the Mediator closes them. ``timeout`` covers a
    whole call, in seconds; ``max_attempts`` caps the sum of all attempts of a call (default: see ``Router``);
    ``max_workers`` is the width of batches; ``circuit_breaker`` has ``failures`` and ``cooldown`` (seconds);
    ``hedge_after`` seconds the next backend is asked too; ``budget`` is in US dollars, a total or ``total``, ``day``
    and ``month``; ``evidence`` is a store, or what one is made of (``path``, ``profile``, ``ipfs_api``,
    ``ipfs_public``). ``guards`` stand before all that is asked, in their order; ``observers`` are told of it.
    ``requires`` says what providers must keep to (``trains``, ``retention_days``, ``region``, ``zero_retention``), and
    ``matter_required`` that each call names its matter. ``ledger`` keeps a row for each call: true, or ``path``,
    ``keep_days`` and ``max_bytes``.
    ``folder`` is where budgets and evidence are kept otherwise; ``others`` are backends that are only asked by their
    id.

    What a config file may not say in MEDIATOR is a ConfigError here too, with a line for each value.

    Beside backends of other types a mock is never asked: a mock must not pass for a model. Inside another Mediator it
    keeps its ``privacy`` and ``budget``; for the rest the outer one's rules hold. One with guards may not be inside.

    >>> with Mediator.from_config("config.json") as mediator:  # doctest: +SKIP
    ...     print(mediator.generate("What is a notice to quit?"))
    """

    def __init__(
        self,
        backends: Sequence[Client | Member | Callable[..., Any]],
        *,
        strategy: str | Strategy = "fallback",
        timeout: float = DEFAULT_TIMEOUT,
        max_attempts: int | None = None,
        max_workers: int = 8,
        circuit_breaker: Mapping[str, Any] | None = None,
        hedge_after: float | None = None,
        budget: float | Mapping[str, float] | None = None,
        privacy: Literal["local"] | None = None,
        on_truncation: OnTruncation = "warn",
        cache: Mapping[str, Any] | None = None,
        provenance: Literal[False, "digests", "full"] = False,
        requires: Mapping[str, Any] | None = None,
        matter_required: bool = False,
        shared: Mapping[str, Any] | None = None,
        evidence: EvidenceStore | Mapping[str, Any] | None = None,
        guards: GuardChain | Sequence[Guard | Mapping[str, Any]] = (),
        observers: EventQueue | Sequence[Observer | Mapping[str, Any]] = (),
        ledger: bool | Mapping[str, Any] = False,
        folder: Path = Path(),
        others: Sequence[Client | Member] = (),
        id: str = "mediator",
    ) -> None:
        check_settings(locals())
        if not len(backends):
            raise ConfigError(f"{id}: no backends to choose from")
        self.config: Config | None = None
        self._id = id
        self._strategy_name = strategy if isinstance(strategy, str) else type(strategy).__name__
        self._log = logging.getLogger(f"complaint_llm.backend.{id}")
        self._privacy = privacy
        self._on_truncation = on_truncation
        self._folder = folder
        show: Show = evidence.get("show", "local") if isinstance(evidence, Mapping) else "local"
        may_be_old = may_be_old_calls(provenance, evidence)
        self._evidence: EvidenceStore | Mapping[str, Any] = {} if evidence is None else evidence
        self._level: Literal[False, "digests", "full"] = provenance
        self._provenance: Provenance | None = None
        # Guards the opening of the store and of provenance: many first callers open one of each.
        self._opening = RLock()
        reset_in_child(self)
        settings = admission_settings(circuit_breaker, folder, shared, max_workers)
        self._shared = settings.shared
        self._budgets = total_account(id, budget, settings)
        required = strictest(requires)
        terms = Terms(budgets=self._budgets, private=privacy == "local", requires=required)
        composition = Composition(
            members=[as_member(each).under(terms) for each in backends],
            strategy=choose_strategy(strategy),
            owner=self,
            others=[as_member(each).under(terms) for each in others],
        )
        for member in (*composition.members, *composition.others):
            member.place(settings)
        self._group = Group(
            id, lambda: composition, stands_in=self._stands_in_for_models, left_out=self._left_out
        )
        self._cache = make_cache(cache or {}, settings.shared) if self._group.caches else None
        self._router = Router(
            max_attempts=max_attempts,
            hedge_after=hedge_after,
            cache=self._cache,
            max_queue_wait=queue_wait_of(composition.strategy),
        )
        chain, events = guards_and_observers(guards, observers, folder, ledger=ledger)
        self.has_guards = chain is not None
        self._calls = Calls(
            self._group,
            self._router,
            RequestReader(
                timeout=timeout,
                privacy=privacy,
                requires=required,
                matter_required=matter_required,
                find_task=self._task,
                checks=self._checks,
                cite=self._check_evidence,
                evidence_is_shown=OneWarning(self._log.warning, EVIDENCE_IS_SHOWN) if may_be_old else None,
            ),
            free=self._free,
            seal=self._seal if provenance or on_truncation != "ignore" else None,
            prepare=self._records if provenance else None,
            embedding_routes=self._in_declared_space,
            guards=chain,
            observers=events,
            attachments=Attachments(self._document_readers, lambda: self.evidence, show),
            workers=max_workers,
        )

    @classmethod
    def from_config(cls, path: str | Path | None = None) -> Mediator:
        """A Mediator as the config file says: the one given, else ``$COMPLAINT_LLM_CONFIG``, else in the
        working directory complaint-llm.json, .yaml or .yml, else config.json, .yaml or .yml. Raises ConfigError with
        every fault, a line each."""
        from complaint_llm.config import load_config  # cold start: configs

        return cls.from_loaded(load_config(path))

    @classmethod
    def from_loaded(cls, config: Config, parts: CallParts | None = None) -> Mediator:
        """A Mediator as a loaded config says. Its backends are made when they are first asked. ``parts`` stand in the
        place of those that the config describes. Raises ConfigError, PluginError."""
        parts = parts or call_parts(config)
        settings = {key: value for key, value in config.mediator.items() if key not in ("backends", "ledger")}
        assembled = assemble(config)
        settings |= {"evidence": config.evidence, "folder": config.path.parent, "others": assembled.others}
        settings |= {"strategy": parts.strategy, "guards": parts.guards or (), "observers": parts.observers or ()}
        with config.at("MEDIATOR"):
            mediator = cls(assembled.members, **settings)
        mediator._strategy_name = str(config.mediator.get("strategy", "fallback"))
        mediator.config = config
        return mediator

    @property
    def id(self) -> str:
        """The name by which errors call it."""
        return self._id

    def __enter__(self) -> Mediator:
        return self

    def query_backend(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> str:
        """The same as ``generate``."""
        return self.generate(prompt, **params)

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
        **params: Unpack[BatchParameters],
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

        >>> for result in mediator.batch(letters, journal="night.journal"):  # doctest: +SKIP
        ...     print(result.key, result.output.content if result.output else result.error)
        """
        from complaint_llm.client.batches import start_batch  # cold start: batches

        if executor is not None and "local" in (self._privacy, params.get("privacy")):
            raise InvalidRequestError('privacy "local": an executor may run on another machine', sent=False)
        return start_batch(
            self._calls,
            prompts,
            dict(params),
            settings=self.batch_settings(params),
            find_task=self._task,
            reopen=(type(self).from_config, None if self.config is None else self.config.path),
            max_workers=max_workers,
            journal=journal,
            ordered=ordered,
            in_doubt=in_doubt,
            executor=executor,
            timeout=timeout,
            max_cost=max_cost,
            keep=keep,
            accept_changes=accept_changes,
        )

    def batch_settings(self, common: Mapping[str, Any] = EMPTY) -> AnswerSettings:
        """What shapes the answers of each backend, beside parameters that a whole batch has in ``common``."""
        from complaint_llm.client.answer_settings import GroupSettings  # cold start: batches

        return GroupSettings(self._group, common, self._task)

    def asker(
        self, common: Mapping[str, Any] = EMPTY, cancel: CancelToken | None = None, batch: str | None = None
    ) -> Ask:
        """What a batch asks each prompt with: ``common`` parameters under the prompt's own; ``cancel`` cancels all;
        ``batch`` is its name for observers.

        Raises TypeError for an unknown parameter and InvalidRequestError for a wrong value now, before any prompt.
        """
        return self._calls.asker(common, cancel, batch)

    @property
    def calls(self) -> Calls:
        """The calls behind the methods, for who runs a batch over ``asker`` by itself."""
        return self._calls

    def explain(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> Explanation:
        """What would be done with ``prompt``: order, skips with reasons, tokens and price, policies. Sends nothing.

        It needs no matter, under ``matter_required`` either: that is for what is sent.

        >>> print(mediator.explain("hello").first.backend)  # doctest: +SKIP
        """
        from complaint_llm.routing.explain import Explanation  # cold start: explanations

        considered = tuple(self._calls.explain(prompt, dict(params)))
        return Explanation(self._strategy_name, considered, tuple(self._left_out().items()))

    def preview(self, prompt: Prompt, **params: Unpack[GenerateParameters]) -> tuple[Preview, ...]:
        """What each backend would be asked, as guards and documents make it. Sends nothing. Raises GuardError.

        >>> print(mediator.preview("I am Maria Lopez.")[0].messages[-1].text)  # doctest: +SKIP
        """
        return self._calls.preview(prompt, dict(params))

    # -- evidence ------------------------------------------------------------------------------------------------

    @property
    def evidence(self) -> EvidenceStore:
        """The store of evidence, opened when it is first needed."""
        with self._opening:
            if isinstance(self._evidence, Mapping):
                self._evidence = open_evidence(self.config, self._folder, self._evidence, self._privacy)
            return self._evidence

    # -- inside --------------------------------------------------------------------------------------------------

    def after_fork(self) -> None:
        """Whoever was opening something is in the parent."""
        self._opening = RLock()

    def _client(self) -> Calls:
        return self._calls

    def _left_out(self) -> Mapping[str, str]:
        return {} if self.config is None else dict(self.config.left_out)

    def _stands_in_for_models(self) -> bool:
        """Whether a mock stands beside backends that are none, be it ones that were left out at load."""
        if self._left_out():
            self._warn_of_demonstration  # noqa: B018 - said once
            return True
        return not self._group.only_mocks()

    @cached_property
    def _warn_of_demonstration(self) -> None:
        self._log.warning(
            "no model is reachable: the answers are demo text, not a model's. What the backends want: %s",
            "; ".join(f"{id}: {reason}" for id, reason in self._left_out().items()),
        )

    def _document_readers(self) -> DocumentReaders:
        return document_readers(None if self.config is None else self.config.host)

    def _task(self, id: str) -> Task:
        """The task of this id: of the config, else one of the package's own. Raises ConfigError, PluginError."""
        return built_in_task(id) if self.config is None else self.config.find_task(id)

    def _checks(self) -> Mapping[str, Check]:
        return built_in_checks() if self.config is None else self.config.checks

    @cached_property
    def _declared_space(self) -> DeclaredSpace | None:
        return None if self.config is None else self.config.embedding_space()

    def _in_declared_space(self, found: Sequence[Route]) -> Sequence[Route] | None:
        space = self._declared_space
        return None if space is None else space.routes_of_it(found, self._left_out())

    def _seal(
        self, request: Request, output: InferenceOutput, kept: InferenceOutput, routes: Sequence[Route], forms: Any
    ) -> InferenceOutput:
        if output.finish_reason == "length":
            output = mark_truncation(output, self._on_truncation, self._log)
        if not self._level:
            return output
        if forms is not None:
            request = request._replace(forms=forms)
        sent = route_of(routes, output.backend).binding(request)
        return output._replace(provenance=self._records().record(sent, request, kept, output))

    def _records(self) -> Provenance:
        # Before anything is sent: an answer that could not be recorded would be paid for and lost.
        if self._provenance is None:
            with self._opening:
                if self._provenance is None:
                    self._provenance = open_provenance(self.evidence, self._level or "digests", self.config)
        return self._provenance

    def _check_evidence(self, cids: Sequence[str]) -> tuple[str, ...]:
        return self._records().check(cids) if self._level else cite_nothing(cids)

    def _free(self) -> None:
        # Whichever of them cannot be closed, the others are.
        with ExitStack() as stack:
            if not isinstance(self._evidence, Mapping):
                stack.callback(self._evidence.close)
            for kept in (self._provenance, self._shared, *self._budgets, self._cache):
                if kept is not None:
                    stack.callback(kept.close)
            stack.callback(close_all, self.id, (*self._group.others, *self._group.members))
