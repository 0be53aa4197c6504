"""What the openai backend takes from its keys and the environment."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import ConfigError, InvalidRequestError
from complaint_llm.request import as_response_format
from tests.wire_messages import ask, chat


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


def shown(backend: OpenAIBackend) -> dict[str, str]:
    """The account headers, with the key revealed."""
    return {name: value if isinstance(value, str) else value.reveal() for name, value in backend.auth_headers().items()}


def test_key_address_and_account_come_from_the_usual_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the official SDK reads them."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1/")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj_1")
    backend = OpenAIBackend(model="m")
    assert backend.base_url == "http://127.0.0.1:9/v1"
    assert shown(backend) == {
        "Authorization": "Bearer sk-from-environment",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj_1",
    }


def test_keys_of_the_config_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written counts."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    backend = OpenAIBackend(api_key="sk-given-1", base_url="https://example.org/v1", organization="org-2", project="p")
    assert backend.base_url == "https://example.org/v1"
    assert shown(backend)["OpenAI-Organization"] == "org-2"


def test_a_type_with_another_key_does_not_tell_openais_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """The account's ids are OpenAI's business."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")

    class Elsewhere(OpenAIBackend):  # type: ignore[misc]  # found when touched, so untyped
        key_variables = ("ELSEWHERE_KEY",)

    assert shown(Elsewhere(api_key="k-123456", base_url="https://example.org/v1")) == {
        "Authorization": "Bearer k-123456"
    }


def test_an_unknown_api_and_an_unknown_key_are_refused() -> None:
    """At once, naming what there is."""
    with pytest.raises(ConfigError, match=r"api: unknown value .*chat, responses"):
        OpenAIBackend(api_key="sk-given-1", api="completions")
    with pytest.raises(TypeError, match="temprature"):
        OpenAIBackend(api_key="sk-given-1", temprature=1)


@pytest.mark.parametrize(
    ("model", "params", "sent"),
    [
        ("gpt-4o", {"max_tokens": 5, "temperature": 0.2}, {"max_completion_tokens": 5, "temperature": 0.2}),
        ("gpt-4o", {"reasoning_effort": "low"}, {}),
        ("gpt-5-mini", {"temperature": 0.2, "max_tokens": 5}, {"max_completion_tokens": 5}),
        ("gpt-5-mini", {"temperature": 1}, {"temperature": 1}),
        ("gpt-5-mini-2025-08-07", {"stop": "x", "reasoning_effort": "minimal"}, {"reasoning_effort": "minimal"}),
        ("gpt-5-chat-latest", {"temperature": 0.2}, {"temperature": 0.2}),
        ("gpt-5.4", {"temperature": 0.2}, {"temperature": 0.2}),
        ("gpt-5.4", {"temperature": 0.2, "reasoning_effort": "none"}, {"temperature": 0.2, "reasoning_effort": "none"}),
        ("gpt-5.4", {"temperature": 0.2, "reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ("gpt-5.6-luna", {"temperature": 0.2, "top_p": 0.5}, {}),
        ("o3", {"stop": "x", "reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("GPT-4o", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("gpt-9-of-later", {"max_tokens": 5, "temperature": 0.2}, {"max_completion_tokens": 5, "temperature": 0.2}),
        ("gpt-oss:20b", {"max_tokens": 5}, {"max_tokens": 5}),
        ("some-local-model", {"max_tokens": 5, "seed": 1}, {"max_tokens": 5, "seed": 1}),
    ],
)  # fmt: skip
def test_each_family_gets_the_parameters_that_it_takes(
    model: str, params: dict[str, Any], sent: dict[str, Any]
) -> None:
    """Names and refusals come from the data file."""
    backend = OpenAIBackend(api_key="sk-given-1", unsupported_parameters="drop")
    body = dict(backend.encode(ask(model=model, params=params)).body or {})
    del body["model"], body["messages"]
    assert body == sent


def test_what_was_left_out_is_in_the_metadata_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    """Never in silence; never once per call either."""
    backend = OpenAIBackend(api_key="sk-given-1", id="gpt")
    request = ask(model="gpt-5-mini", params={"temperature": 0.2, "stop": "x"})
    with caplog.at_level(logging.WARNING):
        backend.encode(request)
        backend.encode(request)
    assert [record.getMessage() for record in caplog.records] == [
        "gpt-5-mini does not take temperature, stop: left out"
    ]
    assert backend.decode(chat(), request).metadata["unsupported_parameters"] == ["temperature", "stop"]


def test_error_refuses_the_request_before_it_is_sent() -> None:
    """For those who would rather know."""
    backend = OpenAIBackend(api_key="sk-given-1", unsupported_parameters="error")
    with pytest.raises(InvalidRequestError, match="gpt-5-mini does not take stop") as caught:
        backend.encode(ask(model="gpt-5-mini", params={"stop": "x"}))
    assert caught.value.sent is False


def test_only_schemas_that_the_service_can_hold_to_count_as_native() -> None:
    """A free-form object is beyond strict mode: it is asked for in words and checked here."""
    backend = OpenAIBackend(api_key="sk-given-1")
    closed = as_response_format({"type": "object", "properties": {"a": {"type": "string"}}})
    free = as_response_format({"type": "object", "additionalProperties": {"type": "string"}})
    assert backend.structured_output(ask(response_format=closed)) == "native"
    assert backend.structured_output(ask(response_format=free)) == "json"
