"""The calls of the complaint generator's backends guide, with the package's name changed and nothing else."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import load_config
from complaint_llm.backends import HuggingFaceBackend, LLMRouterBackend, MockBackend, OpenAIBackend, WorkstationBackend
from complaint_llm.backends.exceptions import (
    AuthenticationError,
    BackendError,
    ModelNotFoundError,
    RateLimitError,
)
from complaint_llm.mediator import Mediator
from complaint_llm.testing import FaultyServer, Reply
from tests.peers import need_peer
from tests.tiny_gguf import build

COPILOT = """#!/bin/sh
cat > /dev/null
echo '{"type": "assistant.message", "data": {"content": "wrongful termination", "model": "gpt-5-mini"}}'
echo '{"type": "result", "exitCode": 0}'
"""


@pytest.fixture
def copilot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program named copilot that writes what the real one writes (tests/plugins/copilot_cli asks the real one)."""
    program = tmp_path / "bin" / "copilot"
    program.parent.mkdir()
    program.write_text(COPILOT)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_the_router_asks_copilot(server: FaultyServer, copilot: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """LLMRouterBackend(id=, provider=, model=, max_tokens=, temperature=) and generate(prompt=, max_tokens=)."""
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-given")
    backend = LLMRouterBackend(
        id="llm-router", provider="copilot_cli", model="gpt-5-mini", max_tokens=256, temperature=0.7
    )
    with backend:
        assert backend.generate(prompt="Extract legal claims from: ...", max_tokens=500) == "wrongful termination"
    assert server.requests == []


def test_the_router_falls_back_along_its_providers(server: FaultyServer) -> None:
    """copilot_cli has no token here, openai fails, huggingface answers; each is on the output."""
    server.script(Reply.error(401))
    backend = LLMRouterBackend(
        id="llm-router",
        provider="copilot_cli",
        fallback_providers=["openai", "huggingface"],
        model="gpt-5-mini",
    )
    with backend:
        output = backend.infer("Extract legal claims from: ...")
    assert output.content == "Extract legal claims from: ..."
    assert [attempt.backend.partition("/")[2] for attempt in output.attempts] == [
        "copilot_cli",
        "openai",
        "huggingface",
    ]
    assert output.attempts[0].sent is False
    assert [received.body["model"] for received in server.requests] == ["gpt-5-mini", "gpt-5-mini"]
    assert server.requests[1].headers["authorization"] == "Bearer hf-token"


def test_a_provider_may_have_keys_of_its_own(server: FaultyServer) -> None:
    """A mapping with a type, its own keys over the router's."""
    server.script(Reply.error(401))
    backend = LLMRouterBackend(
        id="router",
        provider="openai",
        model="gpt-5-mini",
        fallback_providers=[{"type": "claude", "model": "claude-sonnet-5-5", "api_key": "sk-ant-own"}],
    )
    with backend:
        assert backend.generate("hello") == "hello"
    first, second = server.requests
    assert (first.body["model"], second.body["model"]) == ("gpt-5-mini", "claude-sonnet-5-5")
    assert second.headers["x-api-key"] == "sk-ant-own"


@pytest.mark.parametrize("provider", ["openrouter", "huggingface", "gemini", "claude", "openai"])
def test_every_hosted_provider_of_the_guide_has_its_name(provider: str, server: FaultyServer) -> None:
    """The router takes types and their aliases."""
    with LLMRouterBackend(id="router", provider=provider, model="m") as backend:
        assert backend.generate("hello") == "hello"
    assert len(server.requests) == 1


def test_generation_keys_of_the_router_reach_its_provider(server: FaultyServer) -> None:
    """max_tokens, temperature, top_p, frequency_penalty, presence_penalty."""
    given: dict[str, Any] = {
        "max_tokens": 128,
        "temperature": 0.7,
        "top_p": 0.9,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
    }
    with LLMRouterBackend(id="router", provider="openrouter", model="m", **given) as backend:
        backend.generate("hello")
    assert given.items() <= server.requests[0].body.items()


def test_the_router_keeps_to_its_rate_limit(server: FaultyServer) -> None:
    """rate_limit requests in each rate_limit_window seconds: a short window opens again, a long one outlasts a call."""
    with LLMRouterBackend(
        id="llm-router", provider="openai", model="gpt-4", rate_limit=1, rate_limit_window=60
    ) as backend:
        assert backend.generate("hello") == "hello"
        with pytest.raises(BackendError):
            backend.generate("hello", timeout=0.05)
    assert len(server.requests) == 1
    with LLMRouterBackend(
        id="llm-router", provider="openai", model="gpt-4", rate_limit=1, rate_limit_window=0.05
    ) as backend:
        assert [backend.generate("a"), backend.generate("b")] == ["a", "b"]


def test_the_router_answers_a_batch_in_order(server: FaultyServer) -> None:
    """batch_generate(prompts=, max_workers=, timeout=)."""
    prompts = ["Analyze complaint 1...", "Analyze complaint 2...", "Analyze complaint 3..."]
    with LLMRouterBackend(id="router", provider="openai", model="gpt-4") as backend:
        responses = backend.batch_generate(prompts=prompts, max_workers=4, timeout=30)
    assert list(zip(prompts, responses, strict=True)) == list(zip(prompts, prompts, strict=True))


def test_openai_and_huggingface_directly(server: FaultyServer) -> None:
    """id, api_key, model, max_tokens; generate(prompt=...)."""
    with OpenAIBackend(id="openai", api_key="sk-given", model="gpt-4", max_tokens=500) as backend:
        assert backend.generate(prompt="Your prompt here") == "Your prompt here"
    model = "mistralai/Mistral-7B-Instruct-v0.1"
    with HuggingFaceBackend(id="huggingface", api_key="hf_given", model=model, max_tokens=500) as hosted:
        assert hosted.generate(prompt="Your prompt here") == "Your prompt here"
    assert [received.headers["authorization"] for received in server.requests] == ["Bearer sk-given", "Bearer hf_given"]
    assert [received.body["model"] for received in server.requests] == ["gpt-4", model]
    # OpenAI's name for it is another one.
    assert server.requests[0].body["max_completion_tokens"] == server.requests[1].body["max_tokens"] == 500


@pytest.mark.peer("llama.cpp")
def test_a_model_on_this_workstation(tmp_path: Path) -> None:
    """WorkstationBackend(id=, model_path=, n_ctx=, n_threads=) answers from a GGUF file."""
    need_peer("llama-cpp")
    need_peer("gguf")
    build(tmp_path / "model.gguf")
    with WorkstationBackend(
        id="workstation", model_path=str(tmp_path / "model.gguf"), n_ctx=512, n_threads=2
    ) as backend:
        assert backend.generate(prompt="Your prompt here", max_tokens=8, seed=7)
        assert backend.local


CONFIGS: dict[str, dict[str, Any]] = {
    "router": {
        "BACKENDS": [
            {
                "id": "llm-router",
                "type": "llm_router",
                "provider": "copilot_cli",
                "model": "gpt-5-mini",
                "max_tokens": 128,
                "temperature": 0.7,
            }
        ],
        "MEDIATOR": {"backends": ["llm-router"]},
    },
    "openai": {
        "BACKENDS": [
            {
                "id": "openai",
                "type": "openai",
                "api_key": "${OPENAI_API_KEY}",
                "model": "gpt-4",
                "max_tokens": 500,
            }
        ]
    },
    "huggingface": {
        "BACKENDS": [
            {
                "id": "huggingface",
                "type": "huggingface",
                "api_key": "${HUGGINGFACE_API_KEY}",
                "model": "mistralai/Mistral-7B-Instruct-v0.1",
                "max_tokens": 500,
            }
        ]
    },
}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_config_files_load_and_answer(
    name: str, server: FaultyServer, copilot: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BACKENDS and MEDIATOR as the guide writes them."""
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "hf_given")
    monkeypatch.setenv("GITHUB_TOKEN", "ghp-given")
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    with Mediator.from_config(tmp_path / "config.json") as mediator:
        answer = mediator.generate("hello")
    assert answer == ("wrongful termination" if name == "router" else "hello")


@pytest.mark.peer("llama.cpp")
def test_the_config_of_a_workstation_loads(tmp_path: Path) -> None:
    """model_path, n_ctx, n_threads."""
    need_peer("llama-cpp")
    need_peer("gguf")
    build(tmp_path / "model.gguf")
    entry = {"id": "workstation", "type": "workstation", "model_path": "model.gguf", "n_ctx": 512, "n_threads": 2}
    (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [entry]}))
    config = load_config(tmp_path / "config.json")
    with Mediator.from_loaded(config) as mediator:
        assert mediator.generate("hello", max_tokens=8, seed=7)


def test_evidence_is_submitted_and_found_by_its_cid(
    server: FaultyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mediator(backends=[...]).submit_evidence(...), get_evidence_by_cid(cid). No IPFS node is needed."""
    monkeypatch.chdir(tmp_path)
    with Mediator(backends=[OpenAIBackend(id="openai", model="gpt-4")]) as mediator:
        result = mediator.submit_evidence(
            data=b"Document content...",
            evidence_type="document",
            description="Performance review",
            claim_type="wrongful_termination",
        )
        evidence = mediator.get_evidence_by_cid(result["cid"])
        assert evidence["description"] == "Performance review"
        assert evidence["claim_type"] == "wrongful_termination"
        assert mediator.retrieve_evidence(result["cid"]) == b"Document content..."
        assert mediator.query_backend("hello") == "hello"
    assert result["cid"].startswith("bafkrei")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimitError), (401, AuthenticationError), (404, ModelNotFoundError), (500, BackendError)],
)
def test_errors_have_the_guides_classes(status: int, kind: type[BackendError], server: FaultyServer) -> None:
    """Imported from ``backends.exceptions``; one provider's own error, caught in the guide's order."""
    server.reply = Reply.error(status)
    backend = LLMRouterBackend(id="llm", provider="openai", model="gpt-4", max_retries=0)
    caught: type[BackendError] | None = None
    with backend:
        try:
            backend.generate("hello")
        except RateLimitError:
            caught = RateLimitError
        except AuthenticationError:
            caught = AuthenticationError
        except ModelNotFoundError:
            caught = ModelNotFoundError
        except BackendError:
            caught = BackendError
    assert caught is kind


def test_verbose_logs_calls_and_no_key(
    server: FaultyServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """verbose=True with logging at DEBUG: what was asked and answered, the key cut out."""
    caplog.set_level(logging.DEBUG, logger="complaint_llm")
    with LLMRouterBackend(id="llm", provider="openai", model="gpt-4", verbose=True) as backend:
        backend.generate("the prompt of this test")
    assert "the prompt of this test" in caplog.text
    assert "/chat/completions" in caplog.text
    assert "sk-of-openai" not in caplog.text


def test_the_router_takes_its_arguments_in_order() -> None:
    """LLMRouterBackend(id, provider, model, fallback_providers); a router of nothing is refused at once."""
    with LLMRouterBackend("router", MockBackend(id="a", echo=True), "m", [MockBackend(id="b", echo=True)]) as backend:
        assert backend.id == "router"
        assert backend.infer("x").backend == "a"
    with pytest.raises(TypeError, match="needs a provider"):
        LLMRouterBackend("router")
