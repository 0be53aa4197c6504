"""Services on OpenAI's chat completions and those like it, each with ids and state of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.official_types import check_chat
from tests.service_turns import Said, call_arguments, call_name, signature, text_halves


def _completion(message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", **message},
                "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
            }
        ],
    }


def _function(id: str | None, place: int) -> dict[str, Any]:
    function = {"name": call_name(place), "arguments": json.dumps(call_arguments(place))}
    return {"type": "function", "function": function, **({} if id is None else {"id": id})}


def gateway(name: str, said: Said) -> Mapping[str, Any]:
    """A gateway to Gemini on OpenAI's wire: no ids, a signature in each call, or beside the text."""
    calls = [
        {**_function(None, at), "extra_content": {"google": {"thought_signature": signature(name, said.turn)}}}
        for at in range(said.calls)
    ]
    if calls:
        return _completion({"content": said.text or None, "tool_calls": calls})
    signed = {"google": {"thought_signature": signature(name, said.turn)}}
    return _completion({"content": said.text, "extra_content": signed})


def router(name: str, said: Said) -> Mapping[str, Any]:
    """OpenRouter with a model that numbers its calls anew in each turn."""
    details = [
        {"type": "reasoning.text", "text": "Let me see.", "signature": signature(name, said.turn), "index": 0},
        {"type": "reasoning.encrypted", "data": signature(name, said.turn), "id": "rs_1", "index": 1},
    ]
    calls = [_function(f"functions.{call_name(at)}:{at}", at) for at in range(said.calls)]
    message = {"content": said.text or None, "reasoning": "Let me see.", "reasoning_details": details}
    return _completion({**message, **({"tool_calls": calls} if calls else {})})


def mistral(name: str, said: Said) -> Mapping[str, Any]:
    """A content of thinking and text, ids of nine letters and digits."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": f"Hm. {signature(name, said.turn)}"}]}
    content = [thought, *([{"type": "text", "text": said.text}] if said.text else [])]
    calls = [_function(f"{said.turn:05}abc{at}", at) for at in range(said.calls)]
    return _completion({"content": content, **({"tool_calls": calls} if calls else {})})


def thinker(name: str, said: Said) -> Mapping[str, Any]:
    """A service that wants its ``reasoning_content`` back, with ids that are longer than others take."""
    calls = [_function(f"chatcmpl-tool-{said.turn:032}-{at}", at) for at in range(said.calls)]
    message = {"content": said.text or None, "reasoning_content": f"Hm. {signature(name, said.turn)}"}
    return _completion({**message, **({"tool_calls": calls} if calls else {})})


def chat_events(body: Mapping[str, Any]) -> Sequence[Any]:
    """The message in pieces, as services stream it."""
    message = body["choices"][0]["message"]
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for field in ("reasoning", "reasoning_content"):
        deltas.extend({field: piece} for piece in text_halves(message.get(field) or ""))
    deltas.extend({"reasoning_details": [piece]} for piece in _detail_pieces(message.get("reasoning_details", ())))
    content = message.get("content") or ""
    for part in content if isinstance(content, list) else [{"type": "text", "text": content}]:
        if part["type"] == "text":
            deltas.extend({"content": piece} for piece in text_halves(part["text"]))
        else:
            thoughts = [[{"type": "text", "text": piece}] for piece in text_halves(part["thinking"][0]["text"])]
            deltas.extend({"content": [{"type": "thinking", "thinking": thought}]} for thought in thoughts)
    deltas.extend({field: message[field]} for field in ("extra_content",) if field in message)
    for at, call in enumerate(message.get("tool_calls", ())):
        first, rest = text_halves(call["function"]["arguments"])
        deltas.append({"tool_calls": [{**call, "index": at, "function": {**call["function"], "arguments": first}}]})
        deltas.append({"tool_calls": [{"index": at, "function": {"arguments": rest}}]})
    chunks = [{**common, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    reason = body["choices"][0]["finish_reason"]
    return [*chunks, {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}]


def _detail_pieces(details: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for detail in details:
        if "text" not in detail:
            yield detail
            continue
        bare = {key: value for key, value in detail.items() if key not in ("text", "signature")}
        yield from ({**bare, "text": piece} for piece in text_halves(detail["text"]))
        yield {**bare, "signature": detail["signature"]}


def chat_held(body: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    calls = [call["id"] for turn in body["messages"] for call in turn.get("tool_calls", ())]
    return calls, [turn["tool_call_id"] for turn in body["messages"] if turn["role"] == "tool"]


def check_mistral(body: Mapping[str, Any]) -> None:
    """Thinking parts are not OpenAI's; all else is."""
    turns = []
    for turn in body["messages"]:
        content = turn["content"]
        if isinstance(content, list):
            assert turn["role"] == "assistant"
            content = [part for part in content if part["type"] != "thinking"] or None
        turns.append({**turn, "content": content})
    check_chat({**body, "messages": turns})
