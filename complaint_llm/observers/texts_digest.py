"""A digest of what is asked, by which two calls that ask the same are known without their texts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from complaint_llm.messages import Message, TextPart


def texts_digest(messages: Sequence[Message]) -> str:
    """The first 16 bytes of SHA-256, in hex, of the messages' roles and texts; images and documents count as such."""
    text = ""
    for message in messages:
        content = message.content
        if not isinstance(content, str):
            content = "\0".join(part.text if isinstance(part, TextPart) else "\1" for part in content)
        text += f"{message.role} {len(content)} {content}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
