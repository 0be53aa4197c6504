"""A backend without a model: it answers from a script, by patterns, or with an echo. For tests and demonstrations.

>>> backend = MockBackend().with_response(MockResponse.tool_call("search", {"q": "rent"}))
>>> backend.infer("Find it.", [{"name": "search"}]).tool_calls[0].arguments
{'q': 'rent'}
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from complaint_llm.backends.base import Backend, Capability
from complaint_llm.backends.streams import as_events
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.exceptions import BackendError, BackendTimeoutError, CancelledError, ConfigError, InvalidRequestError
from complaint_llm.messages import EmbeddingOutput, InferenceOutput, TextDelta, TokenUsage, ToolCall
from complaint_llm.request import EMPTY, EmbeddingRequest
from complaint_llm.routing.threads.waiting import cancellable_sleep

if TYPE_CHECKING:
    from complaint_llm.messages import StreamEvent
    from complaint_llm.request import Request

EMBEDDING_DIMENSIONS = 32
NOBODY_READS = "no model is reachable; nothing was read (an echo answers no task)"
_MATCH_SECONDS = 5.0
_WORDS = re.compile(r"\S+\s*|\s+")


class MockResponse:
    """One scripted answer. Immutable: ``with_latency`` makes a new one."""

    __slots__ = ("calls", "content", "failure", "latency_ms")

    def __init__(
        self,
        content: str = "",
        calls: Sequence[tuple[str, Mapping[str, Any]]] = (),
        failure: Exception | None = None,
        latency_ms: float = 0,
    ) -> None:
        self.content = content
        self.calls = tuple(calls)
        self.failure = failure
        self.latency_ms = latency_ms

    @classmethod
    def text(cls, text: str) -> MockResponse:
        """An answer of this text."""
        return cls(text)

    @classmethod
    def tool_call(cls, name: str, arguments: Mapping[str, Any] = EMPTY) -> MockResponse:
        """An answer that asks for this tool to be called."""
        return cls(calls=((name, arguments),))

    @classmethod
    def error(cls, error: str | Exception) -> MockResponse:
        """A failure: this exception (a fresh copy each time), or a BackendError of this text."""
        return cls(failure=BackendError(error) if isinstance(error, str) else error)

    def with_latency(self, milliseconds: float) -> MockResponse:
        """The same answer after this time. It ends early at the deadline or when cancelled."""
        return MockResponse(self.content, self.calls, self.failure, milliseconds)

    def __repr__(self) -> str:
        kind = "error" if self.failure else "tool_call" if self.calls else "text"
        return f"<MockResponse {kind}>"


class MessageMatcher:
    """Says whether the last user message's text is meant. Immutable."""

    __slots__ = ("_matches",)

    def __init__(self, matches: Callable[[str], bool]) -> None:
        self._matches = matches

    @classmethod
    def contains(cls, part: str) -> MessageMatcher:
        """Texts in which ``part`` occurs."""
        return cls(lambda text: part in text)

    @classmethod
    def regex(cls, pattern: str) -> MessageMatcher:
        """Texts in which the regular expression is found. Raises ``re.error`` now if it is none.

        A search that takes longer than five seconds is a BackendTimeoutError.
        """
        from complaint_llm.backends.answers.patterns import is_found  # cold start: regex

        re.compile(pattern)
        return cls(lambda text: is_found(pattern, text, Deadline(_MATCH_SECONDS), CancelToken()))

    @classmethod
    def exact(cls, expected: str) -> MessageMatcher:
        """Exactly this text."""
        return cls(lambda text: text == expected)

    def __call__(self, text: str) -> bool:
        return self._matches(text)


