"""Backends that were written against other interfaces, made to answer attempts.

What is adapted: classes that override ``generate`` and ``stream_generate`` with the set parameters as keywords; classes
with ``load_model``, ``generate(prompt, parameters)``, ``generate_stream`` and ``is_model_loaded``; objects with such
methods that derive from nothing of ours; and plain functions. Behind a Mediator they get every policy; called directly
they are what their authors wrote.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.streams import as_events
from complaint_llm.backends.wire.accumulator import StreamAccumulator, plain_answer
from complaint_llm.backends.wire.parameters import UNSUPPORTED as KEY
from complaint_llm.backends.wire.parameters import UnsupportedParameters
from complaint_llm.backends.wire.prompts import as_prompt
from complaint_llm.client.client import Client
from complaint_llm.exceptions import InvalidRequestError, ResponseFormatError
from complaint_llm.messages import Done, InferenceOutput, StreamEvent
from complaint_llm.routing.threads.fork import reset_in_child

if TYPE_CHECKING:
    from collections.abc import Iterable

    from complaint_llm.backends.base import Backend
    from complaint_llm.request import Request


def answer_as_written(backend: Backend, request: Request) -> InferenceOutput:
    """One answer of a backend whose class overrides only ``generate`` or its streams."""
    return _adapter_of(backend).answer(request)


def stream_as_written(backend: Backend, request: Request) -> Iterable[StreamEvent]:
    """The same piece by piece, or the whole answer at once where the class has no stream."""
    return _adapter_of(backend).stream(request)


class Adapter:
    """Calls the methods of one object with what they take. Any thread may use it; the lock guards loading a model."""

    def __init__(
        self,
        name: str,
        generate: Callable[..., Any] | None,
        stream: Callable[..., Any] | None,
        unsupported: UnsupportedParameters,
        load: Callable[[Request], None] | None = None,
    ) -> None:
        if generate is None and stream is None:
            raise InvalidRequestError(f"{name} has neither answer nor answer_stream, nor generate", sent=False)
        self._name = name
        self._generate = None if generate is None else _Call(generate)
        self._stream = None if stream is None else _Call(stream)
        self._unsupported = unsupported
        self._load = load

    @property
    def streams(self) -> bool:
        """Whether there is a method that answers piece by piece."""
        return self._stream is not None

    def answer(self, request: Request) -> InferenceOutput:
        if self._load is not None:
            self._load(request)
        if self._generate is None:
            return self._collect(request)
        refused = self._refused_names(self._generate, request)
        answer = self._generate(request)
        if isinstance(answer, InferenceOutput):
            return answer
        return plain_answer(self._text(answer), metadata=_metadata(refused))

    def stream(self, request: Request) -> Iterator[StreamEvent]:
        if self._stream is None:
            yield from as_events(self.answer(request))
            return
        if self._load is not None:
            self._load(request)
        refused = self._refused_names(self._stream, request)
        pieces = self._stream(request)
        answer = StreamAccumulator(_metadata(refused), asked=request.model or "")
        try:
            for piece in pieces:
                yield from answer.text(self._text(piece))
        finally:
            close = getattr(pieces, "close", None)
            if callable(close):
                close()
        yield from answer.done()

    def _collect(self, request: Request) -> InferenceOutput:
        for event in self.stream(request):
            if isinstance(event, Done):
                return event.output
        raise ResponseFormatError(f"{self._name}: the stream had no end")

    def _refused_names(self, call: _Call, request: Request) -> tuple[str, ...]:
        refused = tuple(name for name in request.params if not call.takes(name))
        if request.extra_body:
            refused += ("extra_body",)
        if refused:
            self._unsupported.check(refused, self._name)
        return refused

    def _text(self, given: Any) -> str:
        if isinstance(given, str):
            return given
        raise ResponseFormatError(f"{self._name} gave a {type(given).__name__}, not a text")


class _Call:
    """A method or function, and how it wants its parameters: by keyword, or as one mapping called ``parameters``."""

    __slots__ = ("_any", "_as_mapping", "_function", "_names")

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        try:
            signature = inspect.signature(function)
        except (TypeError, ValueError):
            # Some built-in callables do not tell: they get the prompt alone.
            signature = inspect.Signature()
        given = list(signature.parameters.values())
        self._any = any(one.kind is one.VAR_KEYWORD for one in given)
        self._names = frozenset(one.name for one in given if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY))
        self._as_mapping = "parameters" in self._names

    def takes(self, name: str) -> bool:
        return self._any or self._as_mapping or name in self._names

    def __call__(self, request: Request) -> Any:
        prompt = as_prompt(request.messages)
        if self._as_mapping:
            return self._function(prompt, parameters=dict(request.params))
        params: dict[str, Any] = {name: value for name, value in request.params.items() if self.takes(name)}
        if "model" in self._names and request.model is not None:
            params["model"] = request.model
        return self._function(prompt, **params)


class Loader:
    """Loads the model of an object with ``load_model`` before its first answer. The lock is held while it loads."""

    def __init__(self, given: Any, model: str | None) -> None:
        self._given = given
        self._model = model
        self._lock = threading.Lock()
        reset_in_child(self)

    def after_fork(self) -> None:
        """Who was loading is in the parent."""
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> None:
        with self._lock:
            if self._given.is_model_loaded():
                return
            model = request.model or self._model
            if model is None:
                raise InvalidRequestError('no model to load: set "model" (its name or path)', sent=False)
            self._given.load_model(model, dict(request.params))


def _adapter_of(backend: Backend) -> Adapter:
    """The backend's adapter, made once; two threads that come first at the same time agree on one."""
    found = vars(backend).get("_adapter")
    if found is None:
        kind = type(backend)
        generate = None if kind.generate is Client.generate else backend.generate
        stream: Callable[..., Any] | None = None
        if kind.stream_generate is not Client.stream_generate:
            stream = backend.stream_generate
        elif kind.generate_stream is not Client.generate_stream:
            stream = backend.generate_stream
        unsupported = UnsupportedParameters(backend.options.unsupported_parameters, backend.log)
        made = Adapter(kind.__name__, generate, stream, unsupported, loader_of(backend, backend.options.model))
        found = vars(backend).setdefault("_adapter", made)
    adapter: Adapter = found
    return adapter


def loader_of(given: Any, model: str | None) -> Loader | None:
    has_both = callable(getattr(given, "load_model", None)) and callable(getattr(given, "is_model_loaded", None))
    return Loader(given, model) if has_both else None


def _metadata(refused: tuple[str, ...]) -> Mapping[str, Any]:
    return {KEY: list(refused)} if refused else {}
