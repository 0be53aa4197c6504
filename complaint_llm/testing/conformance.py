"""What every backend must do, as a pytest class: subclass it, name the type, and run it.

>>> class TestMine(BackendConformance):
...     plugin = "my_package.plugin"
...     type_name = "mine"
...     wire = "openai"

``wire`` says what the test server speaks to it: "openai", "responses", "anthropic", "gemini", a ``Dialect`` of one's
own, or None for a backend that answers without a network (then its ``keys`` must make it answer). Nothing here leaves
127.0.0.1.
"""

from __future__ import annotations

import json
import logging
import pickle
import threading
import traceback
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from complaint_llm.backends.declared import derive_type
from complaint_llm.backends.type import BackendType
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    BackendTimeoutError,
    InvalidRequestError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    StreamInterruptedError,
)
from complaint_llm.host import PluginHost
from complaint_llm.messages import Document, Done, TextDelta
from complaint_llm.request import EMPTY
from complaint_llm.testing.dialects import WIRES, Dialect
from complaint_llm.testing.expectations import LogListener, error_of, expect_error, wait_until
from complaint_llm.testing.imports import check_import_is_quick, check_import_is_quiet
from complaint_llm.testing.server import FaultyServer, Reply
from complaint_llm.testing.steady_clock import running_clock

if TYPE_CHECKING:
    from complaint_llm.backends.base import Backend

CANARY = "sk-canary-0123456789abcdef"
"""The key that every backend gets here, and that must show nowhere."""

NOTES = "The rent of 900 dollars is due on the first."
"""What stands in the document that backends get here."""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
TOOL = {"name": "search", "description": "Search.", "parameters": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}

