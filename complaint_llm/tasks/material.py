"""Which part of a conversation is the material of a task: the last turn of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from complaint_llm.exceptions import InvalidRequestError
from complaint_llm.messages import Message, TextPart

IN_ATTACHMENTS = "(This item has no text of its own: its material is in what is attached to this message.)"
"""What stands where an item's text would, for the model."""


def attaches_files(messages: Sequence[Message]) -> bool:
    """Whether the user's last turn has anything beside text: documents, images."""
    last = next((message for message in reversed(messages) if message.role == "user"), None)
    return last is not None and any(not isinstance(part, (str, TextPart)) for part in last.content)


def split_material(
    messages: Sequence[Message],
) -> tuple[list[Message], str, Callable[[str], list[Message]]]:
    """What stands before the material, the material, and a function that puts a text in its place.

    The material is the text of the last user message; what else that message holds (images) and what follows it stays.
    Raises InvalidRequestError where there is no user message.
    """
    for place in range(len(messages) - 1, -1, -1):
        found = messages[place]
        if found.role == "user":
            break
    else:
        raise InvalidRequestError("a task needs a user message: its text is the material", sent=False)

    def put(text: str) -> list[Message]:
        content = found.content
        if not isinstance(content, str):
            content = (TextPart(text), *(part for part in content if not isinstance(part, TextPart)))
        else:
            content = text
        return [found._replace(content=content), *messages[place + 1 :]]

    return list(messages[:place]), found.text, put
