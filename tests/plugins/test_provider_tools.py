"""Tools that run at the provider are no calls of ours, and go back with the next turn."""

from __future__ import annotations

import json
from typing import Any

import pytest

from complaint_llm import Message
from complaint_llm.messages import ToolCallStart
from tests.plugins.plain_backends import CLAUDE
from tests.wire_answers import event
from tests.wire_messages import ask, done, read

SERVER_BLOCKS: list[list[dict[str, Any]]] = [
    [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rent"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "rent"}},
     {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "url": "u"}]}],
    [{"type": "server_tool_use", "id": "s1", "name": "web_fetch", "input": {"url": "u"}},
     {"type": "web_fetch_tool_result", "tool_use_id": "s1", "content": {"type": "web_fetch_result"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": {"command": "ls"}},
     {"type": "bash_code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": "x"}}],
    [{"type": "server_tool_use", "id": "s1", "name": "code_execution", "input": {"code": "1"}},
     {"type": "code_execution_tool_result", "tool_use_id": "s1", "content": {"stdout": "1"}}],
    [{"type": "mcp_tool_use", "id": "m1", "name": "look", "server_name": "law", "input": {"q": "}"}},
     {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": False, "content": []}],
    [{"type": "server_tool_use", "id": "s1", "name": "tool_search_tool_regex", "input": {}},
     {"type": "tool_search_tool_result", "tool_use_id": "s1", "content": {}}],
    [{"type": "server_tool_use", "id": "s1", "name": "text_editor", "input": {"a": {"b": ["😀"]}}}],
    [{"type": "server_tool_use", "id": "s1", "name": "f", "input": {}}],
    [{"type": "container_upload", "file_id": "file_1"}],
    [{"type": "a_block_of_the_future", "input": {"x": 1}, "name": "g", "id": "z"}],
]  # fmt: skip


def block_events(blocks: list[dict[str, Any]], *, index: int | None = None) -> list[bytes]:
    found: list[dict[str, Any]] = [{"type": "message_start", "message": {"model": "served", "usage": {}}}]
    for at, block in enumerate(blocks):
        place = at if index is None else index
        begun, pieces = block, []
        if block["type"] == "text":
            begun, pieces = {**block, "text": ""}, [{"type": "text_delta", "text": block["text"]}]
        elif "input" in block:
            whole = json.dumps(block["input"])
            pieces = [{"type": "input_json_delta", "partial_json": part} for part in ("", whole[:4], whole[4:])]
            begun = {**block, "input": {}}
        found.append({"type": "content_block_start", "index": place, "content_block": begun})
        found += [{"type": "content_block_delta", "index": place, "delta": piece} for piece in pieces]
        found.append({"type": "content_block_stop", "index": place})
    found += [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    return [event(each, each["type"]) for each in found]


OWN = {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}


@pytest.mark.parametrize("index", [None, 0], ids=["numbered", "all 0"])
@pytest.mark.parametrize("own", [[], [OWN]], ids=["alone", "beside a call of ours"])
@pytest.mark.parametrize("blocks", SERVER_BLOCKS, ids=lambda blocks: blocks[0].get("name", blocks[0]["type"]))
def test_tools_of_the_provider_are_no_calls_of_ours(blocks: list[Any], own: list[Any], index: int | None) -> None:
    """Whole and streamed; they go back with the next turn, as they came."""
    said = [*blocks, {"type": "text", "text": "Found."}, *own]
    whole = CLAUDE.decode({"type": "message", "model": "served", "content": said, "stop_reason": "end_turn"}, ask())
    events = read(CLAUDE.decoder(ask(stream=True)), block_events(said, index=index))
    assert done(events) == whole
    assert whole.content == "Found."
    names = ["f"] if own else []
    assert [call.name for call in whole.tool_calls] == names
    assert [each.name for each in events if isinstance(each, ToolCallStart)] == names
    sent = CLAUDE.encode(ask([Message("user", "q"), whole.message(), Message("user", "more")])).body
    assert sent is not None
    assert sent["messages"][1]["content"] == said


def test_citations_of_a_streamed_text_go_back_with_it() -> None:
    """As they do where the answer came whole."""
    cited = {"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location", "url": "u"}]}
    said = [SERVER_BLOCKS[0][0], cited]
    stream = block_events([said[0], {"type": "text", "text": "Found."}])
    citation = {"type": "citations_delta", "citation": cited["citations"][0]}
    stream.insert(-3, event({"type": "content_block_delta", "index": 1, "delta": citation}))
    whole = CLAUDE.decode({"type": "message", "content": said, "stop_reason": "end_turn"}, ask())
    output = done(read(CLAUDE.decoder(ask(stream=True)), stream))
    assert output.extra == whole.extra