class BackendConformance:
    """The suite. Every test makes its own backend."""

    plugin: ClassVar[str]
    """The module with the hook ``complaint_llm_backend_types``."""
    type_name: ClassVar[str]
    wire: ClassVar[str | Dialect | None] = None
    keys: ClassVar[Mapping[str, Any]] = EMPTY
    """Constructor keys besides the address, the key and the model."""

    # -- the parts that the tests are made of ------------------------------------------------------------------------

    def offered_type(self) -> BackendType:
        """What the plugin says of the type."""
        offered = import_module(self.plugin).complaint_llm_backend_types()
        found = [offer for offer in offered if offer.name == self.type_name]
        assert found, f"{self.plugin} offers no type {self.type_name!r}"
        kind: BackendType = found[0]
        return kind

    def backend_type(self) -> BackendType:
        """The type; one that is only data is made complete by the one that it is like."""
        kind = self.offered_type()
        return kind if kind.like is None else derive_type(kind, PluginHost().backend_type(kind.like))

    def make(self, server: FaultyServer | None, **keys: Any) -> Backend:
        """A backend of this type, against the server."""
        kind = self.backend_type()
        given: dict[str, Any] = {**kind.presets, "id": "conform", "max_retries": 0, **self.keys}
        dialect = self.dialect()
        if dialect is not None and server is not None:
            given.setdefault("model", "test-model")
            given |= {"base_url": f"{server.url}{dialect.base_path}", "api_key": CANARY}
            if "embeddings" in _capabilities(kind, given):
                given.setdefault("embedding_model", "test-embedding")
        return kind.factory()(**{**given, **keys})

    def _example(self) -> Mapping[str, Any]:
        """The example's keys with their values, without those that name a variable of the environment."""
        example = self.backend_type().own_example() or {"id": "example"}
        return {key: value for key, value in example.items() if key != "type" and not _is_reference(value)}

    def dialect(self) -> Dialect | None:
        """The wire as an object."""
        return WIRES[self.wire] if isinstance(self.wire, str) else self.wire

    @contextmanager
    def running(self, *script: Reply, **keys: Any) -> Iterator[tuple[Backend, FaultyServer]]:
        """A backend and its server; without a wire the server is not asked."""
        dialect = self.dialect()
        with ExitStack() as stack:
            server = stack.enter_context(
                FaultyServer(Reply("The answer."), wires=() if dialect is None else (dialect,))
            )
            server.script(*script)
            backend = self.make(server, **keys)
            stack.callback(backend.close)
            yield backend, server

    # -- answers -----------------------------------------------------------------------------------------------------

    def test_a_prompt_is_answered_with_text(self) -> None:
        """The text is the server's; the output names its backend and its attempt."""
        with self.running() as (backend, _):
            output = backend.infer("Hello")
            assert output.content == "The answer." or self.wire is None
            assert output.content
            assert output.backend == "conform"
            assert [attempt.error for attempt in output.attempts] == [None]

    def test_a_stream_joined_is_the_answer_and_ends_with_done(self) -> None:
        """Also where the backend hands the whole answer out at once."""
        with self.running() as (backend, _):
            events = list(backend.infer_stream("Hello"))
            done = events[-1]
            assert isinstance(done, Done)
            text = "".join(event.text for event in events if isinstance(event, TextDelta))
            assert text == done.output.content
            assert text == "The answer." or self.wire is None

    def test_a_tool_call_arrives_or_tools_are_refused_unsent(self) -> None:
        """By what the class says of itself."""
        if self.dialect() is None:
            return
        script = [Reply("", calls=[("search", {"q": "rent"})])] * 2
        with self.running(*script) as (backend, server):
            if backend.supports_function_calling():
                output = backend.infer("Find it.", [TOOL])
                assert [(call.name, call.arguments) for call in output.tool_calls] == [("search", {"q": "rent"})]
                done = list(backend.infer_stream("Find it.", [TOOL]))[-1]
                assert isinstance(done, Done)
                assert [call.arguments for call in done.output.tool_calls] == [{"q": "rent"}]
            else:
                expect_error(BackendError, lambda: backend.infer("Find it.", [TOOL]))
                assert not server.requests

    def test_an_image_is_sent_or_refused_unsent(self) -> None:
        """By what the class says of itself."""
        if self.dialect() is None:
            return
        parts = [{"type": "text", "text": "What is this?"}, {"type": "image", "data": PNG}]
        with self.running() as (backend, server):
            if "images" in backend.capabilities:
                assert backend.generate([{"role": "user", "content": parts}]) == "The answer."
            else:
                expect_error(BackendError, lambda: backend.generate([{"role": "user", "content": parts}]))
                assert not server.requests

    def test_a_document_is_sent_or_given_as_text(self) -> None:
        """As the file where the backend says that it takes such files, else as its text, and the answer says which."""
        if self.dialect() is None:
            return
        document = Document(data=NOTES.encode(), name="notes.txt", media_type="text/plain")
        parts = [{"type": "text", "text": "What is due?"}, document]
        with self.running() as (backend, server):
            output = backend.infer([{"role": "user", "content": parts}])
            as_file = "text/plain" in backend.document_types
            assert [each.shown for each in output.shown] == ["document" if as_file else "text"]
            sent = json.dumps(server.requests[0].body, ensure_ascii=False)
            assert NOTES in sent or b64encode(NOTES.encode()).decode("ascii") in sent
            assert "notes.txt" in sent

    def test_an_answer_of_a_given_shape_is_parsed_and_checked(self) -> None:
        """Natively or in words; what does not fit is an error."""
        if self.dialect() is None:
            return
        misfits = [Reply('{"a": "no"}')] * 2
        with self.running(Reply('{"a": 1}'), *misfits) as (backend, _):
            assert backend.infer("x", response_format=SCHEMA).parsed == {"a": 1}
            expect_error(ResponseFormatError, lambda: backend.infer("x", response_format=SCHEMA))

    def test_embeddings_keep_their_order_or_are_refused(self) -> None:
        """One vector for each text."""
        with self.running() as (backend, _):
            if "embeddings" in backend.capabilities:
                single = [backend.embed(text) for text in ("a", "bb", "ccc")]
                assert backend.embed(["a", "bb", "ccc"]) == single
            else:
                expect_error(BackendError, lambda: backend.embed("a"))

    # -- failures ----------------------------------------------------------------------------------------------------

    def test_errors_of_the_provider_have_their_classes(self) -> None:
        """401, 429 with its delay, 500, and an answer that is none."""
        if self.dialect() is None:
            return
        cases: list[tuple[Reply, type[BackendError]]] = [
            (Reply.error(401), AuthenticationError),
            (Reply.error(429, retry_after=7), RateLimitError),
            (Reply.error(500), ServerError),
            (Reply.raw(b"<html>not JSON</html>"), ResponseFormatError),
            (Reply.raw(b'{"nothing": "known"}'), ResponseFormatError),
            (Reply.hang_up(), BackendError),
            (Reply(cut_after=10), BackendError),
        ]
        for reply, kind in cases:
            with self.running(reply) as (backend, _):
                error = expect_error(kind, partial(backend.generate, "Hello"))
                assert error.backend == "conform"
                assert error.retry_after == (7 if kind is RateLimitError else None)

    def test_an_error_inside_an_answer_is_an_error(self) -> None:
        """Some gateways say 200 and put the error into the body: that is never an answer, and not an empty one."""
        dialect = self.dialect()
        if dialect is None:
            return
        body = json.dumps(dialect.error(429, None, "too many requests today")).encode()
        with self.running(Reply.raw(body)) as (backend, _):
            assert expect_error(BackendError, lambda: backend.generate("Hello")).backend == "conform"

    def test_a_stream_that_breaks_off_is_no_quiet_end(self) -> None:
        """The error has the text that came."""
        if self.dialect() is None:
            return
        with self.running(Reply("one two three four five six", cut_after=6, gap=0.01)) as (backend, _):
            if "stream" in backend.capabilities:
                error = expect_error(StreamInterruptedError, lambda: list(backend.stream_generate("Hello")))
                assert isinstance(error, StreamInterruptedError)
                assert error.partial.startswith("one")

    def test_a_call_ends_at_its_deadline(self) -> None:
        """Within 10 % and 0.3 s, against a server that is silent and one that drips."""
        if self.dialect() is None:
            return
        for reply in (Reply.hang(), Reply(drip=True)):
            with self.running(reply) as (backend, _), running_clock() as clock:
                expect_error(BackendTimeoutError, partial(backend.generate, "Hello", timeout=0.4))
                assert clock() < 0.4 * 1.1 + 0.3

    def test_closing_ends_what_is_in_flight_and_what_comes_after(self) -> None:
        """The waiting caller gets an error; closing twice is closing once."""
        if self.dialect() is None:
            return
        with self.running(Reply.hang()) as (backend, server):
            found: list[BaseException] = []
            thread = threading.Thread(target=lambda: found.append(error_of(lambda: backend.generate("Hello"))))
            thread.start()
            wait_until(lambda: bool(server.requests))
            backend.close()
            thread.join(20)  # the server is silent for longer
            assert not thread.is_alive()
            assert isinstance(found[0], BackendError)
            backend.close()
            expect_error(BackendError, lambda: backend.generate("Hello"))

    # -- more --------------------------------------------------------------------------------------------------------

    def test_many_threads_may_share_it(self) -> None:
        """Sixteen at once: each gets its own answer."""
        if self.dialect() is None:
            return
        with self.running(max_concurrency=16) as (backend, server):
            server.reply = Reply()
            prompts = [f"prompt {number}" for number in range(64)]
            assert backend.batch_generate(prompts, max_workers=16) == prompts

    def test_the_key_shows_nowhere(self) -> None:
        """Not in repr, errors, tracebacks with their locals, or the log at DEBUG."""
        if self.dialect() is None:
            return
        shown: list[str] = []
        listener = LogListener(shown)
        logger = logging.getLogger("complaint_llm")
        level = logger.level
        logger.addHandler(listener)
        logger.setLevel(logging.DEBUG)
        try:
            replies = (Reply.error(401, message=f"wrong key {CANARY}"), Reply.raw(CANARY.encode()), Reply("fine"))
            with self.running(*replies, verbose=True) as (backend, server):
                for _ in replies[:-1]:
                    error = error_of(lambda: backend.generate("Hello"))
                    shown += [str(error), repr(error)]
                    shown += traceback.TracebackException.from_exception(error, capture_locals=True).format()
                backend.generate("Hello")
                shown += [repr(backend), str(backend.options), repr(vars(backend))]
                if self.backend_type().needs_key:
                    assert any(CANARY in value for value in server.requests[0].headers.values())
                assert all(CANARY not in received.path for received in server.requests)
        finally:
            logger.removeHandler(listener)
            logger.setLevel(level)
        leaks = [text for text in shown if CANARY in text]
        assert not leaks, f"the key shows in: {leaks[0][:300]}"

    def test_errors_can_be_pickled(self) -> None:
        """A batch in other processes hands them on: class, words, backend and delay are the same afterwards."""
        if self.dialect() is None:
            return
        for reply in (Reply.error(401), Reply.error(429, retry_after=7), Reply.raw(b"<html>not JSON</html>")):
            with self.running(reply) as (backend, _):
                error = expect_error(BackendError, partial(backend.generate, "Hello"))
            again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
            assert type(again) is type(error)
            assert (str(again), again.backend, again.retry_after) == (str(error), error.backend, error.retry_after)

    def test_it_has_an_example(self) -> None:
        """``BackendType.example`` is what a user copies into a config: an entry with an id and this type."""
        kind = self.offered_type()
        if kind.like is not None:
            return  # that of the type that it is like
        example = kind.own_example()
        assert example is not None, f"the type {self.type_name!r} has no example"
        assert isinstance(example.get("id"), str), "the example has no id"
        assert example.get("type") in (self.type_name, *kind.aliases), "the example is of another type"

    def test_its_example_makes_a_backend(self) -> None:
        """Its keys are in the schema, with values that the schema takes, and a backend is made of them."""
        kind = self.backend_type()
        example = self._example()
        schema = kind.own_schema()
        if schema is not None:
            own = {key: value for key, value in example.items() if key in schema.get("properties", {})}
            wrong = [fault.message for fault in _validator(schema.get("properties", {})).iter_errors(own)]
            assert not wrong, f"the example does not fit the schema: {wrong[0]}"
        kind.factory()(**{**kind.presets, **example}).close()

    def test_its_schema_is_honest(self) -> None:
        """It is a JSON Schema, and an unknown key is refused."""
        kind = self.backend_type()
        schema = kind.own_schema()
        if schema is not None:
            _validator({}).check_schema(dict(schema))
        dialect = self.dialect()
        with ExitStack() as stack:
            server = stack.enter_context(FaultyServer(wires=() if dialect is None else (dialect,)))
            self.make(server).close()
            unknown = error_of(lambda: self.make(server, no_such_key=1))
        assert isinstance(unknown, TypeError), "an unknown key is a TypeError"

    def test_importing_it_touches_no_network(self) -> None:
        """Nor does reading its schema and its class."""
        check_import_is_quiet(self.plugin)

    def test_importing_it_is_quick(self) -> None:
        """At most twice as long as importing what it builds on: a start pays for each plugin that a config names."""
        check_import_is_quick(self.plugin)

    def test_without_a_model_it_can_be_made_and_says_so_when_asked(self) -> None:
        """Making never fails for want of a model."""
        if self.dialect() is None:
            return
        with self.running(model=None) as (backend, server):
            if getattr(backend, "needs_model", False):
                error = expect_error(InvalidRequestError, lambda: backend.generate("Hello"))
                assert error.sent is False
                assert not server.requests


def _capabilities(kind: BackendType, keys: Mapping[str, Any]) -> Collection[str]:
    factory = kind.factory()
    if hasattr(factory, "capabilities"):
        said: Collection[str] = factory.capabilities
        return said
    made = factory(**keys)
    made.close()
    return made.capabilities


def _validator(properties: Mapping[str, Any]) -> Any:
    from jsonschema.validators import Draft202012Validator  # cold start

    return Draft202012Validator({"properties": dict(properties)})


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("$")


__all__ = ["CANARY", "BackendConformance"]
