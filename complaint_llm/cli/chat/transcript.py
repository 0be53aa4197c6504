"""A conversation as a file for people, or for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from complaint_llm.chats import Conversation
from complaint_llm.messages import Document, ImagePart, Message
from complaint_llm.private_folder import open_private


def save(conversation: Conversation, path: Path, *, again: bool) -> None:
    """Write it to ``path``, for its owner alone: messages as JSON where the name ends with .json, else Markdown.

    A file that is there is only written over ``again``. Raises OSError.
    """
    text = _as_json(conversation) if path.suffix.lower() == ".json" else "\n".join(_as_markdown(conversation))
    data = text.encode("utf-8", "backslashreplace")
    if not again:
        with open(path, "xb", opener=open_private) as file:
            file.write(data)
        return
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb", opener=open_private) as file:
        file.write(data)
    part.replace(path)


def content_text(message: Message) -> str:
    """The text of a message, with a word for each image and document in it."""
    if isinstance(message.content, str):
        return message.content
    return "\n\n".join(map(_part_text, message.content))


def _part_text(part: object) -> str:
    if isinstance(part, Document):
        return f"[document: {part.name or part.path or part.cid or 'without a name'}]"
    return "[image]" if isinstance(part, ImagePart) else str(getattr(part, "text", ""))


def _as_json(conversation: Conversation) -> str:
    system = conversation.settings.system
    first = [] if system is None else [Message("system", system)]
    messages = [message.to_dict() for message in (*first, *conversation.messages())]
    return json.dumps(messages, ensure_ascii=False, indent=2) + "\n"


def _as_markdown(conversation: Conversation) -> Iterator[str]:
    if conversation.settings.system is not None:
        yield from ("## System", "", conversation.settings.system, "")
    for turn in conversation.turns:
        by = "The model" if turn.usage is None else turn.usage.backend
        model = f" ({turn.usage.model})" if turn.usage is not None and turn.usage.model else ""
        yield from ("## You", "", content_text(turn.question), "")
        yield from (f"## {by}{model}", "", content_text(turn.answer), "")
        if turn.cut:
            yield from ("*(cut off by the user)*", "")
