"""What chat services want back with the next turn, by their data, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from complaint_llm_plugins.backends.openai.echo import join_pieces
from hypothesis import given, settings
from hypothesis import strategies as st

from complaint_llm import Mediator, Message
from complaint_llm.messages import Done
from complaint_llm.testing import FaultyServer, Reply
from tests.wire_messages import chat, chunk, sse

CALLS = [
    {"id": f"abcdefgh{at}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for at in range(2)
]  # fmt: skip
SIGNATURE = {"google": {"thought_signature": "SIG"}}
SIGNED_CALLS = [{**CALLS[0], "extra_content": SIGNATURE}, CALLS[1]]
DETAILS = [
    {"type": "reasoning.text", "text": "Hm. So.", "signature": "SIG", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.summary", "summary": "It is so.", "index": 1},
    {"type": "reasoning.encrypted", "data": "SIG", "id": "rs_1", "index": 2},
    {"type": "reasoning.encrypted", "data": "SIG", "id": "rs_2", "index": 3},
]
DETAIL_PIECES = [
    [{"type": "reasoning.text", "text": "Hm. ", "signature": None, "format": "anthropic-claude-v1", "index": 0}],
    [{"type": "reasoning.text", "text": "So.", "index": 0}],
    [{"type": "reasoning.text", "signature": "SIG", "index": 0}],
    [{"type": "reasoning.summary", "summary": "It", "index": 1}],
    [{"type": "reasoning.summary", "summary": " is so.", "index": 1}],
    DETAILS[2:],
]  # fmt: skip
PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm. So."}], "closed": True},
    {"type": "text", "text": "Let me look."},
]
PART_PIECES = [
    [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm. "}]}],
    [{"type": "thinking", "thinking": [{"type": "text", "text": "So."}], "closed": True}],
    "Let me",
    " look.",
]

WANTED: Mapping[str, tuple[str, str, str, Any, list[Any]]] = {
    # name: type, model, field, its value in a whole answer, and in pieces
    "zai": ("zai", "glm-5", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "deepseek": ("deepseek", "deepseek-v4-pro", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "deepseek, none": ("deepseek", "deepseek-v4-pro", "reasoning_content", "", [""]),
    "moonshot": ("moonshot", "kimi-k2.6", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "fireworks": ("fireworks", "accounts/fireworks/models/glm-5", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "llama.cpp": ("llama_cpp_server", "m", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "vllm, older": ("vllm", "m", "reasoning_content", "Hm. So.", ["Hm. ", "So."]),
    "vllm": ("vllm", "m", "reasoning", "Hm. So.", ["Hm. ", "So."]),
    "together": ("together", "zai-org/GLM-5", "reasoning", "Hm. So.", ["Hm. ", "So."]),
    "ollama": ("ollama", "gpt-oss:20b", "reasoning", "Hm. So.", ["Hm. ", "So."]),
    "cerebras": ("cerebras", "gpt-oss-120b", "reasoning", "Hm. So.", ["Hm. ", "So."]),
    "groq": ("groq", "openai/gpt-oss-120b", "reasoning", "Hm. So.", ["Hm. ", "So."]),
    "openrouter": ("openrouter", "anthropic/claude-sonnet-5-5", "reasoning_details", DETAILS, DETAIL_PIECES),
    "a gateway to openrouter": ("openai", "anthropic/claude-sonnet-5-5", "reasoning_details", DETAILS, DETAIL_PIECES),
    "gemini, a text": ("openai", "gemini-3.8-flash", "extra_content", SIGNATURE, [SIGNATURE]),
    "mistral": ("mistral", "mistral-medium-3-5", "content", PARTS, PART_PIECES),
}
NOT_WANTED = {
    "openai": ("openai", "gpt-5.4", "reasoning_content"),
    "groq, another model": ("groq", "qwen/qwen3-32b", "reasoning"),
    "groq": ("groq", "openai/gpt-oss-120b", "reasoning_content"),
    "cerebras, another model": ("cerebras", "zai-glm-4.7", "reasoning"),
    "cerebras": ("cerebras", "gpt-oss-120b", "reasoning_content"),
    "mistral": ("mistral", "mistral-medium-3-5", "reasoning_content"),
    "xai": ("xai", "grok-4.3", "reasoning_content"),
    "nvidia_nim": ("nvidia_nim", "m", "reasoning_content"),
    "azure": ("azure_openai", "gpt-5.4", "reasoning_content"),
    "openrouter": ("openrouter", "m", "reasoning"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        yield server


def opened(folder: Path, server: FaultyServer, type: str, model: str) -> Mediator:
    entry = {"id": "a", "type": type, "model": model, "api_key": "k", "base_url": f"{server.url}/v1"}
    if type == "xai":
        entry["api"] = "chat"
    (folder / "config.json").write_text(json.dumps({"BACKENDS": [entry]}), encoding="utf-8")
    return Mediator.from_config(folder / "config.json")


def next_turn(mediator: Mediator, server: FaultyServer, said: Message) -> dict[str, Any]:
    kept = json.loads(json.dumps(said.to_dict()))
    results = [{"role": "tool", "tool_call_id": call.id, "content": "1"} for call in said.tool_calls]
    mediator.infer([{"role": "user", "content": "q"}, kept, *results, {"role": "user", "content": "r"}])
    body = server.requests[-1].body
    return dict(next(message for message in body["messages"] if message["role"] == "assistant"))


def whole(message: Mapping[str, Any]) -> Reply:
    return Reply.raw(json.dumps(chat(**{"content": "Let me look.", **message})).encode())


def events(*deltas: dict[str, Any]) -> Reply:
    body = sse(*map(chunk, deltas), chunk({}, "tool_calls"), "[DONE]")
    return Reply(body=body, headers={"Content-Type": "text/event-stream"})


def said_by(mediator: Mediator, server: FaultyServer, reply: Reply, *, streamed: bool) -> Message:
    """The message of an answer."""
    server.script(reply)
    if not streamed:
        return mediator.infer("q").message()
    with mediator.infer_stream("q") as stream:
        last = list(stream)[-1]
    assert isinstance(last, Done)
    return last.output.message()


@pytest.mark.rows(4)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_service_gets_back_what_it_wants(name: str, streamed: bool, server: FaultyServer, tmp_path: Path) -> None:
    """With the calls and the text that stood beside it; the stream's pieces are the whole answer's."""
    type, model, field, value, pieces = WANTED[name]
    deltas = [] if field == "content" else [{"content": "Let me look."}]
    reply = whole({field: value, "tool_calls": CALLS})
    if streamed:
        calls = {"tool_calls": [{**call, "index": at} for at, call in enumerate(CALLS)]}
        reply = events(*({field: piece} for piece in pieces), *deltas, calls)
    with opened(tmp_path, server, type, model) as mediator:
        back = next_turn(mediator, server, said_by(mediator, server, reply, streamed=streamed))
    assert back[field] == value
    assert [call["function"]["name"] for call in back["tool_calls"]] == ["f", "f"]
    assert field == "content" or back["content"] == "Let me look."


@pytest.mark.parametrize("name", sorted(NOT_WANTED))
def test_a_service_that_does_not_want_it_is_spared(name: str, server: FaultyServer, tmp_path: Path) -> None:
    """Some refuse a turn with a field that they do not know."""
    type, model, field = NOT_WANTED[name]
    with opened(tmp_path, server, type, model) as mediator:
        said = said_by(mediator, server, whole({field: "Hm.", "tool_calls": CALLS}), streamed=False)
        assert field not in next_turn(mediator, server, said)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("field", ["extra_content", "provider_specific_fields"])
def test_what_stands_in_a_call_goes_back_in_that_call(
    field: str, streamed: bool, server: FaultyServer, tmp_path: Path
) -> None:
    """Gemini signs its calls, and a gateway hands the signature on in fields of its own."""
    signed = [CALLS[0], {**CALLS[1], field: SIGNATURE}]
    reply = whole({"tool_calls": signed})
    if streamed:
        reply = events(*({"tool_calls": [{**call, "index": at}]} for at, call in enumerate(signed)))
    with opened(tmp_path, server, "openai", "gemini-3.8-flash") as mediator:
        back = next_turn(mediator, server, said_by(mediator, server, reply, streamed=streamed))
    assert [call.get(field) for call in back["tool_calls"]] == [None, SIGNATURE]


@pytest.mark.parametrize(
    ("type", "model", "turn_has", "first_call_has"),
    [
        ("moonshot", "kimi-k2.6", {"reasoning_content": " "}, {}),
        ("moonshot", "kimi-k2-thinking", {"reasoning_content": " "}, {}),
        ("deepseek", "deepseek-v4-pro", {"reasoning_content": ""}, {}),
        ("openai", "gemini-3.8-flash", {}, {"extra_content"}),
        ("openai", "google/gemini-3-pro-preview", {}, {"extra_content"}),
        ("openai", "gemini-2.5-flash", {}, {}),
        ("openai", "gpt-5.4", {}, {}),
        ("zai", "glm-5", {}, {}),
        ("mistral", "mistral-medium-3-5", {}, {}),
        ("groq", "openai/gpt-oss-120b", {}, {}),
        ("vllm", "m", {}, {}),
    ],
)
def test_a_turn_that_another_model_made_has_what_the_service_demands(
    type: str, model: str, turn_has: dict[str, str], first_call_has: set[str], server: FaultyServer, tmp_path: Path
) -> None:
    """Some refuse calls without reasoning, or without a signature, whoever made them."""
    called = Message.from_dict({"role": "assistant", "content": "Let me look.", "tool_calls": CALLS})
    server.script(Reply.raw(json.dumps(chat("Done.")).encode()))
    with opened(tmp_path, server, type, model) as mediator:
        back = next_turn(mediator, server, called)
        server.script(Reply.raw(json.dumps(chat("Done.")).encode()))
        plain = next_turn(mediator, server, Message("assistant", "No calls."))
    usual = {"role", "content", "tool_calls"}
    assert {key: value for key, value in back.items() if key not in usual} == turn_has
    assert [set(call) - {"id", "type", "function"} for call in back["tool_calls"]] == [set(first_call_has), set()]
    assert plain == {"role": "assistant", "content": "No calls."}


@settings(deadline=None)
@given(st.text("ab", min_size=1, max_size=12), st.data())
def test_a_text_in_pieces_is_that_text(text: str, data: Any) -> None:
    """In a field of its own, as an entry with an index, and as a part within a part."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert join_pieces(pieces) == text
    entries = [[{"type": "reasoning.text", "text": piece, "index": 0}] for piece in pieces]
    assert join_pieces(entries) == [{"type": "reasoning.text", "text": text, "index": 0}]
    thoughts = [[{"type": "thinking", "thinking": [{"type": "text", "text": piece}]}] for piece in pieces]
    assert join_pieces(thoughts) == [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]


@pytest.mark.parametrize(
    "entries",
    [
        [{"type": "reasoning.text", "text": "a", "index": 0}, {"type": "reasoning.text", "text": "b", "index": 1}],
        [{"type": "reasoning.text", "text": "a", "id": "1"}, {"type": "reasoning.text", "text": "b", "id": "2"}],
        [{"type": "reasoning.text", "text": "a"}, {"type": "reasoning.summary", "summary": "b"}],
        [{"type": "reasoning.encrypted", "data": "a"}, {"type": "reasoning.encrypted", "data": "b"}],
        [{"type": "text", "text": "a"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "b"}],
        ["a", {"type": "thinking", "thinking": []}],
        [None, 5],
        [[1], [2]],
        [{}],
        [{"type": "reference", "reference_ids": [1]}, {"type": "reference", "reference_ids": [2]}],
    ],
)
def test_entries_of_their_own_stay_apart(entries: list[Any]) -> None:
    """Another index, id or kind is another entry; what is no text is never put together."""
    wanted = [{"type": "text", "text": entry} if isinstance(entry, str) else entry for entry in entries]
    assert join_pieces([[entry] for entry in entries]) == wanted
    assert join_pieces([entries]) == entries, "a whole answer is as it is"