class MockBackend(Backend):
    """Answers without a model.

    For each request the first of these that applies answers: the pattern responses, in the order in which they were
    added; the script, each response once; the echo of the last user message. Where none applies it raises
    BackendError: a script that is exhausted never answers with something made up. A script whose last response is an
    error, with no echo behind it, goes on with that error: a retry fails as the first try did. Token counts are words.

    ``responses`` is the script as a config writes it: texts, or mappings with one of ``text``, ``tool_call``
    (``{"name", "arguments"}``) and ``error``. ``latency`` is in seconds, before each answer that has none of its own.
    """

    type: ClassVar[str] = "mock"
    capabilities: ClassVar[frozenset[Capability]] = frozenset(("stream", "tools", "images", "structured", "embeddings"))
    interruptible: ClassVar[bool] = True
    demo: ClassVar[bool] = True
    costs_nothing: ClassVar[bool] = True
    default_location: ClassVar[Literal["local", "remote"]] = "local"
    options_schema = MappingProxyType(
        {"properties": {"echo": {"type": "boolean"}, "latency": {"type": "number", "minimum": 0}}}
    )

    def __init__(
        self,
        *,
        echo: bool = False,
        responses: Iterable[str | Mapping[str, Any] | MockResponse] = (),
        latency: float = 0.0,
        **keys: Any,
    ) -> None:
        super().__init__(**{"embedding_model": "mock", **keys})
        self._echo = echo
        self._latency = float(latency)
        self._lock = threading.Lock()
        # Guarded by the lock: the script and what was asked so far.
        self._script = [_response(given, f"{self.id}: response {place}") for place, given in enumerate(responses)]
        self._patterns: list[tuple[MessageMatcher, MockResponse]] = []
        self._next = 0
        self._count = 0
        self._tools_called: set[str] = set()
        self._last: Request | None = None

    @classmethod
    def echo(cls, **keys: Any) -> MockBackend:
        """A backend that answers every request with its last user message."""
        return cls(echo=True, **keys)

    def with_response(self, response: MockResponse | str) -> MockBackend:
        """This backend, with one more response at the end of its script."""
        made = _response(response, f"{self.id}: response")
        with self._lock:
            self._script.append(made)
        return self

    def with_pattern_response(self, matcher: MessageMatcher, response: MockResponse | str) -> MockBackend:
        """This backend, with a response to every message that ``matcher`` accepts."""
        made = _response(response, f"{self.id}: pattern response")
        with self._lock:
            self._patterns.append((matcher, made))
        return self

    def call_count(self) -> int:
        """How many answers were asked for, failures and retries included."""
        return self._count

    def was_tool_called(self, name: str) -> bool:
        """Whether an answer so far asked for the tool ``name`` to be called."""
        with self._lock:
            return name in self._tools_called

    @property
    def last_request(self) -> Request | None:
        """What was asked last, defaults included."""
        return self._last

    def lacks(self, request: Request | EmbeddingRequest) -> str | None:
        """What it cannot do: an echo alone answers no task, since nobody would have read anything."""
        checks = None if isinstance(request, EmbeddingRequest) else request.checks
        if checks is not None and checks.task is not None and not checks.demonstration:
            with self._lock:
                only_echoes = self._echo and not self._script and not self._patterns
            if only_echoes:
                return NOBODY_READS
        return super().lacks(request)

    # -- one attempt -------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> InferenceOutput:
        response, number = self._take(request)
        self._wait(response, request.deadline, request.cancel)
        if response.failure is not None:
            raise _again(response.failure)
        calls = tuple(
            ToolCall(f"call_{number}_{place}", name, dict(arguments), json.dumps(arguments, ensure_ascii=False))
            for place, (name, arguments) in enumerate(response.calls)
        )
        prompt = sum(_count(message.text) for message in request.messages)
        completion = _count(response.content) + sum(_count(call.arguments_raw) for call in calls)
        usage = TokenUsage(prompt, completion, prompt + completion)
        reason: Literal["stop", "tool_calls"] = "tool_calls" if calls else "stop"
        return InferenceOutput(
            response.content,
            calls,
            token_usage=usage,
            finish_reason=reason,
            model=request.model or "mock",
            metadata={"demo": True} if isinstance(response, _DemoResponse) else {},
        )

    def answer_stream(self, request: Request) -> Iterator[StreamEvent]:
        for event in as_events(self.answer(request)):
            if isinstance(event, TextDelta):
                yield from map(TextDelta, _WORDS.findall(event.text))
            else:
                yield event

    def answer_embedding(self, request: EmbeddingRequest) -> EmbeddingOutput:
        """A unit vector that depends on the text alone."""
        self._wait(MockResponse(), request.deadline, request.cancel)
        vectors = tuple(_vector(text) for text in request.texts)
        words = sum(map(_count, request.texts))
        return EmbeddingOutput(vectors, TokenUsage(words, 0, words), model=request.model or "mock")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _take(self, request: Request) -> tuple[MockResponse, int]:
        asked = next((message.text for message in reversed(request.messages) if message.role == "user"), "")
        with self._lock:
            self._count += 1
            self._last = request
            response = next((answer for matches, answer in self._patterns if matches(asked)), None)
            if response is None and self._next < len(self._script):
                response = self._script[self._next]
                self._next += 1
            elif response is None and not self._echo and self._script and self._script[-1].failure is not None:
                # What is down stays down: a retry must not put another error in the place of the scripted one.
                response = self._script[-1]
            if response is None and self._echo:
                response = _echo_response(request, asked)
            if response is None:
                raise BackendError(
                    f"the mock's script is exhausted: {len(self._script)} responses, this is request {self._count}; "
                    "add a response, or set echo",
                    sent=False,
                )
            self._tools_called.update(name for name, _ in response.calls)
            return response, self._count

    def _wait(self, response: MockResponse, deadline: Deadline, cancel: CancelToken) -> None:
        seconds = response.latency_ms / 1000 or self._latency
        left = deadline.remaining()
        if seconds:
            cancellable_sleep(min(seconds, max(left, 0.0)), cancel)
        if cancel.cancelled:
            raise CancelledError(cancel.reason)
        if seconds > left or left <= 0:
            raise BackendTimeoutError("no answer within the time", maybe_received=True)


