"""What keeps the path of one call from growing. They count; no clock is read, so noise cannot trip them.

A budget that is exceeded on purpose is raised here, with the reason in the commit; what a call takes in time is in
docs/performance.md.
"""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.routing.strategies import STRATEGIES

# Calls of functions, ours, the standard library's and built-in ones, of one mediated call over an open connection.
# Measured on Python 3.11; newer ones need fewer.
CALLS = 425
# Bytes that are allocated at most at any one time while a call runs, beyond what was there before.
PEAK_BYTES = 6_500
# The same for one streamed chunk; the chunks of one stream share its beginning and end.
CALLS_A_CHUNK = 65
# One structured answer with the check of its 20 values.
CALLS_STRUCTURED = 1_980

# What a policy adds to the calls of Python functions, ours and the standard library's, of one mediated call.
PYTHON_CALLS_OF = {
    "budget": ({"pricing": {"input": 1.0, "output": 4.0}}, {"budget": 1_000_000}, 19),
    "token limit": ({"tokens_per_minute": 10**9}, {}, 28),
    "cache look-up and store": ({"cache_enabled": True}, {}, 26),
    "provenance": ({}, {"provenance": "digests"}, 19),
}

CHUNKS = 100
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "an answer"}, "finish_reason": "stop"}
ANSWER = json.dumps({"id": "1", "model": "any", "choices": [CHOICE], "usage": USAGE}).encode()


def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "1", "model": "any", "choices": [choice]}).encode() + b"\n\n"


STREAM = b"".join(event({"content": "piece "}) for _ in range(CHUNKS)) + event({}, "stop") + b"data: [DONE]\n\n"


