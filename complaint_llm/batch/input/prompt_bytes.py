"""Prompts that can leave this machine: with the bytes of their files in the place of paths."""

from __future__ import annotations

from pathlib import Path

from complaint_llm.messages import Document, ImagePart, Message, Part, Prompt
from complaint_llm.prompt_files import read_document_file, read_image
from complaint_llm.request import as_messages


def with_file_bytes(prompt: Prompt) -> Prompt:
    """The prompt with the bytes of each file that it names by path; the same object where it names none.

    Raises InvalidRequestError if a file cannot be read.
    """
    if isinstance(prompt, str):
        return prompt
    messages = as_messages(prompt)
    if not any(_names_file(part) for message in messages for part in _parts(message)):
        return prompt
    return [
        message
        if isinstance(message.content, str)
        else message._replace(content=tuple(_with_bytes(part) for part in message.content))
        for message in messages
    ]


def _parts(message: Message) -> tuple[Part, ...]:
    return () if isinstance(message.content, str) else tuple(message.content)


def _names_file(part: Part) -> bool:
    return isinstance(part, (Document, ImagePart)) and part.path is not None


def _with_bytes(part: Part) -> Part:
    if isinstance(part, ImagePart) and part.path is not None:
        return part._replace(path=None, data=read_image(part.path, part.media_type))
    if isinstance(part, Document) and part.path is not None:
        name = part.name or Path(part.path).name
        return part._replace(path=None, data=read_document_file(part.path), name=name)
    return part
