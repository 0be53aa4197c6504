"""An answer of thinking or of blanks alone says what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from complaint_llm import Mediator
from complaint_llm.exceptions import BackendError, ResponseFormatError
from complaint_llm.messages import TokenUsage
from complaint_llm.testing import FaultyServer, Reply
from tests.plugins.plain_backends import SCHEMA, body
from tests.wire_answers import WIRES, Said, in_one
from tests.wire_messages import chat


def thought_only(name: str, finish: str) -> Any:
    """An answer whose tokens all went into thinking."""
    if name == "chat":
        usage = {"prompt_tokens": 9, "completion_tokens": 500, "total_tokens": 509}
        usage["completion_tokens_details"] = {"reasoning_tokens": 500}  # type: ignore[assignment]
        return chat(None, finish_reason=finish, usage=usage, reasoning_content="hm")
    if name == "responses":
        usage = {"input_tokens": 9, "output_tokens": 500, "total_tokens": 509}
        usage["output_tokens_details"] = {"reasoning_tokens": 500}  # type: ignore[assignment]
        details = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        item = {"type": "reasoning", "id": "rs", "summary": []}
        return body(item, usage=usage, **(details if finish == "length" else {}))
    if name == "anthropic":
        blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}]
        reason = {"length": "max_tokens", "stop": "end_turn"}[finish]
        usage = {"input_tokens": 9, "output_tokens": 500}
        return {"type": "message", "model": "c", "content": blocks, "stop_reason": reason, "usage": usage}
    reason = {"length": "MAX_TOKENS", "stop": "STOP"}[finish]
    usage = {"promptTokenCount": 9, "thoughtsTokenCount": 500, "totalTokenCount": 509}
    return {"candidates": [{"content": {"role": "model"}, "finishReason": reason}], "usageMetadata": usage}


def backend_at(server: FaultyServer, name: str, **keys: Any) -> Any:
    kind = type(WIRES[name].backend)
    keys = {"api_key": "k", "model": "m", "max_retries": 0, **keys}
    if name == "responses":
        keys["api"] = "responses"
    return kind(base_url=f"{server.url}/v1" if name in ("chat", "responses") else server.url, **keys)


@pytest.mark.parametrize("schema", [None, SCHEMA], ids=["plain", "structured"])
@pytest.mark.parametrize("finish", ["length", "stop"])
@pytest.mark.parametrize("name", WIRES)
def test_an_answer_of_thinking_alone_says_so_and_what_to_do(name: str, finish: str, schema: Any) -> None:
    """With what it took; asked once where it was cut, since it would be cut again."""
    with FaultyServer(Reply(body=json.dumps(thought_only(name, finish)).encode())) as server:
        with backend_at(server, name) as backend, pytest.raises(ResponseFormatError) as caught:
            backend.infer("q", max_tokens=500, response_format=schema)
        if finish == "length":
            assert len(server.requests) == 1
    said = str(caught.value)
    assert "thinking" in said
    assert "raise max_tokens" in said
    assert "reasoning_effort" in said
    assert ("500 completion tokens" in said) == (finish == "length")
    if schema is None:
        usage = caught.value.token_usage
        assert isinstance(usage, TokenUsage)
        assert (usage.prompt_tokens, usage.completion_tokens) == (9, 500)


@pytest.mark.parametrize(
    "blank",
    [
        "",
        " ",
        "\n",
        "     \n",
        "\t\r\n",
        "\u00a0",
        "\u2003 \n",
        "\u3000",
        "<think>hm</think>",
        "<think>hm</think>\n\n ",
    ],
)
@pytest.mark.parametrize("name", WIRES)
def test_an_answer_of_blanks_is_no_answer(name: str, blank: str) -> None:
    """Whole and streamed, on every wire."""
    said = Said(blank)
    with FaultyServer() as server, Mediator([backend_at(server, name)], timeout=20) as mediator:
        server.script(Reply(body=json.dumps(WIRES[name].answer_body(said)).encode()))
        with pytest.raises(ResponseFormatError, match="empty"):
            mediator.infer("q")
        stream = b"".join(WIRES[name].events(said, in_one))
        server.script(Reply(body=stream, headers={"Content-Type": "text/event-stream"}))
        with pytest.raises(BackendError, match="empty"):
            list(mediator.infer_stream("q"))
