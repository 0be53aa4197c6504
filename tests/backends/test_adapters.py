"""Classes written for other libraries, and plain functions, work behind a Mediator and stay what they are directly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import Backend, BaseBackend, HTTPBackend
from complaint_llm.backends.foreign import adapt
from complaint_llm.exceptions import (
    AuthenticationError,
    BackendError,
    ConfigError,
    InvalidRequestError,
    ResponseFormatError,
)
from complaint_llm.messages import Done, TextDelta
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.dialects import AnswerContent


class Client:
    def __init__(self) -> None:
        self.failures = 0
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def complete(self, prompt: str, **kwargs: Any) -> str:
        self.calls.append((prompt, kwargs))
        if self.failures:
            self.failures -= 1
            raise ConnectionError("down")
        return prompt.upper()


class KeywordBackend(Backend):
    """Overrides generate and stream_generate, which take the set parameters as keywords."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.client = Client()

    def generate(self, prompt: Any, **kwargs: Any) -> str:
        return self.client.complete(prompt, **kwargs)

    def stream_generate(self, prompt: Any, **kwargs: Any) -> Any:
        yield from self.client.complete(prompt, **kwargs).split()


class LocalModel(BaseBackend):
    """Loads a model, and takes its parameters as one mapping; has no __init__."""

    loads = 0
    loaded: tuple[str, Any] | None = None

    def load_model(self, model_path: str, parameters: Any = None) -> None:
        self.loads += 1
        self.loaded = (model_path, parameters)

    def generate(self, prompt: Any, parameters: Any = None) -> str:  # type: ignore[override]
        assert self.is_model_loaded()
        return f"{prompt}|{sorted((parameters or {}).items())}"

    def generate_stream(self, prompt: Any, parameters: Any = None) -> Any:  # type: ignore[override]
        yield "Streaming "
        yield "response"

    def is_model_loaded(self) -> bool:
        return self.loaded is not None


def texts(events: Any) -> list[str]:
    return [event.text for event in events if isinstance(event, TextDelta)]


def test_a_keyword_class_called_directly_runs_its_own_code_and_no_policy() -> None:
    backend = KeywordBackend(max_retries=5, temperature=0.5)
    backend.client.failures = 1
    with pytest.raises(ConnectionError):
        backend.generate("hello there", top_k=3)
    assert backend.client.calls == [("hello there", {"top_k": 3})]
    assert list(backend.stream_generate("a b")) == ["A", "B"]


def test_a_keyword_class_behind_a_mediator_gets_its_own_and_the_calls_parameters() -> None:
    backend = KeywordBackend(id="own", temperature=0.5)
    with Mediator([backend]) as mediator:
        output = mediator.infer("hello", max_tokens=7)
    assert output.content == "HELLO"
    assert (output.backend, [attempt.backend for attempt in output.attempts]) == ("own", ["own"])
    assert backend.client.calls == [("hello", {"temperature": 0.5, "max_tokens": 7})]


def test_a_keyword_class_behind_a_mediator_falls_back_when_it_fails() -> None:
    first, second = KeywordBackend(id="first", max_retries=0), KeywordBackend(id="second")
    first.client.failures = 9
    with Mediator([first, second]) as mediator:
        output = mediator.infer("hello")
    assert output.backend == "second"
    assert "ConnectionError" in (output.attempts[0].error or "")


def test_a_foreign_error_is_a_backend_error_with_its_cause() -> None:
    backend = KeywordBackend(id="own", max_retries=0)
    backend.client.failures = 9
    with Mediator([backend]) as mediator, pytest.raises(BackendError, match="own") as caught:
        mediator.generate("hello")
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_infer_and_batch_of_a_keyword_class_work_without_a_mediator_too() -> None:
    backend = KeywordBackend()
    assert backend.infer("hello").content == "HELLO"
    assert backend.batch_generate(["a", "b"]) == ["A", "B"]


def test_its_stream_comes_piece_by_piece_and_ends_with_the_whole() -> None:
    with Mediator([KeywordBackend(id="own")]) as mediator:
        events = list(mediator.infer_stream("a b"))
    assert texts(events) == ["A", "B"]
    assert isinstance(events[-1], Done)
    assert events[-1].output.content == "AB"
    assert KeywordBackend().supports_streaming()


