"""A retry after a lost answer says that it is one, where a backend names the header for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import HTTPBackend, OpenAIBackend
from complaint_llm.exceptions import ComplaintLLMError, ConfigError
from tests.faults.mode import failed
from tests.transport.faulty import REQUEST, FaultyServer, ok

HEADER = "Idempotency-Key"
ANSWER = ok(
    json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
    ).encode()
)
BUSY = failed(503, b'{"error": {"message": "busy"}}')


def names(server: FaultyServer) -> list[str | None]:
    """The header's value in each request, in order."""
    found = []
    for request in server.requests:
        head = request.partition(b"\r\n\r\n")[0].decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
        found.append({name.lower(): value for name, value in lines.items()}.get(HEADER.lower()))
    return found


def backend(server: FaultyServer, **keys: Any) -> OpenAIBackend:
    given = {"base_url": f"http://127.0.0.1:{server.port}/v1", "api_key": "sk-0123456789", "model": "m"}
    return OpenAIBackend(**{**given, "retry_delay": 0.0, "idempotency_header": HEADER, **keys})


@pytest.mark.parametrize("retries", [1, 2, 3])
def test_each_retry_of_a_call_has_the_same_name(retries: int) -> None:
    with FaultyServer(*[[REQUEST, BUSY]] * retries, [REQUEST, ANSWER]) as server, backend(server, max_retries=3) as one:
        one.generate("q")
        sent = names(server)
    assert len(sent) == retries + 1
    assert len(set(sent)) == 1
    assert sent[0]


ASKED_TWICE: dict[str, Callable[[OpenAIBackend], Any]] = {
    "the same prompt twice": lambda one: [one.generate("q"), one.generate("q")],
    "two prompts": lambda one: [one.generate("q"), one.generate("r")],
    "other parameters": lambda one: [one.generate("q", seed=1), one.generate("q", seed=2)],
    "two prompts of a batch": lambda one: one.batch_generate(["q", "r"], max_workers=1),
    "a prompt that stands twice in a batch": lambda one: one.batch_generate(["q", "q"], max_workers=1),
}


@pytest.mark.parametrize("calls", ASKED_TWICE.values(), ids=ASKED_TWICE)
def test_two_calls_have_two_names(calls: Callable[[OpenAIBackend], Any]) -> None:
    """Who asks twice wants two answers."""
    with FaultyServer([REQUEST, ANSWER], [REQUEST, ANSWER]) as server, backend(server) as one:
        calls(one)
        sent = names(server)
    assert len(set(sent)) == 2


def test_two_backends_of_one_call_have_two_names() -> None:
    with FaultyServer([REQUEST, BUSY]) as first, FaultyServer([REQUEST, ANSWER]) as second:
        parts = [backend(first, id="a", max_retries=0), backend(second, id="b")]
        with Mediator(parts) as mediator:
            mediator.generate("q")
        assert names(first) != names(second)


def test_without_the_key_nothing_is_sent() -> None:
    with FaultyServer([REQUEST, ANSWER]) as server, backend(server, idempotency_header=None) as one:
        one.generate("q")
        assert names(server) == [None]


@pytest.mark.parametrize("name", ["a b", "a:b", "a\nb", "", "é", "x\r\ny", "(", "a,b", "a;b", "@"])
def test_a_name_that_is_no_header_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="idempotency_header"):
        HTTPBackend(base_url="http://127.0.0.1:1", idempotency_header=name)


def test_what_speaks_no_http_refuses_it(tmp_path: Any) -> None:
    from complaint_llm.config import load_config

    file = tmp_path / "config.json"
    entry = {"id": "a", "type": "codex", "idempotency_header": HEADER}
    file.write_text(json.dumps({"BACKENDS": [entry]}))
    with pytest.raises(ComplaintLLMError, match="cannot do this"):
        load_config(file, environ={})