def _echo_response(request: Request, asked: str) -> MockResponse:
    """The last user message; of a task, what the demonstration's rules make of its material, where they may."""
    checks = request.checks
    if checks is None or checks.task is None:
        return MockResponse(asked)
    if not checks.demonstration:
        raise InvalidRequestError(NOBODY_READS, sent=False)
    from complaint_llm.tasks.demonstration import DemonstrationError, demonstrate  # cold start

    # The item's own text, and those of its documents.
    texts = [*checks.texts, *(document.text for document in checks.documents)]
    try:
        made = demonstrate(checks.schema, "\n\n".join(filter(str.strip, texts)))
    except DemonstrationError as error:
        raise InvalidRequestError(str(error), sent=False) from error
    return _DemoResponse(json.dumps(made, ensure_ascii=False))


class _DemoResponse(MockResponse):
    """An answer by the demonstration's rules."""

    __slots__ = ()


def _again(failure: Exception) -> Exception:
    """The scripted exception, as a copy where it can be copied: each attempt notes on its own who failed."""
    try:
        made = copy.copy(failure)
    except Exception:  # noqa: BLE001 - an exception class whose arguments copying does not know
        return failure.with_traceback(None)
    if type(made) is not type(failure):
        return failure.with_traceback(None)
    made.__cause__, made.__suppress_context__ = failure.__cause__, failure.__suppress_context__
    return made


def _response(given: object, where: str) -> MockResponse:
    if isinstance(given, MockResponse):
        return given
    if isinstance(given, str):
        return MockResponse(given)
    if isinstance(given, Mapping) and len(given) == 1:
        [(kind, value)] = given.items()
        if kind in ("text", "error") and isinstance(value, str):
            return MockResponse(value) if kind == "text" else MockResponse.error(value)
        if kind == "tool_call" and isinstance(value, Mapping) and isinstance(value.get("name"), str):
            arguments = value.get("arguments", {})
            if isinstance(arguments, Mapping) and not value.keys() - {"name", "arguments"}:
                return MockResponse.tool_call(value["name"], arguments)
    raise ConfigError(f'{where} is a text, or a mapping with one of "text", "tool_call" and "error"')


def _count(text: str) -> int:
    return len(text.split())


def _vector(text: str) -> tuple[float, ...]:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    raw = [byte - 127.5 for byte in digest[:EMBEDDING_DIMENSIONS]]
    length = sum(value * value for value in raw) ** 0.5
    return tuple(value / length for value in raw)


__all__ = ["MessageMatcher", "MockBackend", "MockResponse"]