def test_several_messages_go_in_as_role_and_content_paragraphs() -> None:
    backend = KeywordBackend(id="own")
    with Mediator([backend]) as mediator:
        mediator.generate("hi", system="Be brief.")
    assert backend.client.calls[0][0] == "system: Be brief.\n\nuser: hi"


def test_a_class_with_only_a_stream_answers_with_its_pieces_joined() -> None:
    class Streams(Backend):
        def stream_generate(self, prompt: Any, **kwargs: Any) -> Any:
            yield from ("a", "b")

    with Mediator([Streams(id="own")]) as mediator:
        assert mediator.generate("x") == "ab"


def test_a_class_with_only_generate_streams_its_answer_at_once() -> None:
    class Whole(Backend):
        def generate(self, prompt: Any, **kwargs: Any) -> str:
            return "all of it"

    backend = Whole(id="own")
    assert not backend.supports_streaming()
    with Mediator([backend]) as mediator:
        assert list(mediator.stream_generate("x")) == ["all of it"]


def test_a_class_without_any_of_the_methods_says_what_to_write() -> None:
    class Empty(Backend):
        pass

    with pytest.raises(InvalidRequestError, match="answer nor answer_stream, nor generate"):
        Empty().generate("x")


def test_a_model_class_is_loaded_once_before_its_first_answer_with_model_and_parameters() -> None:
    backend = LocalModel(id="own", model="/models/a.gguf", temperature=0.1)
    assert not backend.is_model_loaded()
    with Mediator([backend]) as mediator:
        assert mediator.batch_generate(["a"] * 8, max_workers=8) == ["a|[('temperature', 0.1)]"] * 8
        assert list(mediator.stream_generate("x")) == ["Streaming ", "response"]
    assert backend.loads == 1
    assert backend.loaded == ("/models/a.gguf", {"temperature": 0.1})


def test_a_model_class_without_a_model_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequestError, match='set "model"'):
        LocalModel(id="own").infer("x")


def test_a_model_class_called_directly_is_what_its_author_wrote() -> None:
    backend = LocalModel()
    backend.load_model("m")
    assert backend.generate("a", {"top_k": 1}) == "a|[('top_k', 1)]"
    assert list(backend.generate_stream("a")) == ["Streaming ", "response"]


def test_a_function_with_an_id_gets_the_parameters_that_it_names_and_the_rest_is_reported() -> None:
    def shout(prompt: str, temperature: float = 1.0) -> str:
        return f"{prompt}! {temperature}"

    shout.id = "shouter"  # type: ignore[attr-defined]
    with Mediator([shout]) as mediator:
        output = mediator.infer("hello", temperature=0.2, top_k=3)
    assert output.content == "hello! 0.2"
    assert output.backend == "shouter"
    assert output.metadata["unsupported_parameters"] == ["top_k"]


def test_a_function_under_the_strict_policy_refuses_what_it_does_not_take() -> None:
    backend = adapt(lambda prompt: prompt, id="own", unsupported_parameters="error")
    with pytest.raises(InvalidRequestError, match="top_k"):
        backend.generate("x", top_k=3)


def test_an_object_of_no_class_of_ours_is_called_by_its_methods_and_closed() -> None:
    class Foreign:
        id = "foreign"
        closed = False
        location = "local"

        def generate(self, prompt: str, parameters: Any = None) -> str:
            return prompt * 2

        def generate_stream(self, prompt: str, parameters: Any = None) -> Iterator[str]:
            yield from prompt

        def close(self) -> None:
            self.closed = True

    foreign = Foreign()
    with Mediator([foreign]) as mediator:  # type: ignore[list-item]
        assert mediator.generate("ab", privacy="local") == "abab"
        assert list(mediator.stream_generate("ab")) == ["a", "b"]
        assert mediator.supports_streaming()
    assert foreign.closed


def test_a_class_that_forgot_to_call_our_init_works_all_the_same() -> None:
    class Forgetful(Backend):
        def __init__(self) -> None:
            self.greeting = "hello"

        def generate(self, prompt: Any, **kwargs: Any) -> str:
            return self.greeting

    backend = adapt(Forgetful())
    assert backend.id == "Forgetful"
    assert backend.infer("x").content == "hello"


