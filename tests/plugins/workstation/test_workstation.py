"""Real inference on a tiny GGUF through llama.cpp."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from complaint_llm.backends import WorkstationBackend
from complaint_llm.exceptions import (
    BackendError,
    BackendTimeoutError,
    CancelledError,
    ConfigError,
    ContextLengthError,
    InvalidRequestError,
    ModelNotFoundError,
    RateLimitError,
    ResponseFormatError,
)
from complaint_llm.testing.steady_clock import SteadyClock
from tests.peers import need_peer
from tests.sampled import ALL

pytestmark = pytest.mark.peer("llama.cpp")


@pytest.fixture
def backend(gguf: Path, runtime: str) -> Iterator[WorkstationBackend]:
    with made(runtime, model_path=str(gguf), n_ctx=512, n_threads=1) as backend:
        yield backend


def made(runtime: str, **keys: Any) -> WorkstationBackend:
    return WorkstationBackend(**{"id": "ws", "runtime": runtime, **keys})


def test_a_stream_is_the_whole_answer_and_a_seed_repeats(backend: WorkstationBackend) -> None:
    """The same seed gives the same text, whole or in pieces, with the same usage."""
    whole = backend.infer("hello", max_tokens=24, seed=7)
    stream = backend.stream_generate("hello", max_tokens=24, seed=7)
    assert "".join(stream) == whole.content
    assert stream.output is not None
    assert stream.output.token_usage == whole.token_usage
    assert backend.generate("hello", max_tokens=24, seed=7) == whole.content
    assert backend.generate("hello", max_tokens=24, seed=8) != whole.content
    assert whole.cost is None
    assert whole.token_usage.completion_tokens <= 24


def test_what_was_asked_before_does_not_change_a_seeded_answer(backend: WorkstationBackend) -> None:
    """A cache that an earlier prompt left behind is not used where an answer must repeat."""
    first = backend.generate("hello world", max_tokens=24, seed=7)
    backend.generate("hello wor", max_tokens=5)
    assert backend.generate("hello world", max_tokens=24, seed=7) == first


@pytest.mark.rows(1)
def test_schema_answers_parse_or_say_that_they_were_cut(backend: WorkstationBackend) -> None:
    """50 of 50 (a dozen in the suite): valid against the schema, or the named error of an answer cut by its length."""
    schema = {
        "type": "object",
        "properties": {
            "claim": {"enum": ["wages", "deposit", "refund"]},
            "note": {"type": "string", "maxLength": 8},
        },
        "required": ["claim", "note"],
    }
    for seed in range(50 if ALL else 12):
        try:
            output = backend.infer("x", response_format=schema, seed=seed, max_tokens=60)
        except ResponseFormatError as error:
            cut = str(error)
        else:
            cut = "length"
            assert output.parsed["claim"] in schema["properties"]["claim"]["enum"]  # type: ignore[index]
            assert output.parsed == json.loads(output.content, strict=False)
        assert "length" in cut or "cut by max_tokens" in cut


@pytest.mark.rows(1)
def test_threads_get_the_answers_of_one_thread(backend: WorkstationBackend) -> None:
    """8 threads on one model, of 20 calls each (5 in the suite): llama.cpp alone would abort the process."""
    expected = {seed: backend.generate("hi", seed=seed, max_tokens=8) for seed in range(20 if ALL else 5)}
    wrong: list[object] = []

    def ask() -> None:
        for seed in expected:
            answer = backend.generate("hi", seed=seed, max_tokens=8)
            if answer != expected[seed]:
                wrong.append((seed, answer))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_open_stream_keeps_the_model_and_closing_it_gives_it_back(backend: WorkstationBackend) -> None:
    """Nobody else may use the model while a stream is open; who waits keeps its deadline."""
    stream = backend.stream_generate("hi", max_tokens=400, seed=2)
    next(stream)
    with pytest.raises(RateLimitError, match="max_concurrency"):
        backend.generate("hi", max_tokens=1, timeout=0.2)
    stream.close()
    assert backend.generate("hi", max_tokens=1, timeout=10)


def test_the_deadline_ends_a_long_answer(backend: WorkstationBackend, steady_clock: SteadyClock) -> None:
    """Within the deadline + 10 % + 0.3 s, and the model is free again."""
    backend.load()
    started = steady_clock()
    with pytest.raises(BackendTimeoutError):
        backend.generate("hi", max_tokens=450, seed=2, timeout=0.02)  # this seed makes no end of its own
    assert steady_clock() - started < 0.022 + 0.3
    assert backend.generate("hi", max_tokens=1, timeout=10)


def test_after_close_there_is_an_error_and_no_crash(gguf: Path, runtime: str) -> None:
    """Also for a stream that was open, and for a caller that waits for its turn."""
    backend = made(runtime, model_path=str(gguf), n_ctx=512, n_threads=1)
    stream = backend.stream_generate("hi", max_tokens=400)
    next(stream)
    backend.close()
    with pytest.raises(BackendError):
        list(stream)
    with pytest.raises(BackendError, match="is closed"):
        backend.generate("hi")


def test_unloading_frees_and_the_next_request_loads_again(backend: WorkstationBackend) -> None:
    """``load``, ``is_loaded``, ``unload``."""
    assert not backend.is_loaded()
    backend.load()
    assert backend.is_loaded()
    backend.unload()
    assert not backend.is_loaded()
    assert backend.generate("hi", max_tokens=2)


def test_embeddings_are_one_vector_a_text_in_order(backend: WorkstationBackend) -> None:
    """Not one for each token."""
    vectors = backend.embed(["alpha", "beta", "alpha"])
    assert vectors[0] == vectors[2] != vectors[1]
    assert len(vectors[0]) == 64


def test_both_runtimes_give_a_text_the_same_vector(gguf: Path) -> None:
    """Vectors that one runtime made can be compared with those of the other: cosine above 0.999."""
    need_peer("llama-cpp")
    need_peer("xllamacpp")
    texts = ["hi", "hello", "hello world", "rent", "The rent was late.", "x" * 100, "Küche", "日本", "a\nb", "1 2 3"]
    vectors = []
    for name in ("llama-cpp-python", "xllamacpp"):
        with made(name, model_path=str(gguf), n_ctx=512, n_threads=1) as backend:
            vectors.append(backend.embed(texts))
    cosines = [
        sum(a * b for a, b in zip(one, other, strict=True))
        / math.dist(one, [0] * len(one))
        / math.dist(other, [0] * len(other))
        for one, other in zip(*vectors, strict=True)
    ]
    assert len(cosines) == 10
    assert min(cosines) > 0.999
    assert math.dist(vectors[0][0], vectors[0][4]) > 0.01


def test_too_long_a_prompt_is_named(backend: WorkstationBackend) -> None:
    """The context window is the model's limit, not a crash."""
    with pytest.raises(ContextLengthError, match="512"):
        backend.generate("word " * 1000)
    with pytest.raises(ContextLengthError, match="512"):
        list(backend.stream_generate("word " * 1000))


