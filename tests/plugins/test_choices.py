"""One answer is asked for, and of several choices the first is read."""

from __future__ import annotations

from typing import Any

import pytest

from complaint_llm.backends import GoogleBackend, OpenAIBackend
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.testing import FaultyServer
from tests.plugins.plain_backends import GPT
from tests.wire_messages import ask, done, read, sse


def choice(index: Any, text: str, key: str = "message", finish: str | None = "stop") -> dict[str, Any]:
    found = {key: {"content": text}, "finish_reason": finish}
    return found if index is None else {"index": index, **found}


@pytest.mark.parametrize(
    "choices",
    [
        [(0, "first"), (1, "SECOND")],
        [(1, "SECOND"), (0, "first")],
        [(2, "THIRD"), (1, "SECOND"), (0, "first")],
        [(None, "first"), (None, "SECOND")],
        [(1, "SECOND"), (None, "first")],
        [(0, "first")],
        [(None, "first")],
        [("0", "first")],
        [(1, "SECOND"), (0, "first"), (0, "LATE")],
        [(0, "first"), (1, "")],
        [(1, ""), (0, "first")],
    ],
)
def test_the_answer_is_the_choice_with_index_0(choices: list[tuple[Any, str]]) -> None:
    """In any order, whole; streamed the pieces of the others are passed over."""
    body = {"choices": [choice(index, text) for index, text in choices]}
    assert GPT.decode(body, ask()).content == "first"
    numbered = [(index, text) for index, text in choices if text != "LATE" and index is not None]
    if any(index in (0, "0") for index, _ in numbered):
        pieces = [chunk_of(index, piece) for index, text in numbered for piece in (text[:2], text[2:])]
        ends = [{"choices": [choice(index, "", "delta")]} for index, _ in numbered]
        assert done(read(GPT.decoder(ask(stream=True)), [sse(*pieces, *ends, "[DONE]")])).content == "first"


def chunk_of(index: Any, text: str) -> dict[str, Any]:
    return {"choices": [choice(index, text, "delta", None)]}


@pytest.mark.parametrize("extra", [{"n": 2}, {"n": 128}, {"n": 2.0}])
@pytest.mark.parametrize("stream", [False, True])
def test_several_answers_are_refused_before_sending(extra: dict[str, Any], stream: bool) -> None:
    """All would be paid and one is read; on every wire that knows the wish, in the call and in the config."""
    gemini: dict[str, Any] = {"generationConfig": {"candidateCount": extra["n"]}}
    makers: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
        (OpenAIBackend, {}, extra),
        (OpenAIBackend, {"api": "responses"}, extra),
        (GoogleBackend, {}, gemini),
        (GoogleBackend, {}, {"generationConfig": {"candidate_count": extra["n"]}}),
    ]
    with FaultyServer() as server:
        for make, keys, wish in makers:
            common = {"base_url": server.url, "api_key": "k", "model": "m", **keys}
            for backend, params in ((make(**common), {"extra_body": wish}), (make(**common, extra_body=wish), {})):
                with backend, pytest.raises(InvalidRequestError, match="one answer is read") as caught:
                    list(backend.infer_stream("q", **params)) if stream else backend.infer("q", **params)
                assert caught.value.sent is False
        assert server.requests == []


def test_one_answer_may_be_asked_for_by_name() -> None:
    """``n`` is 1: nothing is refused."""
    body = OpenAIBackend(api_key="k", model="m", extra_body={"n": 1}).encode(ask(extra_body={"n": 1})).body
    assert body is not None
    assert body["n"] == 1
