"""What each type says of how its provider handles data has a source and a day, and holds at the provider's address."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from complaint_llm.backends import BackendType
from complaint_llm.backends.options import backend_schema
from complaint_llm.call import CancelToken, Deadline
from complaint_llm.handling import HANDLING_KEYS, read_requirements
from complaint_llm.host import PluginHost
from complaint_llm.request import Request, as_messages

NO_PROVIDER = {"mock", "workstation", "http", "lmstudio", "ollama", "vllm", "llama_cpp_server"}
"""Types whose server is the office's own, or anybody's."""
REQUIRED = {"trains": False, "retention_days": 30, "region": "us", "zero_retention": True}


def types() -> dict[str, BackendType]:
    """The types that ask one backend."""
    host = PluginHost()
    found = [host.backend_type(name) for record in host.plugins() for name in record.types]
    return {each.name: each for each in found if not each.composed}


TYPES = types()


def made(name: str, **keys: Any) -> Any:
    """A backend of this type."""
    kind = TYPES[name]
    own = {"base_url": "https://office.openai.azure.com/openai/v1"} if name == "azure_openai" else {}
    example = {key: value for key, value in (kind.own_example() or {}).items() if key in ("model",)}
    return kind.factory()(**{"id": "b", "api_key": "k", "model": "m", **example, **own, **keys})


@pytest.mark.parametrize("name", sorted(TYPES.keys() - NO_PROVIDER))
def test_what_is_said_of_a_provider_has_a_source_and_a_day(name: str) -> None:
    """Or it says that nothing was found: an office relies on it, and wants to look it up."""
    handling = made(name).handling()
    assert handling.source
    assert date.fromisoformat(handling.as_of) <= datetime.now(UTC).date()


@pytest.mark.parametrize("name", sorted(NO_PROVIDER - {"workstation"}))
def test_of_anybodys_server_nothing_is_known(name: str) -> None:
    """Beyond this machine; on it, nothing leaves."""
    keys = {"endpoint": "/ask", "body": {"q": "{prompt}"}, "text": "/answer"} if name == "http" else {}
    if name == "mock":
        assert made(name).handling().source == "nothing leaves this machine"
        return
    there = made(name, base_url="https://server.example/v1", **keys).handling()
    assert (there.trains, there.retention_days, there.region, there.zero_retention) == (None,) * 4
    here = made(name, base_url="http://127.0.0.1:9/v1", location="local", **keys).handling()
    assert read_requirements(REQUIRED).unmet_by(here) is None


@pytest.mark.parametrize("name", sorted(TYPES.keys() - NO_PROVIDER))
def test_it_says_nothing_of_another_address(name: str) -> None:
    """Who sits in the provider's place is somebody else."""
    handling = made(name, base_url="https://gateway.example/v1").handling(read_requirements(REQUIRED))
    assert handling.line().startswith("trains unknown, retention_days unknown, region unknown, zero_retention unknown")


@pytest.mark.parametrize(
    ("name", "required", "sent"),
    [
        ("openai", {"zero_retention": True}, {"store": False}),
        ("openai", {"retention_days": 30}, {"store": False}),
        ("openai", {"trains": False}, {}),
        ("openai", {"region": "us"}, {}),
        ("xai", {"retention_days": 30}, {"store": False}),
        ("openrouter", {"trains": False}, {"provider": {"data_collection": "deny"}}),
        ("openrouter", {"zero_retention": True}, {"provider": {"data_collection": "deny", "zdr": True}}),
        ("openrouter", {"retention_days": 0, "trains": False}, {"provider": {"data_collection": "deny", "zdr": True}}),
        ("openrouter", {"region": "eu"}, {}),
        ("anthropic", REQUIRED, {}),
        ("groq", REQUIRED, {}),
    ],
)
def test_a_providers_switch_is_sent_where_it_is_required(name: str, required: Any, sent: Any) -> None:
    """And at the provider's own address only; what a call lays over the body cannot turn it off."""
    request = Request(
        messages=as_messages("hi"),
        deadline=Deadline(9),
        cancel=CancelToken(),
        requires=read_requirements(required),
        extra_body={"store": True, "provider": {"zdr": False, "order": ["x"]}},
    )
    bound = made(name).attempt_maker.bind(request).extra_body
    provider = {"zdr": False, "order": ["x"], **sent.get("provider", {})}
    assert bound == {"store": True, **sent, "provider": provider}
    elsewhere = made(name, base_url="https://gateway.example/v1").attempt_maker.bind(request).extra_body
    assert elsewhere == request.extra_body
    assert made(name).attempt_maker.bind(request._replace(requires=None)).extra_body == request.extra_body


def test_every_key_is_known_to_the_schemas() -> None:
    """A config takes what data may say, but for addresses and switches."""
    assert backend_schema()["properties"]["handling"]["properties"].keys() == HANDLING_KEYS.keys()
