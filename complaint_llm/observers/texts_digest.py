"""A digest of what is asked, by which two calls that ask the same are known without their texts."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from struct import Struct

from complaint_llm.messages import Message, TextPart

_first_number = Struct(">q").unpack_from


def texts_digest(messages: Sequence[Message]) -> int:
    """The first 8 bytes of SHA-256, as a signed number, of the messages' roles and texts; images and documents count as
    such."""
    text = ""
    for message in messages:
        content = message.content
        if not isinstance(content, str):
            content = "\0".join(part.text if isinstance(part, TextPart) else "\1" for part in content)
        text += f"{message.role} {len(content)} {content}"
    number: int
    (number,) = _first_number(sha256(text.encode("utf-8", "surrogatepass")).digest())
    return number


def in_hex(digest: int | None) -> str | None:
    """A digest as it is shown: 16 hex digits."""
    return None if digest is None else f"{digest % 2**64:016x}"


def from_hex(shown: str | None) -> int | None:
    """A digest that is shown so, or by more of the same hash."""
    return None if shown is None else _first_number(bytes.fromhex(shown))[0]
