"""The Messages API: requests into bodies, bodies into answers. Pure.

Source: the types of the anthropic SDK 2.11; platform.claude.com for errors and stop reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from complaint_llm.backends.wire import (
    IdForm,
    UsageReader,
    document_base64,
    document_name,
    document_text,
    image_base64,
    remote_url,
    tier_of,
    token_usage_of,
    with_wire_ids,
)
from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Document, ImagePart, Message, TokenUsage

if TYPE_CHECKING:
    from complaint_llm.backends import Request
    from complaint_llm.messages import Part, Tool

PATH = "/v1/messages"
MAX_TOKENS = 4096
"""What is asked for where neither the call nor the model's known maximum says: the API requires a number."""

PROVIDER = "anthropic"
"""The key under which thinking blocks travel in ``Message.extra``."""

CALL_IDS = IdForm("[a-zA-Z0-9_-]+")
"""What the API takes as the id of a tool call, each once in a conversation."""

BROKEN_ARGUMENTS = "INVALID_JSON"
"""The key that the API's documentation proposes for handing a model's broken argument text back to it."""


# -- requests ----------------------------------------------------------------------------------------------------------


def encode_messages(messages: Sequence[Message], *, cite: bool = False) -> tuple[str, list[dict[str, Any]]]:
    """The system text and the turns. Results of tools that follow one another share one turn, as the API requires.

    ``cite`` asks for citations of all documents: the API takes them of all or of none.
    """
    system: list[str] = []
    turns: list[dict[str, Any]] = []
    after_tool = False
    for message in with_wire_ids(messages, CALL_IDS):
        role = message.role
        if role == "system":
            system.append(message.text)
            continue
        if role == "tool":
            block = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": _content(message.content)}
            if after_tool:
                turns[-1]["content"].append(block)
            else:
                turns.append({"role": "user", "content": [block]})
        elif role == "assistant":
            said = _assistant(message)
            if said if isinstance(said, list) else said.strip():  # the API refuses a turn that says nothing
                turns.append({"role": "assistant", "content": said})
        else:
            turns.append({"role": "user", "content": _content(message.content, cite=cite, files=True)})
        after_tool = role == "tool"
    return "\n\n".join(system), turns


def encode_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """The tools as the API lists them."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": tool.parameters}
        if tool.description
        else {"name": tool.name, "input_schema": tool.parameters}
        for tool in tools
    ]


def encode(request: Request, max_tokens: int, schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The body without the parameters, which the model's family writes. ``schema`` is that of a structured output."""
    # With an output format the API refuses citations; JSON that was asked for in words is to stay in one piece.
    cite = request.response_format is None and not request.shape_in_words
    system, turns = encode_messages(request.messages, cite=cite)
    body: dict[str, Any] = {"model": request.model, "max_tokens": max_tokens, "messages": turns}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = encode_tools(request.tools)
    if schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    if request.stream:
        body["stream"] = True
    return body


def _content(content: str | tuple[Part, ...], *, cite: bool = False, files: bool = False) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    blocks = []
    for part in content:
        if isinstance(part, Document):
            if not files:
                raise InvalidRequestError("files stand in a user's messages only", sent=False)
            blocks.append(_document(part, cite=cite))
        else:
            blocks.append(_image(part) if isinstance(part, ImagePart) else {"type": "text", "text": part.text})
    return _without_empty_texts(blocks)


def _document(part: Document, *, cite: bool) -> dict[str, Any]:
    source: dict[str, Any]
    if part.media_type == "text/plain":
        source = {"type": "text", "media_type": "text/plain", "data": document_text(part)}
    else:
        source = {"type": "base64", "media_type": part.media_type, "data": document_base64(part)}
    block: dict[str, Any] = {"type": "document", "source": source, "title": document_name(part)}
    return {**block, "citations": {"enabled": True}} if cite else block


def _without_empty_texts(blocks: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The blocks without texts of nothing or of blanks, which the API gives but does not take."""
    return [block for block in blocks if block.get("type") != "text" or str(block.get("text", "")).strip()]


def _image(part: ImagePart) -> dict[str, Any]:
    url = remote_url(part)
    if url is not None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    media_type, data = image_base64(part)
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}


def _assistant(message: Message) -> str | list[dict[str, Any]]:
    kept = message.extra.get(PROVIDER) if message.extra else None
    if isinstance(kept, list) and all(isinstance(block, dict) for block in kept):
        # Thinking blocks are signed and must come back unchanged, in their places.
        return _with_ids(_without_empty_texts(kept), message)
    if not message.tool_calls:
        return _content(message.content)
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text.strip() else []
    blocks.extend(
        {
            "type": "tool_use",
            "id": call.id,
            "name": call.name,
            "input": {BROKEN_ARGUMENTS: call.arguments_raw} if call.arguments is None else dict(call.arguments),
        }
        for call in message.tool_calls
    )
    return blocks


def _with_ids(blocks: Sequence[Mapping[str, Any]], message: Message) -> list[dict[str, Any]]:
    """Kept blocks under the ids that their calls have on this wire."""
    ids = iter(call.id for call in message.tool_calls)
    return [
        {**block, "id": next(ids, block.get("id"))} if block.get("type") == "tool_use" else dict(block)
        for block in blocks
    ]


def thinking_was_interrupted(messages: Sequence[Message]) -> bool:
    """Whether the turn under way called tools without thinking blocks of this service: another's model began it.

    The API then refuses ``thinking`` of type enabled, for which such a turn begins with its thinking.
    """
    for message in reversed(messages):
        if message.role == "user":
            return False
        if message.role == "assistant":
            kept = message.extra.get(PROVIDER) if message.extra else None
            return bool(message.tool_calls) and not kept
    return False


# -- answers -----------------------------------------------------------------------------------------------------------


def token_usage(given: Any) -> TokenUsage:
    """Neutral counts. ``input_tokens`` excludes what the cache gave or took; ``output_tokens`` includes thinking.

    What is odd is unknown, never an error.
    """
    usage = UsageReader(given)
    fresh = usage.count("input_tokens")
    cached = usage.count("cache_read_input_tokens")
    creation = usage.fields("cache_creation")
    hour = usage.count("ephemeral_1h_input_tokens", of=creation)
    short = usage.count("ephemeral_5m_input_tokens", of=creation)
    written = usage.count("cache_creation_input_tokens")
    if written is None and (hour is not None or short is not None):
        written = (hour or 0) + (short or 0)
    return token_usage_of(
        usage,
        None if fresh is None else fresh + (cached or 0) + (written or 0),
        usage.count("output_tokens"),
        cached=cached,
        reasoning=usage.hint("thinking_tokens", of=usage.parts("output_tokens_details")),
        written=written,
        written_1h=hour,
        tier="fast" if usage.text("speed") == "fast" else tier_of(usage.text("service_tier")),
        unpriced=_unpriced_part(usage),
    )


def _unpriced_part(usage: UsageReader) -> str | None:
    """What was billed besides tokens at the listed prices, as a phrase. Fetched pages cost their tokens alone
    (platform.claude.com/docs/en/about-claude/pricing); a stated region has a surcharge."""
    tools = [name for name, times in usage.fields("server_tool_use").items() if times and name != "web_fetch_requests"]
    if tools:
        return f"tools of the provider ({tools[0]})"
    region = usage.text("inference_geo")
    return None if region in (None, "", "global", "not_available") else f"inference in the region {region}"
