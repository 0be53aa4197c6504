"""Why an answer ended: the words of every wire, and the few that users see."""

from __future__ import annotations

from collections.abc import Mapping

from complaint_llm.messages import FinishReason

FINISH_REASONS: Mapping[str, FinishReason] = {
    # OpenAI's chat completions; model_length is Mistral's for a full context window
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    # OpenAI's Responses: the status, or incomplete_details.reason
    "completed": "stop",
    "incomplete": "length",
    "max_output_tokens": "length",
    # Anthropic's Messages
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "paused",
    # Gemini, which writes them in capitals
    "continuation": "length",
    "safety": "content_filter",
    "recitation": "content_filter",
    "language": "content_filter",
    "blocklist": "content_filter",
    "prohibited_content": "content_filter",
    "spii": "content_filter",
    "image_safety": "content_filter",
    "image_prohibited_content": "content_filter",
    "image_recitation": "content_filter",
    "escalation": "content_filter",
    "model_armor": "content_filter",
}
"""Neutral finish reasons by the wire's word in small letters: gateways hand on the words of other wires."""


def neutral_finish_reason(word: str, *, called: bool) -> FinishReason | None:
    """The neutral reason; None for a word that is not known, or none.

    ``called`` is whether the answer asks for tools. That decides between "stop" and "tool_calls": some servers say
    "stop" beside calls, and who loops over calls must not wait for some that never come.
    """
    found = FINISH_REASONS.get(word.lower())
    if found in ("stop", "tool_calls"):
        return "tool_calls" if called else "stop"
    return found
