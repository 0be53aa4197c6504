"""A conversation as one text, for what takes nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from complaint_llm.messages import Message


def as_prompt(messages: Sequence[Message]) -> str:
    """One user message as it is, several as ``role: content`` paragraphs."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].text
    return "\n\n".join(f"{message.role}: {message.text}" for message in messages)
