"""The conformance suite fails for backends that break their promises: one broken backend for each promise."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from complaint_llm_plugins.backends.openai.backend import OpenAIBackend

from complaint_llm.backends import BackendType, Request
from complaint_llm.exceptions import BackendError
from complaint_llm.messages import Done, InferenceOutput, Message, TextDelta
from complaint_llm.testing import BackendConformance


def suite(kind: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, **facts: Any) -> BackendConformance:
    """The suite for a type whose class is ``kind``."""
    plugin = types.ModuleType("broken_plugin")
    offered = BackendType("broken", kind, **facts)
    plugin.complaint_llm_backend_types = lambda: [offered]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "broken_plugin", plugin)

    class Suite(BackendConformance):
        plugin = "broken_plugin"
        type_name = "broken"
        wire = "openai"

    return Suite()


class Mute(OpenAIBackend):
    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return InferenceOutput("something else")


class QuietEnd(OpenAIBackend):
    def answer_stream(self, request: Request) -> Any:
        said = ""
        try:
            for event in super().answer_stream(request):
                said += event.text if isinstance(event, TextDelta) else ""
                yield event
        except BackendError:
            output = InferenceOutput(said)
            yield Done(output.token_usage, output)


class Forgetful(OpenAIBackend):
    capabilities: ClassVar[Any] = frozenset(("stream", "tools", "structured"))

    def encode(self, request: Request) -> Any:
        return super().encode(request._replace(tools=()))

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return super().decode(payload, request)._replace(tool_calls=(), content="no tools")


class Careless(OpenAIBackend):
    document_types: ClassVar[Any] = frozenset(("text/plain",))

    def encode(self, request: Request) -> Any:
        return super().encode(request._replace(messages=(Message("user", "What is due?"),)))


class AllServerErrors(OpenAIBackend):
    def decode_error(self, status: int | None, payload: Any) -> Any:
        return super().decode_error(status, payload)._replace(kind=BackendError)


class Talkative(OpenAIBackend):
    def answer(self, request: Request) -> InferenceOutput:
        key = "" if self.api_key is None else self.api_key.reveal()
        self.log.debug("asking with %s", key)
        return super().answer(request)


class Unhurried(OpenAIBackend):
    def answer(self, request: Request) -> InferenceOutput:
        try:
            return super().answer(request)
        finally:
            time.sleep(1)


class Indulgent(OpenAIBackend):
    def __init__(self, **keys: Any) -> None:
        keys.pop("no_such_key", None)
        super().__init__(**keys)


class SilentErrors(OpenAIBackend):
    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return InferenceOutput("nothing") if "error" in payload else super().decode(payload, request)


class WithLockError(BackendError):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.lock = threading.Lock()


class UnpicklableErrors(OpenAIBackend):
    def answer(self, request: Request) -> InferenceOutput:
        try:
            return super().answer(request)
        except BackendError as error:
            raise WithLockError(str(error)) from None


class Confused(OpenAIBackend):
    """Keeps what it was asked last in itself."""

    def encode(self, request: Request) -> Any:
        self.last = request.messages[-1].text
        return super().encode(request)

    def decode(self, payload: Any, request: Request) -> InferenceOutput:
        return super().decode(payload, request)._replace(content=self.last)


def test_an_example_that_is_missing_or_wrong_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, without an id, of another type, with a key that there is not: each in its own check."""
    wrong: list[tuple[Any, str]] = [
        (None, "test_it_has_an_example"),
        ({"type": "broken"}, "test_it_has_an_example"),
        ({"id": "x", "type": "other"}, "test_it_has_an_example"),
        ({"id": "x", "type": "broken", "modell": "m"}, "test_its_example_makes_a_backend"),
    ]
    both = {"test_it_has_an_example", "test_its_example_makes_a_backend"}
    for example, promise in wrong:
        made = suite(OpenAIBackend, monkeypatch, example=example)
        with pytest.raises((AssertionError, TypeError)):
            getattr(made, promise)()
        if promise == "test_its_example_makes_a_backend":
            for other in both - {promise}:
                getattr(made, other)()


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Mute, "test_a_prompt_is_answered_with_text"),
        (Mute, "test_many_threads_may_share_it"),
        (Mute, "test_an_answer_of_a_given_shape_is_parsed_and_checked"),
        (QuietEnd, "test_a_stream_that_breaks_off_is_no_quiet_end"),
        (Forgetful, "test_a_tool_call_arrives_or_tools_are_refused_unsent"),
        (Careless, "test_a_document_is_sent_or_given_as_text"),
        (AllServerErrors, "test_errors_of_the_provider_have_their_classes"),
        (Talkative, "test_the_key_shows_nowhere"),
        (Unhurried, "test_a_call_ends_at_its_deadline"),
        (Indulgent, "test_its_schema_is_honest"),
        (SilentErrors, "test_an_error_inside_an_answer_is_an_error"),
        (UnpicklableErrors, "test_errors_can_be_pickled"),
        (Confused, "test_many_threads_may_share_it"),
    ],
)
def test_a_broken_promise_fails_its_test(
    kind: type[OpenAIBackend], promise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same test passes for the backend that it was broken from."""
    getattr(suite(OpenAIBackend, monkeypatch), promise)()
    with pytest.raises((AssertionError, BackendError, TypeError)):
        getattr(suite(kind, monkeypatch), promise)()


def test_a_plugin_that_connects_at_import_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Shown in a process of its own."""
    (tmp_path / "calling_home.py").write_text("import socket\nsocket.create_connection(('127.0.0.1', 9))\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    class Suite(BackendConformance):
        plugin = "calling_home"
        type_name = "x"

    with pytest.raises(AssertionError, match="a connection at import"):
        Suite().test_importing_it_touches_no_network()
