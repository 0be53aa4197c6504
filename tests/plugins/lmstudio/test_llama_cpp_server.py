"""LM Studio's wire against a real local server, llama-cpp-python's, with a tiny model whose answers are noise."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.backends import LMStudioBackend
from complaint_llm.exceptions import AuthenticationError
from complaint_llm.messages import Done
from tests.peers import free_port, need_peer

KEY = "tok-llama-1"
SAME = {"max_tokens": 20, "seed": 7, "temperature": 0.5}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    need_peer("llama-cpp-server")
    from tests.tiny_gguf import build

    model = tmp_path_factory.mktemp("model") / "tiny.gguf"
    build(model)
    port = free_port()
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(model), "--host", "127.0.0.1"]
    # Without the first switch concurrent streams come back empty.
    command += ["--interrupt_requests", "false", "--port", str(port), "--n_ctx", "512", "--api_key", KEY]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def studio(address: str) -> Iterator[Any]:
    with LMStudioBackend(base_url=address, api_key=KEY, model="tiny") as backend:
        yield backend


def test_it_answers_and_counts(studio: Any) -> None:
    """The bare host, a token, and what the server says of itself."""
    output = studio.infer("Guten Tag, 世界", **SAME, privacy="local")
    assert output.content
    assert output.finish_reason == "length"
    assert output.token_usage.completion_tokens == 20
    assert output.token_usage.total_tokens == output.token_usage.prompt_tokens + 20


def test_a_stream_is_the_same_text_as_the_whole(studio: Any) -> None:
    """At the same seed."""
    whole = studio.generate("Hello", **SAME)
    events = list(studio.infer_stream("Hello", **SAME))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.output.content == whole
    assert len(events) > 3


def test_threads_get_their_own_answers(studio: Any) -> None:
    """Several calls at once, each as if alone."""
    prompts = [f"Prompt {number}" for number in range(6)]
    alone = [studio.generate(prompt, **SAME) for prompt in prompts]
    assert studio.batch_generate(prompts, max_workers=3, **SAME) == alone


def test_a_wrong_token_is_refused(address: str) -> None:
    """By the server, told as what it is."""
    backend = LMStudioBackend(base_url=address, api_key="wrong-key", model="tiny")
    with backend, pytest.raises(AuthenticationError):
        backend.generate("Hello")


@pytest.mark.rows(1)
@pytest.mark.parametrize("kind", ["llama_cpp_server", "ollama", "vllm", "openai"])
def test_the_compatible_types_answer_whole_and_streamed(address: str, tmp_path: Path, kind: str) -> None:
    """Services that are only data, through a config file: the same text both ways, and a refused key."""
    entry = {"id": "a", "type": kind, "base_url": f"{address}/v1", "api_key": KEY, "model": "tiny"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"BACKENDS": [entry]}), encoding="utf-8")
    with Mediator.from_config(path) as mediator:
        whole = mediator.infer("Hello", **SAME)
        assert "".join(mediator.stream_generate("Hello", **SAME)) == whole.content
        assert whole.token_usage.completion_tokens > 0
    path.write_text(json.dumps({"BACKENDS": [{**entry, "api_key": "wrong-key"}]}), encoding="utf-8")
    with Mediator.from_config(path) as mediator, pytest.raises(AuthenticationError):
        mediator.generate("Hello")


def _wait_for(port: int, process: subprocess.Popen[bytes], patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {KEY}"})
            connection.getresponse().read()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"the server did not start (exit code {process.poll()})", pytrace=False)
            time.sleep(0.1)
        finally:
            connection.close()
