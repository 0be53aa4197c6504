"""Cached answers and those of identical requests in flight: whose they are, and who asks when one gives up."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from complaint_llm.exceptions import InvalidRequestError, RateLimitError
from complaint_llm.messages import ImagePart, InferenceOutput, Message, ToolCall
from complaint_llm.routing.cache.response_cache import Cache
from complaint_llm.routing.cache.sqlite_store import CacheFile
from complaint_llm.routing.router import Router
from tests.routing.routing_model import Scripted, answer, ask

if TYPE_CHECKING:
    from pathlib import Path

    from complaint_llm.request import Request


def cached(script: list[Any]) -> Scripted:
    return Scripted("a", script, identity="a model 1")


def spoil(output: InferenceOutput) -> None:
    output.parsed["claims"].append("made up")
    arguments: Any = output.tool_calls[0].arguments
    arguments["query"] = "spoilt"


def test_what_a_caller_does_to_an_answer_is_no_other_callers_matter() -> None:
    calls = (ToolCall("1", "search", {"query": "rent"}, '{"query": "rent"}'),)
    router, backend = Router(cache=Cache()), cached([InferenceOutput("x", calls, parsed={"claims": ["rent"]})])
    for _ in range(3):
        output = router.answer(ask(), [backend])
        assert output.parsed == {"claims": ["rent"]}
        assert output.tool_calls == calls
        spoil(output)
        calls = (ToolCall("1", "search", {"query": "rent"}, '{"query": "rent"}'),)
    assert len(backend.seen) == 1


def test_instances_of_a_class_are_copied_in_its_own_way() -> None:
    class Claim:
        def __init__(self, text: str) -> None:
            self.text = text

        def model_copy(self, *, deep: bool) -> Claim:
            assert deep
            return Claim(self.text)

    router, backend = Router(cache=Cache()), cached([InferenceOutput("x", parsed=Claim("rent"))])
    for _ in range(2):
        output = router.answer(ask(), [backend])
        assert output.parsed.text == "rent"
        output.parsed.text = "spoilt"


@pytest.mark.parametrize("which", ["no such image", "no form in JSON"])
def test_a_request_that_has_no_name_is_for_the_backend_to_judge(which: str) -> None:
    refused = InvalidRequestError("no such image", sent=False)
    backend = cached([refused if which == "no such image" else answer("fine")])
    request = ask(extra_body={"x": object()})
    if which == "no such image":
        request = ask()._replace(messages=(Message("user", (ImagePart(path="/nowhere.png"),)),))
        with pytest.raises(InvalidRequestError, match="no such image"):
            Router(cache=Cache()).answer(request, [backend])
    else:
        assert Router(cache=Cache()).answer(request, [backend]).content == "fine"


def test_a_leader_with_too_little_time_for_a_limit_hands_over() -> None:
    """It gives up at once where the wait that is asked for does not fit; a follower with more time goes on."""
    entered, go_on = threading.Event(), threading.Event()

    def busy(request: Request) -> InferenceOutput:
        entered.set()
        assert go_on.wait(10)
        raise RateLimitError("slow down", status=429, retry_after=5.0)

    router, backend = Router(cache=Cache()), cached([busy, answer("in time")])
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(router.answer, ask(seconds=2.0), [backend])
        assert entered.wait(10)
        follower = pool.submit(router.answer, ask(seconds=60.0), [backend])
        go_on.set()
        with pytest.raises(RateLimitError):
            leader.result(10)
        assert follower.result(10).content == "in time"


def test_without_another_thread_an_answer_is_kept_when_the_file_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    file = CacheFile(tmp_path / "cache.db", 10)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        file.put("key", answer("kept"), None)
    file.close()
    again = CacheFile(tmp_path / "cache.db", 10)
    found = again.get("key", ask())
    again.close()
    assert found is not None
    assert found[0].content == "kept"