@pytest.mark.parametrize("given", [lambda prompt: prompt, 7, object()])
def test_what_has_no_id_or_cannot_answer_is_a_config_error(given: Any) -> None:
    with pytest.raises(ConfigError):
        adapt(given)


def test_what_cannot_answer_is_a_config_error_even_with_an_id() -> None:
    with pytest.raises(ConfigError, match="cannot answer"):
        adapt(object(), id="thing")


@pytest.mark.parametrize("answer", [None, 7, b"bytes"])
def test_an_answer_that_is_no_text_is_a_format_error(answer: Any) -> None:
    with pytest.raises(ResponseFormatError, match="not a text"):
        adapt(lambda prompt: answer, id="own", max_retries=0).generate("x")


def test_a_stream_that_is_abandoned_closes_the_authors_generator() -> None:
    closed = threading.Event()

    class Endless(Backend):
        def stream_generate(self, prompt: Any, **kwargs: Any) -> Any:
            try:
                while True:
                    yield "piece"
            finally:
                closed.set()

    with Mediator([Endless(id="own")]) as mediator:
        stream = mediator.stream_generate("x")
        assert next(stream) == "piece"
        stream.close()
        assert closed.wait(30)


def test_a_function_that_hangs_is_left_alone_at_the_deadline() -> None:
    release = threading.Event()

    def hang(prompt: str) -> str:
        release.wait(10)
        return prompt

    try:
        with pytest.raises(TimeoutError):
            adapt(hang, id="own", max_retries=0).generate("x", timeout=0.1)
    finally:
        release.set()


class Intranet:
    """The wire of an API that takes a text and gives a text."""

    base_path = "/api"

    def speaks(self, path: str) -> bool:
        return path == "/api/generate"

    def streams(self, path: str, body: Any) -> bool:
        return False

    def prompt(self, body: Any) -> str:
        return str(body["text"])

    def answer(self, path: str, body: Any, content: AnswerContent) -> Any:
        return {"generated_text": content.text} if content.text else {"nothing": "here"}

    def events(self, content: AnswerContent) -> list[bytes]:
        return []

    def error(self, status: int, code: str | None, message: str) -> Any:
        return {"message": message}


class IntranetBackend(HTTPBackend):
    """Writes prepare_request and parse_response, and no more."""

    def __init__(self, api_url: str, **kwargs: Any) -> None:
        super().__init__(base_url=api_url, **kwargs)

    def prepare_request(self, prompt: str, **kwargs: Any) -> Any:
        return {"endpoint": "/generate", "payload": {"text": prompt, "parameters": kwargs}}

    def parse_response(self, response: Any) -> Any:
        assert response.status_code == 200
        return response.json()["generated_text"]


def test_an_adapter_of_prepare_request_and_parse_response_answers_over_http() -> None:
    with FaultyServer(wires=[Intranet()]) as server, IntranetBackend(f"{server.url}/api", temperature=0.5) as backend:
        assert backend.generate("hello", max_tokens=3) == "hello"
        assert server.requests[0].body == {"text": "hello", "parameters": {"temperature": 0.5, "max_tokens": 3}}


def test_an_adapter_has_retries_and_error_classes() -> None:
    with FaultyServer(wires=[Intranet()]) as server:
        server.script(Reply.error(503), Reply.error(401, message="no such key"))
        backend = IntranetBackend(f"{server.url}/api", retry_delay=0.01)
        with backend, pytest.raises(AuthenticationError, match="no such key") as caught:
            backend.generate("hello")
    assert len(caught.value.attempts) == 2


@pytest.mark.parametrize("body", [b'{"nothing": "here"}', b"[]", b"no JSON", b'{"generated_text": 7}'])
def test_an_answer_that_the_adapter_cannot_read_is_a_format_error(body: bytes) -> None:
    with FaultyServer(Reply.raw(body), wires=[Intranet()]) as server:
        backend = IntranetBackend(f"{server.url}/api", max_retries=0)
        with backend, pytest.raises(ResponseFormatError):
            backend.generate("hello")
