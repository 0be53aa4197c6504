"""The items of a Responses answer as they go back with the next turn: whole, in their order, with id and phase.

Nothing is stored at the service, so that what it needs again must be in the items: a reasoning item goes back only
with its encrypted content, or with its own text where the model shows that. The API refuses a reasoning item without
the item that followed it, and an id whose reasoning is missing: where one item cannot go back, messages and calls go
alone, without their ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from complaint_llm.messages import Message

STATE = "responses"
"""The key under which the items travel in ``Message.extra``."""

KINDS = frozenset(
    (
        "message",
        "function_call",
        "function_call_output",
        "reasoning",
        "compaction",
        "additional_tools",
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "computer_call",
        "computer_call_output",
        "custom_tool_call",
        "custom_tool_call_output",
        "file_search_call",
        "image_generation_call",
        "local_shell_call",
        "local_shell_call_output",
        "mcp_approval_request",
        "mcp_approval_response",
        "mcp_call",
        "mcp_list_tools",
        "program",
        "program_output",
        "shell_call",
        "shell_call_output",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    )
)
"""Items that an answer may have and a request may bring back: the openai SDK's ResponseOutputItem."""


def kept_items(output: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The ``extra`` of an answer; None where its text and its calls say all that the items do."""
    items = [{key: value for key, value in item.items() if value is not None} for item in output]
    if not all(map(_can_go_back, items)):
        items = [_without_id(item) for item in items if item.get("type") in ("message", "function_call")]
    return None if _is_plain(items) else {STATE: items}


def items_of(message: Message) -> Sequence[dict[str, Any]] | None:
    """The items that were kept of a message, under the ids that its calls have now; None where there are none."""
    kept = message.extra.get(STATE) if message.extra is not None else None
    if not isinstance(kept, list) or not kept or not all(map(_is_an_assistants, kept)):
        return None
    ids = iter(call.id for call in message.tool_calls)
    return [
        {**item, "call_id": next(ids, item.get("call_id"))} if item["type"] == "function_call" else dict(item)
        for item in kept
    ]


def _can_go_back(item: Mapping[str, Any]) -> bool:
    if item.get("type") == "reasoning":
        return bool(item.get("encrypted_content") or item.get("content"))
    return _is_known(item)


def _is_known(item: Mapping[str, Any]) -> bool:
    kind = item.get("type")
    return isinstance(kind, str) and kind in KINDS


def _without_id(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same said anew. A message then is one of the short form: the API's own has an id."""
    if item.get("type") != "message":
        return {key: value for key, value in item.items() if key != "id"}
    parts = item.get("content")
    said = "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping)) if parts else ""
    phase = {"phase": item["phase"]} if item.get("phase") else {}
    return {"type": "message", "role": "assistant", "content": said, **phase}


def _is_plain(items: Sequence[Mapping[str, Any]]) -> bool:
    """Whether there is nothing but one message, without a phase, and the calls after it."""
    kinds = [item.get("type") for item in items]
    calls = kinds[1:] if kinds[:1] == ["message"] else kinds
    return all(kind == "function_call" for kind in calls) and not any(item.get("phase") for item in items)


def _is_an_assistants(item: Any) -> bool:
    """Whether it can stand in an assistant's turn: messages come from outside, and must not speak as somebody else."""
    return isinstance(item, Mapping) and _is_known(item) and item.get("role", "assistant") == "assistant"