def test_files_that_are_no_model_are_named(gguf: Path, tmp_path: Path, runtime: str) -> None:
    """Missing, foreign, cut: one clear line each."""
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(gguf.read_bytes()[:200_000])
    text = tmp_path / "text.gguf"
    text.write_text("this is no model")
    for path, kind, says in (
        (tmp_path / "none.gguf", ModelNotFoundError, "cannot read the model file"),
        (text, BackendError, "text.gguf is no GGUF model"),
        (cut, BackendError, "cannot load cut.gguf"),
    ):
        with pytest.raises(kind, match=says):
            made(runtime, model_path=str(path)).generate("hi")


def test_a_file_or_a_repository_but_not_both(runtime: str) -> None:
    """The config mistake is found when the backend is made."""
    for keys in ({}, {"repo": "a/b"}, {"model_path": "x", "repo": "a/b", "filename": "c"}):
        with pytest.raises(ConfigError, match="model_path, or repo and filename"):
            made(runtime, **keys)


@pytest.mark.rows(1)
def test_a_batch_waits_outside_its_deadlines(backend: WorkstationBackend) -> None:
    """Eight workers on one model: a prompt's clock starts when its turn comes."""
    backend.load()
    prompts = [f"prompt {number}" for number in range(10)]
    answers = backend.batch_generate(prompts, max_workers=8, timeout=5, max_tokens=8, seed=2)
    assert answers == [backend.generate(prompt, max_tokens=8, seed=2) for prompt in prompts]


def test_closing_does_not_wait_for_a_load_and_nothing_stays_loaded(
    tmp_path: Path, runtime: str, steady_clock: SteadyClock
) -> None:
    """A caller that waits for a load gets its error at once; what was read meanwhile is freed."""
    pipe = tmp_path / "slow.gguf"
    os.mkfifo(pipe)  # opening it blocks until the other end is opened: a load that takes its time
    backend = made(runtime, model_path=str(pipe))
    found: list[BaseException] = []

    def ask() -> None:
        try:
            backend.generate("hi")
        except BackendError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    ends: list[int] = []

    def reader_is_there() -> bool:
        try:
            ends.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    _until(reader_is_there)
    started = steady_clock()
    backend.close()
    thread.join(30)
    assert steady_clock() - started < 1
    assert isinstance(found[0], CancelledError)
    os.write(ends[0], b"GGUF")
    os.close(ends[0])
    _until(lambda: not any(each.name == "ws" for each in threading.enumerate()))
    assert not backend.is_loaded()


def test_parameters_that_llama_cpp_is_not_given_are_named(backend: WorkstationBackend) -> None:
    """Left out and noted, whole or streamed; an extra_body is refused."""
    output = backend.infer("hi", max_tokens=2, seed=2, reasoning_effort="low")
    assert output.metadata["unsupported_parameters"] == ["reasoning_effort"]
    stream = backend.stream_generate("hi", max_tokens=2, seed=2, reasoning_effort="low")
    list(stream)
    assert stream.output is not None
    assert stream.output.metadata["unsupported_parameters"] == ["reasoning_effort"]
    with pytest.raises(InvalidRequestError, match="extra_body"):
        backend.generate("hi", extra_body={"a": 1})
    with pytest.raises(ConfigError, match="takes no base_url"):
        made(backend.runtime, model_path="x", base_url="http://127.0.0.1")


def test_check_looks_at_the_file_and_loads_nothing(backend: WorkstationBackend, tmp_path: Path) -> None:
    """A missing or foreign file is found before the first request."""
    backend.check()
    assert not backend.is_loaded()
    with pytest.raises(ModelNotFoundError, match="ws: cannot read"):
        made(backend.runtime, model_path=str(tmp_path / "none.gguf")).check(connect=False)


def _until(what: Callable[[], bool], patience: float = 30.0) -> None:
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_tools_are_refused_before_anything_runs(gguf: Path) -> None:
    """What it cannot do it says."""
    need_peer("llama-cpp")
    backend = made("llama-cpp-python", model_path=str(gguf))
    with backend, pytest.raises(InvalidRequestError, match="no tools"):
        backend.infer("hi", [{"name": "f"}])
