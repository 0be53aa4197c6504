"""Servers that speak the Messages API almost as Anthropic does, and schemas at the edge of what it takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from complaint_llm_plugins.backends.anthropic.schema import InexpressibleError, strict_schema

from complaint_llm.backends import AnthropicBackend
from complaint_llm.exceptions import ResponseFormatError
from complaint_llm.messages import ToolCallDelta
from tests.wire_messages import ask, done, read

CLAUDE = AnthropicBackend(api_key="sk-ant-secret", model="claude-sonnet-4-5")
START = {"type": "message_start", "message": {"model": "local", "usage": {"input_tokens": 3}}}
END = ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})
TEXT = (
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Void."}},
    {"type": "content_block_stop", "index": 0},
)


def stream(*events: Any) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def call(given: Any, *pieces: str) -> tuple[Any, ...]:
    block = {"type": "tool_use", "id": "t1", "name": "search", "input": given}
    deltas = (
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
        for piece in pieces
    )
    stop = {"type": "content_block_stop", "index": 0}
    return ({"type": "content_block_start", "index": 0, "content_block": block}, *deltas, stop)


def test_openais_mark_after_the_end_costs_no_answer() -> None:
    """vLLM sends it; other texts that are no JSON are still refused."""
    whole = stream(START, *TEXT, *END)
    assert done(read(CLAUDE.decoder(ask(stream=True)), [whole + b"data: [DONE]\n\n"])).content == "Void."
    with pytest.raises(ResponseFormatError):
        read(CLAUDE.decoder(ask(stream=True)), [b"data: DONE\n\n" + whole])


@pytest.mark.parametrize(
    ("block", "arguments", "handed_out"),
    [
        (call({"q": "rent"}), {"q": "rent"}, ['{"q": "rent"}']),
        (call({}), {}, ["{}"]),
        (call({}, '{"q": ', '"rent"}'), {"q": "rent"}, ['{"q": ', '"rent"}']),
        (call({"q": "old"}, '{"q": "rent"}'), {"q": "rent"}, ['{"q": "rent"}']),
    ],
)
def test_arguments_that_stand_in_a_calls_first_event_count(block: Any, arguments: Any, handed_out: list[str]) -> None:
    """Where no piece follows: the call would be made without any of them."""
    events = read(CLAUDE.decoder(ask(stream=True)), [stream(START, *block, *END)])
    assert [event.arguments_delta for event in events if isinstance(event, ToolCallDelta)] == handed_out
    assert done(events).tool_calls[0].arguments == arguments


PARTY = {"type": "object", "properties": {"name": {"type": "string"}}}


def of(part: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": part}, **more}


def test_a_reference_brings_the_part_along_that_it_names() -> None:
    """Under the older name of these parts, too, and through several references to one."""
    for key in ("$defs", "definitions"):
        parts = {"Party": PARTY, "Case": of({"$ref": f"#/{key}/Party"})}
        sent = strict_schema({**of({"$ref": f"#/{key}/Case"}), "properties": {
            "a": {"$ref": f"#/{key}/Case"}, "b": {"$ref": f"#/{key}/Party"}, "$ref": {"type": "string"},
        }, key: parts})  # fmt: skip
        assert sent[key]["Party"]["properties"] == {"name": {"type": "string"}}
        assert sent[key]["Case"]["properties"] == {"a": {"$ref": f"#/{key}/Party"}}


@pytest.mark.parametrize(
    "schema",
    [
        of({"$ref": "#"}),
        of({"$ref": "#/$defs/Tree"}, **{"$defs": {"Tree": of({"$ref": "#/$defs/Tree"})}}),
        of(
            {"$ref": "#/$defs/A"},
            **{"$defs": {"A": of({"$ref": "#/$defs/B"}), "B": of({"type": "array", "items": {"$ref": "#/$defs/A"}})}},
        ),
        of({"$ref": "#/$defs/Nobody"}),
        of({"$ref": "https://example.org/party.json"}),
        of({"allOf": [{"$ref": "#/$defs/Party"}]}, **{"$defs": {"Party": PARTY}}),
    ],
    ids=["root", "itself", "a circle", "nothing", "elsewhere", "in allOf"],
)
def test_references_that_the_api_refuses_are_asked_for_in_words(schema: Any) -> None:
    """Sent as they are, each would be an HTTP 400."""
    with pytest.raises(InexpressibleError):
        strict_schema(schema)
