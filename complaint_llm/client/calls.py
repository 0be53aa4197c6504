"""The calls of one client: from a request, through the router, to an answer; and their end when it is closed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from complaint_llm.call import CancelToken
from complaint_llm.client.attachments import Attachments
from complaint_llm.client.route import route_of
from complaint_llm.exceptions import BackendError, ContextLengthError, EvidenceError
from complaint_llm.request import EMPTY, EmbeddingRequest, Request
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from complaint_llm.batch import Ask
    from complaint_llm.client.group import Member
    from complaint_llm.client.preview import Preview
    from complaint_llm.client.requests import RequestReader
    from complaint_llm.client.route import Route
    from complaint_llm.client.streams import LiveStream
    from complaint_llm.guards.chain import CallGuards, GuardChain
    from complaint_llm.messages import EmbeddingOutput, InferenceOutput, Prompt, ToolLike
    from complaint_llm.observers.batch_watch import BatchWatch
    from complaint_llm.observers.call_events import CallEvents, StreamEvents
    from complaint_llm.observers.event_queue import EventQueue
    from complaint_llm.request import Forms
    from complaint_llm.routing.explain import Considered
    from complaint_llm.routing.router import Router
    from complaint_llm.routing.target import AnyRequest

Seal = Callable[
    [Request, "InferenceOutput", "InferenceOutput", "Sequence[Route]", "Forms | None"], "InferenceOutput"
]
"""What is done to each answer before it is handed out: the answer, as it may be kept where guards changed it, the
routes that could give it, and what each target was shown of the request."""

EmbeddingRoutes = Callable[["Sequence[Route]"], "Sequence[Route] | None"]
"""Those of the routes whose vectors are of the declared space; None where none is declared."""


class Calls:
    """Makes the calls of one client, whose ``member`` answers them; see ``Client`` for what each means.

    ``free`` frees what the client owns when it is closed; ``seal`` is done to each answer; ``prepare`` is done before
    anything is sent; ``embedding_routes`` chooses by the space that a config declares, if it declares one; ``workers``
    is the usual width of its batches. Any thread may call it. Adding to the set of tokens
    and discarding from it are atomic: a call enters its token and then looks whether it came too late, so ``close``
    misses none.
    """

    def __init__(
        self,
        member: Member,
        router: Router,
        reader: RequestReader,
        *,
        free: Callable[[], None],
        seal: Seal | None = None,
        prepare: Callable[[], object] | None = None,
        embedding_routes: EmbeddingRoutes | None = None,
        attachments: Attachments | None = None,
        guards: GuardChain | None = None,
        observers: EventQueue | None = None,
        workers: int = 8,
        interruptible: bool = True,
    ) -> None:
        self.member = member
        self.reader = reader
        self.workers = workers
        self.closed = False
        self._router = router
        self._free = free
        self._seal = seal
        self._prepare = prepare
        self._embedding_routes = embedding_routes
        self._attachments = Attachments() if attachments is None else attachments
        self._guards = guards
        if guards is not None:
            from complaint_llm.client.text_forms import TextForms  # cold start: guards

            self._make_text_forms: Callable[[Request, CallGuards], Forms] = TextForms
        self._observers = observers
        self._events: CallEvents | None = None
        if observers is not None:
            from complaint_llm.observers.call_events import CallEvents  # cold start: observers

            self._events = CallEvents(observers, has_guards=guards is not None)
        self._interruptible = interruptible
        self._tokens: set[CancelToken] = set()
        reset_in_child(self)

    @property
    def id(self) -> str:
        """The name by which errors call the client."""
        return self.member.id

    @property
    def under_way(self) -> int:
        """How many calls are under way."""
        return len(self._tokens)

    def infer(
        self,
        messages: Prompt,
        tools: Sequence[ToolLike],
        temperature: float | None,
        params: Mapping[str, Any],
        *,
        router: Router | None = None,
        cancel: CancelToken | None = None,
        batch: str | None = None,
    ) -> InferenceOutput:
        """The whole answer; ``cancel`` cancels it too; ``batch`` is the batch that it is of."""
        request = self.reader.request(messages, tools, temperature, params)
        self._enter(request)
        if cancel is not None:
            cancel.attach(request.cancel.cancel)
        events = self._events
        start = None if events is None else events.begin("infer", request, params.get("backend"), batch)
        forms: Forms | None = None
        try:
            if request.attaches:
                request = self.with_forms(request)
                forms = request.forms
            elif self._guards is not None:
                forms = self._make_text_forms(request, self._guards.for_call())
            routes = self._routes(request, params.get("backend"))
            asked = request if forms is None else forms.prepare(routes)
            output = (router or self._router).answer(asked, routes)
            if self._seal is not None or request.checks is not None or forms is not None:
                output = self._hand_out(request, output, routes=routes, forms=forms)
        except BaseException as error:
            if events is not None and start is not None:
                events.end_with_error(start, error)
            if isinstance(error, ContextLengthError) and forms is not None:
                raise _with_lengths(error, forms) from error.__cause__
            raise
        else:
            if events is not None and start is not None:
                events.end_with_answer(start, output)
            return output
        finally:
            self._leave(request)
            if cancel is not None:
                cancel.detach(request.cancel.cancel)

    def stream(
        self, messages: Prompt, tools: Sequence[ToolLike], temperature: float | None, params: Mapping[str, Any]
    ) -> LiveStream:
        """The answer as events."""
        request = self.reader.request(messages, tools, temperature, params, stream=True)
        self._enter(request)
        watch = None if self._events is None else self._stream_events(self._events, request, params)
        try:
            request = self.with_forms(request)
            routes = self._routes(request, params.get("backend"))
            if request.forms is not None:
                request.forms.prepare(routes)
            stream = self._router.stream(request, routes)
        except BaseException as error:
            self._leave(request)
            if watch is not None:
                watch.end_with_error(error)
            raise
        plain = self._seal is None and request.checks is None and request.forms is None
        finish = None if plain else partial(self._hand_out, request, routes=routes, forms=request.forms)
        from complaint_llm.client.streams import LiveStream  # cold start: streams

        return LiveStream(stream, lambda: self._leave(request), finish, watch)

    def embed(self, texts: Sequence[str], params: Mapping[str, Any]) -> EmbeddingOutput:
        """The vectors of texts, all of one model."""
        request = self.reader.embedding(texts, params)
        self._enter(request)
        events = self._events
        start = None if events is None else events.begin("embed", request, params.get("backend"))
        try:
            routes = self._routes_of_one_space(request, params.get("backend"))
            if self._guards is not None:
                from complaint_llm.client.guarded_texts import GuardedTexts  # cold start: guards

                forms = GuardedTexts(request, self._guards.for_call())
                forms.prepare(routes)
                request = request._replace(forms=forms)
            output = self._router.embed(request, routes)
        except BaseException as error:
            if events is not None and start is not None:
                events.end_with_error(start, error)
            raise
        else:
            if events is not None and start is not None:
                events.end_with_vectors(start, output)
            return output
        finally:
            self._leave(request)

    def with_forms(self, request: Request) -> Request:
        """The request with what each target is to be shown of it, where that depends on the target."""
        guards = None if self._guards is None else self._guards.for_call()
        if request.attaches:
            return self._attachments.with_forms(request, guards)
        return request if guards is None else request._replace(forms=self._make_text_forms(request, guards))

    def explain(self, prompt: Prompt, params: dict[str, Any]) -> list[Considered]:
        """What would be tried, in order, and why not the others. Sends nothing, and takes nobody's turn."""
        return self._router.explain(*self._request_and_routes(prompt, params))

    def preview(self, prompt: Prompt, params: dict[str, Any]) -> tuple[Preview, ...]:
        """What each backend would be asked, as guards and documents make it. Sends nothing. Raises GuardError."""
        from complaint_llm.client.preview import previews  # cold start: explanations

        return previews(*self._request_and_routes(prompt, params))

    def asker(
        self, common: Mapping[str, Any] = EMPTY, cancel: CancelToken | None = None, batch: str | None = None
    ) -> Ask:
        """What a batch asks each prompt with: ``common`` parameters under the prompt's own; ``cancel`` cancels all;
        ``batch`` is its name for observers.

        Raises TypeError for an unknown parameter and InvalidRequestError for a wrong value now, before any prompt.
        """
        # An item may name what the whole batch does not.
        self.reader._replace(matter_required=False).check(common)
        router = self._router.for_batches()

        def ask(prompt: Prompt, params: Mapping[str, Any]) -> InferenceOutput:
            given = {**common, **params}
            tools, temperature = given.pop("tools", ()), given.pop("temperature", None)
            return self.infer(prompt, tools, temperature, given, router=router, cancel=cancel, batch=batch)

        return ask

    @property
    def name_columns(self) -> tuple[str, ...]:
        """Columns of a batch whose cells the guards need as names."""
        return () if self._guards is None else self._guards.columns

    def batch_watch(self) -> BatchWatch | None:
        """What tells the observers how a batch goes, where there are any."""
        if self._observers is None:
            return None
        from complaint_llm.observers.batch_watch import BatchWatch  # cold start: observers

        return BatchWatch(self._observers)

    def close(self) -> None:
        """Cancel what is under way (its callers get an error that says so) and free what it owns. Idempotent."""
        if self.closed:
            return
        self.closed = True
        for token in tuple(self._tokens):
            token.cancel(f"{self.id} was closed")
        # Whichever of them cannot be closed, the others are; observers last: until then calls end.
        with ExitStack() as stack:
            if self._observers is not None:
                stack.callback(self._observers.close)
            stack.callback(self._free)
            stack.callback(self._router.close)
            if self._guards is not None:
                stack.callback(self._guards.close)
            stack.callback(self._attachments.close)
        if not self._interruptible:
            self._name_abandoned()

    def after_fork(self) -> None:
        """The calls are the parent's: to cancel one here would shut its connection down there."""
        self._tokens = set()

    # -- inside --------------------------------------------------------------------------------------------------

    def _hand_out(
        self, request: Request, output: InferenceOutput, *, routes: Sequence[Route], forms: Forms | None
    ) -> InferenceOutput:
        """The answer as it is handed out: restored, checked, recorded."""
        kept = output
        if forms is not None:
            output = forms.hand_out(route_of(routes, output.backend).target, output)
        if request.checks is not None:
            output = _settle_checks(request if forms is None else request._replace(forms=forms), output)
        if self._seal is None:
            return output
        try:
            return self._seal(request, output, kept, routes, forms)
        except EvidenceError as error:
            error.output = output  # it was paid for, and is not lost with its record
            raise

    def _request_and_routes(self, prompt: Prompt, params: dict[str, Any]) -> tuple[Request, Sequence[Route]]:
        """What would be asked, and of whom: not by the strategy, which would take a turn of a real request."""
        tools, temperature = params.pop("tools", ()), params.pop("temperature", None)
        reader = self.reader._replace(matter_required=False)  # nothing is sent
        request = self.with_forms(reader.request(prompt, tools, temperature, params))
        wanted = params.get("backend")
        if wanted is None:
            return request, self.member.routes_as_named(request)
        return request, self.member.routes_of(wanted, request, "routes_as_named")

    @staticmethod
    def _stream_events(events: CallEvents, request: Request, params: Mapping[str, Any]) -> StreamEvents:
        """A stream begins, and what tells the observers of its end."""
        from complaint_llm.observers.call_events import StreamEvents  # cold start: observers

        return StreamEvents(events, events.begin("stream", request, params.get("backend")))

    def _enter(self, request: AnyRequest) -> None:
        self._tokens.add(request.cancel)
        if self.closed:
            self._leave(request)
            raise BackendError("is closed", backend=self.id, sent=False)

    def _leave(self, request: AnyRequest) -> None:
        self._tokens.discard(request.cancel)

    def _routes(self, request: AnyRequest, wanted: str | None, order: str = "routes") -> Sequence[Route]:
        if self._prepare is not None:
            self._prepare()
        if wanted is not None:
            return self.member.routes_of(wanted, request, order)
        found: Sequence[Route] = getattr(self.member, order)(request)
        return found

    def _routes_of_one_space(self, request: EmbeddingRequest, wanted: str | None) -> Sequence[Route]:
        found = self._routes(request, wanted)
        if self._embedding_routes is not None and wanted is None and request.model is None:
            declared = self._embedding_routes(found)
            if declared is not None:
                return declared
        from complaint_llm.client.embedding_space import in_one_space  # cold start: vectors

        return in_one_space(found, self._routes(request, wanted, "routes_as_declared"), request)

    def _name_abandoned(self) -> None:
        # cold start: threads that can be left behind
        from complaint_llm.routing.threads.worker import abandoned_workers

        for worker in abandoned_workers(self.id):
            logging.getLogger(f"complaint_llm.backend.{self.id}").warning(
                "%s: closed while %s still runs; it cannot be interrupted", self.id, worker
            )


def _settle_checks(request: Request, output: InferenceOutput) -> InferenceOutput:
    """The answer, unless what its checks found is a failure."""
    # cold start: checks
    from complaint_llm.client.answer_check import settle_checks

    return settle_checks(request, output)


def _with_lengths(error: ContextLengthError, forms: Forms) -> ContextLengthError:
    """The error with how long the documents are and what to do."""
    said = copy(error)
    said.message = f"{error.message}; {forms.length_in_words()}"
    said.args = (said.message,)
    return said
