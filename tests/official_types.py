"""Request bodies against the types of the official SDKs, strictly, which no one here wrote."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, get_type_hints

from tests.peers import need_peer


def exhaust(value: Any) -> None:
    """Nested iterators of pydantic validate only what is taken out of them."""
    if isinstance(value, Mapping):
        for inner in value.values():
            exhaust(inner)
    elif hasattr(value, "__iter__") and not isinstance(value, str):
        for inner in value:
            exhaust(inner)


@cache
def adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the SDK's own modules warn of is not ours
        return TypeAdapter(kind)


def check_chat(body: Mapping[str, Any]) -> None:
    """A chat completion's parameters; keys that other services know beside them may be in the messages."""
    need_peer("openai")
    from openai.types.chat import completion_create_params as official

    streamed = body.get("stream")
    kind = official.CompletionCreateParamsStreaming if streamed else official.CompletionCreateParamsNonStreaming
    exhaust(adapter(kind).validate_python(dict(body), strict=True))
    assert body.keys() <= get_type_hints(kind).keys()


def check_responses(body: Mapping[str, Any]) -> None:
    """Parameters of the Responses API, each item by its own type."""
    need_peer("openai")
    from openai.types.responses import response_create_params as official
    from openai.types.responses.response_input_item_param import ResponseInputItemParam

    for item in body["input"]:
        exhaust(adapter(ResponseInputItemParam).validate_python(item, strict=True))
    kind = official.ResponseCreateParamsStreaming if body.get("stream") else official.ResponseCreateParamsNonStreaming
    exhaust(adapter(kind).validate_python(dict(body), strict=True))
    assert body.keys() <= get_type_hints(kind).keys()


def check_anthropic(body: Mapping[str, Any]) -> None:
    """Parameters of the Messages API; blocks are checked one by one, since pydantic crashes on lazy lists in lists."""
    need_peer("anthropic")
    from anthropic.types import message_create_params as official

    kind = official.MessageCreateParamsStreaming if body.get("stream") else official.MessageCreateParamsNonStreaming
    turns = [{**turn, "content": _checked_blocks(turn["content"])} for turn in body["messages"]]
    exhaust(adapter(kind).validate_python({**body, "messages": turns}, strict=True))
    assert body.keys() <= get_type_hints(kind).keys()


def _checked_blocks(content: Any) -> str:
    from anthropic.types import ContentBlockParam

    for block in () if isinstance(content, str) else content:
        whole = {**block, "content": _checked_blocks(block["content"])} if "content" in block else block
        adapter(ContentBlockParam).validate_python(whole, strict=True)
    return "checked"


def check_gemini(body: Mapping[str, Any]) -> None:
    """Contents and tools of generateContent; the SDK's models forbid keys that they do not know."""
    need_peer("google-genai")
    from google.genai import types as official

    for content in [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]:
        made = official.Content.model_validate(content)
        assert len(made.parts or ()) == len(content["parts"]) > 0
    for tool in body.get("tools", ()):
        official.Tool.model_validate(tool)
    official.GenerateContentConfig.model_validate(body.get("generationConfig", {}))
