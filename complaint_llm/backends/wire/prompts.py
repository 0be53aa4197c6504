"""A conversation for what takes texts alone: tool calls and their results are told in words."""

from __future__ import annotations

from collections.abc import Sequence

from complaint_llm.messages import Message

Turn = dict[str, str]
"""``role`` and ``content``."""


def as_prompt(messages: Sequence[Message]) -> str:
    """One user message as it is, several as ``role: content`` paragraphs."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].text
    return "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in as_turns(messages))


def as_turns(messages: Sequence[Message]) -> list[Turn]:
    """Turns of system, user and assistant, for a model that knows no tools.

    A call stands in its assistant's turn; results that follow one another are one turn of the user.
    """
    turns: list[Turn] = []
    names: dict[str | None, str] = {}
    in_results = False
    for message in messages:
        text = message.text
        if message.role == "tool":
            name = names.get(message.tool_call_id) or message.name
            result = f"Result of {name}: {text}" if name else f"Result: {text}"
            if in_results:
                turns[-1]["content"] += f"\n{result}"
            else:
                turns.append({"role": "user", "content": result})
        else:
            calls = [f"Calls {call.name} with {call.arguments_text}" for call in message.tool_calls]
            names.update((call.id, call.name) for call in message.tool_calls)
            turns.append({"role": message.role, "content": "\n".join([text, *calls] if text or not calls else calls)})
        in_results = message.role == "tool"
    return turns
