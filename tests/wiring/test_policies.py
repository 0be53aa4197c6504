"""Settings of a config reach the policies that they name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import OpenAIBackend
from complaint_llm.exceptions import BackendError, BudgetExceededError, RateLimitError, ResponseFormatError
from complaint_llm.testing import FaultyServer, Reply
from complaint_llm.testing.steady_clock import SteadyClock


def write(folder: Path, entry: dict[str, Any], **mediator: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"BACKENDS": [entry], "MEDIATOR": mediator}), encoding="utf-8")
    return path


def openai(server: FaultyServer, **keys: Any) -> dict[str, Any]:
    return {"id": "gpt", "type": "openai", "api_key": "sk-test", "base_url": f"{server.url}/v1", "model": "m", **keys}


def failure(mediator: Mediator) -> BackendError | None:
    try:
        mediator.generate("x")
    except BackendError as error:
        return error
    return None


def test_a_providers_headers_hold_the_next_request_back() -> None:
    """``x-ratelimit-remaining-requests: 0`` is obeyed before the provider has to say 429."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "30s"}
    with FaultyServer(Reply("hello", headers=headers)) as server:
        keys = {key: value for key, value in openai(server).items() if key != "type"}
        with OpenAIBackend(**keys, retry_on_rate_limit=False) as backend:
            assert backend.generate("one") == "hello"
            with pytest.raises(RateLimitError):
                backend.generate("two")
        assert len(server.requests) == 1


def test_a_rate_limit_of_the_config_counts(tmp_path: Path) -> None:
    """``rate_limit`` and ``rate_limit_window`` of an entry; ``retry_on_rate_limit`` false refuses at once."""
    with FaultyServer(Reply("hello")) as server:
        entry = openai(server, rate_limit=2, rate_limit_window=60, retry_on_rate_limit=False)
        with Mediator.from_config(write(tmp_path, entry)) as mediator:
            assert [mediator.generate("x"), mediator.generate("x")] == ["hello", "hello"]
            with pytest.raises(RateLimitError):
                mediator.generate("x")


def test_the_whole_budget_of_the_config_stops_the_sending(tmp_path: Path) -> None:
    """What the worst case might cost must fit; what was spent survives a restart."""
    with FaultyServer(Reply("hello")) as server:
        pricing = {"input": 1000, "output": 1000}
        entry = openai(server, pricing=pricing, max_tokens=10)
        path = write(tmp_path, entry, budget=0.4)
        for _ in range(2):
            with Mediator.from_config(path) as mediator:
                refused = [error for error in (failure(mediator) for _ in range(20)) if error is not None]
            assert refused
            assert all(isinstance(error, BudgetExceededError) for error in refused)
        assert (tmp_path / ".complaint_llm" / "state.db").is_file()
        assert (tmp_path / ".complaint_llm" / ".gitignore").read_text() == "*\n"
        assert 1 <= len(server.requests) < 20


def test_the_breaker_of_the_config_leaves_a_dead_backend_alone(tmp_path: Path) -> None:
    """After ``failures`` failures nothing more is sent for ``cooldown`` seconds."""
    with FaultyServer(Reply.error(500)) as server:
        entry = openai(server, max_retries=0)
        path = write(tmp_path, entry, circuit_breaker={"failures": 2, "cooldown": 60})
        with Mediator.from_config(path) as mediator:
            for _ in range(5):
                with pytest.raises(Exception, match=r"500|circuit"):
                    mediator.generate("x")
        assert len(server.requests) == 2


def test_a_cached_answer_is_asked_once_and_costs_nothing(tmp_path: Path) -> None:
    """``cache_enabled`` with MEDIATOR.cache keeps answers on disk, without the prompt."""
    with FaultyServer(Reply("kept")) as server:
        path = write(tmp_path, openai(server, cache_enabled=True), cache={"path": "answers.db"})
        for _ in range(2):
            with Mediator.from_config(path) as mediator:
                assert mediator.generate("a secret prompt") == "kept"
                again = mediator.infer("a secret prompt")
                assert (again.metadata.get("cached"), again.cost) == (True, 0.0)
        assert len(server.requests) == 1
        stored = b"".join(each.read_bytes() for each in tmp_path.glob("answers.db*"))
        assert b"kept" in stored
        assert b"a secret prompt" not in stored


def test_a_batch_is_not_hedged() -> None:
    """A prompt of a batch is paid once, however slow its backend is; a single call is hedged."""
    with FaultyServer(Reply("slow", delay=0.5)) as slow, FaultyServer(Reply("quick")) as quick:
        backends = [
            OpenAIBackend(id=name, api_key="sk-test", base_url=f"{server.url}/v1", model="m")
            for name, server in (("slow", slow), ("quick", quick))
        ]
        with Mediator(backends, hedge_after=0.05) as mediator:
            assert mediator.batch_generate(["x"]) == ["slow"]
            assert len(quick.requests) == 0
            assert mediator.generate("x") == "quick"


@pytest.mark.parametrize("choice", ["warn", "error", "ignore"])
def test_an_answer_that_was_cut_is_told(choice: Any) -> None:
    """``on_truncation`` decides what becomes of an answer that ended at its longest length."""
    cut = {"choices": [{"message": {"role": "assistant", "content": "half"}, "finish_reason": "length"}]}
    with FaultyServer(Reply(body=json.dumps(cut).encode())) as server:
        backend = OpenAIBackend(api_key="sk-test", base_url=f"{server.url}/v1", model="m")
        with Mediator([backend], on_truncation=choice) as mediator:
            if choice == "error":
                with pytest.raises(ResponseFormatError, match="max_tokens"):
                    mediator.infer("x")
            else:
                output = mediator.infer("x")
                assert output.content == "half"
                assert output.metadata.get("truncated", False) is (choice == "warn")


def test_the_deadline_of_the_config_holds(tmp_path: Path, steady_clock: SteadyClock) -> None:
    """MEDIATOR.timeout covers the whole call."""
    with FaultyServer(Reply("late", delay=30)) as server:
        started = steady_clock()
        with Mediator.from_config(write(tmp_path, openai(server), timeout=0.3)) as mediator:
            with pytest.raises(TimeoutError):
                mediator.generate("x")
            assert steady_clock() - started < 0.3 * 1.1 + 0.3
