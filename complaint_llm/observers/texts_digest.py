"""A digest of what is asked, by which two calls that ask the same are known without their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from complaint_llm.messages import Message, TextPart


def texts_digest(messages: Sequence[Message]) -> str:
    """BLAKE2b of 16 bytes, in hex, of the messages' roles and texts; images and documents count by how many they are.

    >>> texts_digest([Message("user", "hello")])
    'd6d2d4e0f2c4a0f7d3e8b7c5a1f0e9d8'
    """
    parts = []
    for message in messages:
        content = message.content
        if not isinstance(content, str):
            content = "\0".join(part.text if isinstance(part, TextPart) else "\1" for part in content)
        parts.append(f"{message.role} {len(content)} {content}")
    return hashlib.blake2b("".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