def response(body: bytes, kind: str, more: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n".encode() + body


def serve(listener: socket.socket) -> None:
    """Answer every request of the first connection in one piece: each reading takes the same number of steps."""
    connection, _ = listener.accept()
    with connection, suppress(ConnectionError):
        while data := connection.recv(1 << 20):
            streamed = b'"stream":true' in data or b'"stream": true' in data
            connection.sendall(
                response(STREAM, "text/event-stream") if streamed else response(ANSWER, "application/json")
            )


@pytest.fixture
def base_url() -> Iterator[str]:
    """A server on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(10)


def opened(config: dict[str, Any], folder: Path) -> Mediator:
    """A Mediator from a JSON config, all policies of the default config on, its connection open."""
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    made = Mediator.from_config(folder / "config.json")
    for _ in range(20):
        assert made.generate("a prompt") == "an answer"
    return made


def entry(id: str, base_url: str, **keys: Any) -> dict[str, Any]:
    return {"id": id, "type": "openai", "base_url": base_url, "api_key": "sk-test-0123456789", "model": "any", **keys}


@pytest.fixture
def mediator(base_url: str, tmp_path: Path) -> Iterator[Mediator]:
    """One backend."""
    with opened({"BACKENDS": [entry("only", base_url)]}, tmp_path) as made:
        yield made


def calls_during(work: Callable[[], object], kinds: tuple[str, ...] = ("call", "c_call")) -> int:
    """Function calls of this thread, the fewest of several runs: a collection may add some, nothing takes any away."""
    fewest = sys.maxsize
    for _ in range(5):
        count = 0

        def counted(frame: FrameType, what: str, argument: object) -> None:
            nonlocal count
            if what in kinds:
                count += 1

        sys.setprofile(counted)
        try:
            work()
        finally:
            sys.setprofile(None)
        fewest = min(fewest, count)
    return fewest


def test_a_call_makes_few_function_calls(mediator: Mediator) -> None:
    """What is done for each request stays small; what can be done once per backend is."""
    counted = calls_during(lambda: mediator.generate("a prompt"))
    assert counted <= CALLS, f"{counted} function calls for one request"


def test_headers_of_an_answer_call_no_function_of_ours(tmp_path: Path) -> None:
    """A head is read as a whole: one of fifty lines takes as many calls of Python functions as one of two."""
    counted: list[int] = []
    for number in (0, 50):
        headers = "".join(f"x-{place}: {place}\r\n" for place in range(number))
        (tmp_path / str(number)).mkdir()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=serve_all, args=(listener, headers), daemon=True).start()
            config = {"BACKENDS": [entry("only", f"http://127.0.0.1:{listener.getsockname()[1]}/v1")]}
            with opened(config, tmp_path / str(number)) as made:
                counted.append(calls_during(lambda made=made: made.generate("a prompt"), ("call",)))
            listener.shutdown(socket.SHUT_RDWR)
    assert counted[0] == counted[1]


@pytest.mark.parametrize("policy", PYTHON_CALLS_OF)
def test_a_policy_adds_few_function_calls(policy: str, tmp_path: Path) -> None:
    """What no prompt changes of it is made once for a backend."""
    keys, settings, most = PYTHON_CALLS_OF[policy]
    counted: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve_all, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for number, (more, mediator) in enumerate((({}, {}), (keys, settings))):
            folder = tmp_path / str(number)
            folder.mkdir()
            config = {"BACKENDS": [entry("only", url, max_tokens=10, **more)], "MEDIATOR": mediator}
            with opened(config, folder) as made:
                prompts = map(str, range(100))
                counted.append(calls_during(lambda made=made, prompts=prompts: made.generate(next(prompts)), ("call",)))
        listener.shutdown(socket.SHUT_RDWR)
    assert counted[1] - counted[0] <= most


def test_a_streamed_chunk_makes_few_function_calls(mediator: Mediator) -> None:
    """From bytes to a typed event there is no detour."""
    counted = calls_during(lambda: list(mediator.stream_generate("a prompt"))) / CHUNKS
    assert counted <= CALLS_A_CHUNK, f"{counted} function calls for one chunk"


def serve_all(listener: socket.socket, headers: str = "") -> None:
    """Answer every connection as ``serve`` does the first one, with these headers more."""

    def answer_each(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while connection.recv(1 << 20):
                connection.sendall(response(ANSWER, "application/json", headers))

    with suppress(OSError):
        while True:
            threading.Thread(target=answer_each, args=(listener.accept()[0],), daemon=True).start()


@pytest.mark.rows(2)
@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_call_over_many_backends_takes_hardly_more_than_one_over_one(strategy: str, tmp_path: Path) -> None:
    """Whom the strategy chooses is found without asking the others."""
    calls: dict[int, int] = {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve_all, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for number in (1, 50):
            keys = [{"weight": 1 + n % 3, "pricing": {"input": 1 + n % 5, "output": 1}} for n in range(number)]
            entries = [entry(f"b{n}", url, max_tokens=10, **each) for n, each in enumerate(keys)]
            with opened({"BACKENDS": entries, "MEDIATOR": {"strategy": strategy}}, tmp_path) as made:
                for _ in range(3 * number):  # until each was made and has its connection
                    made.generate("a prompt")
                calls[number] = calls_during(lambda: made.generate("a prompt"))
        listener.shutdown(socket.SHUT_RDWR)
    assert calls[50] <= 1.3 * calls[1]


@pytest.fixture
def structured(tmp_path: Path) -> Iterator[Mediator]:
    """One backend whose answers are JSON."""
    from complaint_llm.testing import FaultyServer, Reply

    answer = json.dumps({"summary": "s", "claims": [{"heading": "h", "facts": ["a", "b"], "party": {"name": "n"}}] * 2})
    with FaultyServer(Reply(answer)) as server:
        (tmp_path / "config.json").write_text(json.dumps({"BACKENDS": [entry("only", f"{server.url}/v1")]}))
        with Mediator.from_config(tmp_path / "config.json") as made:
            yield made


def claims_class() -> Any:
    pydantic = pytest.importorskip("pydantic")
    party = pydantic.create_model("Party", name=(str, ...), since=(int | None, None))
    facts = (list[str], ...)
    claim = pydantic.create_model(
        "Claim", heading=(str, ...), facts=facts, party=(party, pydantic.Field(description="who"))
    )
    return pydantic.create_model("Claims", summary=(str, ...), claims=(list[claim], ...))


def test_a_structured_answer_makes_few_function_calls(structured: Mediator) -> None:
    """Schema, validator and what leaves are made once for a schema; a call reads and checks its answer."""
    shape = claims_class()
    for _ in range(3):
        assert structured.infer("a prompt", response_format=shape).parsed.summary == "s"
    counted = calls_during(lambda: structured.infer("a prompt", response_format=shape))
    assert counted <= CALLS_STRUCTURED, f"{counted} function calls for one structured answer"


def test_a_schema_is_made_ready_once_however_often_it_is_asked_for(structured: Mediator) -> None:
    """Later calls make none of the calls that the first one needs, for schemas that are equal and not the same."""
    schema = {**claims_class().model_json_schema(), "title": "Made ready once"}
    first = calls_of_one(lambda: structured.infer("a prompt", response_format=json.loads(json.dumps(schema))))
    later = calls_of_one(lambda: structured.infer("a prompt", response_format=json.loads(json.dumps(schema))))
    assert later * 5 < first


def calls_of_one(work: Callable[[], object]) -> int:
    count = 0

    def counted(frame: FrameType, what: str, argument: object) -> None:
        nonlocal count
        if what in ("call", "c_call"):
            count += 1

    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_a_call_allocates_little_at_a_time(mediator: Mediator) -> None:
    """No copy of the body is made that is not needed, no buffer is larger than its use."""
    tracemalloc.start()
    try:
        mediator.generate("a prompt")
        lowest = sys.maxsize
        for _ in range(5):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            mediator.generate("a prompt")
            lowest = min(lowest, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert lowest <= PEAK_BYTES, f"{lowest} bytes for one request"


def test_calls_leave_nothing_behind(mediator: Mediator) -> None:
    """A process that makes a million calls is as large as one that made a hundred."""

    def blocks_after(calls: int) -> int:
        for _ in range(calls):
            mediator.generate("a prompt")
        gc.collect()
        return sys.getallocatedblocks()

    blocks_after(300)  # windows and averages that are bounded fill up first
    before = blocks_after(100)
    assert blocks_after(300) - before < 100, "memory grows with the number of calls"


def left_in_cycles(mediator: Mediator) -> int:
    """Objects of 50 calls that only the garbage collector finds."""
    gc.collect()
    gc.disable()
    try:
        for number in range(50):
            mediator.generate(f"prompt {number}")  # of their own: no answer comes from a cache
        return gc.collect()
    finally:
        gc.enable()


def test_calls_make_no_garbage_cycles(mediator: Mediator) -> None:
    """Every object of a call is freed when the call ends; the collector has nothing to find."""
    assert left_in_cycles(mediator) < 50


@pytest.mark.rows(1)
@pytest.mark.parametrize("failures", [1, 1_000_000], ids=["known down", "asked and refused each time"])
def test_calls_that_pass_over_a_backend_make_no_garbage_cycles(base_url: str, tmp_path: Path, failures: int) -> None:
    """An error that another backend's answer made good leaves no frames behind: they hold prompts, and take time."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and not listening
        refused = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        config = {
            "BACKENDS": [entry("down", refused, max_retries=0), entry("up", base_url)],
            "MEDIATOR": {"circuit_breaker": {"failures": failures, "cooldown": 3600}},
        }
        with opened(config, tmp_path) as made:
            assert left_in_cycles(made) < 50


def test_policies_make_no_garbage_cycles(base_url: str, tmp_path: Path) -> None:
    """Nor do limits, the budget, the cache and provenance."""
    limits = {"rate_limit": 10**7, "tokens_per_minute": 10**9, "max_concurrency": 8, "cache_enabled": True}
    config = {
        "BACKENDS": [entry("only", base_url, pricing={"input": 1.0, "output": 1.0}, max_tokens=10, **limits)],
        "MEDIATOR": {"provenance": "digests", "budget": 1000},
    }
    with opened(config, tmp_path) as made:
        assert left_in_cycles(made) < 50
